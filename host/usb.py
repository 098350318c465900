"""The link over USB: PyUSB, and through it libusb or any other backend.

PyUSB's transfers are synchronous, one at a time in each thread. What keeps several packets in flight is that they are
large: libusb hands a transfer of many packets to the host controller whole, which then needs no software between one
packet and the next; and that the two directions are in different threads, the reading in the caller's and the writing
in one of its own (writer.py). Without that, a device whose answers nobody fetches would take no more requests, and a
large exchange would stand still. Alternatives: several reads in several threads would not be queued in an order that
anybody knows; libusb's asynchronous transfers are not PyUSB's, and a backend of one's own (the twin's) has none. A
small request is written by the caller itself, which spares the change of threads, half of what the host adds to a round
trip.

Reads ask for a whole number of packets, so that no packet can be too long for what is left. They end with the packet
that is short, or empty, with which a device says that it has no more for now; should it say nothing, with `SLICE`.
"""

import array
import errno
import math
import time
from typing import Any

import usb.core
import usb.util

from trine.firmware.usb import ENDPOINT_IN, ENDPOINT_OUT
from trine.host.errors import TrineError
from trine.host.transport import TransportFault
from trine.host.usb_devices import UsbDevice, claim, find_backend, find_device
from trine.host.writer import Writer

IN_BYTES = 16384
"""Of one IN transfer: whole packets, and one request to Linux, so that a short packet leaves none to cancel."""
OUT_BYTES = 65536
"""Of one OUT transfer at the most: several such requests, one behind the other."""
SMALL_BYTES = 512
"""A write so small is done by the caller, if nothing else is being written."""
SLICE = 0.25
"""Seconds of one transfer, after which whoever waits looks around."""
PATIENCE = 10.0
"""Seconds that a device may take no byte at all."""
RETURN = 3.0
"""Seconds that a device has to come back after it was gone: enumeration, and the permissions that udev gives."""

_GONE = (errno.ENODEV, errno.ENOENT, errno.ESHUTDOWN)


class UsbTransport:
    """The bytes of a device on USB.

    Parameters: the device's serial number, or None for the only one there is; PyUSB's backend, or None for libusb.

    A stalled endpoint and a broken transfer are put right and raise TransportFault: the exchange may be done again. A
    device that is gone raises OSError; the next write looks for it by its serial number, for as long as an enumeration
    takes, and raises DeviceError or SetupError if it cannot be had. What it holds then is another question: after a
    loss of power, no image.

    Raises DeviceError if there is no such device or another program has it, SetupError if libusb or the permission to
    open it is missing.
    """

    paced = False

    def __init__(self, serial: str | None = None, backend: Any = None) -> None:
        self._backend = find_backend() if backend is None else backend
        self._serial = serial
        self._writer = Writer(self._send, OUT_BYTES, PATIENCE)
        self._space = array.array("B", bytes(IN_BYTES))
        self._received = bytearray()
        self._closed = False
        self.transfers_out = 0
        """OUT transfers so far that the device took a byte of."""
        self.transfers_in = 0
        """IN transfers so far that brought something."""
        self._device = self._open(0.0)
        self._serial = self._device.serial

    @property
    def device(self) -> UsbDevice:
        """The device, or what it was before it was gone."""
        return self._device

    def write(self, data: bytes) -> None:
        """Send all of `data`, a large one in the background; raises what went wrong with earlier ones too."""
        if self._closed:
            raise OSError(errno.EBADF, "the transport is closed")
        if self._handle is None:
            self._device = self._open(RETURN)
        try:
            self._writer.check()
            sent = 0
            if len(data) <= SMALL_BYTES and not self._writer.pending:
                sent = self._send(data)
            if sent < len(data):
                self._writer.submit(data[sent:])
        except (OSError, TransportFault) as error:
            self._recover(error)
            raise

    def read_exact(self, n: int, timeout: float) -> bytes:
        """The next `n` bytes; what else has come is kept, and all of it if that is too little in time."""
        deadline = time.monotonic() + timeout
        try:
            while len(self._received) < n:
                self._writer.check()
                left = deadline - time.monotonic()
                if left <= 0:
                    waiting = f"; {self._writer.pending} bytes are not taken" if self._writer.pending else ""
                    raise TimeoutError(f"{len(self._received)} of {n} bytes came in {timeout:g} s{waiting}")
                self._receive(min(left, SLICE))
        except (OSError, TransportFault) as error:
            self._recover(error)
            raise
        data = bytes(self._received[:n])
        del self._received[:n]
        return data

    def close(self) -> None:
        """Let the device take what is still to be written, for a second, and let go of it."""
        if not self._closed:
            self._closed = True
            self._writer.close(1.0 if self._handle is not None else 0.0)
            self._let_go()

    def _open(self, seconds: float) -> UsbDevice:
        """The device, claimed; looked for until then."""
        self._handle: Any = None
        deadline = time.monotonic() + seconds
        while True:
            try:
                found = find_device(self._serial, self._backend)
                claim(found)
                self._handle = found.handle
                return found
            except TrineError:
                if time.monotonic() >= deadline:
                    raise
            time.sleep(0.1)

    def _send(self, data: bytes) -> int:
        """Bytes of `data` that the device takes in a moment."""
        try:
            sent: int = self._handle.write(ENDPOINT_OUT, data, math.ceil(1000 * SLICE))
        except usb.core.USBTimeoutError:
            return 0
        except usb.core.USBError as error:
            raise self._fault(error, ENDPOINT_OUT) from error
        self.transfers_out += 1
        return sent

    def _receive(self, seconds: float) -> None:
        """Take what comes until a transfer ends, or that time."""
        if self._handle is None:
            raise OSError(errno.ENODEV, f"{self._device.where}: gone")
        try:
            count = self._handle.read(ENDPOINT_IN, self._space, math.ceil(1000 * seconds))
        except usb.core.USBTimeoutError:
            return
        except usb.core.USBError as error:
            raise self._fault(error, ENDPOINT_IN) from error
        self.transfers_in += count > 0
        self._received += memoryview(self._space)[:count]

    def _fault(self, error: usb.core.USBError, endpoint: int) -> Exception:
        """What a broken transfer means: TransportFault if the endpoint could be put right, otherwise OSError."""
        reason = error
        if error.errno not in _GONE:
            try:
                self._handle.clear_halt(endpoint)
            except usb.core.USBError as another:
                reason = another
            else:
                return TransportFault(f"{self._device.where}: {error.strerror}")
        return OSError(errno.ENODEV, f"{self._device.where}: {reason.strerror}")

    def _recover(self, error: Exception) -> None:
        """After an error: let go of a device that is gone; drop what is under way, but not after a mere timeout."""
        if isinstance(error, TimeoutError):
            return
        self._writer.drop()
        self._received.clear()
        if isinstance(error, OSError):
            self._let_go()

    def _let_go(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            usb.util.dispose_resources(handle)
