"""The answers to GET_DESCRIPTOR, byte by byte (USB 2.0, 9.6; ids and texts: firmware.usb).

They are written here as structures, and not with an emitter, because what stands where in them is the whole content.
"""

import struct

from trine.firmware.usb import (
    ENDPOINT_IN,
    ENDPOINT_OUT,
    FULL_SPEED_PACKET,
    HIGH_SPEED_PACKET,
    INTERFACE,
    INTERFACE_CLASS,
    INTERFACE_NAME,
    MANUFACTURER,
    PRODUCT,
    PRODUCT_ID,
    VENDOR_ID,
)

DEVICE, CONFIGURATION, STRING, INTERFACE_TYPE, ENDPOINT, DEVICE_QUALIFIER, OTHER_SPEED = 1, 2, 3, 4, 5, 6, 7
"""Types of descriptors (USB 2.0, table 9-5)."""

USB_VERSION, DEVICE_VERSION = 0x0200, 0x0100
CONTROL_PACKET = 64
"""Bytes of a packet of endpoint 0; every answer is shorter, and so a single packet."""

CURRENT = 500
"""Milliamperes that the board may draw from the bus."""

_ENGLISH = 0x0409
_BULK = 2

MICROSOFT_STRING = 0xEE
MICROSOFT_REQUEST = 0x20
"""The string that Windows asks for by itself, and the vendor request that it then uses to find which driver to take."""


def device_descriptor() -> bytes:
    """The device's: class and protocol are its interface's; strings 1 to 3."""
    return struct.pack("<BBHBBBBHHHBBBB", 18, DEVICE, USB_VERSION, 0, 0, 0, CONTROL_PACKET, VENDOR_ID, PRODUCT_ID,
                       DEVICE_VERSION, 1, 2, 3, 1)


def device_qualifier() -> bytes:
    """What the device descriptor would be at the other speed: the same."""
    return struct.pack("<BBHBBBBBB", 10, DEVICE_QUALIFIER, USB_VERSION, 0, 0, 0, CONTROL_PACKET, 1, 0)


def configuration_descriptor(packet_bytes: int, kind: int = CONFIGURATION) -> bytes:
    """Configuration 1 with its interface and endpoints; `kind` is OTHER_SPEED for the speed that is not in use."""
    interface = struct.pack("<BBBBBBBBB", 9, INTERFACE_TYPE, INTERFACE, 0, 2, INTERFACE_CLASS, INTERFACE_CLASS,
                            INTERFACE_CLASS, 4)
    endpoints = b"".join(struct.pack("<BBBBHB", 7, ENDPOINT, address, _BULK, packet_bytes, 0)
                         for address in (ENDPOINT_OUT, ENDPOINT_IN))
    total = 9 + len(interface) + len(endpoints)
    return struct.pack("<BBHBBBBB", 9, kind, total, 1, 1, 0, 0x80, CURRENT // 2) + interface + endpoints


def string_descriptors(serial: str) -> dict[int, bytes]:
    """Index -> string: languages, manufacturer, product, serial number, interface.

    Raises ValueError for a serial number that is not 1 to 30 characters of printable ASCII.
    """
    if not (1 <= len(serial) <= 30 and serial.isascii() and serial.isprintable()):
        raise ValueError(f"serial must be 1 to 30 printable ASCII characters, not {serial!r}")
    texts = {0: struct.pack("<H", _ENGLISH)}
    texts |= {index: text.encode("utf-16-le")
              for index, text in enumerate((MANUFACTURER, PRODUCT, serial, INTERFACE_NAME), start=1)}
    return {index: struct.pack("<BB", 2 + len(text), STRING) + text for index, text in texts.items()}


def microsoft_string() -> bytes:
    """The string MICROSOFT_STRING (Microsoft OS 1.0 descriptors): ask with MICROSOFT_REQUEST."""
    return struct.pack("<BB14sBB", 18, STRING, "MSFT100".encode("utf-16-le"), MICROSOFT_REQUEST, 0)


def microsoft_compatible_id() -> bytes:
    """The extended compatible id, MICROSOFT_REQUEST with index 4: Windows takes WinUSB for the interface."""
    section = struct.pack("<BB8s8s6x", INTERFACE, 1, b"WINUSB", b"")
    return struct.pack("<IHHB7x", 16 + len(section), 0x0100, 4, 1) + section


def descriptors(high_speed: bool, serial: str) -> dict[tuple[int, int], tuple[bytes, bytes]]:
    """(type, index) -> what a device answers at full speed, and what at high speed.

    A device without high speed has no qualifier and no other speed (USB 2.0, 9.6.2). Raises ValueError for a serial
    number as string_descriptors does.
    """
    answers = {(DEVICE, 0): device_descriptor(), (STRING, MICROSOFT_STRING): microsoft_string()}
    answers |= {(STRING, index): text for index, text in string_descriptors(serial).items()}
    if high_speed:
        answers[DEVICE_QUALIFIER, 0] = device_qualifier()
    table = {key: (answer, answer) for key, answer in answers.items()}
    full, high = FULL_SPEED_PACKET, HIGH_SPEED_PACKET if high_speed else FULL_SPEED_PACKET
    table[CONFIGURATION, 0] = configuration_descriptor(full), configuration_descriptor(high)
    if high_speed:
        table[OTHER_SPEED, 0] = (configuration_descriptor(high, OTHER_SPEED),
                                 configuration_descriptor(full, OTHER_SPEED))
    return table
