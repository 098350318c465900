"""hw.array.signed_tree: the signed sum, for all values and all signs, in every cycle."""

import pytest
from amaranth.hdl import Assert, Assume, Module, Mux, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In

from tests.formal.proof import Verdict, bounded, by_induction, delayed
from trine.hw.array.signed_tree import SignedTree

BOUND = 5


class SignedTreeSpecification(wiring.Component):
    """total is the sum of `latency` cycles ago, of values whose signs are stored as the layout stores them.

    With `early`, it is that of absolute signs, less one where the first is negative: a one's complement.
    """

    def __init__(self, count, early, wrong=None):
        self._count, self._early, self._wrong = count, early, wrong
        self._dut = SignedTree(count, BOUND, early)
        super().__init__({"values": In(data.ArrayLayout(signed(4), count)), "negative": In(count)})

    @property
    def latency(self):
        return self._dut.latency

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self._dut
        negative = [self.negative[index] for index in range(self._count)]
        stored = [sign ^ negative[index & (index - 1)] if index else sign for index, sign in enumerate(negative)]
        if self._wrong == "absolute":
            stored = negative
        m.d.comb += [given.eq(value) for given, value in zip(dut.values, self.values, strict=True)]
        m.d.comb += [dut.signs[index].eq(sign) for index, sign in enumerate(stored)]
        m.d.comb += [Assume((value >= -BOUND) & (value <= BOUND)) for value in self.values]

        total = sum(Mux(sign, -value, value) for sign, value in zip(negative, self.values, strict=True))
        total = total - negative[0] if self._early else Mux(negative[0], -total, total)
        if self._wrong == "narrow":
            total = total[: len(dut.total) - 1].as_signed()
        expected = delayed(m, total, self.latency - (self._wrong == "soon"), reset_less=True)
        m.d.comb += Assert(dut.total == expected)
        return m


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("count", [2, 3, 4, 5, 6])
def test_sum(count, early):
    specification = SignedTreeSpecification(count, early)
    assert by_induction(specification, depth=specification.latency + 1) is Verdict.PROVED


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("wrong", ["absolute", "soon", "narrow"])
def test_wrong_specification(wrong, early):
    specification = SignedTreeSpecification(4, early, wrong)
    assert bounded(specification, depth=specification.latency + 1) is Verdict.REFUTED
