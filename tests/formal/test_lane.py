"""hw.array.lane: packed weights and codes to a row's sum, however long the row and wherever it pauses.

Five trits behind one code are too many for the solver here; trit5x8 is proved as a decoder.
"""

import numpy as np
import pytest
from amaranth.hdl import Assert, Assume, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from tests.formal.proof import Verdict, bounded, by_induction, delayed
from tests.hw.configurations import small
from trine.hw.array.lane import Lane


class LaneSpecification(wiring.Component):
    """total = (first ? 0 : total) + the sum of weights[i] * codes[i], with the timing that Lane states.

    The weights are golden's decoding of the slice. The total is exact modulo 2**accumulator_bits.
    """

    def __init__(self, configuration, wrong=None):
        self._configuration, self._wrong = configuration, wrong
        self._dut = Lane(configuration)
        members = self._dut.signature.members
        super().__init__({name: In(members[name].shape) for name in ("slice", "codes", "step")})

    @property
    def latency(self):
        return self._dut.latency

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self._dut
        m.d.comb += [dut.slice.eq(self.slice), dut.codes.eq(self.codes), dut.step.eq(self.step)]

        # The codes come a cycle after the slice they belong to, the step when both have become a sum.
        weights = [delayed(m, weight, 1, reset_less=True) for weight in self._weights(m)]
        codes = reversed(list(self.codes)) if self._wrong == "order" else self.codes
        products = sum(Mux(weight == 0, 0, Mux(weight > 0, code, -code))
                       for weight, code in zip(weights, codes, strict=True))
        added = delayed(m, products, dut.step_latency - 1, reset_less=True)
        total = Signal(signed(len(dut.total) + 8))
        first = self.step.last if self._wrong == "first" else self.step.first
        with m.If(self.step.valid):
            m.d.sync += total.eq(Mux(first, 0, total) + added)
        m.d.comb += Assert(dut.total == total[: len(dut.total)].as_signed())
        return m

    def _weights(self, m):
        packing = self._configuration.codec
        weights = []
        for index in range(self._configuration.depth // packing.trits_per_code):
            code = self.slice.word_select(index, packing.bits_per_code)
            trits = [Signal(signed(2), name=f"weight_{index}_{digit}") for digit in range(packing.trits_per_code)]
            with m.Switch(code):
                for value in packing.codes:
                    with m.Case(value):
                        decoded = packing.decode(np.array([value], np.uint8))[0]
                        m.d.comb += [trit.eq(int(weight)) for trit, weight in zip(trits, decoded, strict=True)]
                with m.Default():
                    m.d.comb += Assume(0)  # an image with unused codes is never loaded
            weights += trits
        return weights


@pytest.mark.parametrize(("packing", "depth", "activation_bits"), [
    ("bit1", 3, 8), ("trit2", 2, 8), ("trit2", 4, 4), ("trit3x5", 3, 8),
])
def test_total(packing, depth, activation_bits):
    specification = LaneSpecification(small(packing=packing, depth=depth, activation_bits=activation_bits))
    assert by_induction(specification, depth=specification.latency + 1) is Verdict.PROVED


@pytest.mark.parametrize("wrong", ["order", "first"])
@pytest.mark.parametrize(("packing", "depth"), [("trit2", 2), ("trit3x5", 3)])
def test_wrong_specification(packing, depth, wrong):
    specification = LaneSpecification(small(packing=packing, depth=depth), wrong)
    assert bounded(specification, depth=specification.latency + 2) is Verdict.REFUTED
