"""Writing in the background, so that a device that waits for its answers to be read does not keep the host from it."""

import threading
import time
from collections.abc import Callable


class Writer:
    """Sends what it is given, in order, in a thread of its own, which begins with the first bytes.

    Parameters: send takes some bytes, waits for the device for a moment, and says how many it took, 0 if none; what it
    raises ends the sending. at_once: bytes that it is given at the most. patience: seconds without a byte taken after
    which the sending ends with TimeoutError.

    When the sending ends, everything that is still to be sent is dropped; `check` tells why, and then it can go on.
    """

    def __init__(self, send: Callable[[bytes], int], at_once: int, patience: float) -> None:
        self._send = send
        self._at_once = at_once
        self._patience = patience
        self._changed = threading.Condition()
        self._pending = bytearray()
        self._sending = False
        self._dropped = False  # while it was being sent
        self._closed = False
        self._error: Exception | None = None
        self._thread: threading.Thread | None = None

    @property
    def pending(self) -> int:
        """Bytes that the device has not taken yet."""
        return len(self._pending)

    def submit(self, data: bytes) -> None:
        """Send `data` after everything before it; returns at once."""
        with self._changed:
            self._pending += data
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="trine writer", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def check(self) -> None:
        """Raises, once, what ended the sending."""
        with self._changed:
            error, self._error = self._error, None
        if error is not None:
            raise error

    def drop(self) -> None:
        """Send nothing of what is pending any more; returns when `send` is not being called."""
        with self._changed:
            self._pending.clear()
            self._dropped = True
            self._changed.wait_for(lambda: not self._sending, self._patience)
            self._error = None

    def close(self, seconds: float) -> None:
        """Let the device take what is pending for so long, then end the thread."""
        with self._changed:
            self._changed.wait_for(lambda: not self._pending, seconds)
        self.drop()
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(self._patience)

    def _run(self) -> None:
        taken = time.monotonic()
        while True:
            with self._changed:
                if not self._pending:
                    self._changed.wait_for(lambda: self._pending or self._closed)
                    taken = time.monotonic()
                if self._closed:
                    return
                part = bytes(self._pending[: self._at_once])
                self._sending, self._dropped = True, False
            sent, error = 0, None
            try:
                sent = self._send(part)
            except Exception as reason:  # whatever it is, the caller's thread has to hear of it
                error = reason
            now = time.monotonic()
            if sent:
                taken = now
            elif error is None and now - taken > self._patience:
                error = TimeoutError(f"the device took no byte of {self.pending} in {self._patience:g} s")
            with self._changed:
                self._sending = False
                if not self._dropped:
                    del self._pending[:sent]
                    if error is not None:
                        self._pending.clear()
                        self._error = error
                self._changed.notify_all()
