"""hw.uart.receiver on a line in simulated time: every byte, clocks that are off, glitches, breaks, noise."""

import random
from fractions import Fraction

import pytest
from amaranth.sim import Simulator

from tests.hw.uart_line import frame_bits, send, send_bits
from trine.hw.uart.receiver import UartReceiver

CYCLE = 1e-6


def received(rate, line, cycle=CYCLE):
    """What a receiver makes of what `line(ctx, wire, bit)` does, `bit` being a bit's length in seconds."""
    receiver = UartReceiver(rate)
    data = bytearray()

    async def drive(ctx):
        await ctx.delay(3.3 * cycle)  # edges that have nothing to do with those of the clock
        await line(ctx, receiver.rx, CYCLE / float(rate))
        await ctx.delay(12 * CYCLE / float(rate))

    async def collect(ctx):
        async for _, _, strobe, byte in ctx.tick().sample(receiver.strobe, receiver.byte):
            if strobe:
                data.append(byte)

    simulator = Simulator(receiver)
    simulator.add_clock(cycle)
    simulator.add_testbench(drive)
    simulator.add_testbench(collect, background=True)
    simulator.run()
    return bytes(data)


RATES = [Fraction(1, 4), Fraction(2, 11), Fraction(1, 25)]


@pytest.mark.parametrize("rate", RATES, ids=str)
def test_every_byte(rate):
    """Back to back, each after each of a few others."""
    data = bytes(range(256)) if rate == Fraction(1, 4) else bytes(range(0, 256, 5))

    async def line(ctx, wire, bit):
        await send(ctx, wire, data, bit)

    assert received(rate, line) == data


@pytest.mark.parametrize("rate", RATES, ids=str)
@pytest.mark.parametrize("error", [-0.02, 0.02], ids=["slow", "fast"])
@pytest.mark.parametrize("pause", [0, 3])
def test_clock_error(rate, error, pause):
    """The other end is 2 % off: no byte of a long run is lost, because each is timed from its own edge."""
    data = random.Random(1).randbytes(30) + b"\0\xff\0\xff\x55\xaa"

    async def line(ctx, wire, bit):
        await send(ctx, wire, data, bit / (1 + error), pause)

    assert received(rate, line) == data


def test_too_much_clock_error():
    """What is accepted is bounded: at 8 % the stop bit is missed."""
    async def line(ctx, wire, bit):
        await send(ctx, wire, bytes(20), bit * 1.08)

    assert received(Fraction(1, 4), line) != bytes(20)


@pytest.mark.parametrize("rate", RATES, ids=str)
def test_glitch(rate):
    """A wire that is low for less than the way to the middle of a bit begins no byte, and hides none that follows."""
    async def line(ctx, wire, bit):
        for _ in range(5):
            await send_bits(ctx, wire, [0], 0.2 * bit)
            await send_bits(ctx, wire, [1], 3.1 * bit)
        await send(ctx, wire, b"\x5a", bit)

    assert received(rate, line) == b"\x5a"


def test_framing_error():
    """A byte without its stop bit is dropped, and the next one is not."""
    async def line(ctx, wire, bit):
        await send(ctx, wire, b"\x11", bit)
        await send_bits(ctx, wire, [*frame_bits(0x22, stop=0), 1, 1], bit)
        await send(ctx, wire, b"\x33", bit)

    assert received(Fraction(1, 4), line) == b"\x11\x33"


def test_break():
    """A wire that is low for long is no byte, and no sequence of bytes."""
    async def line(ctx, wire, bit):
        await send(ctx, wire, b"\x11", bit)
        await send_bits(ctx, wire, [0] * 57 + [1], bit)
        await send(ctx, wire, b"\x33", bit)

    assert received(Fraction(1, 4), line) == b"\x11\x33"


def test_silence():
    async def line(ctx, wire, bit):
        await ctx.delay(100 * bit)

    assert received(Fraction(1, 4), line) == b""


@pytest.mark.parametrize("seed", range(4))
def test_noise(seed):
    """After random corruption of bits, and then ten bits of quiet, bytes are what they were again."""
    chance = random.Random(seed)
    good = chance.randbytes(8)

    async def line(ctx, wire, bit):
        for byte in chance.randbytes(12):
            bits = frame_bits(byte)
            for _ in range(chance.randrange(3)):
                bits[chance.randrange(10)] ^= 1
            await send_bits(ctx, wire, bits, bit * chance.uniform(0.7, 1.3))
        await send_bits(ctx, wire, [1] * 11, bit)
        await send(ctx, wire, good, bit)

    assert received(Fraction(1, 4), line).endswith(good)
