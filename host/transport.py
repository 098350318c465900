"""What carries the bytes between host and device.

A transport knows nothing of frames. It is written whole and read exactly, and every read has a limit, so that no
device, however broken, makes the host wait for ever.
"""

from typing import Protocol

from trine.firmware.machine import Machine


class TransportFault(Exception):
    """Bytes were lost on their way, and the transport has put itself right: what was exchanged may be done again."""


class Transport(Protocol):
    """A byte stream to a device and one back.

    paced: whether the device loses what is written faster than it takes it (recovery.PACING).
    """

    paced: bool

    def write(self, data: bytes) -> None:
        """Send all of `data`, now or while somebody reads.

        Raises TimeoutError if the device takes no more, TransportFault, and OSError if the device is gone. After each
        of them the transport can be written to again; where a device is back by then, it is found.
        """

    def read_exact(self, n: int, timeout: float) -> bytes:
        """The next `n` bytes. Raises TimeoutError, and keeps what has come, if they are not there in `timeout` seconds.

        Raises TransportFault, and OSError if the device is gone.
        """

    def close(self) -> None:
        """Let go of the device; calling it twice does no harm."""


class GoldenTransport:
    """The functional machine as a device: it answers within `write`, so a read either has its bytes or never will.

    A read that finds too few bytes is the silence after which a device gives up a frame that stopped in the middle.
    """

    paced = False

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._received = bytearray()

    def write(self, data: bytes) -> None:
        """Let the machine take all of `data` and answer."""
        self._received += self._machine.feed(data)

    def read_exact(self, n: int, timeout: float) -> bytes:
        """The next `n` bytes of answers; TimeoutError at once if there are fewer, whatever the timeout."""
        if len(self._received) < n:
            self._received += self._machine.timeout()
        if len(self._received) < n:
            raise TimeoutError(f"{n} bytes were expected, {len(self._received)} came")
        data = bytes(self._received[:n])
        del self._received[:n]
        return data

    def close(self) -> None:
        """Nothing to let go of."""
