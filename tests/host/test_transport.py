import pytest

from trine.firmware.link import ERROR, Error, Frame, Request
from trine.firmware.machine import Machine
from trine.host.transport import GoldenTransport


def test_reads_in_any_portions(small):
    transport = GoldenTransport(Machine(small))
    transport.write(Frame(Request.ECHO, 7, b"abc").encode())
    expected = Frame(Request.ECHO | 0x80, 7, b"abc").encode()
    assert transport.read_exact(5, 1) + transport.read_exact(len(expected) - 5, 1) == expected


def test_too_few_bytes_keep_what_came(small):
    transport = GoldenTransport(Machine(small))
    transport.write(Frame(Request.ECHO, 7).encode())
    with pytest.raises(TimeoutError, match=r"13 bytes were expected, 12 came"):
        transport.read_exact(13, 60)
    assert transport.read_exact(12, 1) == Frame(Request.ECHO | 0x80, 7).encode()


def test_silence_ends_a_frame_that_stopped(small):
    transport = GoldenTransport(Machine(small))
    transport.write(Frame(Request.ECHO, 9, b"abcdef").encode()[:10])
    assert transport.read_exact(14, 1) == Frame(ERROR, 9, bytes([Error.TIMEOUT, Request.ECHO])).encode()
