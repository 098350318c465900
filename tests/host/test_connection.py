import pytest

from trine.firmware.link import Frame, Request
from trine.firmware.machine import Machine
from trine.firmware.recovery import ATTEMPTS
from trine.host.connection import Connection
from trine.host.errors import DeviceError


@pytest.fixture
def connection(transport):
    return Connection(transport)


def once(damage):
    """Damages the first write only."""
    done: list[bool] = []

    def apply(data):
        if done:
            return data
        done.append(True)
        return damage(data)

    return apply


ECHOES = [(Request.ECHO, bytes([i]) * i) for i in range(5)]
PAYLOADS = [payload for _, payload in ECHOES]


def test_pipelines(connection, transport):
    assert connection.exchange(ECHOES) == PAYLOADS
    assert transport.writes == 1
    assert connection.faults == 0


@pytest.mark.parametrize("position", [0, 3, 7, 11, 12, 25, 40, 60])
def test_corrupt_to_device(connection, transport, position):
    transport.to_device = once(lambda data: data[:position] + bytes([data[position] ^ 0x10]) + data[position + 1:])
    assert connection.exchange(ECHOES) == PAYLOADS
    assert connection.faults == 1


@pytest.mark.parametrize("position", [0, 9, 13, 30, 69])
def test_lost_to_device(connection, transport, position):
    transport.to_device = once(lambda data: data[:position] + data[position + 1:])
    assert connection.exchange(ECHOES) == PAYLOADS
    assert connection.faults == 1


@pytest.mark.parametrize("garbage", [b"\0", b"\xb1\x58" * 9, bytes(range(200))])
def test_garbage_before(connection, transport, garbage):
    transport.to_device = once(lambda data: garbage + data)
    assert connection.exchange(ECHOES) == PAYLOADS


@pytest.mark.parametrize("read", range(1, 11))
def test_corrupt_from_device(connection, transport, read):
    def damage(data, number):
        return bytes([data[0] ^ 1]) + data[1:] if number == read else data

    transport.from_device = damage
    assert connection.exchange(ECHOES) == PAYLOADS
    assert connection.faults == 1


def test_repeated_response(connection, transport):
    stale = Frame(Request.ECHO | 0x80, 200, b"old").encode()
    transport.inner._received += stale
    assert connection.exchange(ECHOES) == PAYLOADS


def test_gives_up(connection, transport):
    transport.to_device = lambda data: data[:-1]
    with pytest.raises(DeviceError, match=r"no good answer to ECHO, INFO in 3 attempts: .*; check the cable"):
        connection.exchange([(Request.ECHO, b""), (Request.INFO, b"")])
    assert connection.faults == ATTEMPTS


def test_silent_device_is_not_waited_for_ever(connection, transport):
    transport.to_device = lambda data: b""
    with pytest.raises(DeviceError, match=r"no good answer to INFO"):
        connection.exchange([(Request.INFO, b"")])
    assert transport.writes < 30


def test_endless_garbage_from_device(small):
    class Babbling:
        paced = False

        def write(self, data):
            pass

        def read_exact(self, n, timeout):
            return b"\x55" * n

        def close(self):
            pass

    with pytest.raises(DeviceError, match=r"no good answer to INFO"):
        Connection(Babbling(), timeout=0.2).exchange([(Request.INFO, b"")])


def test_gone(connection, transport):
    transport.gone = True
    with pytest.raises(DeviceError, match=r"the device is gone: No such device"):
        connection.exchange(ECHOES)


def test_refusal_names_request_and_reason_and_keeps_step(connection):
    with pytest.raises(DeviceError, match=r"the device refuses RUN: NOT_COMMITTED: no image"):
        connection.exchange([(Request.ECHO, b"x"), (Request.RUN, bytes(4)), (Request.ECHO, b"y")])
    assert connection.faults == 0
    assert connection.exchange(ECHOES) == PAYLOADS
    assert connection.faults == 0


def test_unknown_error_code(connection, transport):
    inner = transport.inner.write

    def write(data):
        inner(data)
        if data[2] == Request.INFO:
            transport.inner._received[:] = Frame(0xFF, data[3], bytes([99, data[2]])).encode()

    transport.inner.write = write
    with pytest.raises(DeviceError, match=r"an error response that says 63"):
        connection.exchange([(Request.INFO, b"")])


def test_sequence_numbers_never_zero(connection):
    connection.exchange([(Request.ECHO, b"")] * 250)
    assert connection.exchange(ECHOES * 4) == PAYLOADS * 4
    assert connection.faults == 0




class Paced:
    """A device behind a UART: it serves a request when somebody reads, and what its buffer cannot keep is lost."""

    paced = True

    def __init__(self, configuration):
        self.machine = Machine(configuration)
        self.room = 2 * configuration.maximum_payload
        self.waiting: list[bytes] = []
        self.answers = bytearray()
        self.most = 0
        self.ahead = 0

    def write(self, data):
        while data:
            size = 12 + int.from_bytes(data[4:6], "little")
            self.waiting.append(data[:size])
            data = data[size:]
        buffered = sum(map(len, self.waiting[1:]))
        self.most, self.ahead = max(self.most, buffered), max(self.ahead, len(self.waiting))
        if buffered > self.room:
            self.waiting.pop()

    def read_exact(self, n, timeout):
        while len(self.answers) < n:
            if not self.waiting:
                raise TimeoutError
            self.answers += self.machine.feed(self.waiting.pop(0))
        data = bytes(self.answers[:n])
        del self.answers[:n]
        return data

    def close(self):
        pass


@pytest.mark.parametrize("sizes", [[64] * 20, [0] * 100, [64, 0, 64, 64, 0, 0, 30, 64] * 5],
                         ids=["large", "small", "mixed"])
def test_paced(small, sizes):
    """2 * 64 bytes of requests behind the oldest: not one more, and none less if they are small."""
    transport = Paced(small)
    connection = Connection(transport)
    connection.resynchronise()
    echoes = [(Request.ECHO, bytes(size)) for size in sizes]
    assert connection.exchange(echoes) == [payload for _, payload in echoes]
    assert connection.faults == 0
    assert 76 <= transport.most <= 128
    assert transport.ahead == (2 if min(sizes) else 11 if not max(sizes) else transport.ahead)


def test_paced_one_by_one_until_the_device_is_known(small):
    transport = Paced(small)
    connection = Connection(transport)
    connection.exchange([(Request.ECHO, b"")] * 5)
    assert transport.ahead == 1
    connection.resynchronise()
    connection.exchange([(Request.ECHO, b"")] * 5)
    assert transport.ahead == 5
