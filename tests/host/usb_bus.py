"""A USB bus for PyUSB, with functional machines on it as devices, and with faults on demand."""

import errno
import os
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace

import usb.backend
import usb.core

from trine.firmware.configuration import Configuration
from trine.firmware.machine import Machine
from trine.firmware.usb import (
    ENDPOINT_IN,
    ENDPOINT_OUT,
    FULL_SPEED_PACKET,
    HIGH_SPEED_PACKET,
    INTERFACE,
    INTERFACE_CLASS,
    PRODUCT,
    PRODUCT_ID,
    VENDOR_ID,
)

SILENCE = 0.02
"""Seconds without a byte after which a device gives up a frame that stopped in the middle."""


class Fault(Exception):
    """What a transfer meets: errno, after so many bytes of it."""

    def __init__(self, number: int, after: int = 0) -> None:
        super().__init__(number)
        self.number = number
        self.after = after


class BusDevice:
    """A device: a machine behind a pair of endpoints.

    in_bytes: answers that it buffers; with more it takes no requests. short: whether it ends what it has to say with a
    short or an empty packet. meet: told endpoint and number of each transfer from 0 on, what it meets. opens, claims:
    errno of opening it and of claiming its interface.
    """

    def __init__(self, configuration: Configuration, serial: str | None = "0001", product: str = PRODUCT,
                 in_bytes: int = 256, packet: int = FULL_SPEED_PACKET, build_id: int = 0) -> None:
        self.machine = Machine(configuration, build_id)
        self._build_id = build_id
        self.serial, self.product, self.packet, self.in_bytes = serial, product, packet, in_bytes
        self.short = True
        self.opens: int | None = None
        self.claims: int | None = None
        self.configured = 1
        self.endpoints = [ENDPOINT_OUT, ENDPOINT_IN]
        self.meet: Callable[[int, int], Fault | None] = lambda endpoint, number: None
        self.transfers = {ENDPOINT_OUT: 0, ENDPOINT_IN: 0}
        self.cleared: list[int] = []
        self.answers = bytearray()
        self.changed = threading.Condition()

    def reset(self) -> None:
        """As after its power was lost."""
        with self.changed:
            self.machine = Machine(self.machine.configuration, self._build_id)
            self.answers.clear()

    def fault(self, endpoint: int) -> Fault | None:
        number = self.transfers[endpoint]
        self.transfers[endpoint] += 1
        return self.meet(endpoint, number)


class Bus(usb.backend.IBackend):
    """What is attached; a handle is a device as it was when it was opened, and gone once that was unplugged."""

    def __init__(self, *devices: BusDevice) -> None:
        self.attached = list(devices)
        self.open_handles = 0

    def unplug(self, device: BusDevice) -> None:
        self.attached.remove(device)
        with device.changed:
            device.changed.notify_all()

    def enumerate_devices(self):
        return list(self.attached)

    def get_device_descriptor(self, dev):
        return SimpleNamespace(
            bLength=18, bDescriptorType=1, bcdUSB=0x200, bDeviceClass=0, bDeviceSubClass=0, bDeviceProtocol=0,
            bMaxPacketSize0=64, idVendor=VENDOR_ID, idProduct=PRODUCT_ID, bcdDevice=0, iManufacturer=0, iProduct=2,
            iSerialNumber=3 if dev.serial is not None else 0, bNumConfigurations=1, address=7, bus=1, port_number=1,
            port_numbers=(1,), speed=2)

    def get_configuration_descriptor(self, dev, config):
        return SimpleNamespace(bLength=9, bDescriptorType=2, wTotalLength=32, bNumInterfaces=1, bConfigurationValue=1,
                               iConfiguration=0, bmAttributes=0x80, bMaxPower=50, extra_descriptors=[])

    def get_interface_descriptor(self, dev, intf, alt, config):
        if (intf, alt) != (INTERFACE, 0):
            raise IndexError
        return SimpleNamespace(bLength=9, bDescriptorType=4, bInterfaceNumber=INTERFACE, bAlternateSetting=0,
                               bNumEndpoints=len(dev.endpoints), bInterfaceClass=INTERFACE_CLASS,
                               bInterfaceSubClass=0xFF, bInterfaceProtocol=0xFF, iInterface=0, extra_descriptors=[])

    def get_endpoint_descriptor(self, dev, ep, intf, alt, config):
        return SimpleNamespace(bLength=7, bDescriptorType=5, bEndpointAddress=dev.endpoints[ep], bmAttributes=2,
                               wMaxPacketSize=dev.packet, bInterval=0, bRefresh=0, bSynchAddress=0,
                               extra_descriptors=[])

    def open_device(self, dev):
        _raise(dev.opens)
        self.open_handles += 1
        return dev

    def close_device(self, dev_handle):
        self.open_handles -= 1

    def get_configuration(self, dev_handle):
        return dev_handle.configured

    def set_configuration(self, dev_handle, config_value):
        dev_handle.configured = config_value

    def claim_interface(self, dev_handle, intf):
        _raise(dev_handle.claims)

    def release_interface(self, dev_handle, intf):
        pass

    def clear_halt(self, dev_handle, ep):
        self._check(dev_handle)
        dev_handle.cleared.append(ep)

    def ctrl_transfer(self, dev_handle, bmRequestType, bRequest, wValue, wIndex, data, timeout):
        self._check(dev_handle)
        text = {0: "\u0409", 2: dev_handle.product, 3: dev_handle.serial}[wValue & 0xFF].encode("utf-16-le")
        answer = bytes([len(text) + 2, 3]) + text
        for i, byte in enumerate(answer):
            data[i] = byte
        return len(answer)

    def bulk_write(self, dev_handle, ep, intf, data, timeout):
        device, data, taken = dev_handle, bytes(data), 0
        fault = device.fault(ENDPOINT_OUT)
        deadline = time.monotonic() + timeout / 1000
        with device.changed:
            while taken < len(data):
                self._check(device)
                if fault is not None and taken >= fault.after:
                    _raise(fault.number)
                if len(device.answers) > device.in_bytes:
                    if not device.changed.wait(deadline - time.monotonic()):
                        break
                    continue
                until = len(data) if fault is None else fault.after
                part = data[taken : min(taken + device.packet, until)]
                device.answers += device.machine.feed(part)
                taken += len(part)
                device.changed.notify_all()
        if not taken and data:
            raise usb.core.USBTimeoutError("Operation timed out", -7, errno.ETIMEDOUT)
        return taken

    def bulk_read(self, dev_handle, ep, intf, buff, timeout):
        device, came = dev_handle, bytearray()
        if len(buff) % HIGH_SPEED_PACKET:
            _raise(errno.EOVERFLOW)  # the last packet may be too long for what is left
        fault = device.fault(ENDPOINT_IN)
        deadline = time.monotonic() + timeout / 1000
        with device.changed:
            while len(came) < len(buff):
                self._check(device)
                if fault is not None and len(came) >= fault.after:
                    _raise(fault.number)
                room = len(buff) - len(came) if fault is None else min(len(buff), fault.after) - len(came)
                came += device.answers[:room]
                del device.answers[:room]
                device.changed.notify_all()
                if came and fault is None and (device.short or len(came) % device.packet):
                    break
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                if not device.changed.wait(min(left, SILENCE)):
                    device.answers += device.machine.timeout()
        if not came:
            raise usb.core.USBTimeoutError("Operation timed out", -7, errno.ETIMEDOUT)
        for i, byte in enumerate(came):
            buff[i] = byte
        return len(came)

    def _check(self, device: BusDevice) -> None:
        if device not in self.attached:
            _raise(errno.ENODEV)


def _raise(number: int | None) -> None:
    if number is not None:
        raise usb.core.USBError(os.strerror(number), None, number)
