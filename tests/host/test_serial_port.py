import errno
from collections.abc import Callable

import pytest
import serial

from tests.host.noise import Noise
from tests.host.serial_line import SerialLine
from trine.firmware.link import Frame, Request
from trine.firmware.machine import Machine
from trine.host import serial_port as module
from trine.host.connection import Connection
from trine.host.device import Device
from trine.host.errors import DeviceError, SetupError, UsageError
from trine.host.serial_port import SerialTransport

ECHO, ANSWER = Frame(Request.ECHO, 1, b"abc").encode(), Frame(Request.ECHO | 0x80, 1, b"abc").encode()


@pytest.fixture
def line(small):
    line = SerialLine(Machine(small))
    yield line
    line.unplug()


@pytest.fixture
def port(line):
    port = SerialTransport(line.path, 3_000_000)
    yield port
    port.close()


def test_reads_in_any_portions(port):
    port.write(ECHO)
    assert b"".join(port.read_exact(n, 1) for n in (5, 1, 9)) == ANSWER


def test_too_few_bytes_keep_what_came(port):
    port.write(ECHO)
    with pytest.raises(TimeoutError, match=r"15 of 16 bytes came in 0\.1 s$"):
        port.read_exact(16, 0.1)
    assert port.read_exact(15, 1) == ANSWER


def test_port_settings(port):
    settings = port._port
    assert settings.baudrate == 3_000_000
    assert (settings.bytesize, settings.parity, settings.stopbits) == (8, "N", 1)
    assert (settings.rtscts, settings.dsrdtr, settings.xonxoff) == (False, False, False)


def test_low_latency_is_asked_for(line, monkeypatch):
    asked = []
    monkeypatch.setattr(serial.Serial, "set_low_latency_mode", lambda self, on: asked.append(on))
    SerialTransport(line.path, 3_000_000).close()
    assert asked == [True]


def test_exchanges_are_paced(small, line, port):
    device = Device(port, small)
    assert port.paced
    for _ in range(20):
        assert device.echo(bytes(range(64))) == bytes(range(64))


def test_noise(small, image, line, port, codes):
    """A fault every 3,000 bytes on the way there: repaired, and every integer right."""
    device = Device(port, small, timeout=1)
    device.load(image)
    expected = [result.tolist() for result in device.execute(image.requests[0], codes).results]
    noise = Noise(3_000, 7)
    line.damage = noise.damage
    for _ in range(60):
        assert [result.tolist() for result in device.execute(image.requests[0], codes).results] == expected
    assert device.link_faults >= 3
    assert noise.done.total() >= 3


def test_unplugged(line, port, monkeypatch):
    monkeypatch.setattr(module, "RETURN", 0.1)
    connection = Connection(port)
    line.unplug()
    with pytest.raises(DeviceError, match=r"^the device is gone: /dev/pts/\d+: "):
        connection.exchange([(Request.ECHO, b"")])
    with pytest.raises(UsageError, match=r"/dev/pts/\d+: no such port"):
        connection.exchange([(Request.ECHO, b"")])


def test_plugged_in_again(small, tmp_path, line):
    """The path is the same link of udev's, the port behind it another one; what came before is forgotten."""
    path = tmp_path / "board"
    path.symlink_to(line.path)
    port = SerialTransport(str(path), 3_000_000)
    port.write(Frame(Request.ECHO, 1, b"old").encode())
    with pytest.raises(TimeoutError):
        port.read_exact(16, 0.1)
    line.unplug()
    with pytest.raises(OSError, match=r"board: "):
        port.read_exact(16, 1)
    again = SerialLine(Machine(small))
    path.unlink()
    path.symlink_to(again.path)
    port.write(ECHO)
    assert port.read_exact(15, 1) == ANSWER
    port.close()
    again.unplug()


def test_in_use(line, port):
    with pytest.raises(DeviceError, match=r"another program uses the port"):
        SerialTransport(line.path, 3_000_000)


@pytest.mark.parametrize(("number", "kind", "message"), [
    (errno.EACCES, SetupError, r"board: no permission to open it; join the group that owns it"),
    (errno.EBUSY, DeviceError, r"board: another program uses the port"),
    (errno.ENOENT, UsageError, r"board: no such port; trine doctor lists those that there are"),
    (None, UsageError, r"board: cannot be opened at 3000000 baud: .*why"),
])
def test_init_wrong_port(monkeypatch, number, kind, message):
    def refuse(*arguments, **settings):
        raise serial.SerialException(number, "why")

    monkeypatch.setattr(serial, "Serial", refuse)
    with pytest.raises(kind, match=message):
        SerialTransport("board", 3_000_000)


def test_port_that_takes_nothing(port, monkeypatch):
    def write(data):
        raise serial.SerialTimeoutException("Write timeout")

    monkeypatch.setattr(port._port, "write", write)
    with pytest.raises(TimeoutError, match=r"took no more in 10 s"):
        port.write(ECHO)


def test_close(port):
    port.close()
    port.close()
    act: Callable[[], object]
    for act in (lambda: port.write(b""), lambda: port.read_exact(1, 0)):
        with pytest.raises(OSError, match=r"closed|gone"):
            act()
