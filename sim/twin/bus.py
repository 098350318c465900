"""The host's end of the simulated bus: transactions, and the frames in which they happen (USB 2.0, chapter 8).

Nothing starts that might not end before the frame does (5.11.3). Where the specification makes a host wait for the sake
of hubs and slow devices, this one does not: a reset lasts RESET_BITS and not 10 ms (7.1.7.5), and nothing follows it or
a SET_ADDRESS but the next packet.
"""

from collections.abc import Callable
from dataclasses import replace

from trine.sim.errors import SimulatorError
from trine.sim.twin.bus_time import BusTime
from trine.sim.twin.packets import DATA, HANDSHAKES, Pid, data_packet, payload_of, start_of_frame, token
from trine.sim.twin.speed import Line, Speed
from trine.sim.twin.utmi import UtmiModel

RESET_BITS = 1_200
"""SE0 of a reset at full speed: four times what the device core needs to see it."""
CHIRP_SECONDS = 0.05e-3
"""Of one K or J of the host's chirp (7.1.7.5: 40 to 60 us)."""
CHIRP_LIMIT = 10e-3
"""Seconds of bus time that each part of the high-speed handshake may take."""

Disturbance = Callable[[bool, bytes], bytes | None]
"""Told whether a packet is the host's, and its bytes; returns what arrives at the other end, nothing if it is lost."""

Answer = tuple[Pid | None, bytes]
"""What a transaction came to: ACK or NYET if data arrived, NAK if it did not, STALL; nothing if no answer came, or a
damaged one. And the data from the device."""


class BusFault(Exception):
    """The device does not answer, or not as it should."""


class Bus:
    """A bus with one device, which was just plugged in; the model belongs to the bus from here on.

    Parameters: the device; the speed that it is to have.

    Raises SimulatorError in any transaction if the device sends when it must not.
    """

    def __init__(self, model: UtmiModel, speed: Speed) -> None:
        self._model, self.speed = model, speed
        self.disturbance: Disturbance | None = None
        """What happens to packets on their way; nothing if not set."""
        self.address = 0
        """That the device has."""
        self.counts = BusTime()
        """All but the time."""
        self._frame = 0
        self._frame_end = 0
        self._gap = speed.own_gap_bits
        model.idle(speed.frame_bits // 10, Line.J)

    @property
    def time(self) -> BusTime:
        """What the bus carried so far."""
        return replace(self.counts, bits=self._model.bits)

    @property
    def next_token(self) -> int:
        """The bit time at which the next token can start, if nothing but a full bulk packet follows it."""
        self._make_room(self.speed.packet_bytes)
        return self._model.bits + self._gap

    def reset(self) -> None:
        """Reset the bus: the device is at address 0 and not configured. BusFault if it does not come to the speed."""
        self.address = 0
        if self.speed.rest is Line.J:
            self._model.idle(RESET_BITS, Line.SE0)
            self._model.idle(RESET_BITS, Line.J)
        else:
            self._high_speed_handshake()
        self._frame_end = self._model.bits

    def out(self, endpoint: int, toggle: int, payload: bytes, pid: Pid = Pid.OUT) -> Answer:
        """Data to the device (8.5.2), or the SETUP of a control transfer (8.5.3)."""
        self._make_room(len(payload))
        self._send_token(pid, endpoint)
        self._send(data_packet(toggle, payload))
        return self._handshake(), b""

    def ping(self, endpoint: int) -> Answer:
        """Whether there is room for a packet, at high speed (8.5.1)."""
        self._make_room(0)
        self._send_token(Pid.PING, endpoint)
        return self._handshake(), b""

    def into(self, endpoint: int, toggle: int) -> Answer:
        """Data from the device. A packet that was there before, as its toggle says, is no news: NAK."""
        self._make_room(self.speed.packet_bytes)
        self._send_token(Pid.IN, endpoint)
        answer = self._receive()
        if len(answer) == 1 and answer[0] in (Pid.NAK, Pid.STALL):
            self.counts.naks += answer[0] == Pid.NAK
            return Pid(answer[0]), b""
        payload = payload_of(answer)
        if payload is None:
            self.counts.errors += 1
            return None, b""
        self._send(bytes([Pid.ACK]))
        if answer[0] != DATA[toggle]:  # the last packet again, whose acknowledgement was lost (8.6.4)
            self.counts.repeats += 1
            return Pid.NAK, b""
        return Pid.ACK, payload

    def close(self) -> None:
        """Ends the device's model."""
        self._model.close()

    def _handshake(self) -> Pid | None:
        answer = self._receive()
        if len(answer) == 1 and answer[0] in HANDSHAKES:
            self.counts.naks += answer[0] == Pid.NAK
            return Pid(answer[0])
        self.counts.errors += 1
        return None

    def _make_room(self, payload: int) -> None:
        """Lets time pass until a transaction with that payload fits into the frame."""
        needed = self.speed.own_gap_bits + self.speed.transaction_bits(payload)
        while self._frame_end - self._model.bits < needed:
            self._model.idle(self._frame_end - self._model.bits, self.speed.rest)
            self._frame_end = self._model.bits + self.speed.frame_bits
            self._send_frame()

    def _send_frame(self) -> None:
        """A start of frame; at high speed eight have the same number (8.4.3)."""
        number = self._frame if self.speed.rest is Line.J else self._frame // 8
        self._frame += 1
        self.counts.frames += 1
        self.counts.packets += 1
        self._model.send(start_of_frame(number), start_of_frame=True)
        self._gap = self.speed.own_gap_bits

    def _send_token(self, pid: Pid, endpoint: int) -> None:
        self.counts.tokens += 1
        self._send(token(pid, self.address, endpoint))

    def _send(self, packet: bytes) -> None:
        self._model.idle(self._gap, self.speed.rest)
        self._gap = self.speed.own_gap_bits
        self.counts.packets += 1
        arriving = packet if self.disturbance is None else self.disturbance(True, packet)
        if arriving is None:
            self._model.idle(self.speed.packet_bits(len(packet)), self.speed.rest)
        else:
            self._model.send(arriving)

    def _receive(self) -> bytes:
        packet = self._model.receive()
        if self._model.stray_cycles:
            raise SimulatorError("the simulated device sent a packet that nobody had asked for")
        if not packet:
            return b""
        self.counts.packets += 1
        self._gap = self.speed.gap_bits
        arriving = packet if self.disturbance is None else self.disturbance(False, packet)
        return arriving or b""

    def _high_speed_handshake(self) -> None:
        """Reset and, in it, the chirps by which device and host agree on high speed (7.1.7.5)."""
        model, part = self._model, int(CHIRP_SECONDS * self.speed.bit_rate)

        def pair() -> None:
            model.idle(part, Line.K)
            model.idle(part, Line.J)

        self._until(lambda: model.chirping, lambda: model.idle(part, Line.SE0))
        self._until(lambda: not model.chirping, lambda: model.idle(part, Line.K))
        self._until(lambda: model.high_speed, pair)
        model.idle(part, self.speed.rest)

    def _until(self, condition: Callable[[], bool], action: Callable[[], None]) -> None:
        for _ in range(int(CHIRP_LIMIT / CHIRP_SECONDS)):
            if condition():
                return
            action()
        raise BusFault("the device does not go to high speed")
