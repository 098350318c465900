"""The simulated device as a cable: bytes written, bytes read, limits in cycles and in seconds."""

import time

import pytest

from trine.sim.model import NativeModel
from trine.sim.transport import SimTransport


@pytest.fixture
def expected(open_mixer):
    return open_mixer().transfer(b"abcdef", 6).output


@pytest.fixture
def transport(mixer):
    transport = SimTransport(NativeModel(mixer), idle_cycles=50_000)
    yield transport
    transport.close()


def test_reads_what_was_written_for(transport, expected):
    transport.write(b"abc")
    transport.write(b"def")
    assert transport.cycles == 0, "time passes while somebody reads"
    assert transport.read_exact(2, 10) + transport.read_exact(4, 10) == expected
    assert transport.cycles > 6
    assert transport.read_exact(0, 10) == b""


def test_silence_in_cycles(transport):
    transport.write(b"abcdef")
    with pytest.raises(TimeoutError, match=r"sent 6 of 7 bytes, not the rest within 50000 idle cycles .*, 0 bytes not"):
        transport.read_exact(7, 3600)
    assert 50_000 <= transport.cycles < 51_000


def test_what_came_is_kept(transport, expected):
    transport.write(b"abcdef")
    with pytest.raises(TimeoutError):
        transport.read_exact(7, 3600)
    assert transport.read_exact(6, 10) == expected


def test_silence_in_seconds(mixer):
    transport = SimTransport(NativeModel(mixer), idle_cycles=10**15)
    started = time.monotonic()
    with pytest.raises(TimeoutError, match=r"sent 0 of 1 bytes, not the rest within 0\.2 s"):
        transport.read_exact(1, 0.2)
    assert time.monotonic() - started < 20
    transport.close = transport._model.close
    transport.close()


def test_close_flushes(mixer, monkeypatch):
    model = NativeModel(mixer)
    transport = SimTransport(model)
    transport.write(b"abcdef")
    monkeypatch.setattr(model, "close", lambda: None)
    transport.close()
    transport.close()
    assert model.cycles > 6
    assert model.pending == 0


def test_closed(transport):
    transport.close()
    with pytest.raises(OSError, match="closed"):
        transport.write(b"")
    with pytest.raises(OSError, match="closed"):
        transport.read_exact(1, 1)


def test_init_wrong_idle_cycles(open_mixer):
    with pytest.raises(ValueError, match="idle_cycles must be at least 1, not 0"):
        SimTransport(open_mixer(), idle_cycles=0)
