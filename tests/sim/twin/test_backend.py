"""Unchanged PyUSB code drives the twin."""

import array
import errno

import pytest
import usb.core
import usb.util

from tests.sim.twin.echo import echo_answer, echo_request
from trine.firmware.link import RESPONSE_BIT, Frame, Request
from trine.firmware.usb import (
    ENDPOINT_IN,
    ENDPOINT_OUT,
    INTERFACE,
    INTERFACE_CLASS,
    MANUFACTURER,
    PRODUCT,
    PRODUCT_ID,
    VENDOR_ID,
)
from trine.sim.twin.backend import TwinBackend

SECOND = 1000


@pytest.fixture
def greeted(device):
    device.write(ENDPOINT_OUT, Frame(Request.HELLO, 1).encode(), 5 * SECOND)
    assert device.read(ENDPOINT_IN, 64, 5 * SECOND)[2] == Request.HELLO | RESPONSE_BIT
    return device


def test_it_is_found_with_its_descriptors_and_strings(device):
    assert (device.idVendor, device.idProduct, device.bus, device.address) == (VENDOR_ID, PRODUCT_ID, 1, 2)
    assert device.speed == usb.util.SPEED_FULL
    assert (device.manufacturer, device.product) == (MANUFACTURER, PRODUCT)
    assert device.serial_number
    configuration = device.get_active_configuration()
    interface = configuration[(INTERFACE, 0)]
    assert interface.bInterfaceClass == INTERFACE_CLASS
    assert {end.bEndpointAddress: end.wMaxPacketSize for end in interface} == {ENDPOINT_OUT: 64, ENDPOINT_IN: 64}
    assert "trine" in str(device)


def test_other_ids_are_not_found(plug_in):
    assert usb.core.find(idVendor=0xDEAD, backend=TwinBackend(plug_in())) is None


@pytest.mark.parametrize("size", [0, 1, 51, 52, 53, 115, 116, 117, 2000])
def test_echo(greeted, size):
    payload = bytes(range(256)) * 8
    assert greeted.write(ENDPOINT_OUT, echo_request(payload[:size]), SECOND) == size + 12
    expected, received = echo_answer(payload[:size]), b""
    while len(received) < len(expected):
        received += greeted.read(ENDPOINT_IN, 4096, SECOND).tobytes()
    assert received == expected


def test_a_read_that_finds_nothing_times_out_and_loses_nothing(greeted):
    with pytest.raises(usb.core.USBTimeoutError) as caught:
        greeted.read(ENDPOINT_IN, 64, 20)
    assert caught.value.errno == errno.ETIMEDOUT
    greeted.write(ENDPOINT_OUT, echo_request(b"late"), SECOND)
    assert greeted.read(ENDPOINT_IN, 64, SECOND).tobytes() == echo_answer(b"late")


def test_a_write_that_the_device_does_not_take_returns_what_it_took(greeted):
    """Nobody reads, so the device stops taking requests."""
    requests = echo_request(bytes(1000)) * 10
    sent = greeted.write(ENDPOINT_OUT, requests, 200)
    assert 1012 < sent < len(requests)
    with pytest.raises(usb.core.USBTimeoutError):
        greeted.write(ENDPOINT_OUT, requests, 50)


def test_a_stall_is_a_broken_pipe_until_it_is_cleared(greeted):
    with pytest.raises(usb.core.USBError) as caught:
        greeted.ctrl_transfer(0xC0, 0x55, 0, 0, 4)
    assert caught.value.errno == errno.EPIPE
    greeted.ctrl_transfer(0x02, 3, 0, ENDPOINT_IN)
    with pytest.raises(usb.core.USBError) as caught:
        greeted.read(ENDPOINT_IN, 64, SECOND)
    assert caught.value.errno == errno.EPIPE
    greeted.clear_halt(ENDPOINT_IN)
    greeted.write(ENDPOINT_OUT, echo_request(b"x"), SECOND)
    assert greeted.read(ENDPOINT_IN, 64, SECOND).tobytes() == echo_answer(b"x")


def test_a_reset_keeps_the_configuration(greeted):
    greeted.reset()
    assert greeted.get_active_configuration().bConfigurationValue == 1
    greeted.write(ENDPOINT_OUT, echo_request(b"y"), SECOND)
    assert greeted.read(ENDPOINT_IN, 64, SECOND).tobytes() == echo_answer(b"y")


def test_a_bus_that_answers_no_more(greeted):
    greeted.bus_controller.disturb(lambda from_host, packet: None)
    with pytest.raises(usb.core.USBError) as caught:
        greeted.write(ENDPOINT_OUT, b"x", SECOND)
    assert caught.value.errno == errno.EIO
    with pytest.raises(usb.core.USBError) as caught:
        greeted.clear_halt(ENDPOINT_OUT)
    assert caught.value.errno == errno.EIO


def test_an_unplugged_device(greeted):
    backend = greeted.backend
    greeted.bus_controller.unplug()
    for action in (lambda: greeted.read(ENDPOINT_IN, 64), lambda: greeted.write(ENDPOINT_OUT, b"x"),
                   lambda: greeted.clear_halt(ENDPOINT_IN)):
        with pytest.raises(usb.core.USBError) as caught:
            action()
        assert caught.value.errno == errno.ENODEV
    assert usb.core.find(idVendor=VENDOR_ID, backend=backend) is None


def test_a_buffer_that_is_too_small_for_a_packet(greeted):
    greeted.write(ENDPOINT_OUT, echo_request(bytes(100)), SECOND)
    with pytest.raises(usb.core.USBError) as caught:
        greeted.read(ENDPOINT_IN, array.array("B", bytes(10)), SECOND)
    assert caught.value.errno == errno.EOVERFLOW
