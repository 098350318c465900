"""Requests and responses over a transport: pipelined, checked, retried.

All frames of an exchange are written before the first response is read, so that it costs one round trip however many
they are; where nothing can hold the host up, as many as the device has room for (recovery.PACING). Every
request is idempotent (link.py), so after a fault of the link the whole exchange is simply done again; between the two
stands a resynchronisation, which reads away whatever the fault left behind until the answer to a fresh HELLO comes.
What the device refuses is not retried: it would be refused again.
"""

import struct
import time
from collections.abc import Sequence

from trine.firmware.link import (
    CRC_BYTES,
    ERROR,
    ERROR_MEANING,
    HEADER_BYTES,
    RESPONSE_BIT,
    Error,
    Frame,
    LinkError,
    Request,
    check_crc,
    decode_header,
)
from trine.firmware.recovery import ATTEMPTS, GREETINGS
from trine.firmware.uart import BUFFERED_PAYLOADS
from trine.host.errors import DeviceError
from trine.host.transport import Transport, TransportFault

_TRANSIENT = (Error.NO_SYNC, Error.BAD_CRC, Error.TIMEOUT)


class Connection:
    """The host's end of the link.

    timeout: seconds that any one response may take, unless an exchange says otherwise, and that a resynchronisation may
    take in all (> 0).
    """

    def __init__(self, transport: Transport, timeout: float = 10.0) -> None:
        self._transport = transport
        self._timeout = timeout
        self._sequence = 0
        self._maximum_payload = 0  # until a HELLO was answered
        self.faults = 0
        """Faults of the link so far, each of which was followed by a resynchronisation."""
        self.exchanges = 0
        """Exchanges so far, those that were done again included; each is one round trip, or more on a paced link."""

    def exchange(self, requests: Sequence[tuple[Request, bytes]], timeout: float | None = None) -> list[bytes]:
        """The responses' payloads to `requests`, in order: one round trip.

        timeout: seconds that each response may take. Raises DeviceError if the device refuses a request, which does not
        keep it from executing the others, and if the link fails three times over.
        """
        limit = self._timeout if timeout is None else timeout
        fault: Exception | None = None
        for _ in range(ATTEMPTS):
            try:
                if fault is not None:
                    self.resynchronise()
                return self._once(requests, limit)
            except (LinkError, TimeoutError, TransportFault) as error:
                self.faults += 1
                fault = error
            except OSError as error:
                raise DeviceError(f"the device is gone: {error.strerror or error}") from error
        names = ", ".join(dict.fromkeys(request.name for request, _ in requests))
        raise DeviceError(f"no good answer to {names} in {ATTEMPTS} attempts: {fault}; check the cable and the device")

    def resynchronise(self) -> bytes:
        """Greet the device and read away everything before its answer; returns the answer's payload.

        Takes the connection's timeout at the longest. Raises TimeoutError, LinkError or TransportFault if no answer
        comes to several greetings, OSError if the device is gone.
        """
        fault: Exception = TimeoutError("the device does not answer")
        for _ in range(GREETINGS):
            sequence = self._next()
            try:
                self._transport.write(Frame(Request.HELLO, sequence).encode())
                payload = self._find(Request.HELLO | RESPONSE_BIT, sequence)
            except (TimeoutError, LinkError, TransportFault) as error:
                fault = error
                continue
            self._maximum_payload = struct.unpack("<HH", payload)[1] if len(payload) == 4 else 0
            return payload
        raise fault

    def close(self) -> None:
        """Let go of the device."""
        self._transport.close()

    def _once(self, requests: Sequence[tuple[Request, bytes]], limit: float) -> list[bytes]:
        frames = [Frame(request, self._next(), payload) for request, payload in requests]
        encoded = [frame.encode() for frame in frames]
        self.exchanges += 1
        payloads: list[bytes] = []
        refusal, written = None, 0
        for frame in frames:
            admitted = self._admitted(encoded, len(payloads))
            if admitted > written:
                self._transport.write(b"".join(encoded[written:admitted]))
                written = admitted
            answer = self._read(limit)
            if answer.opcode == ERROR:
                refusal = refusal or self._refusal(frame, answer)
            elif answer.opcode != frame.opcode | RESPONSE_BIT or answer.sequence != frame.sequence:
                raise LinkError(f"response {answer.opcode:#04x} number {answer.sequence} came, not "
                                f"{frame.opcode | RESPONSE_BIT:#04x} number {frame.sequence}")
            payloads.append(answer.payload)
        if refusal is not None:
            raise refusal
        return payloads

    def _admitted(self, encoded: Sequence[bytes], answered: int) -> int:
        """How many frames may be written when so many are answered."""
        if not self._transport.paced:
            return len(encoded)
        room = BUFFERED_PAYLOADS * self._maximum_payload
        admitted = answered + 1  # the oldest, which the device receives as it comes
        while admitted < len(encoded) and len(encoded[admitted]) <= room:
            room -= len(encoded[admitted])
            admitted += 1
        return admitted

    def _refusal(self, frame: Frame, answer: Frame) -> DeviceError:
        """Why `frame` was not served; raises LinkError instead where trying again may help."""
        if len(answer.payload) != 2 or answer.payload[0] not in set(Error):
            raise LinkError(f"an error response that says {answer.payload.hex() or 'nothing'}")
        error = Error(answer.payload[0])
        if error in _TRANSIENT or answer.sequence != frame.sequence:
            raise LinkError(f"the device reports {error.name}: {ERROR_MEANING[error]}")
        name = Request(frame.opcode).name
        return DeviceError(f"the device refuses {name}: {error.name}: {ERROR_MEANING[error]}")

    def _read(self, limit: float) -> Frame:
        deadline = time.monotonic() + limit
        header = self._transport.read_exact(HEADER_BYTES, limit)
        return self._rest(header, deadline)

    def _rest(self, header: bytes, deadline: float) -> Frame:
        opcode, sequence, length = decode_header(header)
        body = self._transport.read_exact(length + CRC_BYTES, max(0.0, deadline - time.monotonic()))
        check_crc(header, body[:length], body[length:])
        return Frame(opcode, sequence, body[:length])

    def _find(self, opcode: int, sequence: int) -> bytes:
        """The payload of that response; frames and garbage before it are dropped."""
        limit = self._timeout / GREETINGS
        deadline = time.monotonic() + limit
        window = self._transport.read_exact(HEADER_BYTES, limit)
        while (left := deadline - time.monotonic()) > 0:
            try:
                frame = self._rest(window, deadline)
            except LinkError:
                window = window[1:] + self._transport.read_exact(1, left)
                continue
            if (frame.opcode, frame.sequence) == (opcode, sequence):
                return frame.payload
            window = self._transport.read_exact(HEADER_BYTES, left)
        raise LinkError("bytes came, but no answer to HELLO among them")

    def _next(self) -> int:
        self._sequence = self._sequence % 255 + 1  # never 0, which errors without a request carry
        return self._sequence
