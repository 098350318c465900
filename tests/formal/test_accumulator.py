"""hw.array.accumulator: the modes of golden.accumulate, for every row and every pause between its steps."""

import pytest
from amaranth.hdl import Assert, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from tests.formal.proof import Verdict, bounded, by_induction, delayed
from trine.hw.array.accumulator import Accumulator

SUM_BITS = 4
ACCUMULATOR_BITS = 6
WIDE = 16
"""Bits in which the specification counts."""
HORIZON = 5


class AccumulatorSpecification(wiring.Component):
    """A row's total, `latency` cycles after its last step, as golden.accumulate computes it.

    Groups are of `group_steps` steps, or of whole rows for None. The surroundings say when a step comes and whether it
    is its row's last, both freely, so rows have every length and pause everywhere; what else a step is follows.

    Exact sums (`group_bits` None) are compared in every cycle, the sums of unfinished rows too. With groups, the totals
    are of rows whose last step comes at most HORIZON cycles after that of the row before, or after reset: no port shows
    the group that is under way, so an induction has to see a row from its beginning.
    """

    valid: In(1)
    last: In(1)
    sum: In(signed(SUM_BITS))
    carry: In(1)

    def __init__(self, group_bits=None, group_steps=None, wrong=None):
        self._group_bits, self._group_steps, self._wrong = group_bits, group_steps, wrong
        self._dut = Accumulator(SUM_BITS, ACCUMULATOR_BITS, group_bits)
        super().__init__()

    @property
    def depth(self):
        """Cycles of an induction."""
        return self._dut.latency + 1 + (0 if self._group_bits is None else HORIZON)

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self._dut

        first, position = Signal(init=1), Signal(range(self._group_steps or 1))
        group_first, group_last = first, self.last
        if self._group_steps is not None:
            group_first, group_last = position == 0, (position == self._group_steps - 1) | self.last
        with m.If(self.valid):
            m.d.sync += [first.eq(self.last), position.eq(Mux(group_last, 0, position + 1))]
            m.d.comb += [
                dut.step.valid.eq(1), dut.step.first.eq(first), dut.step.last.eq(self.last),
                dut.step.group_first.eq(group_first), dut.step.group_last.eq(group_last),
            ]
        m.d.comb += [dut.sum.eq(self.sum), dut.carry.eq(self.carry)]

        wrong = self._wrong
        added = self.sum - self.carry if wrong == "carry" else self.sum + self.carry
        total, group = Signal(signed(WIDE)), Signal(signed(WIDE))
        with m.If(self.valid):
            m.d.sync += [
                total.eq(Mux(first & (wrong != "first"), 0, Mux(group_first, total + group, total))),
                group.eq(self._saturated(Mux(group_first & (wrong != "group"), 0, group) + added)),
            ]
        expected = delayed(m, (total + group)[:ACCUMULATOR_BITS].as_signed(), dut.latency - 1)

        since = Signal(range(HORIZON + 1))  # cycles since the last row's last step
        with m.If(self.valid & self.last):
            m.d.sync += since.eq(0)
        with m.Elif(since < HORIZON):
            m.d.sync += since.eq(since + 1)
        compared = delayed(m, self.valid & self.last & (since < HORIZON), dut.latency)
        with m.If(compared if self._group_bits is not None else 1):
            m.d.comb += Assert(dut.total == expected)
        return m

    def _saturated(self, value):
        if self._group_bits is None:
            return value
        least, greatest = -(1 << (self._group_bits - 1)), (1 << (self._group_bits - 1)) - 1
        if self._wrong == "wraps":
            return value[: self._group_bits].as_signed()
        if self._wrong == "symmetric":
            least = -greatest
        return Mux(value > greatest, greatest, Mux(value < least, least, value))


MODES = {"exact": (None, None), "whole rows": (4, None), "groups of 1": (5, 1), "groups of 2": (5, 2),
         "groups of 3": (4, 3)}


@pytest.mark.parametrize("mode", MODES)
def test_total(mode):
    specification = AccumulatorSpecification(*MODES[mode])
    assert by_induction(specification, specification.depth) is Verdict.PROVED


@pytest.mark.parametrize(("mode", "wrong"), [
    ("exact", "carry"), ("exact", "first"), ("whole rows", "wraps"), ("whole rows", "symmetric"),
    ("groups of 2", "wraps"), ("groups of 2", "group"), ("groups of 3", "symmetric"),
])
def test_wrong_specification(mode, wrong):
    specification = AccumulatorSpecification(*MODES[mode], wrong)
    assert bounded(specification, specification.depth + 3) is Verdict.REFUTED
