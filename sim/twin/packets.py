"""Packets of USB 2.0 (chapter 8): identifiers, check sums, and bytes as UTMI has them.

Bits leave lowest first, so a token's fields stand in a little-endian word; both check sums are sent inverted, highest
power first (8.3.5).
"""

from enum import IntEnum

MAXIMUM_LENGTH = 1 + 1024 + 2
"""Bytes of the longest packet that any endpoint may have."""


class Pid(IntEnum):
    """Packet identifiers, check bits included (8.3.1, table 8-1)."""

    OUT = 0xE1
    IN = 0x69
    SOF = 0xA5
    SETUP = 0x2D
    DATA0 = 0xC3
    DATA1 = 0x4B
    ACK = 0xD2
    NAK = 0x5A
    STALL = 0x1E
    NYET = 0x96
    PING = 0xB4


HANDSHAKES = (Pid.ACK, Pid.NAK, Pid.STALL, Pid.NYET)
DATA = (Pid.DATA0, Pid.DATA1)
"""By toggle."""


def crc5(value: int) -> int:
    """Of a token's 11 bits: x^5 + x^2 + 1, placed so that it goes above them (8.3.5.1)."""
    remainder = 0x1F
    for bit in range(11):
        feedback = (value >> bit ^ remainder) & 1
        remainder = remainder >> 1 ^ (0x14 if feedback else 0)
    return remainder ^ 0x1F


def _crc16_of_byte(value: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value


_CRC16 = [_crc16_of_byte(value) for value in range(256)]


def crc16(data: bytes) -> int:
    """Of a data packet's payload: x^16 + x^15 + x^2 + 1 (8.3.5.2)."""
    remainder = 0xFFFF
    for byte in data:
        remainder = remainder >> 8 ^ _CRC16[(remainder ^ byte) & 0xFF]
    return remainder ^ 0xFFFF


def token(pid: Pid, address: int, endpoint: int) -> bytes:
    """OUT, IN, SETUP or PING to an endpoint's number of a device (8.4.1)."""
    return _with_crc5(pid, address | endpoint << 7)


def start_of_frame(number: int) -> bytes:
    """The 11 low bits of the frame's number (8.4.3)."""
    return _with_crc5(Pid.SOF, number & 0x7FF)


def data_packet(toggle: int, payload: bytes) -> bytes:
    """DATA0 or DATA1 (8.4.4)."""
    return bytes([DATA[toggle]]) + payload + crc16(payload).to_bytes(2, "little")


def payload_of(packet: bytes) -> bytes | None:
    """A data packet's payload; nothing if the packet is none, or its check sum says that it is damaged."""
    if len(packet) < 3 or packet[0] not in DATA:
        return None
    payload = packet[1:-2]
    return payload if crc16(payload).to_bytes(2, "little") == packet[-2:] else None


def _with_crc5(pid: Pid, value: int) -> bytes:
    return bytes([pid]) + (value | crc5(value) << 11).to_bytes(2, "little")
