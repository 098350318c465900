"""hw.uart.transmitter: what is on the wire, and how long."""

from fractions import Fraction

import pytest

from tests.hw.simulation import Record, put, put_all, simulate
from tests.hw.uart_line import frame_bits
from trine.firmware.uart import FRAME_BITS
from trine.hw.uart.transmitter import UartTransmitter


@pytest.mark.parametrize("rate", [Fraction(1, 4), Fraction(1, 25), Fraction(3, 50), Fraction(61, 255)], ids=str)
def test_back_to_back(rate):
    """Every bit is where it should be, to a cycle, and a byte follows right behind the one before."""
    transmitter = UartTransmitter(rate)
    data = b"\x00\xff\x35\xca\x01\x80"
    wire = Record(transmitter.tx)

    async def testbench(ctx):
        await put_all(ctx, transmitter.i, data)
        await ctx.tick().repeat(round(12 / rate))

    simulate(transmitter, testbench, monitors=[wire])
    start = wire.values.index(0)
    assert start == 1
    bits = [bit for byte in data for bit in frame_bits(byte)]
    for number, bit in enumerate(bits):
        first, last = start + number / rate, start + (number + 1) / rate
        middle = wire.values[int(first) + 1 : int(last) - 1]
        assert middle == [bit] * len(middle), f"bit {number}"
        assert len(middle) >= 1
    assert all(wire.values[int(start + len(bits) / rate) :])


def test_idle_between_bytes():
    transmitter = UartTransmitter(Fraction(1, 4))
    wire = Record(transmitter.tx)

    async def testbench(ctx):
        await put(ctx, transmitter.i, 0x0F)
        await ctx.tick().repeat(57)
        await put(ctx, transmitter.i, 0xF0)
        await ctx.tick().repeat(45)

    simulate(transmitter, testbench, monitors=[wire])
    expected = [1] + [bit for bit in frame_bits(0x0F) for _ in range(4)] + [1] * 18
    expected += [bit for bit in frame_bits(0xF0) for _ in range(4)]
    assert wire.values[: len(expected)] == expected
    assert all(wire.values[len(expected) :])


def test_throughput():
    """Ten bits a byte, and no cycle more."""
    transmitter = UartTransmitter(Fraction(1, 4))
    ready = Record(transmitter.i.ready)

    async def testbench(ctx):
        await put_all(ctx, transmitter.i, bytes(5))

    simulate(transmitter, testbench, monitors=[ready])
    assert ready.cycles() == [4 * FRAME_BITS * number for number in range(5)]
