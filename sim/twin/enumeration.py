"""What an operating system does when a device appears: reset, address, descriptors (USB 2.0, 9.1.2 and 9.6)."""

import struct
from dataclasses import dataclass
from types import SimpleNamespace

from trine.sim.twin.bus import BusFault
from trine.sim.twin.host_controller import SET_ADDRESS, HostController

ADDRESS = 2
"""Of the only device behind the root hub, which has 1."""

GET_DESCRIPTOR = (0x80, 6)
DEVICE, CONFIGURATION, INTERFACE, ENDPOINT = 1, 2, 4, 5
"""Types of descriptors (table 9-5)."""

_LAYOUTS = {
    DEVICE: ("<BBHBBBBHHHBBBB", (
        "bLength", "bDescriptorType", "bcdUSB", "bDeviceClass", "bDeviceSubClass", "bDeviceProtocol", "bMaxPacketSize0",
        "idVendor", "idProduct", "bcdDevice", "iManufacturer", "iProduct", "iSerialNumber", "bNumConfigurations")),
    CONFIGURATION: ("<BBHBBBBB", (
        "bLength", "bDescriptorType", "wTotalLength", "bNumInterfaces", "bConfigurationValue", "iConfiguration",
        "bmAttributes", "bMaxPower")),
    INTERFACE: ("<BBBBBBBBB", (
        "bLength", "bDescriptorType", "bInterfaceNumber", "bAlternateSetting", "bNumEndpoints", "bInterfaceClass",
        "bInterfaceSubClass", "bInterfaceProtocol", "iInterface")),
    ENDPOINT: ("<BBBBHB", (
        "bLength", "bDescriptorType", "bEndpointAddress", "bmAttributes", "wMaxPacketSize", "bInterval")),
}


@dataclass(frozen=True)
class Attached:
    """A device that was enumerated.

    device: its descriptor's fields, by their names in the specification. configurations: the same, each with
    `interfaces`, a list by number of lists by alternate setting of the same, each with `endpoints`. device_bytes: the
    device descriptor as it came, configuration_bytes: everything of the first configuration.
    """

    address: int
    device: SimpleNamespace
    configurations: list[SimpleNamespace]
    device_bytes: bytes
    configuration_bytes: bytes


def setup_packet(request: tuple[int, int], value: int = 0, index: int = 0, length: int = 0) -> bytes:
    """The 8 bytes of a control transfer's setup (9.3); `request` is bmRequestType and bRequest."""
    return struct.pack("<BBHHH", *request, value, index, length)


def attach(controller: HostController) -> Attached:
    """Reset the bus, give the device its address and read what it is; it is not configured then.

    Raises BusFault for a device that does not answer or whose descriptors make no sense, TimeoutError for one that is
    never ready, Unplugged.
    """
    controller.reset()
    controller.control(setup_packet(SET_ADDRESS, ADDRESS))
    device_bytes = _descriptor(controller, DEVICE, 0, struct.calcsize(_LAYOUTS[DEVICE][0]))
    device = _fields(device_bytes)
    everything = []
    for number in range(device.bNumConfigurations):
        head = _descriptor(controller, CONFIGURATION, number, struct.calcsize(_LAYOUTS[CONFIGURATION][0]))
        everything.append(_descriptor(controller, CONFIGURATION, number, _fields(head).wTotalLength))
    configurations = [_configuration(data) for data in everything]
    if not configurations:
        raise BusFault("the device has no configuration")
    return Attached(ADDRESS, device, configurations, device_bytes, everything[0])


def _descriptor(controller: HostController, kind: int, number: int, size: int) -> bytes:
    data = controller.control(setup_packet(GET_DESCRIPTOR, kind << 8 | number, 0, size))
    if len(data) != size or data[1] != kind:
        raise BusFault(f"{size} bytes of a descriptor of type {kind} were expected, {data.hex() or 'nothing'} came")
    return data


def _fields(data: bytes) -> SimpleNamespace:
    layout, names = _LAYOUTS[data[1]]
    if len(data) < struct.calcsize(layout):
        raise BusFault(f"a descriptor of type {data[1]} has {len(data)} bytes")
    return SimpleNamespace(**dict(zip(names, struct.unpack_from(layout, data), strict=True)), extra_descriptors=[])


def _configuration(data: bytes) -> SimpleNamespace:
    """A configuration's descriptors, one in the other; those of other types are left out."""
    configuration = _fields(data)
    configuration.interfaces = []
    position = data[0]
    while position < len(data):
        length, kind = data[position : position + 2].ljust(2, b"\0")
        if length < 2 or position + length > len(data):
            raise BusFault(f"the configuration's descriptors make no sense: {data.hex()}")
        descriptor = data[position : position + length]
        position += length
        if kind not in (INTERFACE, ENDPOINT):
            continue
        found = _fields(descriptor)
        if kind == INTERFACE and found.bAlternateSetting == 0:
            configuration.interfaces.append([])
        if not configuration.interfaces:
            raise BusFault(f"the configuration's descriptors make no sense: {data.hex()}")
        if kind == INTERFACE:
            found.endpoints = []
            configuration.interfaces[-1].append(found)
        else:
            found.bRefresh = found.bSynchAddress = 0
            configuration.interfaces[-1][-1].endpoints.append(found)
    return configuration
