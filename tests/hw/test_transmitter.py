"""hw.link.transmitter: responses as firmware.link frames them."""

import functools
import random

import pytest

from tests.hw.simulation import Record, Simulation, Watch, get_all, pulse, put_all
from trine.firmware.link import CRC_BYTES, HEADER_BYTES, Frame
from trine.hw.link.transmitter import Transmitter


@functools.cache
def simulation():
    return Simulation(Transmitter())


class Sent:
    """What the transmitter makes of frames, one after another."""

    def __init__(self, frames, pauses=(0, 0), seed=0):
        dut = simulation().dut
        self.o, self.payload = Watch(dut.o), Watch(dut.payload)
        self.start, self.idle = Record(dut.start), Record(dut.idle)

        async def send(ctx):
            for number, frame in enumerate(frames):
                ctx.set(dut.reply, {"opcode": frame.opcode, "sequence": frame.sequence, "length": len(frame.payload)})
                await pulse(ctx, dut.start)
                await put_all(ctx, dut.payload, frame.payload, pauses[0], seed + number)
                await ctx.tick().until(dut.idle)

        async def receive(ctx):
            await get_all(ctx, dut.o, sum(len(frame.encode()) for frame in frames), pauses[1], seed)

        simulation().run(send, receive, monitors=[self.o, self.payload, self.start, self.idle])


@pytest.mark.parametrize("pauses", [(0, 0), (0.6, 0), (0, 0.6), (0.5, 0.5)])
def test_frames(pauses):
    """Frames of every length, byte for byte; no byte of a payload is taken that is not sent."""
    chance = random.Random(3)
    frames = [Frame(chance.randrange(256), chance.randrange(256), chance.randbytes(size))
              for size in (0, 1, 2, 3, 4, 5, 64, 0, 37)]
    frames += [Frame(0, 0), Frame(0xFF, 0xFF, b"\xFF" * 8)]
    sent = Sent(frames, pauses)
    assert bytes(sent.o.payloads) == b"".join(frame.encode() for frame in frames)
    assert bytes(sent.payload.payloads) == b"".join(frame.payload for frame in frames)


def test_long_frame():
    frame = Frame(0x84, 7, random.Random(4).randbytes(1000))
    assert bytes(Sent([frame]).o.payloads) == frame.encode()


@pytest.mark.parametrize("size", [0, 1, 9])
def test_timing(size):
    """Two cycles to the first byte, a byte a cycle, and one cycle's pause before the CRC."""
    sent = Sent([Frame(1, 2, bytes(size)), Frame(3, 4)])
    (first, second) = sent.start.cycles()
    body = HEADER_BYTES + size
    expected = [*range(first + 2, first + 2 + body), *range(first + 3 + body, first + 3 + body + CRC_BYTES)]
    assert sent.o.cycles[: body + CRC_BYTES] == expected
    last = expected[-1]
    assert sent.idle.values[first : second + 2] == [1] + [0] * (last - first) + [1] * (second - last) + [0]
