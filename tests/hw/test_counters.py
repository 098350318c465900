"""hw.sequencer.counters: each cycle in exactly one cause."""

import collections
import functools
import itertools
import random
import struct

import pytest

from tests.hw.simulation import drive, simulate
from trine.firmware.counters import CAUSES, COUNTER_NAMES, COUNTERS_FORMAT
from trine.hw.sequencer.counters import PASS, CycleCounters

INPUTS = ("word", "pacing", "building", "array_idle", "running", "ending", "linked", "hold")


def cause(word, pacing, building, array_idle, running, ending, linked, hold):
    """What the component's documentation says of a cycle; None if it does not count."""
    if hold:
        return None
    if word:
        return "busy"
    if running:
        if pacing or (ending and array_idle):
            return "drain"
        return "table_build" if building else "weight_stall"
    return "link_stall" if linked else "idle"


async def tick(ctx, dut, values, cycles=1):
    """So many cycles with these values of INPUTS."""
    for name, value in zip(INPUTS, values, strict=True):
        drive(ctx, getattr(dut, name), value)
    await ctx.tick().repeat(cycles)


async def read(ctx, dut, around=(0,) * 7, longer=0):
    """All counters, while they are held, so many cycles longer, and whatever happens around them."""
    held = (*around, 1)
    for waited in itertools.count():
        await tick(ctx, dut, held)
        if ctx.get(dut.settled):
            break
        assert waited < 2 * PASS + 4
    found = []
    for address in range(PASS):
        ctx.set(dut.address, address)
        ctx.set(dut.read, 1)
        await ctx.tick()
        ctx.set(dut.address, 0)
        ctx.set(dut.read, 0)
        await ctx.tick()
        found.append(ctx.get(dut.byte))
    if longer:
        await tick(ctx, dut, held, longer)
    counters = struct.unpack(COUNTERS_FORMAT, bytes(found))
    assert ctx.get(dut.cycles) == counters[0]
    return dict(zip(COUNTER_NAMES, counters, strict=True))


def run(testbench):
    dut = CycleCounters()
    simulate(dut, functools.partial(testbench, dut=dut))


@pytest.mark.parametrize("order", range(2))
def test_every_cycle(order):
    """Every combination of the inputs in two orders, one to three of them between two readings.

    The memory holds anything before the first pass; later the counters have come far, so that carries go anywhere.
    """
    cycles = list(itertools.product((0, 1), repeat=len(INPUTS)))
    chance = random.Random(order)
    chance.shuffle(cycles)
    counters = {name: chance.getrandbits(64) | 0xFEFE for name in COUNTER_NAMES}

    async def testbench(ctx, dut):
        for place in range(PASS):
            ctx.set(dut._bytes[place], chance.randrange(256))
        assert not any((await read(ctx, dut)).values())
        for place, byte in enumerate(struct.pack(COUNTERS_FORMAT, *counters.values())):
            ctx.set(dut._bytes[place], byte)
        ctx.set(dut.cycles, counters["cycles"])
        while cycles:
            for _ in range(min(len(cycles), chance.randint(1, 3))):
                values = cycles.pop()
                await tick(ctx, dut, values)
                if found := cause(*values):
                    counters["cycles"] += 1
                    counters[found] += 1
            assert await read(ctx, dut, chance.choices((0, 1), k=7), chance.randrange(PASS)) == counters

    run(testbench)


@pytest.mark.parametrize("length", [1, PASS, 1000])
@pytest.mark.parametrize("name", [name for name in CAUSES if name != "activation_stall"])
def test_nothing_is_lost_between_visits(name, length):
    """One cause for a long time, two cycles of each other before and after."""
    values = {cause(*values): values for values in itertools.product((0, 1), repeat=len(INPUTS))}

    async def testbench(ctx, dut):
        expected = dict.fromkeys(COUNTER_NAMES, 0)
        for other in (*CAUSES, name, *CAUSES):
            if other in values:
                cycles = length if other == name else 2
                await tick(ctx, dut, values[other], cycles)
                expected[other] += cycles
                expected["cycles"] += cycles
        assert await read(ctx, dut) == expected

    run(testbench)


def test_carries_and_wraps():
    """From byte to byte, and to nowhere out of the last."""
    before = [*((1 << 8 * index) - 1 for index in range(1, 8)), (1 << 64) - 2]

    async def testbench(ctx, dut):
        await read(ctx, dut)
        for place, byte in enumerate(struct.pack(COUNTERS_FORMAT, *before)):
            ctx.set(dut._bytes[place], byte)
        for values in itertools.product((0, 1), repeat=len(INPUTS)):
            await tick(ctx, dut, values, 3)
        counted = collections.Counter(
            found for values in itertools.product((0, 1), repeat=len(INPUTS)) if (found := cause(*values)))
        gained = [3 * counted.total(), *(3 * counted[name] for name in CAUSES)]
        ctx.set(dut.cycles, sum(before[:1]) + gained[0])  # not what this is about
        assert list((await read(ctx, dut)).values()) == [
            (old + more) % (1 << 64) for old, more in zip(before, gained, strict=True)]

    run(testbench)


def test_hold():
    """What is held stands still, whatever happens meanwhile; and the cycle counter shows a cycle two cycles later."""
    seen = []

    async def testbench(ctx, dut):
        for values in [(0,) * 8] * 3 + [(1,) * 8] * 500 + [(0,) * 8] * 2:
            seen.append(ctx.get(dut.cycles))
            await tick(ctx, dut, values)
        assert await read(ctx, dut) == {**dict.fromkeys(COUNTER_NAMES, 0), "cycles": 5, "idle": 5}

    run(testbench)
    assert seen == [0, 0, 1, 2, *[3] * 501]
