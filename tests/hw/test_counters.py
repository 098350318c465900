"""hw.sequencer.counters: each cycle in exactly one cause."""

import itertools
import random

import pytest

from tests.hw.simulation import simulate
from trine.firmware.counters import CAUSES, COUNTER_NAMES
from trine.hw.sequencer.counters import CycleCounters

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


def run(cycles):
    """The counters after each of `cycles` (values of INPUTS), as dictionaries."""
    dut = CycleCounters()
    seen = []

    async def testbench(ctx):
        for values in [*cycles, (0,) * 7 + (1,), (0,) * 7 + (1,)]:
            for name, value in zip(INPUTS, values, strict=True):
                ctx.set(getattr(dut, name), value)
            _, _, counters = await ctx.tick().sample(dut.counters)
            seen.append({name: int(counter) for name, counter in zip(COUNTER_NAMES, counters, strict=True)})

    simulate(dut, testbench)
    return seen


def expected(cycles):
    counters = dict.fromkeys(COUNTER_NAMES, 0)
    yield dict(counters)
    for values in cycles:
        found = cause(*values)
        if found:
            counters["cycles"] += 1
            counters[found] += 1
        yield dict(counters)


@pytest.mark.parametrize("order", range(2))
def test_every_cycle(order):
    """Every combination of the inputs, one cycle each, in two orders; each shows two cycles later."""
    cycles = list(itertools.product((0, 1), repeat=len(INPUTS)))
    random.Random(order).shuffle(cycles)
    seen = run(cycles)
    assert seen[1:] == list(expected(cycles))
    assert all(counters["cycles"] == sum(counters[name] for name in CAUSES) for counters in seen)


def test_hold():
    """What is held stands still, whatever happens meanwhile."""
    nothing, held = (0,) * 8, (1,) * 8
    seen = run([nothing] * 3 + [held] * 10 + [nothing] * 2)
    assert [counters["cycles"] for counters in seen] == [0, 0, 1, 2, *[3] * 11, 4, 5]
    assert seen[-1] == {**dict.fromkeys(COUNTER_NAMES, 0), "cycles": 5, "idle": 5}
