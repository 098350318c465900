import threading
import time

import pytest

from trine.host.writer import Writer


class Sink:
    """Takes so many bytes a call, none while it is shut."""

    def __init__(self, at_most=3):
        self.at_most, self.taken, self.parts = at_most, bytearray(), []
        self.shut, self.error = False, None

    def send(self, data):
        if self.error is not None:
            raise self.error
        if self.shut:
            time.sleep(0.005)
            return 0
        self.parts.append(len(data))
        self.taken += data[: self.at_most]
        return min(self.at_most, len(data))


@pytest.fixture
def sink():
    return Sink()


@pytest.fixture
def writer(sink):
    writer = Writer(sink.send, 5, 0.1)
    yield writer
    writer.close(0)


def drained(writer):
    deadline = time.monotonic() + 5
    while writer.pending and time.monotonic() < deadline:
        time.sleep(0.001)
    return not writer.pending


def test_everything_in_order(writer, sink):
    for start in range(0, 200, 20):
        writer.submit(bytes(range(start, start + 20)))
    assert drained(writer)
    assert sink.taken == bytes(range(200))
    assert max(sink.parts) == 5
    writer.check()


def test_no_thread_without_bytes(sink):
    before = threading.active_count()
    Writer(sink.send, 5, 0.1).close(1)
    assert threading.active_count() == before


def test_error_is_told_once_and_ends_what_was_pending(writer, sink):
    sink.error = OSError("gone")
    writer.submit(b"abcdef")
    assert drained(writer)
    with pytest.raises(OSError, match="gone"):
        writer.check()
    writer.check()
    sink.error = None
    writer.submit(b"xyz")
    assert drained(writer)
    assert sink.taken == b"xyz"


def test_patience(writer, sink):
    sink.shut = True
    writer.submit(b"abcdef")
    assert drained(writer)
    with pytest.raises(TimeoutError, match=r"the device took no byte of 6 in 0\.1 s"):
        writer.check()


def test_drop(writer, sink):
    sink.shut = True
    writer.submit(b"abcdef")
    writer.drop()
    assert writer.pending == 0
    sink.shut = False
    writer.submit(b"xyz")
    assert drained(writer)
    assert sink.taken == b"xyz"


def test_close(sink):
    writer = Writer(sink.send, 5, 0.1)
    writer.submit(bytes(100))
    writer.close(5)
    assert len(sink.taken) == 100
    sink.shut = True
    writer = Writer(sink.send, 5, 0.1)
    writer.submit(b"abc")
    started = time.monotonic()
    writer.close(0.05)
    assert time.monotonic() - started < 2
    assert "trine writer" not in [thread.name for thread in threading.enumerate()]


def test_drop_of_what_the_device_takes_after_all(sink):
    """Later than anybody waited: it counts for nothing that was submitted since."""
    called, taking = threading.Event(), threading.Event()

    def send(data):
        called.set()
        taking.wait(5)
        return sink.send(data)

    writer = Writer(send, 3, 0.05)
    writer.submit(b"abc")
    assert called.wait(5)
    writer.drop()
    writer.submit(b"xyz")
    taking.set()
    assert drained(writer)
    assert sink.taken == b"abcxyz"
    writer.close(0)
