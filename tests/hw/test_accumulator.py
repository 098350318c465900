"""hw.array.accumulator: exact sums, and group accumulators as golden.accumulate defines them."""

import random

import numpy as np
import pytest

from tests.hw.simulation import simulate
from trine.golden.accumulate import AccumulatorMode, accumulate
from trine.hw.array.accumulator import Accumulator

NOTHING = {"valid": 0, "first": 0, "last": 0, "group_first": 0, "group_last": 0}


def run(dut, rows, group_steps=None, pause=0.0, seed=0):
    """The total of each row (a list of steps' sums), `latency` cycles after its last step."""
    chance = random.Random(seed)
    totals = []
    due = []

    async def cycle(ctx, step, value):
        carry = chance.randrange(2) if step["valid"] else 1
        ctx.set(dut.step, step)
        ctx.set(dut.sum, value - carry)
        ctx.set(dut.carry, carry)
        due.append(step["last"])
        _, _, total = await ctx.tick().sample(dut.total)
        if len(due) > dut.latency and due[-1 - dut.latency]:
            totals.append(total)

    async def testbench(ctx):
        for row in rows:
            for index, value in enumerate(row):
                while chance.random() < pause:
                    await cycle(ctx, NOTHING, chance.randrange(-100, 100))
                last = index == len(row) - 1
                position = index % (group_steps or len(row))
                await cycle(ctx, {"valid": 1, "first": index == 0, "last": last, "group_first": position == 0,
                                  "group_last": last or position == (group_steps or len(row)) - 1}, value)
        for _ in range(dut.latency):
            await cycle(ctx, NOTHING, 77)

    simulate(dut, testbench)
    return totals


def golden(rows, group_steps, bits):
    """golden.accumulate of the same steps: a step is one column of weight 1 and depth 1."""
    mode = AccumulatorMode(group=group_steps, group_accumulator_bits=bits)
    return [int(accumulate(np.ones((1, len(row)), np.int8), np.array(row, np.int8), mode)[0]) for row in rows]


def random_rows(chance, count, most):
    return [[chance.choice((chance.randrange(-127, 128), -127, 127)) for _ in range(chance.randrange(1, most))]
            for _ in range(count)]


@pytest.mark.parametrize(("group_bits", "latency"), [(None, 1), (8, 2)])
def test_init(group_bits, latency):
    assert Accumulator(10, 20, group_bits).latency == latency


@pytest.mark.parametrize("pause", [0, 0.4])
def test_exact(pause):
    """Rows of every length, one after another, with and without gaps between the steps."""
    rows = [[-127], [127], [0, 0], *random_rows(random.Random(1), 40, 12)]
    assert run(Accumulator(8, 20), rows, pause=pause) == [sum(row) for row in rows]


def test_exact_wraps():
    """Modulo 2**accumulator_bits: what no compiled row does."""
    rows = [[127] * 4, [127] * 5, [-127] * 4, [-127] * 5]
    assert run(Accumulator(8, 10), rows) == [508, 635 - 1024, -508, 1024 - 635]


@pytest.mark.parametrize("pause", [0, 0.4])
@pytest.mark.parametrize(("group_steps", "bits"), [(None, 8), (1, 8), (2, 8), (4, 9), (4, 3), (16, 8)])
def test_groups(group_steps, bits, pause):
    """Saturation in both directions within a group, and a fresh group at its end and at the row's."""
    rows = [[127] * 9, [-127] * 9, [127, 127, -127, -127] * 2, [-127, -127, 127], [0],
            *random_rows(random.Random(bits), 40, 11)]
    got = run(Accumulator(8, 20, bits), rows, group_steps, pause)
    assert got == golden(rows, group_steps, bits)
    assert group_steps == 1 or got != [sum(row) for row in rows]


@pytest.mark.parametrize("group_bits", [None, 8])
def test_total_stands_between_rows(group_bits):
    """Without steps the total stays, and its row starts afresh however long the gap before it was."""
    dut = Accumulator(8, 20, group_bits)

    async def testbench(ctx):
        for value in (100, -50):
            ctx.set(dut.step, {"valid": 1, "first": 1, "last": 1, "group_first": 1, "group_last": 1})
            ctx.set(dut.sum, value)
            await ctx.tick()
            ctx.set(dut.step, NOTHING)
            ctx.set(dut.sum, 9)
            for _ in range(dut.latency - 1):
                await ctx.tick()
            for _ in range(5):
                _, _, total = await ctx.tick().sample(dut.total)
                assert total == value

    simulate(dut, testbench)
