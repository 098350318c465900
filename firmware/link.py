"""The framed link protocol, defined once: gateware, host, functional machine and documentation read this file.

A frame is: header (8 bytes), payload (`length` bytes), CRC-32 (4 bytes), all little-endian.

    magic u16 = 0x58B1 | opcode u8 | sequence u8 | length u16 | header_crc u16 | payload | crc u32

header_crc is CRC-16/IBM-3740 over the first six bytes; crc is zlib's CRC-32 over header and payload. The host chooses
the sequence number and the response repeats it. Every request gets exactly one response: the request's opcode with bit
7 set, or ERROR. A request is executed only after its CRC was found right, so a damaged one has no effect.

After garbage the device searches the stream byte by byte for eight bytes that are a header (magic and header_crc) and
answers one ERROR (NO_SYNC) for each loss of synchronisation, with sequence 0. A frame that pauses for the
configuration's timeout is dropped and answered with TIMEOUT.
"""

import binascii
import enum
import struct
import zlib
from dataclasses import dataclass

MAGIC = 0x58B1
PROTOCOL_VERSION = 1
HEADER_BYTES = 8
CRC_BYTES = 4
RESPONSE_BIT = 0x80


class Request(enum.IntEnum):
    """Opcodes of requests. Payloads of request and response are described in PAYLOADS."""

    HELLO = 0x01
    INFO = 0x02
    WRITE = 0x03
    READ = 0x04
    RUN = 0x05
    COUNTERS = 0x06
    COMMIT = 0x07
    ECHO = 0x08


ERROR = 0xFF
"""Opcode of the response to a request that could not be served; payload: error code u8, opcode of the request u8."""


class Error(enum.IntEnum):
    """Why a request was not served."""

    NO_SYNC = 1
    OVERSIZED = 2
    BAD_CRC = 3
    TIMEOUT = 4
    UNKNOWN_OPCODE = 5
    BAD_LENGTH = 6
    BAD_REGION = 7
    BAD_ADDRESS = 8
    NOT_COMMITTED = 9
    FAULT = 10


ERROR_MEANING: dict[Error, str] = {
    Error.NO_SYNC: "eight bytes came that are no header; the device searches for the next one",
    Error.OVERSIZED: "the payload is longer than maximum_payload; it was skipped",
    Error.BAD_CRC: "the frame's CRC-32 is wrong; nothing was executed",
    Error.TIMEOUT: "the frame stopped in the middle; what had come was dropped",
    Error.UNKNOWN_OPCODE: "there is no such request",
    Error.BAD_LENGTH: "the payload's length does not suit the request",
    Error.BAD_REGION: "no such region, or not one that can be read or written",
    Error.BAD_ADDRESS: "words beyond the end of the region; those before it may have been written",
    Error.NOT_COMMITTED: "no image is committed, so nothing may be run",
    Error.FAULT: "an instruction is not one; the program was ended there",
}


class Region(enum.IntEnum):
    """Memories that WRITE and READ address, in words of their own."""

    WEIGHTS = 0
    PROGRAM = 1
    ACTIVATIONS = 2
    RESULTS = 3


PAYLOADS: dict[Request, tuple[str, str, str]] = {
    Request.HELLO: ("-", "version u16, maximum_payload u16",
                    "Greets; the host starts its sequence numbers anew."),
    Request.INFO: ("-", "version u16, maximum_payload u16, lanes u16, depth u16, configuration_hash u64, build_id u64, "
                        "image_id u32, clock_khz u32",
                   "What the device is, and which image it holds (0: none)."),
    Request.WRITE: ("region u8, 0 u24, address u32, words", "-",
                    "Writes whole words to WEIGHTS, PROGRAM or ACTIVATIONS. WEIGHTS and PROGRAM: the image is no "
                    "longer committed."),
    Request.READ: ("region u8, 0 u24, address u32, count u32", "beats",
                   "Reads `count` beats of RESULTS, at most 65,535 bytes."),
    Request.RUN: ("entry u32", "cycle u64",
                  "Runs the program at `entry` on the activations that are there; answers when its last result is "
                  "written, with the value of the cycle counter then."),
    Request.COUNTERS: ("-", "the counters, u64 each", "One snapshot; reading neither clears nor counts."),
    Request.COMMIT: ("image_id u32", "-", "Says that image `image_id` is loaded whole; 0 takes it back."),
    Request.ECHO: ("anything", "the same", "Loops back, for measuring the link."),
}
"""Per request: its payload, the response's payload, and what it does; documentation tables come from here."""

INFO_FORMAT = "<HHHHQQII"
WRITE_FORMAT = "<BxxxI"
READ_FORMAT = "<BxxxII"
MAXIMUM_READ_BYTES = 0xFFFF


class LinkError(Exception):
    """Bytes that are not the frame that was expected; the message says what is wrong."""


@dataclass(frozen=True)
class Frame:
    """One frame: opcode 0..255, sequence 0..255, payload of 0..65535 bytes."""

    opcode: int
    sequence: int
    payload: bytes = b""

    def encode(self) -> bytes:
        """The frame's bytes as they travel."""
        if len(self.payload) > 0xFFFF:
            raise LinkError(f"a payload has at most 65535 bytes, not {len(self.payload)}")
        head = struct.pack("<HBBH", MAGIC, self.opcode, self.sequence, len(self.payload))
        body = head + struct.pack("<H", header_crc(head)) + self.payload
        return body + struct.pack("<I", zlib.crc32(body))


def header_crc(first_six: bytes) -> int:
    """CRC-16/IBM-3740 (polynomial 0x1021, initial value 0xFFFF, not reflected) of a header's first six bytes."""
    return binascii.crc_hqx(first_six, 0xFFFF)


def decode_header(header: bytes) -> tuple[int, int, int]:
    """(opcode, sequence, payload length) of eight header bytes; raises LinkError if they are no header."""
    magic, opcode, sequence, length, crc = struct.unpack("<HBBHH", header)
    if magic != MAGIC:
        raise LinkError(f"a frame starts with {MAGIC:#06x}, not {magic:#06x}")
    if crc != header_crc(header[:6]):
        raise LinkError(f"header CRC is {crc:#06x}, not {header_crc(header[:6]):#06x}")
    return opcode, sequence, length


def check_crc(header: bytes, payload: bytes, crc: bytes) -> None:
    """Raises LinkError unless `crc` is the CRC-32 of header and payload."""
    expected = zlib.crc32(header + payload)
    if int.from_bytes(crc, "little") != expected:
        raise LinkError(f"frame CRC is {int.from_bytes(crc, 'little'):#010x}, not {expected:#010x}")
