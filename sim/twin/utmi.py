"""A running simulator of a USB device's gateware: packets in and out of its UTMI, and the time that they take.

Time is exact to a cycle of the domain `usb`, which at full speed is a bit of the wire and at high speed eight: sync
pattern, stuffed bits and end of packet take what they take there, and the domain `sync` gets as many edges as its
clock has in that time. The transceiver itself adds no time.

One thing is left out, unless told otherwise: edges of `sync` in which the accelerator could do nothing but wait for the
bus, most of them at full speed. They change nothing that can be seen on the bus; but counters of cycles, and the time
after which a frame that stopped is given up, stand still in them.
"""

import ctypes

from trine.hw.usb.in_endpoint import QUIET_CYCLES
from trine.sim.instance import Instance, seed_argument
from trine.sim.library import Library, load
from trine.sim.model import FOREVER
from trine.sim.twin.harness import UTMI_FUNCTIONS
from trine.sim.twin.packets import MAXIMUM_LENGTH
from trine.sim.twin.speed import Line, Speed

CHUNK = 12_000
"""Cycles of one call into the library, so that Ctrl-C is heeded."""
CROSSING = 16
"""Cycles of `sync` that what the accelerator did last needs to reach the domain `usb`."""


class UtmiModel(Instance):
    """One instance of the simulated device, just after power-up.

    Between calls time stands still. One model must not be used by two threads at once.

    Parameters
    ----------
    library: what `build` returned with the harness UTMI.
    speed: at which the wire works. device_clock: Hz of the domain `sync`.
    seed: as in NativeModel. every_edge: leave out none.

    Raises ValueError for a clock that is not positive, SimulatorError if the library cannot be loaded.
    """

    def __init__(self, library: Library, speed: Speed, device_clock: int, *, seed: int | None = 0,
                 every_edge: bool = False) -> None:
        if device_clock <= 0:
            raise ValueError(f"device_clock must be positive, not {device_clock!r}")
        self._speed = speed
        self._buffer = ctypes.create_string_buffer(MAXIMUM_LENGTH + 1)
        super().__init__(
            load(library.path, UTMI_FUNCTIONS), seed_argument(seed), speed.clock, device_clock, speed.cycle_bits,
            speed.sync_bits // speed.cycle_bits, speed.eop_bits // speed.cycle_bits,
            FOREVER if every_edge else QUIET_CYCLES + CROSSING)

    @property
    def bits(self) -> int:
        """Bit times since the model was made."""
        return int(self._functions.trine_cycles(self._open())) * self._speed.cycle_bits

    @property
    def stray_cycles(self) -> int:
        """Cycles in which the device sent although nobody had asked it to, or after the answer's time."""
        return int(self._functions.trine_stray(self._open()))

    @property
    def chirping(self) -> bool:
        """Whether the device drives the line without encoding: its chirp while the bus is reset (7.1.7.5)."""
        outputs = int(self._functions.trine_outputs(self._open()))
        return bool(outputs & 1) and outputs >> 1 & 3 == 2

    @property
    def attached(self) -> bool:
        """Whether its pull-up, or its termination at high speed, shows that a device is there."""
        outputs = int(self._functions.trine_outputs(self._open()))
        return bool(outputs >> 3 & 1) or self.high_speed

    @property
    def high_speed(self) -> bool:
        """Whether the device has taken its transceiver to high speed."""
        outputs = int(self._functions.trine_outputs(self._open()))
        return outputs >> 3 == 0 and outputs >> 1 & 3 == 0

    def send(self, packet: bytes, start_of_frame: bool = False) -> None:
        """The host's packet: sync pattern, bytes and end, which is longer after a start of frame."""
        end = self._speed.frame_eop_bits if start_of_frame else self._speed.eop_bits
        self._check(self._functions.trine_send(self._open(), packet, len(packet), end // self._speed.cycle_bits))

    def receive(self) -> bytes:
        """The device's packet; nothing if it does not begin within the speed's timeout.

        A packet that is longer than any may be is cut to MAXIMUM_LENGTH + 1 bytes.
        """
        count = ctypes.c_size_t()
        limit = self._speed.timeout_bits // self._speed.cycle_bits
        self._check(self._functions.trine_receive(self._open(), self._buffer, len(self._buffer), limit,
                                                  ctypes.byref(count)))
        return self._buffer.raw[: min(count.value, len(self._buffer))]

    def idle(self, bits: int, line: Line) -> None:
        """Nothing but time, at least so many bit times, with the line in that state."""
        self._in_parts(lambda part: int(self._functions.trine_idle(self._open(), part, line)),
                       -(-bits // self._speed.cycle_bits), CHUNK)
