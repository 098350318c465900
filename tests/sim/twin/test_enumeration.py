"""Descriptors are read whole, in order, and refused when they make no sense. A controller of bytes stands in."""

import struct

import pytest

from trine.sim.twin.bus import BusFault
from trine.sim.twin.enumeration import ADDRESS, attach, setup_packet

DEVICE = bytes.fromhex("120100020000004009120100000101020301")
INTERFACES = bytes.fromhex("0904000001ff000000" "07050102400000" "05a1a2a3a4" "0904000101ff000000" "07058102400000"
                           "0904010000ff000000")


class Described:
    """Answers GET_DESCRIPTOR with what it was given."""

    def __init__(self, device=DEVICE, interfaces=INTERFACES):
        self.configuration = struct.pack("<BBHBBBBB", 9, 2, 9 + len(interfaces), 2, 1, 0, 0x80, 50) + interfaces
        self.device, self.seen = device, []

    def reset(self):
        self.seen.append("reset")

    def control(self, setup):
        self.seen.append(setup)
        request_type, _, value, _, length = struct.unpack("<BBHHH", setup)
        return (self.device if value >> 8 == 1 else self.configuration)[:length] if request_type & 0x80 else b""


def test_setup_packet():
    assert setup_packet((0x80, 6), 0x0302, 0x0409, 255) == bytes([0x80, 6, 2, 3, 9, 4, 255, 0])


def test_what_is_read_and_in_which_order():
    controller = Described()
    found = attach(controller)
    assert controller.seen[:2] == ["reset", setup_packet((0x00, 5), ADDRESS)]
    lengths = [struct.unpack("<BBHHH", setup)[4] for setup in controller.seen[2:]]
    assert lengths == [18, 9, len(controller.configuration)]
    assert (found.device_bytes, found.configuration_bytes) == (DEVICE, controller.configuration)
    ((first, other), (second,)) = found.configurations[0].interfaces
    assert [end.bEndpointAddress for end in first.endpoints] == [0x01]
    assert (other.bAlternateSetting, [end.bEndpointAddress for end in other.endpoints]) == (1, [0x81])
    assert (second.bInterfaceNumber, second.endpoints) == (1, [])


@pytest.mark.parametrize(("changes", "message"), [
    ({"device": DEVICE[:10]}, "18 bytes of a descriptor of type 1 were expected, 1201"),
    ({"device": b"\x12\x07" + DEVICE[2:]}, "18 bytes of a descriptor of type 1 were expected, 1207"),
    ({"device": DEVICE[:-1] + b"\0"}, "no configuration"),
    ({"interfaces": bytes(4)}, "make no sense"),
    ({"interfaces": INTERFACES[:-1]}, "make no sense"),
    ({"interfaces": b"\x03\x04\x00"}, "a descriptor of type 4 has 3 bytes"),
])
def test_descriptors_that_make_no_sense(changes, message):
    with pytest.raises(BusFault, match=message):
        attach(Described(**changes))


@pytest.mark.parametrize("interfaces", [bytes.fromhex("07050102400000"), bytes.fromhex("0904000100ff000000")])
def test_an_endpoint_or_a_setting_of_no_interface(interfaces):
    with pytest.raises(BusFault, match="make no sense"):
        attach(Described(interfaces=interfaces))
