"""hw.array.adder_tree: the sum of products, for all codes and all trits, in every cycle."""

import pytest
from amaranth.hdl import Assert, Assume, Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from tests.formal.proof import Verdict, bounded, by_induction, delayed
from trine.hw.array.adder_tree import AdderTree


class AdderTreeSpecification(wiring.Component):
    """sum + carry is the sum of codes[i] * trits[i] of `latency` cycles ago."""

    def __init__(self, depth, activation_bits=8, wrong=None):
        self._wrong = wrong
        self._dut = AdderTree(depth, activation_bits)
        members = self._dut.signature.members
        super().__init__({name: In(members[name].shape) for name in ("codes", "trits")})

    @property
    def latency(self):
        return self._dut.latency

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self._dut
        m.d.comb += [dut.codes.eq(self.codes), dut.trits.eq(self.trits)]
        m.d.comb += [Assume(trit.nonzero | ~trit.negative) for trit in self.trits]

        total = sum(self._product(code, trit) for code, trit in zip(self.codes, self.trits, strict=True))
        if self._wrong == "narrow":
            total = total[: len(dut.sum) - 1].as_signed()
        expected = delayed(m, total, self.latency - (self._wrong == "early"), reset_less=True)
        m.d.comb += Assert(dut.sum + dut.carry == expected)
        return m

    def _product(self, code, trit):
        negated = ~code if self._wrong == "complement" else -code
        return Mux(trit.nonzero, Mux(trit.negative, negated, code), 0)


@pytest.mark.parametrize(("depth", "activation_bits"), [(1, 8), (2, 8), (3, 8), (4, 4), (5, 2), (7, 2)])
def test_sum(depth, activation_bits):
    """In the cycle after reset and in any other: nothing is left of earlier codes after `latency` cycles."""
    specification = AdderTreeSpecification(depth, activation_bits)
    assert by_induction(specification, depth=specification.latency + 1) is Verdict.PROVED


@pytest.mark.parametrize("wrong", ["complement", "early", "narrow"])
def test_wrong_specification(wrong):
    specification = AdderTreeSpecification(3, wrong=wrong)
    assert bounded(specification, depth=specification.latency + 1) is Verdict.REFUTED
