"""The same bus at 480 Mbit/s: chirps, packets of 512 bytes, and PING before data that may not be welcome."""

import random

import pytest

from tests.sim.twin.configuration import FAST_CLOCK
from tests.sim.twin.echo import OVERHEAD, SECONDS, echo_answer, echo_request, exchange, greet
from trine.sim.twin.bus import BusFault
from trine.sim.twin.enumeration import attach, setup_packet
from trine.sim.twin.host_controller import SET_CONFIGURATION, HostController
from trine.sim.twin.packets import Pid
from trine.sim.twin.speed import HIGH_SPEED
from trine.sim.twin.transfer import Status, Transfer
from trine.sim.twin.utmi import UtmiModel


def plug_in(library, **options):
    """A bus whose device is configured and greeted."""
    bus = HostController(UtmiModel(library, HIGH_SPEED, FAST_CLOCK, **options), HIGH_SPEED)
    found = attach(bus)
    ((interface,),) = found.configurations[0].interfaces
    assert [end.wMaxPacketSize for end in interface.endpoints] == [512, 512]
    bus.control(setup_packet(SET_CONFIGURATION, 1))
    greet(bus)
    return bus


@pytest.fixture
def fast(fast_library):
    bus = plug_in(fast_library)
    yield bus
    bus.unplug()


def test_edges_that_are_left_out_change_nothing_on_the_bus(fast_library):
    times = []
    for every_edge in (False, True):
        bus = plug_in(fast_library, every_edge=every_edge)
        for size in (3, 600, 2048):
            payload = random.Random(size).randbytes(size)
            assert exchange(bus, 2 * echo_request(payload), 2 * (size + OVERHEAD)) == 2 * echo_answer(payload)
        times.append(bus.time)
        bus.unplug()
    assert times[0] == times[1]


@pytest.mark.parametrize("size", [0, 1, 499, 500, 501, 1011, 1012, 1013, 1524, 2036, 2048])
def test_echo(fast, size):
    payload = random.Random(size).randbytes(size)
    assert exchange(fast, echo_request(payload), size + OVERHEAD) == echo_answer(payload)
    assert fast.time.errors == fast.time.repeats == 0


def test_the_device_is_asked_before_data_is_sent_again(fast):
    """After a NAK for data nothing but PING goes to the endpoint, until the device says that it has room (8.5.1)."""
    asked, refused, refusals = None, False, 0

    def watch(from_host, packet):
        nonlocal asked, refused, refusals
        pid = Pid(packet[0])
        if from_host and pid in (Pid.OUT, Pid.PING, Pid.IN):
            assert not (pid is Pid.OUT and refused)
            asked = pid
        elif not from_host and asked is Pid.OUT:
            refused = pid in (Pid.NAK, Pid.NYET)
            refusals += refused
        elif not from_host and asked is Pid.PING:
            refused = pid is not Pid.ACK
        return packet

    fast.disturb(watch)
    payloads = [random.Random(number).randbytes(2048) for number in range(4)]
    requests = b"".join(echo_request(payload, number) for number, payload in enumerate(payloads, 1))
    expected = b"".join(echo_answer(payload, number) for number, payload in enumerate(payloads, 1))
    assert exchange(fast, requests, len(expected)) == expected
    assert refusals > 0


def test_a_microframe_is_125_microseconds(fast):
    before = fast.time
    silent = fast.submit(Transfer(0x81, length=512))
    while (fast.time - before).frames < 20:
        fast.step()
    fast.cancel(silent)
    used = fast.time - before
    assert used.frames == pytest.approx(used.seconds(HIGH_SPEED) / 125e-6, abs=1)


def test_damage_is_repaired(fast):
    chance = random.Random(4)
    fast.disturb(lambda from_host, packet: None if chance.random() < 0.05 else packet)
    payload = random.Random(5).randbytes(2048)
    assert exchange(fast, echo_request(payload), 2048 + OVERHEAD) == echo_answer(payload)
    assert fast.time.errors > 0


def test_a_second_reset_comes_to_high_speed_again(fast):
    attach(fast)
    fast.control(setup_packet(SET_CONFIGURATION, 1))
    assert exchange(fast, echo_request(b"again"), 5 + OVERHEAD) == echo_answer(b"again")


def test_a_device_without_high_speed_is_not_taken_for_one(twin_library):
    bus = HostController(UtmiModel(twin_library, HIGH_SPEED, FAST_CLOCK), HIGH_SPEED)
    with pytest.raises(BusFault, match="does not go to high speed"):
        bus.reset()
    bus.unplug()


def test_a_stalled_endpoint(fast):
    fast.control(setup_packet((0x02, 3), 0, 0x81))
    assert fast.wait(fast.submit(Transfer(0x81, length=512)), SECONDS).status is Status.STALLED
