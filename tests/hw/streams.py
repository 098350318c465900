"""Byte streams for the link, from good to hopeless, and the frames that come back."""

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from trine.firmware.link import CRC_BYTES, HEADER_BYTES, MAGIC, Frame, check_crc, decode_header

SILENCE = None
"""Stands in a stream for a pause that is longer than the device's timeout."""

Segment = bytes | None


@dataclass(frozen=True)
class Response:
    """A response, found to be whole."""

    opcode: int
    sequence: int
    payload: bytes


def parse_responses(data: bytes) -> Iterator[Response]:
    """The frames in `data`; LinkError for a damaged one, ValueError for bytes that belong to none."""
    while data:
        opcode, sequence, length = decode_header(data[:HEADER_BYTES])
        end = HEADER_BYTES + length
        if len(data) < end + CRC_BYTES:
            raise ValueError(f"a frame of {end + CRC_BYTES} bytes ends after {len(data)}")
        check_crc(data[:HEADER_BYTES], data[HEADER_BYTES:end], data[end : end + CRC_BYTES])
        yield Response(opcode, sequence, data[HEADER_BYTES:end])
        data = data[end + CRC_BYTES :]


def flip(data: bytes, bit: int) -> bytes:
    """`data` with one bit the other way."""
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << (bit % 8)
    return bytes(changed)


def damaged_segments(chance: random.Random, frame: bytes) -> list[Segment]:
    """One of the ways in which `frame` can arrive, damaged or between garbage; silence follows where it has to."""
    kind = chance.randrange(8)
    if kind == 0:  # a bit of the payload or the CRC
        return [flip(frame, chance.randrange(8 * HEADER_BYTES, 8 * len(frame)))]
    if kind == 1:  # a bit of the header: its length is not believed, the payload is garbage
        return [flip(frame, chance.randrange(8 * HEADER_BYTES)), frame]
    if kind == 2:  # cut off
        return [frame[: chance.randrange(1, len(frame))], SILENCE]
    if kind == 3:  # garbage before it
        return [chance.randbytes(chance.randrange(1, 30)), frame]
    if kind == 4:  # something like a header before it
        return [struct.pack("<H", MAGIC) * chance.randrange(1, 4), frame]
    if kind == 5:  # a lost byte
        at = chance.randrange(len(frame))
        return [frame[:at] + frame[at + 1 :], SILENCE]
    if kind == 6:  # a byte too many
        at = chance.randrange(len(frame))
        return [frame[:at] + chance.randbytes(1) + frame[at:], SILENCE]
    return [frame, frame]  # twice


def oversized(sequence: int, maximum_payload: int, excess: int = 1) -> bytes:
    """An ECHO that is longer than the device takes."""
    return Frame(0x08, sequence, bytes(maximum_payload + excess)).encode()
