"""Sum of values that each have a sign: what stands between the tables of a lane and its partial sum.

The signs are *relative* ones, as the layout stores them (firmware.layout): the sign of value k is stored XORed with
that of value k & (k - 1), the first value of the left neighbour of the subtree that begins at k. So each node of the
tree computes left +- right with the one sign bit that is stored at its right half's first value, and nothing is ever
negated twice; what leaves has the sign of value 0 still to come. An ECP5 does left +- right in the carry cells
themselves (hw.build.adder_operands); absolute signs would cost it a LUT a value more.
"""

from amaranth.hdl import Module, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from trine.hw.array.arithmetic import add, complement, register


class SignedTree(wiring.Component):
    """Adds `count` values with relative signs.

    Formula: total = the sum over k of (-1)**(s_0 ^ s_k) * values[k], with s_k = signs[k] ^ s_{k & (k - 1)} for k > 0
    and s_0 = signs[0], which counts only with `early`. Exact: nothing overflows.
    Latency: `latency` cycles, a register behind every adder; throughput: one sum a cycle.

    Parameters
    ----------
    count: values, >= 1. bound: the greatest magnitude of a value, >= 1.
    early: complement a sum where it is made, not where it is subtracted: an iCE40 has room for that in the cells of the
        adder, while an ECP5 has it in those of the next one. The total is then complemented where signs[0] is 1.

    Members
    -------
    values: In, signed. signs: In, with the values they belong to. total: Out, see the formula.
    """

    def __init__(self, count: int, bound: int, early: bool = False):
        if count < 1 or bound < 1:
            raise ValueError(f"count and bound must be at least 1, not {count!r} and {bound!r}")
        self._count, self._bound, self._early = count, bound, early
        super().__init__({
            "values": In(data.ArrayLayout(signed(_width(bound)), count)),
            "signs": In(unsigned(count)),
            "total": Out(signed(_width(count * bound))),
        })

    @property
    def latency(self) -> int:
        """Cycles from values to their sum."""
        return (self._count - 1).bit_length()

    def elaborate(self, platform):
        m = Module()
        values = list(self.values)
        signs = dict(enumerate(self.signs))
        if self._early:
            values[1::2] = [complement(value, signs[2 * index + 1]) for index, value in enumerate(values[1::2])]
        for level in range(self.latency):
            span = 1 << level  # values below each node
            following = []
            for first in range(0, self._count, 2 * span):
                total = values[first // span]
                right = first + span
                if right < self._count:
                    operand = values[right // span]
                    if not self._early:
                        operand = complement(operand, signs[right])
                    total = add(total, operand, signs[right])
                    total = total[: _width(min(2 * span, self._count - first) * self._bound)].as_signed()
                if self._early and (first & 2 * span or 2 * span >= self._count):
                    total = complement(total, signs[first])
                following.append(register(m, total, f"sum_{level}_{first}"))
            values = following
            signs = {index: register(m, sign, f"sign_{level}_{index}") for index, sign in signs.items()
                     if index % (2 * span) == 0}
        m.d.comb += self.total.eq(values[0])
        return m


def _width(bound: int) -> int:
    """Bits of a signed number of that magnitude."""
    return bound.bit_length() + 1
