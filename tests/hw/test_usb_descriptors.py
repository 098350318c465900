"""hw.usb.descriptors, read by a parser of our own (tests.hw.usb_descriptors)."""

import struct

import pytest

from tests.hw.usb_descriptors import (
    Configuration,
    Device,
    Endpoint,
    Interface,
    parse_configuration,
    parse_device,
    parse_languages,
    parse_qualifier,
    parse_string,
)
from trine.firmware.usb import INTERFACE_NAME, MANUFACTURER, PRODUCT, PRODUCT_ID, VENDOR_ID
from trine.hw.usb.descriptors import (
    CONTROL_PACKET,
    MICROSOFT_REQUEST,
    configuration_descriptor,
    descriptors,
    device_descriptor,
    device_qualifier,
    microsoft_compatible_id,
    microsoft_string,
    string_descriptors,
)


def test_device():
    assert parse_device(device_descriptor()) == Device(0x0200, (0, 0, 0), 64, 1, VENDOR_ID, PRODUCT_ID, 0x0100,
                                                       (1, 2, 3))


def test_qualifier():
    assert parse_qualifier(device_qualifier()) == Device(0x0200, (0, 0, 0), 64, 1)


@pytest.mark.parametrize("packet", [64, 512])
@pytest.mark.parametrize("kind", [2, 7])
def test_configuration(packet, kind):
    endpoints = Endpoint(0x01, 2, packet, 0), Endpoint(0x81, 2, packet, 0)
    interface = Interface(0, 0, (0xFF, 0xFF, 0xFF), 4, endpoints)
    assert parse_configuration(configuration_descriptor(packet, kind), kind) == Configuration(
        1, 0, False, False, 500, (interface,))


def test_strings():
    texts = string_descriptors("A-1")
    assert parse_languages(texts.pop(0)) == (0x0409,)
    assert {index: parse_string(text) for index, text in texts.items()} == {
        1: MANUFACTURER, 2: PRODUCT, 3: "A-1", 4: INTERFACE_NAME}


def test_microsoft():
    """Microsoft OS 1.0 descriptors: the OS string, and the extended compatible id with its one function."""
    string = microsoft_string()
    assert parse_string(string[:16].replace(b"\x12", b"\x10", 1)) == "MSFT100"
    assert (len(string), string[0], string[16:]) == (18, 18, bytes([MICROSOFT_REQUEST, 0]))
    length, version, index, count, *reserved = struct.unpack("<IHHB7B", microsoft_compatible_id()[:16])
    assert (length, version, index, count, set(reserved)) == (40, 0x0100, 4, 1, {0})
    interface, _, name, sub_name, *reserved = struct.unpack("<BB8s8s6B", microsoft_compatible_id()[16:])
    assert (interface, name, sub_name, set(reserved)) == (0, b"WINUSB\0\0", bytes(8), {0})


@pytest.mark.parametrize("high_speed", [False, True])
def test_descriptors(high_speed):
    """What is answered at each speed; every answer is a single packet, and not a full one."""
    table = descriptors(high_speed, "x" * 30)
    kinds = {1, 2, 3, 6, 7} if high_speed else {1, 2, 3}
    assert {kind for kind, _ in table} == kinds
    assert {index for kind, index in table if kind == 3} == {0, 1, 2, 3, 4, 0xEE}
    assert all(0 < len(answer) < CONTROL_PACKET for answers in table.values() for answer in answers)
    for (kind, _), answers in table.items():
        if kind in (2, 7):
            packets = [parse_configuration(answer, kind).interfaces[0].endpoints[0].packet for answer in answers]
            assert packets == ([64, 64] if not high_speed else [64, 512] if kind == 2 else [512, 64])
        else:
            assert answers[0] == answers[1]
