"""The simulated device as something to talk to: bytes written, bytes read, as over a cable.

Simulated time passes only while somebody reads. What is written waits until then, so a host that writes a request and
reads its response sees the device work at the speed of the simulation, one byte a cycle each way.
"""

import time

from trine.sim.model import NativeModel

IDLE_CYCLES = 4_000_000
"""Cycles without a byte after which a device counts as silent: several times the longest product it computes."""


class SimTransport:
    """A byte stream to a simulated device and one back; the model belongs to the transport from here on.

    Parameters
    ----------
    model: the device.
    idle_cycles: after so many cycles in which no byte moves, a read gives up, however much time it has.
    """

    paced = False

    def __init__(self, model: NativeModel, idle_cycles: int = IDLE_CYCLES) -> None:
        if idle_cycles < 1:
            raise ValueError(f"idle_cycles must be at least 1, not {idle_cycles!r}")
        self._model = model
        self._idle_cycles = idle_cycles
        self._queued = bytearray()
        self._received = bytearray()
        self._closed = False

    @property
    def cycles(self) -> int:
        """Clock cycles that the device has lived."""
        return self._model.cycles

    def write(self, data: bytes) -> None:
        """Queue all of `data`, for the device to take while somebody reads, or in `close`."""
        self._check_open()
        self._queued += data

    def read_exact(self, n: int, timeout: float) -> bytes:
        """The next `n` bytes from the device.

        Raises TimeoutError if they have not come after `timeout` seconds or `idle_cycles` silent cycles; what has come
        until then is kept for the next read.
        """
        self._check_open()
        deadline = time.monotonic() + timeout
        missing = n - len(self._received)
        if missing > 0:
            data, self._queued = bytes(self._queued), bytearray()
            before = self._model.cycles
            transfer = self._model.transfer(
                data, missing, idle_cycles=self._idle_cycles, keep_on=lambda: time.monotonic() < deadline
            )
            self._received += transfer.output
            if len(self._received) < n:
                late = time.monotonic() >= deadline
                reason = f"{timeout:g} s" if late else f"{self._idle_cycles} idle cycles"
                raise TimeoutError(
                    f"the simulated device sent {len(self._received)} of {n} bytes, not the rest within {reason} "
                    f"({self._model.cycles - before} simulated, {self._model.pending} bytes not taken)"
                )
        output = bytes(self._received[:n])
        del self._received[:n]
        return output

    def close(self) -> None:
        """Let the device take what is queued, if it does, and end it; calling it twice does no harm."""
        if self._closed:
            return
        self._closed = True
        try:
            self._model.transfer(bytes(self._queued), idle_cycles=self._idle_cycles)
        finally:
            self._model.close()

    def _check_open(self) -> None:
        if self._closed:
            raise OSError("the simulated device is closed")
