"""The link over a serial port: pyserial, 8 data bits, no parity, one stop bit, no flow control.

Boards wire no handshake lines to the FPGA, so nothing can hold the host up: `Connection` paces it (recovery.PACING).
What the device sends the operating system buffers, and as requests wait for their answers, it is never much. So, other
than on USB, one thread does.

A USB adapter of FTDI's keeps back what it received until its latency timer ends, 16 ms by default, which every round
trip pays. On Linux the port is asked for low latency, which makes it 1 ms; on Windows it is a setting of the port in
the device manager, on macOS one of the driver.
"""

import contextlib
import errno
import time

import serial

from trine.host.errors import DeviceError, SetupError, TrineError, UsageError

SLICE = 0.05
"""Seconds of one read of the operating system, after which whoever waits looks at the clock."""
PATIENCE = 10.0
"""Seconds that a port may take to take what is written."""
RETURN = 3.0
"""Seconds that a port has to come back after it was gone."""


class SerialTransport:
    """The bytes of a device on a serial port.

    Parameters: the port's path or name; bits a second.

    A port that is gone raises OSError, and the next write tries for a moment to open it again. Raises UsageError if
    there is no such port or it does not do that rate, DeviceError if another program has it, SetupError without the
    permission to open it.
    """

    paced = True

    def __init__(self, path: str, baud: int) -> None:
        self._path = path
        self._baud = baud
        self._received = bytearray()
        self._closed = False
        self._port: serial.Serial | None = self._open()

    def write(self, data: bytes) -> None:
        """Send all of `data`; TimeoutError if the port does not take it, OSError if it is gone."""
        if self._closed:
            raise OSError(errno.EBADF, "the transport is closed")
        if self._port is None:
            self._port = self._reopen()
        try:
            self._port.write(data)
        except serial.SerialTimeoutException as error:
            raise TimeoutError(f"{self._path} took no more in {PATIENCE:g} s") from error
        except (OSError, serial.SerialException) as error:
            raise self._gone(error) from error

    def read_exact(self, n: int, timeout: float) -> bytes:
        """The next `n` bytes; what has come is kept for the next read if they are not enough in time."""
        deadline = time.monotonic() + timeout
        while (missing := n - len(self._received)) > 0:
            if self._port is None:
                raise OSError(errno.ENODEV, f"{self._path}: gone")
            try:
                self._received += self._port.read(missing)
            except (OSError, serial.SerialException) as error:
                raise self._gone(error) from error
            if len(self._received) < n and time.monotonic() >= deadline:
                raise TimeoutError(f"{len(self._received)} of {n} bytes came in {timeout:g} s")
        data = bytes(self._received[:n])
        del self._received[:n]
        return data

    def close(self) -> None:
        """Let go of the port; calling it twice does no harm."""
        self._closed = True
        self._let_go()

    def _open(self) -> serial.Serial:
        try:
            port = serial.Serial(self._path, self._baud, timeout=SLICE, write_timeout=PATIENCE, exclusive=True)
        except (OSError, ValueError) as error:
            raise _explain(error, self._path, self._baud) from error
        with contextlib.suppress(AttributeError, OSError, ValueError, NotImplementedError):  # where it can be asked for
            port.set_low_latency_mode(True)
        return port

    def _reopen(self) -> serial.Serial:
        deadline = time.monotonic() + RETURN
        while True:
            try:
                return self._open()
            except TrineError:
                if time.monotonic() >= deadline:
                    raise
            time.sleep(0.1)

    def _gone(self, error: Exception) -> OSError:
        self._received.clear()
        self._let_go()
        return OSError(errno.ENODEV, f"{self._path}: {' '.join(str(error).split())}")

    def _let_go(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            with contextlib.suppress(OSError):
                port.close()


def _explain(error: Exception, path: str, baud: int) -> TrineError:
    """Why a port cannot be opened, in host's terms."""
    number = getattr(error, "errno", None)
    if number == errno.EACCES:
        return SetupError(f"{path}: no permission to open it; join the group that owns it (ls -l names it; "
                          "mostly dialout) and log in again")
    if number in (errno.EAGAIN, errno.EBUSY):
        return DeviceError(f"{path}: another program uses the port")
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return UsageError(f"{path}: no such port; trine doctor lists those that there are")
    return UsageError(f"{path}: cannot be opened at {baud} baud: {' '.join(str(error).split())}")
