"""PyUSB on the simulated bus: a backend whose only device is the twin.

    controller = HostController(model, FULL_SPEED)
    device = usb.core.find(backend=TwinBackend(controller))

What an operating system does is done here: the device is enumerated through control transfers of its own when the
backend is made, and has the address that it was given. What libusb does is done as libusb does it: a transfer that was
under way when its time was up returns what it has, and is a timeout only if that is nothing.
"""

import array
import errno
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import usb.backend
import usb.core

from trine.sim.twin.bus import BusFault
from trine.sim.twin.enumeration import Attached, attach, setup_packet
from trine.sim.twin.host_controller import (
    CLEAR_HALT,
    SET_CONFIGURATION,
    SET_INTERFACE,
    HostController,
    Stalled,
    Unplugged,
)
from trine.sim.twin.transfer import Status, Transfer

GET_CONFIGURATION = (0x80, 8)
CONTROL_SECONDS = 10.0
"""Of a control transfer that has no limit of its own."""
LIBUSB_SPEEDS = {"full": 2, "high": 3}
"""What libusb calls them."""
_ENDED_BADLY = {
    Status.STALLED: ("the endpoint is halted", errno.EPIPE),
    Status.FAILED: ("the device does not answer on the bus", errno.EIO),
    Status.OVERFLOW: ("the device sent more than was asked for", errno.EOVERFLOW),
    Status.GONE: ("the device is unplugged", errno.ENODEV),
}


class TwinBackend(usb.backend.IBackend):
    """The twin for usb.core.find.

    Raises BusFault or TimeoutError if the device cannot be enumerated.
    """

    def __init__(self, controller: HostController) -> None:
        self._controller = controller
        self._attached = attach(controller)
        self._configuration = 0

    def enumerate_devices(self) -> list[Attached]:
        """The device, while it is plugged in."""
        return [] if self._controller.unplugged else [self._attached]

    def get_parent(self, dev: Attached) -> None:
        """No hub."""

    def get_device_descriptor(self, dev: Attached) -> SimpleNamespace:
        """As read at enumeration, with where the device is."""
        fields = vars(dev.device)
        return SimpleNamespace(**fields, bus=1, address=dev.address, port_number=1, port_numbers=(1,),
                               speed=LIBUSB_SPEEDS[self._controller.speed.name])

    def get_configuration_descriptor(self, dev: Attached, config: int) -> SimpleNamespace:
        """As read at enumeration; IndexError if there are not so many."""
        return dev.configurations[config]

    def get_interface_descriptor(self, dev: Attached, intf: int, alt: int, config: int) -> SimpleNamespace:
        """IndexError if there is none."""
        interface: SimpleNamespace = dev.configurations[config].interfaces[intf][alt]
        return interface

    def get_endpoint_descriptor(self, dev: Attached, ep: int, intf: int, alt: int, config: int) -> SimpleNamespace:
        """IndexError if there is none."""
        endpoint: SimpleNamespace = self.get_interface_descriptor(dev, intf, alt, config).endpoints[ep]
        return endpoint

    def open_device(self, dev: Attached) -> Attached:
        """Its handle."""
        return dev

    def close_device(self, dev_handle: Attached) -> None:
        """Nothing to let go of."""

    def set_configuration(self, dev_handle: Attached, config_value: int) -> None:
        """SET_CONFIGURATION."""
        self._control(SET_CONFIGURATION, config_value, 0)
        self._configuration = config_value

    def get_configuration(self, dev_handle: Attached) -> int:
        """GET_CONFIGURATION."""
        return self._control(GET_CONFIGURATION, 0, 0, 1)[0]

    def set_interface_altsetting(self, dev_handle: Attached, intf: int, altsetting: int) -> None:
        """SET_INTERFACE."""
        self._control(SET_INTERFACE, altsetting, intf)

    def claim_interface(self, dev_handle: Attached, intf: int) -> None:
        """Nobody else wants it."""

    def release_interface(self, dev_handle: Attached, intf: int) -> None:
        """Nobody else wants it."""

    def is_kernel_driver_active(self, dev_handle: Attached, intf: int) -> bool:
        """There is no kernel."""
        return False

    def bulk_write(self, dev_handle: Attached, ep: int, intf: int, data: "array.array[int]", timeout: int) -> int:
        """Bytes that the device acknowledged; all of them, or fewer when the time (ms, 0: any) was up."""
        return self._bulk(Transfer(ep, data=data.tobytes()), timeout).moved

    def bulk_read(self, dev_handle: Attached, ep: int, intf: int, buff: "array.array[int]", timeout: int) -> int:
        """Bytes that came into `buff`, until a short packet, its end, or the end of the time (ms, 0: any)."""
        received = self._bulk(Transfer(ep, length=len(buff) * buff.itemsize), timeout).received
        memoryview(buff).cast("B")[: len(received)] = bytes(received)
        return len(received)

    def ctrl_transfer(self, dev_handle: Attached, bmRequestType: int, bRequest: int, wValue: int, wIndex: int,
                      data: "array.array[int]", timeout: int) -> int:
        """Bytes that went or came."""
        incoming = bool(bmRequestType & 0x80)
        size = len(data) * data.itemsize
        outgoing = b"" if incoming else data.tobytes()
        received = self._control((bmRequestType, bRequest), wValue, wIndex, size, outgoing, timeout)
        memoryview(data).cast("B")[: len(received)] = received
        return len(received) if incoming else size

    def clear_halt(self, dev_handle: Attached, ep: int) -> None:
        """CLEAR_FEATURE(ENDPOINT_HALT); the endpoint goes on with DATA0."""
        self._control(CLEAR_HALT, 0, ep)

    def reset_device(self, dev_handle: Attached) -> None:
        """Reset the bus and give the device its address and its configuration again."""
        with _as_usb_error():
            self._attached = attach(self._controller)
        if self._configuration:
            self.set_configuration(dev_handle, self._configuration)

    def _bulk(self, transfer: Transfer, timeout: int) -> Transfer:
        with _as_usb_error():
            self._controller.wait(self._controller.submit(transfer), timeout / 1000 if timeout else None)
        if transfer.status in _ENDED_BADLY:
            message, number = _ENDED_BADLY[transfer.status]
            raise usb.core.USBError(message, None, number)
        if transfer.status is Status.CANCELLED and not transfer.moved:
            raise usb.core.USBTimeoutError(f"nothing moved within {timeout} ms", None, errno.ETIMEDOUT)
        return transfer

    def _control(self, request: tuple[int, int], value: int, index: int, length: int = 0, data: bytes = b"",
                 timeout: int = 0) -> bytes:
        with _as_usb_error():
            return self._controller.control(setup_packet(request, value, index, length), data,
                                            timeout / 1000 if timeout else CONTROL_SECONDS)


@contextmanager
def _as_usb_error() -> Iterator[None]:
    try:
        yield
    except Stalled as error:
        raise usb.core.USBError("the device does not support this request", None, errno.EPIPE) from error
    except BusFault as error:
        raise usb.core.USBError(str(error), None, errno.EIO) from error
    except Unplugged as error:
        raise usb.core.USBError(str(error), None, errno.ENODEV) from error
    except TimeoutError as error:
        raise usb.core.USBTimeoutError(str(error), None, errno.ETIMEDOUT) from error
