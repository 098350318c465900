import errno
import threading
import time

import pytest

from tests.host.usb_bus import Bus, BusDevice, Fault
from trine.firmware.link import Frame, Request
from trine.firmware.usb import ENDPOINT_IN, ENDPOINT_OUT
from trine.host import usb as module
from trine.host.connection import Connection
from trine.host.device import Device
from trine.host.errors import DeviceError
from trine.host.transport import TransportFault
from trine.host.usb import UsbTransport


@pytest.fixture
def plugged(small):
    return BusDevice(small)


@pytest.fixture
def bus(plugged):
    return Bus(plugged)


@pytest.fixture
def usb(bus):
    transport = UsbTransport(backend=bus)
    yield transport
    transport.close()


def echo(size):
    return Frame(Request.ECHO, 1, bytes(range(size))).encode()


def answer(size):
    return Frame(Request.ECHO | 0x80, 1, bytes(range(size))).encode()


def once(endpoint, fault, number=0):
    """Transfer `number` from now on of that endpoint meets the fault."""
    count = []

    def meet(of, _):
        if of != endpoint:
            return None
        count.append(of)
        return fault if len(count) == number + 1 else None

    return meet


@pytest.mark.parametrize("size", [0, 1, 51, 52, 53, 64])
def test_any_length(usb, size):
    """52 bytes are a frame of exactly one packet."""
    usb.write(echo(size))
    assert usb.read_exact(12 + size, 1) == answer(size)


def test_reads_in_any_portions(usb):
    usb.write(echo(30))
    assert b"".join(usb.read_exact(n, 1) for n in (5, 1, 36)) == answer(30)


def test_too_few_bytes_keep_what_came(usb):
    usb.write(echo(8))
    with pytest.raises(TimeoutError, match=r"20 of 21 bytes came in 0\.05 s$"):
        usb.read_exact(21, 0.05)
    assert usb.read_exact(20, 1) == answer(8)


def test_small_requests_are_one_transfer_each_way_in_the_callers_thread(usb, plugged):
    before = threading.active_count()
    for _ in range(5):
        usb.write(echo(8))
        usb.read_exact(20, 1)
    assert plugged.transfers == {ENDPOINT_OUT: 5, ENDPOINT_IN: 5}
    assert (usb.transfers_out, usb.transfers_in) == (5, 5)
    assert threading.active_count() == before


def test_device_that_waits_for_its_answers_to_be_read(usb, plugged):
    """More answers than it buffers, before the last request is written."""
    count = 4000
    usb.write(echo(64) * count)
    assert usb.read_exact(76 * count, 10) == answer(64) * count
    assert usb.transfers_out < 100


def test_device_without_short_packets(usb, plugged):
    plugged.short = False
    usb.write(echo(52))
    assert usb.read_exact(64, 5) == answer(52)


def test_exchange_after_a_stall(usb, plugged):
    connection = Connection(usb)
    for endpoint in (ENDPOINT_OUT, ENDPOINT_IN):
        plugged.meet = once(endpoint, Fault(errno.EPIPE, 20))
        assert connection.exchange([(Request.ECHO, b"abc")] * 3) == [b"abc"] * 3
    assert plugged.cleared == [ENDPOINT_OUT, ENDPOINT_IN]
    assert connection.faults == 2


@pytest.mark.parametrize("number", [errno.EIO, errno.EOVERFLOW, errno.EPIPE])
@pytest.mark.parametrize("endpoint", [ENDPOINT_OUT, ENDPOINT_IN])
def test_broken_transfer(usb, plugged, endpoint, number):
    plugged.meet = once(endpoint, Fault(number, 3))
    with pytest.raises(TransportFault, match=r"^USB bus 1, device 7: "):
        usb.write(echo(8)), usb.read_exact(20, 1)
    assert plugged.cleared == [endpoint]


def test_fault_of_a_large_write_is_told_to_the_reader(usb, plugged):
    plugged.meet = once(ENDPOINT_OUT, Fault(errno.EPIPE, 300))
    with pytest.raises(TransportFault):
        usb.write(echo(64) * 20), usb.read_exact(76 * 20, 5)
    connection = Connection(usb)
    connection.resynchronise()  # answers to frames before the fault may have been left in the device
    assert connection.exchange([(Request.ECHO, b"abc")]) == [b"abc"]


def test_device_that_takes_nothing(usb, plugged, monkeypatch):
    usb.close()
    monkeypatch.setattr(module, "SLICE", 0.02)
    monkeypatch.setattr(module, "PATIENCE", 0.1)
    plugged.in_bytes = -1
    usb = UsbTransport(backend=Bus(plugged))
    usb.write(echo(8))
    with pytest.raises(TimeoutError, match=r"the device took no byte of 20 in 0\.1 s"):
        usb.read_exact(20, 5)
    plugged.in_bytes = 256
    usb.write(echo(8))
    assert usb.read_exact(20, 1) == answer(8), "what it did not take was dropped"
    usb.close()


def test_unplugged_and_plugged_in_again(usb, bus, plugged, small, image, codes):
    device = Device(usb, small)
    device.load(image)
    bus.unplug(plugged)
    with pytest.raises(DeviceError, match=r"^the device is gone: USB bus 1, device 7: "):
        device.execute(image.requests[0], codes)
    assert bus.open_handles == 0
    plugged.reset()
    threading.Timer(0.15, lambda: bus.attached.append(plugged)).start()
    with pytest.raises(DeviceError, match=r"the device refuses RUN: NOT_COMMITTED"):
        device.execute(image.requests[0], codes)
    device.load(image)
    device.execute(image.requests[0], codes)


def test_unplugged_for_good(usb, bus, plugged, monkeypatch):
    monkeypatch.setattr(module, "RETURN", 0.1)
    connection = Connection(usb)
    bus.unplug(plugged)
    with pytest.raises(DeviceError, match=r"the device is gone"):
        connection.exchange([(Request.ECHO, b"")])
    with pytest.raises(DeviceError, match=r"no trine device with serial number 0001 is attached by USB; trine doctor"):
        connection.exchange([(Request.ECHO, b"")])


def test_only_the_same_device_is_found_again(usb, bus, plugged, small, monkeypatch):
    monkeypatch.setattr(module, "RETURN", 0.1)
    connection = Connection(usb)
    bus.unplug(plugged)
    bus.attached.append(BusDevice(small, "0002"))
    with pytest.raises(DeviceError, match=r"the device is gone"):
        connection.exchange([(Request.ECHO, b"")])
    with pytest.raises(DeviceError, match=r"number 0001 is attached by USB \(there is usb:0002 .*\)"):
        connection.exchange([(Request.ECHO, b"")])


@pytest.mark.parametrize("endpoint", [ENDPOINT_OUT, ENDPOINT_IN])
def test_unplugged_in_the_middle_of_a_large_transfer(usb, bus, plugged, endpoint):
    meet = once(endpoint, Fault(errno.EIO, 500))

    def pull(of, number):
        if (fault := meet(of, number)) is not None:
            bus.attached.remove(plugged)
        return fault

    plugged.meet = pull
    connection = Connection(usb)
    exchange = [(Request.ECHO, bytes(64))] * 100
    with pytest.raises(DeviceError, match=r"the device is gone"):
        connection.exchange(exchange)
    plugged.reset()
    bus.attached.append(plugged)
    assert connection.exchange(exchange) == [bytes(64)] * 100


def test_reset_in_the_middle_of_a_load(usb, plugged, small, image, codes):
    """A reset that the bus does not show: the request is done again, and the image is known to be incomplete."""
    device = Device(usb, small)
    device.load(image)
    device.execute(image.requests[0], codes)
    meet = once(ENDPOINT_OUT, None)

    def reset(of, number):
        if of == ENDPOINT_OUT and number == at:
            plugged.reset()
        return meet(of, number)

    at = plugged.transfers[ENDPOINT_OUT] + 1
    plugged.meet = reset
    with pytest.raises(DeviceError, match=r"the device was reset while little was loaded; load it again"):
        device.load(image, force=True)
    assert device.info().image_id == 0
    device.load(image)
    device.execute(image.requests[0], codes)


def test_close_lets_the_device_take_what_was_written(usb, bus, plugged):
    usb.write(echo(8) * 100)
    plugged.in_bytes = 1 << 20
    usb.close()
    usb.close()
    assert len(plugged.answers) == 2000
    assert bus.open_handles == 0
    with pytest.raises(OSError, match=r"the transport is closed"):
        usb.write(b"")


def test_close_waits_for_nobody(small):
    device = BusDevice(small, in_bytes=-1)
    usb = UsbTransport(backend=Bus(device))
    usb.write(echo(8) * 100)
    started = time.monotonic()
    usb.close()
    assert time.monotonic() - started < 3
