"""From packed weight codes to trits, one decoder per packing, all combinational.

`trit2` is its own decoding. `trit3x5` and `trit5x8` are case tables made from golden's definition: 2.5 and about 24 LUT
a trit on ECP5, the price of 1.67 and 1.6 bits a weight (array.md); arrays that use the code as a table's address pay
nothing, and will not use this file. Codes that golden refuses decode to zeros here, but for the minus zero of `trit2`,
which is passed on and counts as +1; images with such codes are refused before they are loaded.
"""

import numpy as np
from amaranth.hdl import Cat, Const, Module, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from trine.golden.packing import Packing
from trine.hw.array.adder_tree import Trit


class Decoder(wiring.Component):
    """One lane's slice of a weight word to its trits.

    Latency: 0. Formula: trits = golden's `packing.decode(codes)`, code after code from the lowest bits on; a trit t is
    nonzero = (t != 0), negative = (t < 0).

    Parameters
    ----------
    packing: a golden packing.
    depth: trits in a slice; a multiple of packing.trits_per_code, else ValueError.
    """

    def __init__(self, packing: Packing, depth: int):
        if depth % packing.trits_per_code:
            raise ValueError(f"depth must be a multiple of {packing.trits_per_code}, not {depth!r}")
        self._packing = packing
        self._codes = depth // packing.trits_per_code
        super().__init__({
            "codes": In(data.ArrayLayout(unsigned(packing.bits_per_code), self._codes)),
            "trits": Out(data.ArrayLayout(Trit, depth)),
        })

    def elaborate(self, platform):
        m = Module()
        packing = self._packing
        if packing.name == "bit1":
            m.d.comb += [trit.eq(Cat(1, code)) for code, trit in zip(self.codes, self.trits, strict=True)]
            return m
        if packing.name == "trit2":
            m.d.comb += [trit.eq(code) for code, trit in zip(self.codes, self.trits, strict=True)]
            return m
        trits = self.trits.as_value()
        width = 2 * packing.trits_per_code
        for index, code in enumerate(self.codes):
            with m.Switch(code):
                for valid in packing.codes:
                    with m.Case(valid):
                        m.d.comb += trits[index * width : (index + 1) * width].eq(_trit_bits(packing, valid))
        return m


def _trit_bits(packing: Packing, code: int) -> Const:
    """The bits of `Trit` structures, lowest trit first, that golden decodes `code` to."""
    value = 0
    for position, trit in enumerate(packing.decode(np.array([code], np.uint8))[0]):
        value |= (int(trit != 0) | int(trit < 0) << 1) << (2 * position)
    return Const(value, 2 * packing.trits_per_code)
