"""hw.array.lane: decoder, tree and accumulator together, with the timing that the array relies on."""

import numpy as np
import pytest

from tests.hw.configurations import VARIANTS, every_variant, small
from tests.hw.simulation import simulate
from trine.golden.accumulate import accumulate
from trine.hw.array.lane import Lane

NOTHING = {"valid": 0, "first": 0, "last": 0, "group_first": 0, "group_last": 0}


def random_rows(configuration, rng, count, most_chunks):
    """(codes of the slices, trits (1, K), activations (K,)) of rows of whole chunks."""
    codec = configuration.codec
    least, greatest = configuration.accumulator_mode.code_range
    for _ in range(count):
        chunks = int(rng.integers(1, most_chunks + 1))
        codes = rng.choice(np.array(codec.codes, np.uint8), (chunks, configuration.depth // codec.trits_per_code))
        yield codes, codec.decode(codes).reshape(1, -1), rng.integers(
            least, greatest + 1, chunks * configuration.depth).astype(np.int8)


def steps_of(configuration, chunks):
    mode = configuration.accumulator_mode
    per_group = chunks if mode.group is None else mode.group // configuration.depth
    return [{"valid": 1, "first": index == 0, "last": index == chunks - 1, "group_first": index % per_group == 0,
             "group_last": index == chunks - 1 or index % per_group == per_group - 1} for index in range(chunks)]


@pytest.mark.parametrize(("changes", "step_latency", "latency"), [
    ({"depth": 1}, 2, 3), ({"depth": 4}, 4, 5), ({"depth": 5, "packing": "trit5x8"}, 5, 6),
    ({"depth": 32}, 7, 8), ({"depth": 4, "group_accumulator_bits": 8}, 4, 6),
])
def test_init(changes, step_latency, latency):
    dut = Lane(small(**changes))
    assert (dut.step_latency, dut.latency) == (step_latency, latency)


@every_variant
def test_rows(variant):
    """A slice a cycle, without a gap between rows; the codes come one cycle, the step `step_latency` cycles later."""
    configuration = small(**VARIANTS[variant])
    dut = Lane(configuration)
    rows = list(random_rows(configuration, np.random.default_rng(3), 12, 7))
    bits = configuration.codec.bits_per_code
    slices, codes, steps, totals = [], [], [], []
    for slice_codes, _, activations in rows:
        slices += [sum(int(code) << (bits * index) for index, code in enumerate(chunk)) for chunk in slice_codes]
        codes += activations.reshape(-1, configuration.depth).tolist()
        steps += steps_of(configuration, len(slice_codes))

    async def testbench(ctx):
        for cycle in range(len(slices) + dut.latency):
            if cycle < len(slices):
                ctx.set(dut.slice, slices[cycle])
            if 1 <= cycle <= len(codes):
                ctx.set(dut.codes, codes[cycle - 1])
            at_step, at_total = cycle - dut.step_latency, cycle - dut.latency
            ctx.set(dut.step, steps[at_step] if 0 <= at_step < len(steps) else NOTHING)
            _, _, total = await ctx.tick().sample(dut.total)
            if at_total >= 0 and steps[at_total]["last"]:
                totals.append(total)

    simulate(dut, testbench)
    mode = configuration.accumulator_mode
    assert totals == [int(accumulate(trits, activations, mode)[0]) for _, trits, activations in rows]
