"""The messages of USB/IP, version 1.1.1, as Linux documents them (Documentation/usb/usbip_protocol.rst).

Numbers are big-endian. A connection begins with a request for the list of devices or for one of them; after the second
it carries transfers, each a command and its return, until one side closes it.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum

from trine.sim.twin.enumeration import Attached

VERSION = 0x0111
PORT = 3240
"""Registered for USB/IP."""
BUS_ID = b"1-1"
BUS_NUMBER = 1
SPEEDS = {"full": 2, "high": 3}
"""What Linux calls them (enum usb_device_speed)."""

REQUEST_BYTES, BUS_ID_BYTES, COMMAND_BYTES, SETUP_BYTES = 8, 32, 48, 8
LONGEST_TRANSFER = 1 << 20
"""Bytes of one transfer; Linux's own drivers ask for less."""

_COMMAND = struct.Struct("!5I5I8s")
_RETURN = struct.Struct("!5IiiIII8x")
_DEVICE = struct.Struct("!256s32sIIIHHHBBBBBB")


class Operation(IntEnum):
    """Requests before the transfers; their answers have no bit 15."""

    LIST = 0x8005
    IMPORT = 0x8003


class Command(IntEnum):
    """What a message after the import is."""

    SUBMIT = 1
    UNLINK = 2
    RETURN_SUBMIT = 3
    RETURN_UNLINK = 4


class ProtocolError(Exception):
    """The other side does not speak the protocol, or asks for more than there may be; the message says what."""


@dataclass(frozen=True)
class Submit:
    """A transfer: `length` bytes from (`incoming`) or to the endpoint of that number; setup counts for endpoint 0."""

    sequence: int
    incoming: bool
    endpoint: int
    length: int
    setup: bytes


@dataclass(frozen=True)
class Unlink:
    """The wish that the transfer of number `victim` were not."""

    sequence: int
    victim: int


def parse_operation(data: bytes) -> Operation:
    """The request that REQUEST_BYTES bytes are; ProtocolError."""
    version, code, _ = struct.unpack("!HHI", data)
    if version != VERSION:
        raise ProtocolError(f"version {version:#06x} of the protocol, not {VERSION:#06x}")
    if code not in set(Operation):
        raise ProtocolError(f"unknown request {code:#06x}")
    return Operation(code)


def parse_command(data: bytes, address: int) -> Submit | Unlink:
    """The command that COMMAND_BYTES bytes are, to the device of that address; ProtocolError."""
    command, sequence, device, direction, endpoint, first, length, _, packets, _, setup = _COMMAND.unpack(data)
    if command == Command.UNLINK:
        return Unlink(sequence, first)
    if command != Command.SUBMIT:
        raise ProtocolError(f"unknown command {command:#010x}")
    if device != device_id(address):
        raise ProtocolError(f"a transfer to device {device:#010x}, not {device_id(address):#010x}")
    if direction > 1 or endpoint > 15:
        raise ProtocolError(f"a transfer to endpoint {endpoint} in direction {direction}")
    if length > LONGEST_TRANSFER:
        raise ProtocolError(f"a transfer of {length:,} bytes; {LONGEST_TRANSFER:,} is the most")
    if packets not in (0, 0xFFFFFFFF):
        raise ProtocolError("an isochronous transfer, which no endpoint takes")
    return Submit(sequence, bool(direction), endpoint, length, setup)


def device_id(address: int) -> int:
    """The number by which commands name the device."""
    return BUS_NUMBER << 16 | address


def list_answer(attached: Attached, speed: str, configuration: int) -> bytes:
    """The list of the only device."""
    interfaces = b"".join(
        bytes([first.bInterfaceClass, first.bInterfaceSubClass, first.bInterfaceProtocol, 0])
        for first, *_ in attached.configurations[0].interfaces)
    head = struct.pack("!HHII", VERSION, Operation.LIST & 0x7FFF, 0, 1)
    return head + _device(attached, speed, configuration) + interfaces


def import_answer(attached: Attached, speed: str, configuration: int) -> bytes:
    """The device is the other side's from here on."""
    return _operation_answer(Operation.IMPORT, 0) + _device(attached, speed, configuration)


def import_refusal() -> bytes:
    """There is no such device, or somebody has it."""
    return _operation_answer(Operation.IMPORT, 1)


def submit_return(sequence: int, status: int, length: int, data: bytes = b"") -> bytes:
    """A transfer's end: 0 or a negative errno, the bytes that moved and, if it was an IN transfer, those."""
    return _RETURN.pack(Command.RETURN_SUBMIT, sequence, 0, 0, 0, status, length, 0, 0, 0) + data


def unlink_return(sequence: int, status: int) -> bytes:
    """-ECONNRESET if the transfer is no more and has no return, 0 if it had ended before."""
    return _RETURN.pack(Command.RETURN_UNLINK, sequence, 0, 0, 0, status, 0, 0, 0, 0)


def _operation_answer(operation: Operation, status: int) -> bytes:
    return struct.pack("!HHI", VERSION, operation & 0x7FFF, status)


def _device(attached: Attached, speed: str, configuration: int) -> bytes:
    device = attached.device
    return _DEVICE.pack(
        b"/sys/devices/trine/" + BUS_ID, BUS_ID, BUS_NUMBER, attached.address, SPEEDS[speed], device.idVendor,
        device.idProduct, device.bcdDevice, device.bDeviceClass, device.bDeviceSubClass, device.bDeviceProtocol,
        configuration, device.bNumConfigurations, attached.configurations[0].bNumInterfaces)
