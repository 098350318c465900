"""hw.last_of: the last step is known, for every count, again and again, whatever pauses there are."""

import random

import pytest

from tests.hw.simulation import simulate
from trine.hw.last_of import LastOf


@pytest.mark.parametrize("bits", [1, 2, 5])
def test_counts(bits):
    dut = LastOf(bits)
    chance = random.Random(bits)
    found, expected = [], []

    async def testbench(ctx):
        for _ in range(40):
            count = chance.randint(1, (1 << bits) - 1)
            ctx.set(dut.begin, 1)
            ctx.set(dut.count, count)
            await ctx.tick()
            ctx.set(dut.begin, 0)
            ctx.set(dut.count, chance.getrandbits(bits))
            for round_ in range(3):
                for step in range(count):
                    ctx.set(dut.step, 0)
                    while chance.random() < 0.3:
                        await ctx.tick()
                    last_one = round_ == 2 and step == count - 1 and chance.random() < 0.5
                    ctx.set(dut.step, 1)
                    found.append(ctx.get(dut.last))
                    expected.append(int(step == count - 1))
                    if not last_one:
                        await ctx.tick()  # else the next count begins with this step
            ctx.set(dut.step, 1 if last_one else 0)
            if last_one:
                continue

    simulate(dut, testbench)
    assert found == expected
