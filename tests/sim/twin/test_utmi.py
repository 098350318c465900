"""Packets take the time on the simulated wire that the specification gives them."""

import struct

import pytest

from tests.sim.twin.configuration import CLOCK
from tests.sim.twin.echo import echo_answer, echo_request, exchange, greet
from trine.sim.twin.bus import RESET_BITS
from trine.sim.twin.enumeration import attach, setup_packet
from trine.sim.twin.host_controller import SET_CONFIGURATION
from trine.sim.twin.packets import Pid, data_packet, payload_of, token
from trine.sim.twin.speed import FULL_SPEED, Line
from trine.sim.twin.utmi import UtmiModel

GET_DEVICE = struct.pack("<BBHHH", 0x80, 6, 0x100, 0, 18)


@pytest.fixture
def model(twin_library):
    """A device after a reset of the bus."""
    made = UtmiModel(twin_library, FULL_SPEED, CLOCK)
    made.idle(100, Line.J)
    made.idle(RESET_BITS, Line.SE0)
    made.idle(100, Line.J)
    yield made
    made.close()


def took(model, action):
    """The bit times that an action takes, and its result."""
    before = model.bits
    result = action()
    return model.bits - before, result


@pytest.mark.parametrize(("payload", "stuffed"), [
    (b"", 0), (bytes(8), 0), (b"\xff" * 64, 85), (b"\xfc\x00", 1), (b"\x3f\x3f\x3f", 3), (b"\x1f" * 20, 0),
])
def test_a_packet_takes_its_bits_and_those_that_are_stuffed(model, payload, stuffed):
    """A zero after each six ones, of which the sync pattern's last bit may be one; the check sum adds its own."""
    packet = data_packet(1, payload)
    bits = "".join(str(byte >> bit & 1) for byte in packet for bit in range(8))
    expected, ones = 0, 1
    for bit in bits:
        ones = ones + 1 if bit == "1" else 0
        if ones == 6:
            expected, ones = expected + 1, 0
    assert expected >= stuffed
    assert took(model, lambda: model.send(packet))[0] == 8 + 8 * len(packet) + expected + 3


def test_answers_come_in_time_and_take_their_bits(model):
    model.send(token(Pid.SETUP, 0, 0))
    model.idle(2, Line.J)
    model.send(data_packet(0, GET_DEVICE))
    bits, answer = took(model, model.receive)
    assert answer == bytes([Pid.ACK])
    assert 19 + 2 <= bits <= 19 + 7, "2 to 6.5 bit times after the packet's end (7.1.18.1), and a handshake of 19"
    model.idle(2, Line.J)
    model.send(token(Pid.IN, 0, 0))
    bits, answer = took(model, model.receive)
    assert payload_of(answer)[:2] == bytes([18, 1])
    assert bits >= 8 + 8 * len(answer) + 3 + 2


def test_silence_lasts_as_long_as_a_host_waits(model):
    model.send(token(Pid.IN, 5, 0))
    assert took(model, model.receive) == (FULL_SPEED.timeout_bits, b"")
    assert model.stray_cycles == 0


def test_what_the_device_sends_unasked_is_noticed(model):
    model.send(token(Pid.SETUP, 0, 0))
    model.idle(2, Line.J)
    model.send(data_packet(0, GET_DEVICE))
    model.idle(100, Line.J)  # the handshake starts, and its first byte is never taken
    assert model.stray_cycles > 50


def test_edges_that_are_left_out_change_nothing_on_the_bus(plug_in):
    def session(every_edge):
        bus = plug_in(every_edge=every_edge)
        attach(bus)
        bus.control(setup_packet(SET_CONFIGURATION, 1))
        greet(bus)
        for size in (0, 1, 100, 1000):
            payload = bytes(range(256)) * 4
            assert exchange(bus, echo_request(payload[:size]), size + 12) == echo_answer(payload[:size])
        return bus.time

    assert session(True) == session(False)


def test_the_pull_up_shows_a_device(model):
    assert model.attached
    assert not model.high_speed
    assert not model.chirping


def test_wrong_arguments(twin_library):
    with pytest.raises(ValueError, match="device_clock must be positive, not 0"):
        UtmiModel(twin_library, FULL_SPEED, 0)
    model = UtmiModel(twin_library, FULL_SPEED, CLOCK)
    model.close()
    model.close()
    with pytest.raises(ValueError, match="closed"):
        model.send(b"")
