"""Sum of `depth` masked terms: the part of a lane that takes the place of multipliers.

A term is nonzero & (code ^ negative): the code, its one's complement, or nothing. The +1 that turns a one's complement
into a negation enters as the carry of an adder: `depth` terms have `depth` such carries, the tree has depth - 1 adders,
and the one carry that is left over leaves beside the sum, for the accumulator behind the tree. So a negation costs no
adder of its own, no row constant has to be kept, and the sum is exact in every step, which saturating accumulators
need. Weighed against it: a row constant preloaded into the accumulator (one LUT less a trit, but a memory of its own,
and wrong with saturating accumulators); a population count of the negative weights (a second tree).
"""

from amaranth.hdl import Cat, Module, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out


class Trit(data.Struct):
    """One weight: `negative` counts only where `nonzero` is 1; `negative` without `nonzero` must not occur."""

    nonzero: unsigned(1)
    negative: unsigned(1)


class AdderTree(wiring.Component):
    """Adds `depth` codes, each times its trit.

    Formula: sum + carry = codes[0]*trits[0] + ... + codes[depth-1]*trits[depth-1], exact: nothing overflows.
    Latency: `latency` cycles, a register behind every level of adders; throughput: one sum a cycle.

    Parameters
    ----------
    depth: terms, >= 1.
    activation_bits: width of a code, >= 2; all 2**activation_bits values are admitted.

    Members
    -------
    codes: In, `depth` signed codes.
    trits: In, `depth` trits.
    sum: Out, signed; see the formula.
    carry: Out, 0 or 1, to be added to `sum`.

    Raises ValueError for a depth below 1 or activation_bits below 2.
    """

    def __init__(self, depth: int, activation_bits: int = 8):
        if depth < 1:
            raise ValueError(f"depth must be at least 1, not {depth!r}")
        if activation_bits < 2:
            raise ValueError(f"activation_bits must be at least 2, not {activation_bits!r}")
        self._depth = depth
        self._activation_bits = activation_bits
        super().__init__({
            "codes": In(data.ArrayLayout(signed(activation_bits), depth)),
            "trits": In(data.ArrayLayout(Trit, depth)),
            "sum": Out(signed(activation_bits + (depth - 1).bit_length())),
            "carry": Out(1),
        })

    @property
    def latency(self) -> int:
        """Cycles from codes and trits to their sum."""
        return max(1, (self._depth - 1).bit_length())

    def elaborate(self, platform):
        m = Module()
        width = self._activation_bits
        values = [
            ((code.as_unsigned() ^ trit.negative.replicate(width)) & trit.nonzero.replicate(width)).as_signed()
            for code, trit in zip(self.codes, self.trits, strict=True)
        ]
        carries = [trit.negative for trit in self.trits]
        for level in range(self.latency):
            sums = []
            for left, right in zip(values[0::2], values[1::2], strict=False):
                # One bit longer at the bottom, an adder has a carry input that every synthesiser understands.
                total = (Cat(1, left).as_signed() + Cat(carries.pop(0), right).as_signed()) >> 1
                sums.append(_register(m, total, f"sum_{level}_{len(sums)}"))
            if len(values) % 2:
                sums.append(_register(m, values[-1], f"sum_{level}_{len(sums)}"))
            values = sums
            carries = [_register(m, carry, f"carry_{level}_{index}") for index, carry in enumerate(carries)]
        m.d.comb += [self.sum.eq(values[0]), self.carry.eq(carries[0])]
        return m


def _register(m: Module, value, name: str) -> Signal:
    """A flip-flop per bit behind `value`; without a reset, because what it holds is only used when it is valid."""
    register = Signal(value.shape(), name=name, reset_less=True)
    m.d.sync += register.eq(value)
    return register
