"""The devices that are attached by USB: found, told apart, and what keeps one from being used."""

import errno
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import libusb_package
import usb.backend.libusb1
import usb.core
import usb.util

from trine.firmware.usb import (
    ENDPOINT_IN,
    ENDPOINT_OUT,
    FULL_SPEED_PACKET,
    HIGH_SPEED_PACKET,
    INTERFACE,
    PRODUCT,
    PRODUCT_ID,
    VENDOR_ID,
)
from trine.host.errors import DeviceError, SetupError, TrineError

SPEEDS = {2: "usb-full-speed", 3: "usb-high-speed"}
"""The kind of link (`Configuration.link`) for each of libusb's numbers of a speed."""
NO_PERMISSION = "no permission to open it; install the udev rule (trine doctor --udev says how) and plug it in again"


@dataclass(frozen=True)
class UsbDevice:
    """A device with trine's ids.

    handle: PyUSB's. where: bus and address. kind: of link, None if the speed is not known. serial: its serial number,
    None if it has none. fault: why it cannot be used, None if it can; its serial number is not known then.
    """

    handle: Any
    where: str
    kind: str | None
    serial: str | None
    fault: TrineError | None = None

    @property
    def name(self) -> str:
        """What `open_device` calls it."""
        return "usb" if self.serial is None else f"usb:{self.serial}"


def find_backend() -> Any:
    """PyUSB's way to the system's libusb, or to the one that pip installed; SetupError if there is neither."""
    logging.getLogger("usb").setLevel(logging.CRITICAL)  # it is no error that the system has none
    backend = usb.backend.libusb1.get_backend() or libusb_package.get_libusb1_backend()
    if backend is None:
        raise SetupError("libusb cannot be loaded; pip install libusb-package, or the system's libusb-1.0")
    return backend


def attached(backend: Any) -> list[UsbDevice]:
    """All devices with trine's ids, those of other products that share them left out where they can be asked."""
    try:
        handles = list(usb.core.find(find_all=True, backend=backend, idVendor=VENDOR_ID, idProduct=PRODUCT_ID))
    except usb.core.USBError as error:
        raise SetupError(f"the USB devices cannot be listed: {error.strerror}") from error
    found = [_ask(handle) for handle in handles]
    return [device for device in found if device is not None]


def find_device(serial: str | None, backend: Any) -> UsbDevice:
    """The device of that serial number, or the only one.

    Raises DeviceError if there is none, or more than one and no serial number; SetupError without the permission.
    """
    devices = attached(backend)
    usable = [device for device in devices if device.fault is None]
    chosen = usable if serial is None else [device for device in usable if device.serial == serial]
    if len(chosen) > 1:
        raise DeviceError(f"several devices are attached by USB: {_names(chosen)}; name one")
    if chosen:
        return chosen[0]
    for device in devices:
        if device.fault is not None:
            raise device.fault
    which = "" if serial is None else f" with serial number {serial}"
    others = f" (there is {_names(usable)})" if usable else ""
    raise DeviceError(f"no trine device{which} is attached by USB{others}; trine doctor lists what is")


def claim(device: UsbDevice) -> None:
    """Configure the device and claim its interface.

    Raises DeviceError if it has not trine's interface and endpoints or another program uses it, SetupError without the
    permission.
    """
    handle = device.handle
    try:
        try:
            configuration = handle.get_active_configuration()
        except usb.core.USBError as error:
            if error.errno is not None:  # anything but PyUSB's own "not configured"
                raise
            handle.set_configuration()
            configuration = handle.get_active_configuration()
        interface = usb.util.find_descriptor(configuration, bInterfaceNumber=INTERFACE)
        packets = {end.bEndpointAddress: end.wMaxPacketSize for end in interface or ()}
        if any(packets.get(end) not in (FULL_SPEED_PACKET, HIGH_SPEED_PACKET) for end in (ENDPOINT_OUT, ENDPOINT_IN)):
            raise DeviceError(f"{device.where}: not the endpoints of this version; build its bitstream with it")
        usb.util.claim_interface(handle, INTERFACE)
    except (usb.core.USBError, DeviceError) as error:
        usb.util.dispose_resources(handle)
        raise error if isinstance(error, DeviceError) else explain(error, device.where) from error


def explain(error: OSError, where: str) -> TrineError:
    """A USB error on opening a device, in host's terms: SetupError without permission or driver, else DeviceError."""
    if error.errno == errno.EACCES:
        return SetupError(f"{where}: {NO_PERMISSION}")
    if error.errno == errno.EBUSY:
        return DeviceError(f"{where}: another program uses the device")
    if error.errno == errno.ENOSYS:
        return SetupError(f"{where}: no driver that lets programs use it; on Windows give it WinUSB (with Zadig, say)")
    return DeviceError(f"{where}: {error.strerror or error}")


def _ask(handle: Any) -> UsbDevice | None:
    """The device, asked for its strings; None if it is another product."""
    where = f"USB bus {handle.bus}, device {handle.address}"
    kind = SPEEDS.get(handle.speed)
    try:
        product, serial = _strings(handle)
    except usb.core.USBError as error:
        return UsbDevice(handle, where, kind, None, explain(error, where))
    finally:
        usb.util.dispose_resources(handle)
    return UsbDevice(handle, where, kind, serial) if product == PRODUCT else None


def _strings(handle: Any) -> tuple[str | None, str | None]:
    """The product's and the serial number's string, None where the device has none."""
    languages = usb.util.get_langids(handle)
    if not languages:
        return None, None
    product, serial = (usb.util.get_string(handle, index, languages[0])
                       for index in (handle.iProduct, handle.iSerialNumber))
    return product, serial or None


def _names(devices: Sequence[UsbDevice]) -> str:
    return ", ".join(f"{device.name} ({device.where})" for device in devices)
