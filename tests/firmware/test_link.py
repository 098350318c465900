"""Frames: checksums of published check values, and refusal of what is damaged."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.firmware.link import (
    ERROR,
    ERROR_MEANING,
    PAYLOADS,
    RESPONSE_BIT,
    Error,
    Frame,
    LinkError,
    Request,
    check_crc,
    decode_header,
    header_crc,
)


def test_header_crc_check_value():
    """CRC-16/IBM-3740 of "123456789" is 0x29B1 in every catalogue."""
    assert header_crc(b"123456789") == 0x29B1


def test_frame_byte_by_byte():
    data = Frame(0x03, 0x2A, b"\x01\x02").encode()
    assert data[:6] == bytes([0xB1, 0x58, 0x03, 0x2A, 0x02, 0x00])
    assert data[6:8] == header_crc(data[:6]).to_bytes(2, "little")
    assert data[8:10] == b"\x01\x02"
    assert data[10:] == zlib.crc32(data[:10]).to_bytes(4, "little")


@given(st.integers(0, 255), st.integers(0, 255), st.binary(max_size=300))
def test_there_and_back(opcode, sequence, payload):
    data = Frame(opcode, sequence, payload).encode()
    assert decode_header(data[:8]) == (opcode, sequence, len(payload))
    check_crc(data[:8], data[8:-4], data[-4:])


def test_longest_payload():
    assert decode_header(Frame(1, 2, bytes(65535)).encode()[:8]) == (1, 2, 65535)
    with pytest.raises(LinkError, match="a payload has at most 65535 bytes, not 65536"):
        Frame(1, 2, bytes(65536)).encode()


@pytest.mark.parametrize("bit", range(64))
def test_any_damaged_bit_of_a_header(bit):
    header = bytearray(Frame(0x05, 9, b"abcd").encode()[:8])
    header[bit // 8] ^= 1 << bit % 8
    with pytest.raises(LinkError, match="starts with" if bit < 16 else "header CRC is"):
        decode_header(bytes(header))


@pytest.mark.parametrize("bit", range(8 * 16))
def test_any_damaged_bit_of_a_frame(bit):
    data = bytearray(Frame(0x05, 9, b"abcd").encode())
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises(LinkError, match="frame CRC is"):
        check_crc(bytes(data[:8]), bytes(data[8:-4]), bytes(data[-4:]))


def test_opcodes_leave_room_for_responses():
    assert {request | RESPONSE_BIT for request in Request}.isdisjoint({*Request, ERROR})
    assert max(Request) < RESPONSE_BIT


def test_everything_is_described():
    assert set(PAYLOADS) == set(Request)
    assert set(ERROR_MEANING) == set(Error)
