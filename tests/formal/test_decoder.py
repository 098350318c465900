"""hw.memory.decoder: every packing's numbering, for every code, used or not.

There is no clock in a decoder, so a single cycle is a proof.
"""

import pytest
from amaranth.hdl import Assert, Module, Mux
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from tests.formal.proof import Verdict, bounded
from trine.golden.packing import PACKINGS
from trine.hw.memory.decoder import Decoder


class DecoderSpecification(wiring.Component):
    """The rule of golden.packing in arithmetic: no table, no walk.

    A code is a sign and an index; index i is element (3**n - 1)/2 + i of the reflected ternary Gray code over n digits.
    Digit d of element e of that code is digit d of e in base 3, less 1; and negated if e // 3**(d + 1), which counts
    the passes of the digits below it, is odd.
    """

    def __init__(self, packing, wrong=None):
        self._packing, self._wrong = packing, wrong
        self._dut = Decoder(packing, 2 * packing.trits_per_code)
        super().__init__({"codes": In(self._dut.codes.shape())})

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self._dut
        m.d.comb += dut.codes.eq(self.codes)
        count = self._packing.trits_per_code
        for index, code in enumerate(self.codes):
            for digit in range(count):
                position = count - 1 - digit if self._wrong == "order" else digit
                trit = dut.trits[index * count + position]
                nonzero, negative = self._trit(code, digit)
                m.d.comb += [Assert(trit.nonzero == nonzero), Assert(trit.negative == negative)]
        return m

    def _trit(self, code, digit):
        """What bits `nonzero` and `negative` of that trit are."""
        wrong = self._wrong
        sign, index = code[-1], code[:-1]
        negated = ~sign if wrong == "sign" else sign
        if not self._packing.has_zero:
            return 1, negated
        middle = (3**self._packing.trits_per_code - 1) // 2
        element = middle + index
        forward = element // 3**digit % 3 - 1
        reflected = element // 3 ** (digit + 1) % 2 == 1
        trit = forward if wrong == "reflection" else Mux(reflected, -forward, forward)
        trit = Mux(negated, -trit, trit)
        minus_zero = sign & (index == 0)
        used = 1 if wrong == "unused" else (index <= middle) & ~minus_zero
        passed_on = minus_zero if self._packing.name == "trit2" and wrong != "unused" else 0
        return used & (trit != 0), (used & (trit < 0)) | passed_on


@pytest.mark.parametrize("name", PACKINGS)
def test_every_code(name):
    assert bounded(DecoderSpecification(PACKINGS[name]), depth=1) is Verdict.PROVED


@pytest.mark.parametrize(("name", "wrong"), [
    *((name, "sign") for name in PACKINGS),
    *((name, wrong) for name in ("trit3x5", "trit5x8") for wrong in ("order", "reflection", "unused")),
    ("trit2", "unused"),
])
def test_wrong_specification(name, wrong):
    assert bounded(DecoderSpecification(PACKINGS[name], wrong), depth=1) is Verdict.REFUTED
