"""hw.array.adder_tree against the sum it stands for."""

import random

import pytest
from amaranth.hdl import signed

from tests.hw.simulation import simulate
from trine.hw.array.adder_tree import AdderTree

CODES = {bits: range(-(1 << (bits - 1)), 1 << (bits - 1)) for bits in (2, 4, 8)}
TRITS = (-1, 0, 1)


def run(dut, depth, steps):
    """The results, cycle after cycle, of steps (codes, trits) put in at one a cycle, and of what comes after them."""
    results = []

    async def testbench(ctx):
        for codes, trits in [*steps, *[([0] * depth, [0] * depth)] * dut.latency]:
            ctx.set(dut.codes, codes)
            ctx.set(dut.trits, [{"nonzero": trit != 0, "negative": trit < 0} for trit in trits])
            _, _, total, carry = await ctx.tick().sample(dut.sum, dut.carry)
            results.append(total + carry)

    simulate(dut, testbench)
    return results


def dots(steps):
    return [sum(code * trit for code, trit in zip(codes, trits, strict=True)) for codes, trits in steps]


@pytest.mark.parametrize(("depth", "bits", "latency", "width"), [
    (1, 8, 1, 8), (2, 8, 1, 9), (3, 8, 2, 10), (4, 4, 3, 6), (5, 8, 4, 11), (8, 2, 4, 5), (9, 8, 5, 12), (32, 8, 6, 13),
])
def test_init(depth, bits, latency, width):
    dut = AdderTree(depth, bits)
    assert dut.latency == latency
    assert dut.sum.shape() == signed(width)


@pytest.mark.parametrize("depth", [0, -1])
def test_init_wrong_depth(depth):
    with pytest.raises(ValueError, match=rf"^depth must be at least 1, not {depth}$"):
        AdderTree(depth)


@pytest.mark.parametrize("bits", [1, 0])
def test_init_wrong_activation_bits(bits):
    with pytest.raises(ValueError, match=rf"^activation_bits must be at least 2, not {bits}$"):
        AdderTree(4, bits)


def test_every_code_and_trit():
    """All of them, alone."""
    steps = [([code], [trit]) for code in CODES[8] for trit in TRITS]
    assert run(AdderTree(1), 1, steps)[1:] == dots(steps)


def test_every_pair_of_short_codes():
    """All pairs of 2-bit codes with all pairs of trits: every carry of one adder."""
    steps = [([a, b], [s, t]) for a in CODES[2] for b in CODES[2] for s in TRITS for t in TRITS]
    assert run(AdderTree(2, 2), 2, steps)[1:] == dots(steps)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("depth", [3, 4, 5, 7, 8, 16, 21])
def test_sums(depth, bits):
    """A sum a cycle, `latency` cycles later, extremes first: the largest sums there are, of either sign."""
    chance = random.Random(depth)
    least, greatest = CODES[bits][0], CODES[bits][-1]
    steps = [([code] * depth, [trit] * depth) for code in (least, -1, 0, 1, greatest) for trit in TRITS]
    for _ in range(60):
        steps.append((chance.choices(CODES[bits], k=depth), chance.choices(TRITS, k=depth)))
        steps.append((chance.choices((least, greatest), k=depth), chance.choices(TRITS, k=depth)))
    dut = AdderTree(depth, bits)
    assert run(dut, depth, steps)[dut.latency:] == dots(steps)
