"""Packets against the examples of the specification's check sums, and against a bit-by-bit division."""

import random

import pytest

from trine.sim.twin.packets import Pid, crc5, crc16, data_packet, payload_of, start_of_frame, token


def divide(bits: list[int], polynomial: int, width: int) -> int:
    """The inverted remainder as it leaves, highest power first, placed lowest bit first (8.3.5)."""
    remainder = (1 << width) - 1
    for bit in bits:
        feedback = bit ^ remainder >> (width - 1)
        remainder = (remainder << 1 & (1 << width) - 1) ^ (polynomial if feedback else 0)
    return int(f"{remainder ^ (1 << width) - 1:0{width}b}"[::-1], 2)


def test_examples():
    """Address 0x15, endpoint 0xE and address 0x3A, endpoint 0xA; data 00 01 02 03 and 23 45 67 89, as in USB-IF's paper
    on check sums, in the order in which the bits leave."""
    assert f"{crc5(0x15 | 0xE << 7):05b}"[::-1] == "10111"
    assert f"{crc5(0x3A | 0xA << 7):05b}"[::-1] == "11100"
    assert f"{crc16(bytes([0, 1, 2, 3])):016b}"[::-1] == "1111011101011110"
    assert f"{crc16(bytes([0x23, 0x45, 0x67, 0x89])):016b}"[::-1] == "0111000000111000"


def test_check_sums_are_remainders():
    assert all(crc5(value) == divide([value >> bit & 1 for bit in range(11)], 0b00101, 5) for value in range(2048))
    for size in (0, 1, 2, 63, 64, 512):
        data = random.Random(size).randbytes(size)
        bits = [byte >> bit & 1 for byte in data for bit in range(8)]
        assert crc16(data) == divide(bits, 0x8005, 16)


def test_layouts():
    assert token(Pid.SETUP, 0x15, 0xE) == bytes([0x2D, 0x15, 0xEF])
    assert start_of_frame(0x801) == start_of_frame(1) == bytes([0xA5, 0x01, 0xE8])
    assert data_packet(0, b"") == bytes([0xC3, 0, 0])
    assert data_packet(1, bytes([0, 1, 2, 3])) == bytes([0x4B, 0, 1, 2, 3, 0xEF, 0x7A])


@pytest.mark.parametrize("pid", list(Pid))
def test_identifiers_carry_their_complement(pid):
    assert pid >> 4 == ~pid & 0xF


def test_a_damaged_packet_has_no_payload():
    packet = data_packet(1, b"trine")
    assert payload_of(packet) == b"trine"
    for bit in range(8, 8 * len(packet)):
        damaged = bytearray(packet)
        damaged[bit // 8] ^= 1 << bit % 8
        assert payload_of(bytes(damaged)) is None
    assert payload_of(bytes([Pid.ACK])) is None
    assert payload_of(bytes([Pid.OUT]) + packet[1:]) is None
    assert payload_of(packet[:2]) is None
