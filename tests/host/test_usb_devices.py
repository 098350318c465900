import errno

import libusb_package
import pytest
import usb.backend.libusb1

from tests.host.usb_bus import Bus, BusDevice
from trine.firmware.usb import ENDPOINT_IN, ENDPOINT_OUT
from trine.host.errors import DeviceError, SetupError
from trine.host.usb import UsbTransport
from trine.host.usb_devices import attached, find_backend, find_device


@pytest.fixture
def bus(small):
    return Bus(BusDevice(small, "0001"), BusDevice(small, "0002"), BusDevice(small, None),
               BusDevice(small, "0003", "somebody's prototype"))


def test_attached(bus):
    """Those of another product that has the same ids are nobody's business."""
    assert [device.name for device in attached(bus)] == ["usb:0001", "usb:0002", "usb"]
    assert {(device.where, device.kind, device.fault) for device in attached(bus)} == {
        ("USB bus 1, device 7", "usb-full-speed", None)}
    assert bus.open_handles == 0


def test_find_device(bus):
    assert find_device("0002", bus).serial == "0002"


def test_find_one_of_several(bus):
    with pytest.raises(DeviceError, match=r"several devices .*: usb:0001 \(.*, usb:0002 .*, usb \(.*; name one"):
        find_device(None, bus)
    with pytest.raises(DeviceError, match=r"no trine device with serial number 9 .* \(there is usb:0001 .*, usb:0002"):
        find_device("9", bus)


def test_find_none():
    with pytest.raises(DeviceError, match=r"^no trine device is attached by USB; trine doctor lists what is$"):
        find_device(None, Bus())


def test_no_permission(bus):
    bus.attached[0].opens = errno.EACCES
    assert [device.fault is None for device in attached(bus)] == [False, True, True]
    assert find_device("0002", bus).serial == "0002", "the others can be used"
    with pytest.raises(SetupError, match=r"no permission to open it; install the udev rule \(trine doctor --udev says"):
        find_device("0001", bus)


@pytest.mark.parametrize(("number", "kind", "message"), [
    (errno.EBUSY, DeviceError, "another program uses the device"),
    (errno.ENOSYS, SetupError, "no driver that lets programs use it"),
    (errno.EIO, DeviceError, "device 7: Input/output error"),
])
def test_cannot_be_claimed(small, number, kind, message):
    bus = Bus(BusDevice(small))
    bus.attached[0].claims = number
    with pytest.raises(kind, match=message):
        UsbTransport(backend=bus)
    assert bus.open_handles == 0


@pytest.mark.parametrize("endpoints", [[], [ENDPOINT_IN], [ENDPOINT_OUT, 0x82]])
def test_other_endpoints(small, endpoints):
    bus = Bus(BusDevice(small))
    bus.attached[0].endpoints = endpoints
    with pytest.raises(DeviceError, match=r"not the endpoints of this version; build its bitstream with it"):
        UsbTransport(backend=bus)
    assert bus.open_handles == 0


def test_device_that_nobody_configured(small):
    bus = Bus(BusDevice(small))
    bus.attached[0].configured = 0
    UsbTransport(backend=bus).close()
    assert bus.attached[0].configured == 1


def test_libusb(monkeypatch):
    """The system's, else the one that pip installed, else a line that says what to install."""
    find_backend()
    monkeypatch.setattr(usb.backend.libusb1, "get_backend", lambda: "the system's")
    assert find_backend() == "the system's"
    monkeypatch.setattr(usb.backend.libusb1, "get_backend", lambda: None)
    monkeypatch.setattr(libusb_package, "get_libusb1_backend", lambda: "pip's")
    assert find_backend() == "pip's"
    monkeypatch.setattr(libusb_package, "get_libusb1_backend", lambda: None)
    with pytest.raises(SetupError, match=r"libusb cannot be loaded; pip install libusb-package"):
        find_backend()


def test_buses_that_cannot_be_listed(monkeypatch):
    bus = Bus()

    def refuse():
        raise usb.core.USBError("Access denied", -3, errno.EACCES)

    monkeypatch.setattr(bus, "enumerate_devices", refuse)
    with pytest.raises(SetupError, match=r"the USB devices cannot be listed: Access denied"):
        attached(bus)
