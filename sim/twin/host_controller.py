"""The host controller: transfers become transactions on the simulated bus.

Who waits for a transfer drives the bus, one transaction after the other, for all transfers that are pending; while
nobody waits, time stands still, so a slow host costs no bus time and a run repeats exactly. Bulk endpoints take turns,
within the frame; one that answered NAK loses some turns to those that move data, as EHCI does it (its specification,
4.9), because each question takes a tenth of the time of a packet.
"""

import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from trine.sim.twin.bus import Answer, Bus, BusFault, Disturbance
from trine.sim.twin.bus_time import BusTime
from trine.sim.twin.packets import Pid
from trine.sim.twin.speed import Line, Speed
from trine.sim.twin.transfer import Status, Transfer
from trine.sim.twin.utmi import UtmiModel

STRIKES = 3
"""Transactions in a row that may go wrong before a transfer is given up (10.2.6)."""
NAK_TURNS = 4
"""Turns that an endpoint loses after a NAK, if another one can use them."""
CONTROL_PACKET = 64
"""Bytes of a full packet of endpoint 0."""
DEVICE_TO_HOST = 0x80
"""Bit of a request's type."""

SET_ADDRESS, SET_CONFIGURATION, SET_INTERFACE, CLEAR_HALT = (0x00, 5), (0x00, 9), (0x01, 11), (0x02, 1)
"""Requests that mean something to the host too, by type and number (9.4)."""


class Stalled(BusFault):
    """A control transfer that the device does not support."""


class Unplugged(Exception):
    """There is no device any more."""


class HostController:
    """The driver's side of a bus with one device, which was just plugged in and waits for a reset.

    Methods may be called by several threads. The model belongs to the controller from here on.

    Parameters: the device; the speed that it is to have.

    Raises SimulatorError where the bus does.
    """

    def __init__(self, model: UtmiModel, speed: Speed) -> None:
        self.speed = speed
        self._line = Bus(model, speed)
        self._last = BusTime()
        self._gone = False
        self._toggles: dict[int, int] = {}
        self._ping: set[int] = set()
        self._queues: dict[int, deque[Transfer]] = {}
        self._turns: deque[int] = deque()
        self._lost_turns: dict[int, int] = {}
        self._asked = False  # since bulk data came last
        self._cut = False  # the last OUT transfer, by its time
        # Reentrant: Ctrl-C may come between a lock and its `try`, and then the same thread has to unplug the device.
        self._turnstile, self._bus = threading.Lock(), threading.RLock()

    @property
    def time(self) -> BusTime:
        """What the bus carried so far."""
        with self._exclusive():
            return self._last if self._gone else self._line.time

    @property
    def unplugged(self) -> bool:
        """Whether the device is gone."""
        return self._gone

    def disturb(self, disturbance: Disturbance | None) -> None:
        """From now on, let that happen to packets on their way; nothing if it is None."""
        with self._exclusive():
            self._line.disturbance = disturbance

    def reset(self) -> None:
        """Reset the bus: the device is at address 0 and not configured, and pending transfers fail.

        Raises BusFault if the device does not take the bus to its speed, Unplugged.
        """
        with self._exclusive():
            self._check_plugged()
            self._finish_all(Status.FAILED)
            self._restart_toggles()
            self._line.reset()

    def control(self, setup: bytes, data: bytes = b"", timeout: float = 5.0) -> bytes:
        """One control transfer (8.5.3): 8 bytes of setup and, if they say so, `data`; returns what came.

        Raises Stalled, BusFault, Unplugged, and TimeoutError after so many seconds, as the caller's clock has them.
        """
        deadline = time.monotonic() + timeout
        request_type, request, value, index, length = struct.unpack("<BBHHH", setup)
        incoming = bool(request_type & DEVICE_TO_HOST) and length > 0
        with self._exclusive():
            self._check_plugged()
            line, received, toggle = self._line, b"", 1
            self._insist(deadline, line.out, 0, 0, setup, Pid.SETUP)
            for start in range(0, len(data), CONTROL_PACKET):
                self._insist(deadline, line.out, 0, toggle, data[start : start + CONTROL_PACKET])
                toggle ^= 1
            while incoming and len(received) < length:
                part = self._insist(deadline, line.into, 0, toggle)
                received, toggle = received + part, toggle ^ 1
                if len(part) < CONTROL_PACKET:
                    break
            if incoming:
                self._insist(deadline, line.out, 0, 1, b"")
            else:
                self._insist(deadline, line.into, 0, 1)
            if (request_type, request) == SET_ADDRESS:
                line.address = value
            elif (request_type, request) in (SET_CONFIGURATION, SET_INTERFACE):
                self._restart_toggles()  # 9.1.1.5
            elif (request_type, request) == CLEAR_HALT:
                self._toggles[index] = 0
            return received

    def submit(self, transfer: Transfer) -> Transfer:
        """Queue a bulk transfer behind others of its endpoint. Raises Unplugged."""
        with self._exclusive():
            self._check_plugged()
            if transfer.endpoint not in self._queues:
                self._queues[transfer.endpoint] = deque()
                self._turns.append(transfer.endpoint)
            self._queues[transfer.endpoint].append(transfer)
            if not transfer.incoming:
                self._asked, self._cut = self._asked or not self._cut, False
        return transfer

    def wait(self, transfer: Transfer, timeout: float | None = None) -> Transfer:
        """Drive the bus until the transfer has ended, or for so many seconds, as the caller's clock has them.

        Then it is cancelled, between two transactions, so nothing is gone from the device but what it received.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while transfer.pending:
            if deadline is not None and time.monotonic() >= deadline:
                self.cancel(transfer)
            else:
                self.step()
        return transfer

    def step(self) -> bool:
        """One transaction of one of the pending transfers; False if there is none."""
        with self._exclusive():
            waiting = [endpoint for endpoint in self._turns if self._queues[endpoint]]
            if not waiting:
                return False
            endpoint = next((each for each in waiting if not self._lost_turns.get(each)), waiting[0])
            for each in waiting:
                self._lost_turns[each] = max(0, self._lost_turns.get(each, 0) - 1)
            self._turns.remove(endpoint)
            self._turns.append(endpoint)
            transfer = self._queues[endpoint][0]
            (self._incoming if transfer.incoming else self._outgoing)(transfer)
            return True

    def cancel(self, transfer: Transfer) -> bool:
        """End the transfer now; False if it had ended already. What it received until then stays received."""
        with self._exclusive():
            pending = transfer.pending
            if pending:
                self._finish(transfer, Status.CANCELLED)
                self._cut = self._cut or not transfer.incoming
            return pending

    def unplug(self) -> None:
        """Take the device off the bus and end its model; pending transfers end as GONE. Twice does no harm."""
        with self._exclusive():
            if not self._gone:
                self._last = self._line.time
                self._gone = True
                self._finish_all(Status.GONE)
                self._line.close()

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Holds the bus. Who comes while it is held gets it next, before its holder can have it again."""
        with self._turnstile:
            self._bus.acquire()
        try:
            yield
        finally:
            self._bus.release()

    # What follows is called with the bus held.

    def _check_plugged(self) -> None:
        if self._gone:
            raise Unplugged("the device is unplugged")

    def _restart_toggles(self) -> None:
        self._toggles.clear()
        self._ping.clear()

    def _finish(self, transfer: Transfer, status: Status) -> None:
        transfer.status = status
        self._queues[transfer.endpoint].remove(transfer)

    def _finish_all(self, status: Status) -> None:
        for transfer in [transfer for queue in self._queues.values() for transfer in queue]:
            self._finish(transfer, status)

    def _outgoing(self, transfer: Transfer) -> None:
        endpoint = transfer.endpoint
        if endpoint in self._ping:
            answer, _ = self._line.ping(endpoint)
            if answer is Pid.ACK:
                self._ping.discard(endpoint)
            self._judge(transfer, answer)
            return
        toggle = self._toggles.get(endpoint, 0)
        part = transfer.data[transfer.moved : transfer.moved + self.speed.packet_bytes]
        self._begin(transfer)
        answer, _ = self._line.out(endpoint, toggle, part)
        if answer in (Pid.NAK, Pid.NYET) and self.speed.rest is Line.SE0:
            self._ping.add(endpoint)  # no data before the device says that it has room (8.5.1)
        if answer in (Pid.ACK, Pid.NYET):
            self._arrived(transfer, part)
            self._line.counts.bytes_out += len(part)
            if transfer.moved == len(transfer.data):
                self._finish(transfer, Status.DONE)
        self._judge(transfer, answer)

    def _incoming(self, transfer: Transfer) -> None:
        self._begin(transfer)
        answer, part = self._line.into(transfer.endpoint & 0x0F, self._toggles.get(transfer.endpoint, 0))
        if answer is Pid.ACK:
            if len(part) > min(transfer.length - transfer.moved, self.speed.packet_bytes):
                self._finish(transfer, Status.OVERFLOW)
                return
            transfer.received += part
            self._arrived(transfer, part)
            self._line.counts.bytes_in += len(part)
            self._line.counts.round_trips += self._asked and part != b""
            self._asked = self._asked and part == b""
            if len(part) < self.speed.packet_bytes or transfer.moved == transfer.length:
                self._finish(transfer, Status.DONE)
        self._judge(transfer, answer)

    def _begin(self, transfer: Transfer) -> None:
        if transfer.began is None:
            transfer.began = self._line.next_token

    def _arrived(self, transfer: Transfer, part: bytes) -> None:
        self._toggles[transfer.endpoint] = self._toggles.get(transfer.endpoint, 0) ^ 1
        transfer.moved += len(part)
        transfer.packets += 1
        transfer.ended = self._line.time.bits
        self._line.counts.data_packets += 1

    def _judge(self, transfer: Transfer, answer: Pid | None) -> None:
        """What an answer means for the transfer besides its data."""
        transfer.strikes = 0 if answer is not None else transfer.strikes + 1
        self._lost_turns[transfer.endpoint] = NAK_TURNS if answer is Pid.NAK else 0
        if answer is Pid.STALL:
            self._finish(transfer, Status.STALLED)
        elif transfer.strikes == STRIKES:
            self._finish(transfer, Status.FAILED)

    def _insist(self, deadline: float, transaction: Callable[..., Answer], *arguments: Any) -> bytes:
        """The transaction until it is acknowledged; returns its data."""
        strikes = 0
        while True:
            answer, data = transaction(*arguments)
            if answer is Pid.ACK:
                return data
            if answer is Pid.STALL:
                raise Stalled
            strikes = 0 if answer is not None else strikes + 1
            if strikes == STRIKES:
                raise BusFault("the device does not answer")
            if time.monotonic() >= deadline:
                raise TimeoutError("the device answers NAK")
