"""hw.memory.decoder: every code of every packing, used or not."""

import numpy as np
import pytest

from tests.hw.simulation import simulate
from trine.golden.packing import PACKINGS
from trine.hw.memory.decoder import Decoder


def decode(packing, depth, slices):
    """The trits (nonzero, negative) of each slice, a list of codes; there is no clock in a decoder."""
    dut = Decoder(packing, depth)
    found = []

    async def testbench(ctx):
        for codes in slices:
            ctx.set(dut.codes, codes)
            await ctx.delay(1e-9)
            trits = ctx.get(dut.trits)
            found.append([(trit.nonzero, trit.negative) for trit in trits])

    simulate(dut, testbench, clocked=False)
    return found


def golden(packing, codes):
    trits = packing.decode(np.array(codes, np.uint8)).reshape(-1)
    return [(int(trit != 0), int(trit < 0)) for trit in trits]


every_packing = pytest.mark.parametrize("packing", PACKINGS.values(), ids=PACKINGS)


@every_packing
def test_init(packing):
    dut = Decoder(packing, 3 * packing.trits_per_code)
    assert len(dut.codes.as_value()) == 3 * packing.bits_per_code
    assert len(dut.trits.as_value()) == 2 * 3 * packing.trits_per_code


@pytest.mark.parametrize(("name", "depth"), [("trit3x5", 4), ("trit5x8", 6), ("trit5x8", 4)])
def test_init_wrong_depth(name, depth):
    packing = PACKINGS[name]
    with pytest.raises(ValueError, match=f"^depth must be a multiple of {packing.trits_per_code}, not {depth}$"):
        Decoder(packing, depth)


@every_packing
def test_every_code(packing):
    codes = packing.codes
    assert len(codes) == (3**packing.trits_per_code if packing.has_zero else 2)
    assert decode(packing, packing.trits_per_code, [[code] for code in codes]) == [
        golden(packing, [code]) for code in codes]


@every_packing
def test_unused_codes(packing):
    """They multiply to nothing; trit2's minus zero is passed on as it is."""
    unused = sorted(set(range(2**packing.bits_per_code)) - set(packing.codes))
    found = decode(packing, packing.trits_per_code, [[code] for code in unused])
    assert len(unused) == {"bit1": 0, "trit2": 1, "trit3x5": 5, "trit5x8": 13}[packing.name]
    assert found == [[(0, packing.name == "trit2")] * packing.trits_per_code] * len(unused)


@every_packing
def test_codes_are_independent(packing):
    """Several codes side by side, lowest columns first: each position with every code while the others differ."""
    count = 3
    codes = packing.codes
    chance = np.random.default_rng(1)
    slices = [[int(code) for code in chance.permutation(codes)[[0, 1, -1]]] for _ in range(2 * len(codes))]
    slices += [[code if index == position else codes[-1] for index in range(count)]
               for code in codes for position in range(count)]
    assert decode(packing, count * packing.trits_per_code, slices) == [golden(packing, codes) for codes in slices]
