"""The layouts of Documentation/usb/usbip_protocol.rst, byte for byte."""

import struct
from types import SimpleNamespace

import pytest

from trine.sim.twin.enumeration import Attached
from trine.sim.twin.usbip_protocol import (
    COMMAND_BYTES,
    LONGEST_TRANSFER,
    Operation,
    ProtocolError,
    Submit,
    Unlink,
    import_answer,
    import_refusal,
    list_answer,
    parse_command,
    parse_operation,
    submit_return,
    unlink_return,
)

ADDRESS = 2


@pytest.fixture
def attached():
    device = SimpleNamespace(idVendor=0x1209, idProduct=1, bcdDevice=0x0102, bDeviceClass=3, bDeviceSubClass=4,
                             bDeviceProtocol=5, bNumConfigurations=1)
    interface = SimpleNamespace(bInterfaceClass=255, bInterfaceSubClass=254, bInterfaceProtocol=253)
    configuration = SimpleNamespace(bNumInterfaces=1, interfaces=[[interface]])
    return Attached(ADDRESS, device, [configuration], b"", b"")


def test_the_list_and_the_import(attached):
    listed, imported = list_answer(attached, "full", 1), import_answer(attached, "high", 0)
    assert len(listed) == 0x0C + 0x138 + 4
    assert listed[:12] == bytes.fromhex("0111 0005 00000000 00000001")
    assert listed[12 + 256 : 12 + 259] == b"1-1"
    assert listed[-4:] == bytes([255, 254, 253, 0])
    assert len(imported) == 0x08 + 0x138
    fields = struct.unpack("!IIIHHHBBBBBB", imported[8 + 0x120 :])
    assert fields == (1, ADDRESS, 3, 0x1209, 1, 0x0102, 3, 4, 5, 0, 1, 1)
    assert import_refusal() == bytes.fromhex("0111000300000001")


def test_operations():
    assert parse_operation(bytes.fromhex("0111800500000000")) is Operation.LIST
    assert parse_operation(bytes.fromhex("0111800300000000")) is Operation.IMPORT
    with pytest.raises(ProtocolError, match="version 0x0106"):
        parse_operation(bytes.fromhex("0106800300000000"))
    with pytest.raises(ProtocolError, match="unknown request 0x0003"):
        parse_operation(bytes.fromhex("0111000300000000"))


def test_commands():
    """The documentation's own example of a CMD_SUBMIT, to this device: an interrupt IN of 64 bytes at endpoint 1."""
    submit = bytes.fromhex("00000001 00000d05 00010002 00000001 00000001 00000200 00000040 ffffffff 00000000 00000004"
                           "0000000000000000")
    assert parse_command(submit, ADDRESS) == Submit(0xD05, True, 1, 64, bytes(8))
    unlink = bytes.fromhex("00000002 0000000a 00010002 00000000 00000000 00000d05") + bytes(24)
    assert parse_command(unlink, ADDRESS) == Unlink(10, 0xD05)
    longest = submit[:24] + LONGEST_TRANSFER.to_bytes(4) + submit[28:]
    assert parse_command(longest, ADDRESS).length == LONGEST_TRANSFER
    with pytest.raises(ProtocolError, match="1,048,577 bytes"):
        parse_command(submit[:24] + (LONGEST_TRANSFER + 1).to_bytes(4) + submit[28:], ADDRESS)


def test_returns():
    returned = submit_return(0xD05, -32, 2, b"ab")
    assert returned[:28] == bytes.fromhex("00000003 00000d05 00000000 00000000 00000000 ffffffe0 00000002")
    assert len(returned) == COMMAND_BYTES + 2
    assert returned.endswith(b"ab")
    unlinked = unlink_return(10, -104)
    assert unlinked[:24] == bytes.fromhex("00000004 0000000a 00000000 00000000 00000000 ffffff98")
    assert len(unlinked) == COMMAND_BYTES
