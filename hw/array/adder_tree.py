"""Sum of `depth` masked terms: the part of a lane that takes the place of multipliers.

A term is nonzero & (code ^ negative): the code, its one's complement, or nothing. The +1 that turns a one's complement
into a negation enters as the carry of an adder: `depth` terms have `depth` such carries, there are depth - 1 adders,
and the one carry that is left over leaves beside the sum, for the accumulator behind the tree. So a negation costs no
adder of its own, no row constant has to be kept, and the sum is exact in every step, which saturating accumulators
need. Weighed against it: a row constant preloaded into the accumulator (one LUT less a trit, but a memory of its own,
and wrong with saturating accumulators); a population count of the negative weights (a second tree).

Terms are added in chains of four, whose sums a tree adds. In an adder with the running sum on one side, an ECP5 has the
mask of the other side in the carry cells themselves (hw.build.adder_operands), so that only a chain's first term needs
LUTs for it. All of `array_25f_384` takes 7,403 LUT4 of the netlist as a tree of pairs, 6,888 with chains of four, 7,039
with chains of eight, which need four cycles more.
"""

from amaranth.hdl import Module, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from trine.hw.array.arithmetic import add, register


class Trit(data.Struct):
    """One weight: `negative` counts only where `nonzero` is 1; `negative` without `nonzero` must not occur."""

    nonzero: unsigned(1)
    negative: unsigned(1)


class AdderTree(wiring.Component):
    """Adds `depth` codes, each times its trit.

    Formula: sum + carry = codes[0]*trits[0] + ... + codes[depth-1]*trits[depth-1], exact: nothing overflows.
    Latency: `latency` cycles, a register behind every adder; throughput: one sum a cycle.

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

    CHAIN = 4
    """Terms that are added one after the other, before a tree adds these chains' sums."""

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
            "sum": Out(signed(self._width(depth))),
            "carry": Out(1),
        })

    @property
    def latency(self) -> int:
        """Cycles from codes and trits to their sum."""
        chains = -(-self._depth // self.CHAIN)
        return self._chain_latency + (chains - 1).bit_length()

    @property
    def _chain_latency(self) -> int:
        return max(1, min(self._depth, self.CHAIN) - 1)

    def _width(self, terms: int) -> int:
        """Bits of a sum of that many terms, without their carries: each is a code or a code's one's complement."""
        return self._activation_bits + (terms - 1).bit_length()

    def elaborate(self, platform):
        m = Module()
        chains = [self._chain(m, start) for start in range(0, self._depth, self.CHAIN)]
        values, carries = [total for total, _ in chains], [carry for _, carry in chains]
        level = 0
        while len(values) > 1:
            level += 1
            following = []
            for left, right in zip(values[0::2], values[1::2], strict=False):
                following.append(register(m, add(left, right, carries.pop(0)), f"sum_{level}_{len(following)}"))
            if len(values) % 2:
                following.append(register(m, values[-1], f"sum_{level}_{len(following)}"))
            values = following
            carries = [register(m, carry, f"carry_{level}_{index}") for index, carry in enumerate(carries)]
        m.d.comb += [self.sum.eq(values[0]), self.carry.eq(carries[0])]
        return m

    def _chain(self, m, start):
        """The sum of the terms from `start` on, `_chain_latency` cycles later, and its first term's carry.

        The first addition has both its terms at once; each later one has the running sum and a term that waited for it.
        """
        terms = [(code, trit) for code, trit in zip(self.codes, self.trits, strict=True)][start : start + self.CHAIN]
        code, trit = terms.pop(0)
        total, carry = _term(code, trit), trit.negative
        for stage in range(self._chain_latency):
            name = f"{start}_{stage}"
            if stage < len(terms):
                code, trit = terms[stage]
                total = add(total, _term(code, trit), trit.negative)[: self._width(stage + 2)].as_signed()
            total, carry = register(m, total, f"chain_{name}"), register(m, carry, f"chain_carry_{name}")
            for index in range(stage + 1, len(terms)):
                code, trit = terms[index]
                terms[index] = (register(m, code, f"code_{name}_{index}"), register(m, trit, f"trit_{name}_{index}"))
        return total, carry


def _term(code, trit):
    """nonzero & (code ^ negative)."""
    width = code.shape().width
    return ((code.as_unsigned() ^ trit.negative.replicate(width)) & trit.nonzero.replicate(width)).as_signed()
