"""hw.memory.loader: every bank of every word is written once, where it belongs, with the bytes that came for it."""

import pytest
from amaranth.hdl import Assert, Assume, Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from tests.formal.proof import Verdict, bounded, by_induction, delayed
from trine.hw.memory.loader import Loader

PAUSE = 2
"""Cycles without a byte, at most, in an induction about words of several bytes."""


class LoaderSpecification(wiring.Component):
    """Loads anywhere, begun at any time but in the cycle of a byte, and any bytes at any time.

    A byte within the memory goes to the place behind that of the byte before it, or to the address of the `start` since
    then. A cycle after the last one of a bank the bank is written, and nothing else ever is. `partial` and `overflow`
    are compared in every cycle, and so is the address, as that of the next byte when nothing is written: an induction
    has to know it.

    No port shows which bytes of a word are there; an induction learns it when it sees words complete. So with words of
    more than one byte something comes every PAUSE + 1 cycles at least, a byte or a `start`, unless the memory is full.
    With `pauses` they are of any length.
    """

    start: In(1)
    address: In(32)
    valid: In(1)
    byte: In(8)

    def __init__(self, words, banks, bank_bytes, wrong=None, pauses=False):
        self._words, self._banks, self._bank_bytes = words, banks, bank_bytes
        self._wrong, self._pauses = wrong, pauses
        self._dut = Loader(words, banks, bank_bytes)
        super().__init__()

    @property
    def depth(self):
        """Cycles of an induction: with all pauses, a word and a byte of the next, and the write behind it."""
        word_bytes = self._banks * self._bank_bytes
        return 2 if word_bytes == 1 else (word_bytes + 1) * (PAUSE + 1) + 2

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self._dut
        words, banks, bank_bytes, wrong = self._words, self._banks, self._bank_bytes, self._wrong
        m.d.comb += [
            dut.start.eq(self.start), dut.address.eq(self.address), dut.bytes.valid.eq(self.valid),
            dut.bytes.payload.eq(self.byte), Assume(~(self.start & self.valid)),
        ]

        # Where the next byte goes. No word is beyond the one that is the first beyond the memory.
        word, bank, byte = Signal(range(words + 1)), Signal(range(banks)), Signal(range(bank_bytes))
        within = word < words + (wrong == "overflow")
        taken = self.valid & within
        bank_last, word_last = byte == bank_bytes - 1, bank == banks - 1
        partial = (bank != 0) | (byte != 0)
        came = [Signal(8, name=f"came_{index}") for index in range(bank_bytes)]  # for this bank
        with m.If(taken):
            m.d.sync += byte.eq(Mux(bank_last, 0, byte + 1))
            for index, value in enumerate(came):
                with m.If(byte == index):
                    m.d.sync += value.eq(self.byte)
            with m.If(bank_last):
                m.d.sync += bank.eq(Mux(word_last, 0, bank + 1))
                with m.If(word_last):
                    m.d.sync += word.eq(word + 1)
        with m.If(self.start):
            m.d.sync += word.eq(Mux(self.address < words, self.address, words))
            if wrong != "restart":
                m.d.sync += [byte.eq(0), bank.eq(0)]
        if not self._pauses and banks * bank_bytes > 1:
            pause = Signal(range(PAUSE + 1))
            m.d.sync += pause.eq(Mux(self.start | self.valid, 0, pause + 1))
            m.d.comb += Assume(self.start | self.valid | (pause != PAUSE) | ~within)

        written = delayed(m, taken & (word_last if wrong == "lost" else 1) & bank_last, 1 + (wrong == "latency"))
        place, address = delayed(m, bank, 1), delayed(m, word, 1)
        select = Cat(place == (index + 1) % banks if wrong == "bank" else place == index for index in range(banks))
        content = Cat(*(reversed(came) if wrong == "order" else came))
        m.d.comb += [
            Assert(dut.bytes.ready), Assert(dut.partial == (partial if wrong != "partial" else byte != 0)),
            Assert(dut.overflow == ~within), Assert(dut.write == written),
            Assert(dut.write_bank == Mux(written, select, 0)),
        ]
        with m.If(written):
            m.d.comb += Assert(dut.write_data == content)
        with m.If(written | within):
            m.d.comb += Assert(dut.write_address == Mux(written, address, word) + (wrong == "address"))
        return m


@pytest.mark.parametrize(("words", "banks", "bank_bytes"), [(3, 1, 1), (3, 1, 2), (3, 3, 1), (4, 2, 2), (2, 3, 2)])
def test_writes(words, banks, bank_bytes):
    specification = LoaderSpecification(words, banks, bank_bytes)
    assert by_induction(specification, specification.depth) is Verdict.PROVED


def test_writes_after_pauses():
    """For 16 cycles, of which three words take 12."""
    assert bounded(LoaderSpecification(3, 2, 2, pauses=True), depth=16) is Verdict.PROVED


@pytest.mark.parametrize("wrong", ["order", "bank", "address", "lost", "latency", "partial", "overflow", "restart"])
def test_wrong_specification(wrong):
    assert bounded(LoaderSpecification(2, 2, 2, wrong), depth=11) is Verdict.REFUTED
