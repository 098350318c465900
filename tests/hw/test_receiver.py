"""hw.link.receiver against its specification, firmware.receiver: byte streams of every kind."""

import functools
import random
import struct

import numpy as np
import pytest

from tests.hw.simulation import CYCLE_LIMIT, Record, Simulation, Watch, get_all, pulse, put_all
from tests.hw.streams import SILENCE, damaged_segments, flip, oversized
from trine.firmware import receiver as specification
from trine.firmware.link import CRC_BYTES, HEADER_BYTES, MAGIC, Error, Frame, header_crc
from trine.hw.link.receiver import Receiver

MAXIMUM_PAYLOAD = 24
TIMEOUT = 40


@functools.cache
def simulation():
    return Simulation(Receiver(MAXIMUM_PAYLOAD, TIMEOUT))


def specified(segments):
    """What firmware.receiver makes of a stream."""
    model = specification.Receiver(MAXIMUM_PAYLOAD)
    found = []
    for segment in segments:
        if segment is SILENCE:
            found += filter(None, [model.timeout()])
        else:
            found += model.feed(segment)
    return found


class Received:
    """What the gateware makes of a stream."""

    def __init__(self, segments, pauses=(0, 0, 0), seed=0, read_payload=True):
        dut = simulation().dut
        self.requests = []
        self.bytes, self.payload = Watch(dut.i), Watch(dut.payload)
        self.valid, self.active = Record(dut.valid), Record(dut.active)
        chance = random.Random(seed)
        sent = []

        async def send(ctx):
            for number, segment in enumerate(segments):
                if segment is SILENCE:
                    await ctx.tick().repeat(TIMEOUT + 20)
                else:
                    await put_all(ctx, dut.i, segment, pauses[0], seed + number)
            await ctx.tick().repeat(TIMEOUT + 20)
            sent.append(True)

        async def serve(ctx):
            for _ in range(CYCLE_LIMIT):
                _, _, valid, request = await ctx.tick().sample(dut.valid, dut.request)
                if not valid and sent:
                    return
                if valid:
                    payload = []
                    if read_payload and not request.error:
                        payload = await get_all(ctx, dut.payload, request.length, pauses[1], chance.random())
                    while chance.random() < pauses[2]:
                        await ctx.tick()
                    self.requests.append(specification.Received(
                        request.opcode, request.sequence, bytes(payload),
                        Error(request.error) if request.error else None,
                    ))
                    await pulse(ctx, dut.release)

        simulation().run(send, serve, monitors=[self.bytes, self.payload, self.valid, self.active])


def random_frame(chance, most=MAXIMUM_PAYLOAD):
    size = chance.choice((0, 1, 3, 4, 5, most - 1, most, chance.randint(0, most)))
    return Frame(chance.randrange(256), chance.randrange(256), chance.randbytes(size)).encode()


@pytest.mark.parametrize("pauses", [(0, 0, 0), (0.5, 0, 0), (0, 0.5, 0), (0, 0, 0.8), (0.3, 0.3, 0.3)])
def test_frames(pauses):
    """Frames of every length, one behind the other, are offered whole and in order."""
    chance = random.Random(1)
    frames = [random_frame(chance) for _ in range(12)]
    found = Received(frames, pauses).requests
    assert found == specified(frames)
    assert [request.error for request in found] == [None] * 12


def test_timing():
    """A byte a cycle, 9 cycles between header and payload, valid 2 cycles after the last byte, payload 2 later."""
    found = Received([Frame(5, 6, b"payload").encode(), Frame(7, 8).encode()])
    first = found.bytes.cycles[0]
    header = list(range(first, first + HEADER_BYTES))
    body_start = header[-1] + 1 + 9
    body = list(range(body_start, body_start + len(b"payload") + CRC_BYTES))
    assert found.bytes.cycles[: len(header + body)] == header + body
    assert found.valid.cycles()[0] == body[-1] + 2
    assert found.payload.cycles == list(range(body[-1] + 4, body[-1] + 4 + 7))
    assert found.active.cycles()[: body[-1] + 2 - first] == list(range(first, body[-1] + 2))
    released = found.payload.cycles[-1] + 1
    assert found.valid.values[body[-1] + 2 : released + 2] == [1] * (released - body[-1] - 1) + [0]
    assert found.bytes.cycles[len(header + body)] == released + 1


def test_search_timing():
    """A byte every three cycles while searching."""
    found = Received([bytes(30)])
    assert found.requests == [specification.Received(0, 0, error=Error.NO_SYNC)]
    assert np.diff(found.bytes.cycles[8:]).tolist() == [3] * 21


@pytest.mark.parametrize("bit", [*range(0, 8 * HEADER_BYTES, 7), *range(8 * HEADER_BYTES, 8 * (HEADER_BYTES + 9), 5)])
def test_one_wrong_bit(bit):
    """In the header the frame is none; behind it the CRC is wrong. The frame after it is served."""
    good = Frame(9, 10, b"hello").encode()
    segments = [flip(Frame(1, 2, b"right").encode(), bit), good]
    found = Received(segments).requests
    assert found == specified(segments)
    assert found[0].error == (Error.NO_SYNC if bit < 8 * HEADER_BYTES else Error.BAD_CRC)
    assert found[-1] == specification.Received(9, 10, b"hello")


@pytest.mark.parametrize("excess", [1, 2, 300])
def test_oversized(excess):
    """It is skipped to its end, whatever its CRC, and the frame after it is served."""
    frame = oversized(3, MAXIMUM_PAYLOAD, excess)
    found = Received([frame, flip(frame, 8 * len(frame) - 1), Frame(9, 10, b"hello").encode()]).requests
    refusal = specification.Received(8, 3, error=Error.OVERSIZED)
    assert found == [refusal, refusal, specification.Received(9, 10, b"hello")]


@pytest.mark.parametrize("length", range(1, HEADER_BYTES + 6 + CRC_BYTES))
def test_truncated(length):
    """A frame that ends in the middle times out; its opcode and sequence are known once the header is there."""
    good = Frame(9, 10, b"hello").encode()
    segments = [Frame(1, 2, b"short!").encode()[:length], SILENCE, good]
    found = Received(segments).requests
    assert found == specified(segments)
    known = (1, 2) if length >= HEADER_BYTES else (0, 0)
    assert found[0] == specification.Received(*known, error=Error.TIMEOUT)


@pytest.mark.parametrize("at", [1, HEADER_BYTES - 1, HEADER_BYTES + 1, HEADER_BYTES + 5 + CRC_BYTES - 1])
@pytest.mark.parametrize("pause", [TIMEOUT, TIMEOUT + 1])
def test_timeout_is_exact(at, pause):
    """A pause of timeout_cycles is borne, one more is not."""
    frame = Frame(1, 2, b"pause").encode()
    dut = simulation().dut
    errors = []

    async def testbench(ctx):
        await put_all(ctx, dut.i, frame[:at])
        await ctx.tick().repeat(pause)
        ctx.set(dut.i.valid, 1)
        ctx.set(dut.i.payload, frame[at])
        _, _, ready, valid, request = await ctx.tick().sample(dut.i.ready, dut.valid, dut.request)
        assert ready != valid
        errors.append(request.error if valid else None)

    simulation().run(testbench)
    assert errors == [None if pause == TIMEOUT else Error.TIMEOUT.value]


def test_no_timeout_between_frames():
    """Silence is nothing wrong before the first frame, after a good one, and while searching."""
    segments = [SILENCE, Frame(1, 2).encode(), SILENCE, SILENCE, bytes(20), SILENCE, Frame(3, 4).encode(), SILENCE]
    found = Received(segments).requests
    assert [request.error for request in found] == [None, Error.NO_SYNC, None]


def test_header_within_garbage():
    """A header is found wherever it begins; a false one, with the magic but a wrong CRC, is passed over."""
    false = struct.pack("<HBBHH", MAGIC, 1, 2, 3, 0)
    assert header_crc(false[:6]) != 0
    for garbage in (b"\xB1", b"\xB1\x58", b"x" * 9, false, false[:3], b"\xB1" * 8):
        segments = [garbage, Frame(1, 2, b"found").encode()]
        found = Received(segments).requests
        assert found == specified(segments)
        assert found[-1] == specification.Received(1, 2, b"found")


def test_each_loss_is_one_error():
    """However much garbage; a frame between two losses makes them two."""
    good = Frame(1, 2, b"good").encode()
    found = Received([bytes(9), good, bytes(40), good, good, b"\xB1" * 8, SILENCE, good]).requests
    assert [request.error for request in found] == [Error.NO_SYNC, None, Error.NO_SYNC, None, None, Error.NO_SYNC, None]


def test_payload_that_nobody_reads():
    """It is dropped at `release`, and the next frame's payload begins with its own first byte."""
    dut = simulation().dut
    payloads = []

    async def send(ctx):
        await put_all(ctx, dut.i, Frame(1, 2, b"unread").encode() + Frame(3, 4, b"read").encode())

    async def serve(ctx):
        for count in (0, 4):
            await ctx.tick().until(dut.valid)
            payloads.append(bytes(await get_all(ctx, dut.payload, count)))
            await ctx.tick().repeat(5)
            await pulse(ctx, dut.release)

    simulation().run(send, serve)
    assert payloads == [b"", b"read"]


@pytest.mark.parametrize("seed", range(6))
def test_random_streams(seed):
    """Damage of every kind, in any order: the same requests and errors as the specification's, and no byte refused."""
    chance = random.Random(seed)
    segments = []
    for _ in range(12):
        frame = random_frame(chance, MAXIMUM_PAYLOAD + 3)
        segments += [frame] if chance.random() < 0.4 else damaged_segments(chance, frame)
    found = Received(segments, (0.2, 0.2, 0.2), seed)
    assert found.requests == specified(segments)
    assert bytes(found.bytes.payloads) == b"".join(filter(None, segments))
