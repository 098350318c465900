"""Accumulators behind an adder tree, in the modes of golden.accumulate.

Exact: one wide accumulator. With `group_accumulator_bits`: a narrow group accumulator that saturates after every step
and, when its group ends, is added exactly to the wide one and starts again from zero. The narrow mode exists to be
compared (golden.accumulate says what it costs in accuracy); it takes one more cycle and one more adder.
"""

from amaranth.hdl import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from trine.hw.array.arithmetic import add


class Step(data.Struct):
    """What a step is, beside its sum; all zero between steps."""

    valid: unsigned(1)
    first: unsigned(1)
    """of a row block"""
    last: unsigned(1)
    """of a row block"""
    group_first: unsigned(1)
    group_last: unsigned(1)


class Accumulator(wiring.Component):
    """Adds up the steps of one row.

    Formula: after the row's last step, total = sum of (sum + carry) over its steps, exact modulo 2**accumulator_bits;
    the compiler refuses rows whose bound does not fit, so nothing wraps. With a group accumulator: as in
    golden.accumulate, saturating at [-2**(g-1), 2**(g-1) - 1] after every step.
    Latency: `latency` cycles from a row's last step to `total`, which then stands for one cycle at least.
    Throughput: one step a cycle.

    Parameters
    ----------
    sum_bits: width of a step's sum.
    accumulator_bits: width of the total.
    group_accumulator_bits: width of the saturating group accumulator; None for exact sums.
    """

    def __init__(self, sum_bits: int, accumulator_bits: int, group_accumulator_bits: int | None = None):
        self._group_bits = group_accumulator_bits
        self._accumulator_bits = accumulator_bits
        super().__init__({
            "step": In(Step),
            "sum": In(signed(sum_bits)),
            "carry": In(1),
            "total": Out(signed(accumulator_bits)),
        })

    @property
    def latency(self) -> int:
        """Cycles from a step to the total that includes it."""
        return 1 if self._group_bits is None else 2

    def elaborate(self, platform):
        m = Module()
        if self._group_bits is None:
            with m.If(self.step.valid):
                m.d.sync += self.total.eq(add(Mux(self.step.first, 0, self.total), self.sum, self.carry))
            return m

        group = Signal(signed(self._group_bits), reset_less=True)
        closed = Signal()
        closed_first = Signal()
        row_start = Signal(init=1)
        exact = add(Mux(self.step.group_first, 0, group), self.sum, self.carry)
        least, greatest = -(1 << (self._group_bits - 1)), (1 << (self._group_bits - 1)) - 1
        m.d.sync += closed.eq(self.step.valid & self.step.group_last)
        with m.If(self.step.valid):
            m.d.sync += group.eq(Mux(exact > greatest, greatest, Mux(exact < least, least, exact)))
            m.d.sync += closed_first.eq(row_start)
            m.d.sync += row_start.eq(Mux(self.step.group_last, self.step.last, row_start))
        with m.If(closed):
            m.d.sync += self.total.eq(Mux(closed_first, 0, self.total) + group)
        return m
