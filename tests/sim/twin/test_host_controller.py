"""Transfers on the simulated bus: every length, flow control, and whatever can go wrong between two packets."""

import random
import struct
import threading
import time
from itertools import pairwise

import pytest

from tests.sim.twin.configuration import CONFIGURATION
from tests.sim.twin.echo import OVERHEAD, SECONDS, echo_answer, echo_request, exchange, greet
from trine.firmware.link import READ_FORMAT, Frame, Region, Request
from trine.firmware.traffic import write_messages
from trine.sim.twin.bus import BusFault
from trine.sim.twin.bus_time import utilisation
from trine.sim.twin.enumeration import ADDRESS, attach, setup_packet
from trine.sim.twin.host_controller import (
    CLEAR_HALT,
    SET_CONFIGURATION,
    Stalled,
    Unplugged,
)
from trine.sim.twin.packets import DATA, Pid
from trine.sim.twin.speed import FULL_SPEED
from trine.sim.twin.transfer import Status, Transfer

GET_CONFIGURATION, GET_STATUS, SET_HALT = (0x80, 8), (0x82, 0), (0x02, 3)
"""Requests (9.4)."""
FULL = FULL_SPEED.packet_bytes


@pytest.fixture
def greeted(bus):
    greet(bus)
    return bus


def random_bytes(seed, size):
    return random.Random(seed).randbytes(size)


def lose(*positions, host=None, pid=None):
    """A disturbance that loses the packets at those positions among those of a sender (or of one kind)."""
    seen = iter(range(1 << 30))

    def disturbance(from_host, packet):
        if (host is not None and from_host is not host) or (pid is not None and packet[0] not in pid):
            return packet
        return None if next(seen) in positions else packet

    return disturbance


def test_attaching_reads_what_the_device_is(plug_in):
    bus = plug_in()
    found = attach(bus)
    assert (found.device.idVendor, found.device.idProduct, found.device.bMaxPacketSize0) == (0x1209, 0x0001, 64)
    (configuration,) = found.configurations
    ((interface,),) = configuration.interfaces
    assert [(end.bEndpointAddress, end.wMaxPacketSize) for end in interface.endpoints] == [(0x01, 64), (0x81, 64)]
    assert len(found.configuration_bytes) == configuration.wTotalLength
    assert found.address == ADDRESS
    assert bus.control(setup_packet(GET_CONFIGURATION, length=1)) == b"\0"
    bus.control(setup_packet(SET_CONFIGURATION, 1))
    assert bus.control(setup_packet(GET_CONFIGURATION, length=1)) == b"\1"


def test_a_request_that_the_device_has_not_stalls_and_the_next_one_works(bus):
    with pytest.raises(Stalled):
        bus.control(setup_packet((0xC0, 0x55), length=4))
    assert bus.control(setup_packet(GET_CONFIGURATION, length=1)) == b"\1"


def test_every_length_to_three_packets_comes_back(greeted):
    """So every length of an OUT transfer, and of an IN transfer, from one frame's own to three packets more."""
    for size in range(3 * FULL + 1):
        payload = random_bytes(size, size)
        assert exchange(greeted, echo_request(payload), size + OVERHEAD) == echo_answer(payload), size
    assert greeted.time.errors == greeted.time.repeats == 0


@pytest.mark.parametrize("size", range(3 * FULL + 1))
def test_every_split_of_a_stream_into_transfers(greeted, size):
    """Transfers of `size` bytes, the empty one included, carry the middle of a frame: where they end means nothing."""
    if size % 16 and size not in (1, FULL - 1, FULL + 1, 2 * FULL - 1, 2 * FULL + 1, 3 * FULL - 1):
        size = size // 16 * 16
    payload = random_bytes(size, 200)
    frame = echo_request(payload)
    for part in (frame[:5], frame[5 : 5 + size], frame[5 + size :]):
        assert greeted.wait(greeted.submit(Transfer(0x01, part)), SECONDS).status is Status.DONE
    received = greeted.wait(greeted.submit(Transfer(0x81, length=1024)), SECONDS)
    assert bytes(received.received) == echo_answer(payload)


def test_ten_kilobytes_come_back(greeted):
    payloads = [random_bytes(number, 1024) for number in range(10)]
    before = greeted.time
    sent = b"".join(echo_request(payload, number + 1) for number, payload in enumerate(payloads))
    expected = b"".join(echo_answer(payload, number + 1) for number, payload in enumerate(payloads))
    assert exchange(greeted, sent, len(expected)) == expected
    used = greeted.time - before
    assert (used.bytes_out, used.bytes_in) == (len(sent), len(expected))
    assert used.errors == used.repeats == 0
    assert used.naks > 0, "the device takes no request while it answers one"
    assert used.round_trips == 1
    assert used.frames == pytest.approx(used.bits / FULL_SPEED.frame_bits, abs=1)
    assert 0.016 < used.seconds(FULL_SPEED) < 0.030


def test_a_request_in_several_transfers_is_one_round_trip(greeted):
    """As a host sends it that looks around while the device takes nothing, or whose time is up: a transfer is cut off,
    and the next one goes on with what it has left, while answers to earlier requests come."""
    payloads = [random_bytes(number, 1024) for number in range(10)]
    left = b"".join(echo_request(payload, number + 1) for number, payload in enumerate(payloads))
    expected = b"".join(echo_answer(payload, number + 1) for number, payload in enumerate(payloads))
    before, received, cuts = greeted.time, b"", 0
    while left:
        sent = greeted.submit(Transfer(0x01, left))
        answers = greeted.submit(Transfer(0x81, length=1024))
        for _ in range(50):
            greeted.step()
        greeted.cancel(answers)
        cuts += greeted.cancel(sent)
        left, received = left[sent.moved :], received + bytes(answers.received)
    assert cuts > 5
    while len(received) < len(expected):
        received += bytes(greeted.wait(greeted.submit(Transfer(0x81, length=1024)), SECONDS).received)
    assert received == expected
    assert (greeted.time - before).round_trips == 1


def test_out_transfers_use_the_bus(greeted):
    """16 KB for the weight memory, from the first token to the last handshake, while the responses are fetched."""
    messages = write_messages(Region.WEIGHTS, 0, random_bytes(2, 16384), CONFIGURATION)
    frames = b"".join(Frame(request, number, payload).encode() for number, (request, payload) in enumerate(messages, 1))
    assert len(frames) >= 16384
    before = greeted.time
    sent = greeted.submit(Transfer(0x01, frames[:16384]))
    responses = greeted.submit(Transfer(0x81, length=64))
    while sent.pending:
        assert greeted.step()
        if not responses.pending:
            responses = greeted.submit(Transfer(0x81, length=64))
    greeted.cancel(responses)
    assert sent.packets == 256
    assert (greeted.time - before).bytes_in > 0
    assert utilisation(sent.moved, sent.ended - sent.began, FULL_SPEED) >= 0.9


def test_in_transfers_use_the_bus(greeted):
    """16 KB of results, from the first token to the last handshake."""
    beats = 2048 // CONFIGURATION.beat_bytes
    frames = b"".join(Frame(Request.READ, number, struct.pack(READ_FORMAT, Region.RESULTS, 0, beats)).encode()
                      for number in range(1, 9))
    out = greeted.submit(Transfer(0x01, frames))
    parts = [greeted.wait(greeted.submit(Transfer(0x81, length=16384)), SECONDS)]
    while sum(part.moved for part in parts) < 8 * (2048 + OVERHEAD):
        parts.append(greeted.wait(greeted.submit(Transfer(0x81, length=16384)), SECONDS))
    assert greeted.wait(out, SECONDS).status is Status.DONE
    moved = sum(part.moved for part in parts)
    assert utilisation(moved, parts[-1].ended - parts[0].began, FULL_SPEED) >= 0.9


def test_an_endpoint_without_data_answers_nak_until_there_is_some(greeted):
    waiting = greeted.submit(Transfer(0x81, length=64))
    for _ in range(20):
        assert greeted.step()
    assert greeted.time.naks >= 20
    assert waiting.pending
    greeted.submit(Transfer(0x01, echo_request(b"now")))
    assert bytes(greeted.wait(waiting, SECONDS).received) == echo_answer(b"now")


def test_a_transfer_that_is_cancelled_takes_nothing_from_the_device(greeted):
    started = time.monotonic()
    silent = greeted.wait(greeted.submit(Transfer(0x81, length=64)), 0.05)
    assert silent.status is Status.CANCELLED
    assert time.monotonic() - started < 2
    greeted.wait(greeted.submit(Transfer(0x01, echo_request(b"kept"))), SECONDS)
    late = greeted.submit(Transfer(0x81, length=64))
    assert greeted.cancel(late)
    assert not greeted.cancel(late)
    assert bytes(greeted.wait(greeted.submit(Transfer(0x81, length=64)), SECONDS).received) == echo_answer(b"kept")


@pytest.mark.parametrize("disturbance", [
    pytest.param(lose(0, 4, host=True, pid=(Pid.OUT,)), id="OUT tokens lost"),
    pytest.param(lose(0, 3, host=True, pid=(Pid.IN,)), id="IN tokens lost"),
    pytest.param(lose(1, 5, host=True, pid=DATA), id="host's data lost"),
    pytest.param(lose(0, 2, host=False, pid=DATA), id="device's data lost"),
    pytest.param(lose(0, 2, 5, host=False, pid=(Pid.ACK,)), id="device's handshakes lost, so its data is repeated"),
    pytest.param(lose(0, 2, 5, host=True, pid=(Pid.ACK,)), id="host's handshakes lost, so the device repeats"),
])
def test_what_is_lost_is_repeated_and_arrives_once(greeted, disturbance):
    payload = random_bytes(7, 400)
    greeted.disturb(disturbance)
    assert exchange(greeted, echo_request(payload), 400 + OVERHEAD) == echo_answer(payload)
    greeted.disturb(None)
    used = greeted.time
    assert used.errors + used.repeats > 0
    assert exchange(greeted, echo_request(payload), 400 + OVERHEAD) == echo_answer(payload)


def test_random_damage_is_repaired(greeted):
    """One packet in twelve is lost or has a bit changed, whosever it is, and nothing is lost or comes twice."""
    chance = random.Random(3)

    def disturbance(from_host, packet):
        if chance.random() > 1 / 12:
            return packet
        if chance.random() < 0.4:
            return None
        damaged = bytearray(packet)
        damaged[chance.randrange(len(packet))] ^= 1 << chance.randrange(8)
        return bytes(damaged)

    greeted.disturb(disturbance)
    for number in range(6):
        payload = random_bytes(number, 700)
        received, sent, fault = b"", 0, 0
        frame = echo_request(payload)
        while len(received) < 700 + OVERHEAD:  # three losses in a row end a transfer, whose rest is sent again
            if sent < len(frame):
                out = greeted.wait(greeted.submit(Transfer(0x01, frame[sent:])), SECONDS)
                sent, fault = sent + out.moved, fault + (out.status is Status.FAILED)
                continue
            into = greeted.wait(greeted.submit(Transfer(0x81, length=1024)), SECONDS)
            received, fault = received + bytes(into.received), fault + (into.status is Status.FAILED)
        assert received == echo_answer(payload)
        assert fault < 10
    greeted.disturb(None)
    assert greeted.time.errors > 10
    assert greeted.time.repeats > 0


def test_a_device_that_is_silent_fails_a_transfer_after_three_attempts(greeted):
    greeted.disturb(lambda from_host, packet: None)
    assert greeted.wait(greeted.submit(Transfer(0x01, b"lost")), SECONDS).status is Status.FAILED
    assert greeted.wait(greeted.submit(Transfer(0x81, length=64)), SECONDS).status is Status.FAILED
    assert greeted.time.errors == 6
    with pytest.raises(BusFault):
        greeted.control(setup_packet(GET_CONFIGURATION, length=1))
    greeted.disturb(None)
    assert exchange(greeted, echo_request(b"again"), 5 + OVERHEAD) == echo_answer(b"again")


@pytest.mark.parametrize("endpoint", [0x01, 0x81])
def test_a_halted_endpoint_stalls_until_it_is_cleared(greeted, endpoint):
    assert exchange(greeted, echo_request(b"odd"), 3 + OVERHEAD) == echo_answer(b"odd")  # its toggle is not DATA0 now
    greeted.control(setup_packet(SET_HALT, 0, endpoint))
    assert greeted.control(setup_packet(GET_STATUS, 0, endpoint, 2)) == b"\1\0"
    transfer = Transfer(endpoint, echo_request(b"x")) if endpoint == 0x01 else Transfer(endpoint, length=64)
    assert greeted.wait(greeted.submit(transfer), SECONDS).status is Status.STALLED
    greeted.control(setup_packet(CLEAR_HALT, 0, endpoint))
    assert greeted.control(setup_packet(GET_STATUS, 0, endpoint, 2)) == b"\0\0"
    assert exchange(greeted, echo_request(b"cleared"), 7 + OVERHEAD) == echo_answer(b"cleared")


def test_a_reset_in_the_middle_of_a_transfer(greeted):
    """The transfer fails, and after an enumeration and a HELLO the device works as if nothing had been."""
    transfer = greeted.submit(Transfer(0x01, echo_request(random_bytes(1, 900))))
    for _ in range(5):
        greeted.step()
    assert 0 < transfer.moved < 900
    attach(greeted)
    assert transfer.status is Status.FAILED
    assert greeted.wait(greeted.submit(Transfer(0x81, length=64)), 0.02).status is not Status.DONE
    greeted.control(setup_packet(SET_CONFIGURATION, 1))
    exchange_after_a_broken_frame(greeted)
    assert exchange(greeted, echo_request(b"new"), 3 + OVERHEAD) == echo_answer(b"new")


def exchange_after_a_broken_frame(bus):
    """The rest of the frame that was broken off, so that the link ends it; what comes is read away."""
    bus.wait(bus.submit(Transfer(0x01, bytes(900))), SECONDS)
    while bus.wait(bus.submit(Transfer(0x81, length=64)), 0.1).moved:
        pass
    greet(bus)


def test_two_threads_share_the_bus(greeted):
    """One writes, in many transfers, and one reads: both get on."""
    payloads = [random_bytes(number, 500) for number in range(20)]
    failures = []

    def write():
        for number, payload in enumerate(payloads):
            transfer = greeted.wait(greeted.submit(Transfer(0x01, echo_request(payload, number + 1))), SECONDS)
            failures.extend([] if transfer.status is Status.DONE else [transfer])

    writer = threading.Thread(target=write)
    writer.start()
    received = b""
    while len(received) < 20 * (500 + OVERHEAD):
        transfer = greeted.wait(greeted.submit(Transfer(0x81, length=16384)), SECONDS)
        assert transfer.status is Status.DONE
        received += transfer.received
    writer.join(SECONDS)
    assert not failures
    assert received == b"".join(echo_answer(payload, number + 1) for number, payload in enumerate(payloads))


def test_more_than_was_asked_for_is_an_overflow(greeted):
    greeted.wait(greeted.submit(Transfer(0x01, echo_request(bytes(100)))), SECONDS)
    assert greeted.wait(greeted.submit(Transfer(0x81, length=10)), SECONDS).status is Status.OVERFLOW


def test_unplugged(greeted):
    pending = greeted.submit(Transfer(0x81, length=64))
    before = greeted.time
    greeted.unplug()
    greeted.unplug()
    assert greeted.unplugged
    assert pending.status is Status.GONE
    assert greeted.time == before
    for action in (lambda: greeted.submit(Transfer(0x01, b"")), lambda: greeted.control(bytes(8)), greeted.reset):
        with pytest.raises(Unplugged):
            action()
    assert not greeted.step()


def test_an_interrupt_that_keeps_the_bus_held_does_not_keep_the_device_plugged_in(greeted):
    def interrupted():
        held = greeted._exclusive()
        held.__enter__()
        greeted.unplug()

    thread = threading.Thread(target=interrupted, daemon=True)
    thread.start()
    thread.join(SECONDS)
    assert not thread.is_alive()


def test_the_frame_is_a_millisecond(greeted):
    """A start every 12,000 bit times, and no transaction that might cross one."""
    silent = greeted.submit(Transfer(0x81, length=64))
    starts = []
    while len(starts) < 20:
        before = greeted.time
        greeted.step()
        if greeted.time.frames > before.frames:
            starts.append(greeted.time.bits)
    greeted.cancel(silent)
    assert {later - earlier for earlier, later in pairwise(starts)} == {FULL_SPEED.frame_bits}
