"""Reads descriptors as a host does, by the tables of USB 2.0, 9.6, and refuses what a table does not allow."""

import struct
from dataclasses import dataclass


@dataclass(frozen=True)
class Device:
    """Table 9-8; the fields that a qualifier (table 9-9) lacks are None there."""

    usb: int
    kind: tuple[int, int, int]
    control_packet: int
    configurations: int
    vendor: int | None = None
    product: int | None = None
    version: int | None = None
    strings: tuple[int, int, int] | None = None


@dataclass(frozen=True)
class Endpoint:
    """Table 9-13."""

    address: int
    transfer: int
    packet: int
    interval: int


@dataclass(frozen=True)
class Interface:
    """Table 9-12, with its endpoints."""

    number: int
    alternate: int
    kind: tuple[int, int, int]
    string: int
    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True)
class Configuration:
    """Table 9-10, with its interfaces."""

    value: int
    string: int
    self_powered: bool
    remote_wakeup: bool
    milliamperes: int
    interfaces: tuple[Interface, ...]


def _head(data: bytes, length: int, kind: int) -> None:
    assert data[:2] == bytes([length, kind]), f"length and type are {list(data[:2])}, not {[length, kind]}"
    assert len(data) >= length


def parse_device(data: bytes) -> Device:
    assert len(data) == 18
    _head(data, 18, 1)
    usb, *kind, packet, vendor, product, version, first, second, third, count = struct.unpack("<HBBBBHHHBBBB", data[2:])
    assert packet in (8, 16, 32, 64)
    return Device(usb, tuple(kind), packet, count, vendor, product, version, (first, second, third))


def parse_qualifier(data: bytes) -> Device:
    assert len(data) == 10
    _head(data, 10, 6)
    usb, *kind, packet, count, reserved = struct.unpack("<HBBBBBB", data[2:])
    assert packet in (8, 16, 32, 64)
    assert reserved == 0
    return Device(usb, tuple(kind), packet, count)


def parse_configuration(data: bytes, kind: int = 2) -> Configuration:
    """A configuration's descriptor and all behind it; `kind` is 7 for that of the other speed."""
    _head(data, 9, kind)
    total, interfaces, value, string, attributes, power = struct.unpack("<HBBBBB", data[2:9])
    assert total == len(data), f"a total of {total} in {len(data)} bytes"
    assert attributes & 0b1001_1111 == 0b1000_0000, "reserved bits of bmAttributes"
    found, rest = [], data[9:]
    while rest:
        _head(rest, 9, 4)
        number, alternate, count, *kinds, name = struct.unpack("<BBBBBBB", rest[2:9])
        rest, endpoints = rest[9:], []
        for _ in range(count):
            _head(rest, 7, 5)
            endpoints.append(_endpoint(*struct.unpack("<BBHB", rest[2:7])))
            rest = rest[7:]
        found.append(Interface(number, alternate, tuple(kinds), name, tuple(endpoints)))
    assert len({interface.number for interface in found}) == interfaces
    return Configuration(value, string, bool(attributes & 0x40), bool(attributes & 0x20), 2 * power, tuple(found))


def _endpoint(address: int, attributes: int, packet: int, interval: int) -> Endpoint:
    assert address & 0x70 == 0
    assert address & 0x0F
    assert attributes in range(4), "bulk and control endpoints have no more bits"
    if attributes == 2:
        assert packet in (8, 16, 32, 64, 512), f"bulk packets of {packet} bytes"
    return Endpoint(address, attributes, packet, interval)


def parse_string(data: bytes) -> str:
    """Table 9-16."""
    _head(data, len(data), 3)
    return data[2:].decode("utf-16-le")


def parse_languages(data: bytes) -> tuple[int, ...]:
    """Table 9-15."""
    _head(data, len(data), 3)
    return struct.unpack(f"<{(len(data) - 2) // 2}H", data[2:])
