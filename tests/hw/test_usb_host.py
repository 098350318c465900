"""The USB host of the tests: its checks and its bits are those of the specification."""

import pytest

from tests.hw.usb_host import Pid, crc5, crc16, data_packet, token_packet
from tests.hw.usb_wires import bits_of, bytes_of, stuff, unstuff


def remainder(bits, polynomial, width):
    """What is left in a receiver's shift register that began with ones (USB 2.0, 8.3.5)."""
    state = (1 << width) - 1
    for bit in bits:
        high = state >> width - 1
        state = state << 1 & (1 << width) - 1
        if high != bit:
            state ^= polynomial
    return state


@pytest.mark.parametrize("value", [0, 1, 0x7FF, 0x15 | 0xE << 7, 0x3A | 0xA << 7, 0x70 | 0x4 << 7])
def test_crc5(value):
    """A token and its CRC leave 01100 (8.3.5.1)."""
    assert remainder(bits_of(token_packet(Pid.OUT, value)[1:]), 0b00101, 5) == 0b01100
    assert crc5(value) < 32


@pytest.mark.parametrize("data", [b"", b"\0", bytes([0, 1, 2, 3]), bytes([0x23, 0x45, 0x67, 0x89]), bytes(range(64))])
def test_crc16(data):
    """Data and its CRC leave 1000000000001101 (8.3.5.2)."""
    assert remainder(bits_of(data + crc16(data)), 0x8005, 16) == 0b1000000000001101


def test_crc16_check_value():
    """That of CRC-16/USB in the catalogues."""
    assert crc16(b"123456789") == (0xB4C8).to_bytes(2, "little")


def test_packets():
    assert token_packet(Pid.SETUP, 0) == bytes([0x2D, 0x00, 0x10])
    assert token_packet(Pid.SOF, 1) == bytes([0xA5, 0x01, 0xE8])
    assert data_packet(1, b"") == bytes([0x4B, 0, 0])
    for pid in Pid:
        assert pid & 0x0F == ~pid >> 4 & 0x0F


@pytest.mark.parametrize("data", [b"\xff", b"\xff\xff\xff", b"\x3f\xfc", bytes(range(256))])
def test_stuffing(data):
    bits = stuff(bits_of(data))
    assert "1111111" not in "".join(map(str, bits))
    assert bytes_of(unstuff(bits)) == data
    assert unstuff([1] * 6 + [0, 1]) == [1] * 7


def test_seven_ones():
    with pytest.raises(AssertionError, match="seven ones"):
        unstuff([1] * 7)
