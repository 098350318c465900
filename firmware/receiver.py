"""How a device finds frames in the bytes it receives, however damaged: the executable specification of the receiver.

The gateware's receiver finds the same frames and the same errors in every sequence of bytes. The rules:

1. Between frames the device keeps the last eight bytes since the last frame ended (or since it started). When eight
   or more have come and the last eight are a header (magic and header CRC), a frame begins, and the device is in sync.
2. If it is in sync and the first eight bytes are no header, it reports NO_SYNC (opcode 0, sequence 0) at once and is
   out of sync: it goes on byte by byte as in rule 1, and reports nothing more until a header is found.
3. Of a frame whose payload is longer than `maximum_payload`, payload and CRC are counted and dropped; after the last
   byte it reports OVERSIZED, whatever the CRC. Otherwise a wrong CRC-32 is reported as BAD_CRC after its last byte.
4. After a frame's last byte, good or bad, the device is in sync and keeps nothing.
5. If bytes stop coming in the middle of a frame, it drops what it has of it, reports TIMEOUT and is in sync: with the
   request's opcode and sequence if its header was complete, with 0 and 0 if not. Bytes that came out of sync are not
   the beginning of a frame, so there it goes on waiting without a word.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from trine.firmware.link import CRC_BYTES, HEADER_BYTES, MAGIC, Error, LinkError, check_crc, decode_header

_MAGIC = MAGIC.to_bytes(2, "little")


@dataclass(frozen=True)
class Received:
    """A request, or why there is none.

    opcode, sequence: the request's, 0 if its header never came.
    payload: the request's, empty with an error.
    error: None if all is well.
    """

    opcode: int
    sequence: int
    payload: bytes = b""
    error: Error | None = None


class Receiver:
    """The receiving end of the link, up to a request's CRC.

    maximum_payload: bytes of the longest payload that is kept (>= 0).
    """

    def __init__(self, maximum_payload: int) -> None:
        self._maximum_payload = maximum_payload
        self._synchronised = True
        self._header: tuple[int, int, int] | None = None  # opcode, sequence, length of the frame being received
        self._kept = bytearray()  # of that frame, or the last bytes between frames
        self._missing = 0  # bytes of payload and CRC that are still to come

    def feed(self, data: bytes) -> Iterator[Received]:
        """What the next bytes of the stream complete, one after another."""
        position = 0
        while position < len(data):
            if self._header is None:
                found = self._search(data[position])
                position += 1
            else:
                part = data[position : position + self._missing]
                found = self._continue(part)
                position += len(part)
            if found is not None:
                yield found

    def timeout(self) -> Received | None:
        """What the device reports when the configuration's timeout passes without a byte; None if it says nothing."""
        if self._header is not None:
            opcode, sequence, _ = self._header
        elif self._synchronised and self._kept:
            opcode, sequence = 0, 0
        else:
            return None
        self._finish()
        return Received(opcode, sequence, error=Error.TIMEOUT)

    def _search(self, byte: int) -> Received | None:
        self._kept.append(byte)
        del self._kept[:-HEADER_BYTES]
        if len(self._kept) < HEADER_BYTES:
            return None
        self._header = _header(bytes(self._kept))
        if self._header is not None:
            self._missing = self._header[2] + CRC_BYTES
        elif self._synchronised:
            self._synchronised = False
            return Received(0, 0, error=Error.NO_SYNC)
        return None

    def _continue(self, part: bytes) -> Received | None:
        assert self._header is not None
        opcode, sequence, length = self._header
        if length <= self._maximum_payload:
            self._kept += part
        self._missing -= len(part)
        if self._missing:
            return None
        frame = bytes(self._kept)
        self._finish()
        if length > self._maximum_payload:
            return Received(opcode, sequence, error=Error.OVERSIZED)
        header, payload, crc = frame[:HEADER_BYTES], frame[HEADER_BYTES:-CRC_BYTES], frame[-CRC_BYTES:]
        try:
            check_crc(header, payload, crc)
        except LinkError:
            return Received(opcode, sequence, error=Error.BAD_CRC)
        return Received(opcode, sequence, payload)

    def _finish(self) -> None:
        self._header, self._synchronised = None, True
        self._kept.clear()


def _header(window: bytes) -> tuple[int, int, int] | None:
    """`decode_header` of eight bytes; None if they are no header."""
    if not window.startswith(_MAGIC):  # a shortcut: garbage may be long, and a CRC takes its time
        return None
    try:
        return decode_header(window)
    except LinkError:
        return None
