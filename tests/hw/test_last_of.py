"""hw.last_of: the last step is known, for every count, again and again, whatever pauses there are."""

import random

import pytest

from tests.hw.simulation import Record, simulate
from trine.hw.last_of import LastOf


@pytest.mark.parametrize("bits", [1, 2, 5])
def test_counts(bits):
    dut = LastOf(bits)
    chance = random.Random(bits)
    found, expected = [], []
    last = Record(dut.last_ahead, dut.last)

    async def testbench(ctx):
        for _ in range(40):
            count = chance.randint(1, (1 << bits) - 1)
            ctx.set(dut.begin, 1)
            ctx.set(dut.count, count)
            await ctx.tick()
            ctx.set(dut.begin, 0)
            ctx.set(dut.count, chance.getrandbits(bits))
            for step in range(3 * count):
                ctx.set(dut.step, 0)
                while chance.random() < 0.3:
                    await ctx.tick()
                ctx.set(dut.step, 1)
                found.append(ctx.get(dut.last))
                expected.append(int(step % count == count - 1))
                if step < 3 * count - 1 or chance.random() < 0.5:
                    await ctx.tick()
                    ctx.set(dut.step, 0)
                # Else the next count begins in the cycle of this step.

    simulate(dut, testbench, monitors=[last])
    assert found == expected
    ahead, now = zip(*last.values, strict=True)
    assert ahead[:-1] == now[1:]
