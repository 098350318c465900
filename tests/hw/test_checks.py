"""hw.link.checks against firmware.link and zlib."""

import random
import zlib

from tests.hw.simulation import simulate
from trine.firmware.link import header_crc
from trine.hw.link import checks


def test_header_crc():
    """Of six bytes, a byte a cycle; it is there a cycle after the last."""
    chance = random.Random(1)
    heads = [bytes(6), b"\xFF" * 6, *(chance.randbytes(6) for _ in range(30))]
    dut = checks.header_crc()
    found = []

    async def testbench(ctx):
        ctx.set(dut.valid, 1)
        for head in heads:
            for index, byte in enumerate(head):
                ctx.set(dut.start, index == 0)
                ctx.set(dut.data, byte)
                await ctx.tick()
            found.append(ctx.get(dut.crc))

    simulate(dut, testbench)
    assert found == [header_crc(head) for head in heads]


def test_frame_crc():
    """A byte a cycle; the CRC after each byte, and a match behind the CRC itself."""
    message = random.Random(2).randbytes(20)
    dut = checks.frame_crc()

    async def testbench(ctx):
        for _ in range(2):
            ctx.set(dut.valid, 1)
            for count, byte in enumerate(message):
                ctx.set(dut.start, count == 0)
                ctx.set(dut.data, byte)
                await ctx.tick()
                ctx.set(dut.start, 0)
                assert ctx.get(dut.crc) == zlib.crc32(message[: count + 1])
            for byte in zlib.crc32(message).to_bytes(4, "little"):
                assert not ctx.get(dut.match_detected)
                ctx.set(dut.data, byte)
                await ctx.tick()
            assert ctx.get(dut.match_detected)
            ctx.set(dut.valid, 0)
            await ctx.tick().repeat(3)

    simulate(dut, testbench)
