"""hw.array.table_builder: every entry is the partial sum that its code stands for, and no table is written in use.

Bounded: from reset to the end of the second table, or with two banks into the third. The control of both is proved with
a walk of three trits and anything around it; what the entries are, while words take a table at once and give it back
at once or late, and for the walk of five while nothing waits.
"""

import dataclasses

import numpy as np
import pytest
from amaranth.hdl import Array, Assert, Assume, Cat, Const, Module, Mux, ResetSignal, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In

from tests.formal.proof import Verdict, at_end, bounded, delayed, kept
from tests.hw.configurations import small
from trine.firmware.configuration import Configuration
from trine.golden.packing import Packing, gray_walk
from trine.hw.array.table_builder import TableBuilder

CODE_BITS = 3
"""Of the activations that are looked at: the adders are the same for all."""




@dataclasses.dataclass(frozen=True)
class TwoBanks(Configuration):
    """Three trits in a code of six bits: what is built in two banks, with a walk that a proof gets to the end of."""

    @property
    def codec(self):
        return Packing("trit3x6", 3, 6)


def configuration(banks, chunks):
    changes = {"dataflow": "tables", "packing": "trit3x5", "depth": 6, "lanes": 1, "result_width": 1,
               "activation_chunks": chunks, "result_beats": 3}
    one = small(**changes)
    return one if banks == 1 else TwoBanks(**dataclasses.asdict(one))


class TableBuilderSpecification(wiring.Component):
    """Any command at any time, any activations, tables taken and released at any time, in order.

    The entries of a table are written in the order of their indices, from 1 on, chunk after chunk of the command, in
    one bank after the other; entry i of a group is gray_walk[i] . the group's activations. No entry is written while as
    many tables as there are banks are complete and not released, and a table is offered no earlier than two entries
    before its end, or with two banks one. What the entries are is compared if `late` is given: then there is one
    command, of as many chunks as can be, whose tables are taken at once and released `late` cycles later.

    With two banks, what is said of an offered table stays only if it is taken at once when none before it is in use.
    """

    command: In(1)
    chunks: In(2)
    row_blocks: In(2)
    taken: In(1)
    release: In(1)
    activations: In(data.ArrayLayout(signed(CODE_BITS), 18))

    def __init__(self, banks=1, wrong=None, late=None):
        self._banks, self._wrong, self._late = banks, wrong, late
        self._chunks = 1 + banks
        self._configuration = configuration(banks, self._chunks)
        self._dut = TableBuilder(self._configuration)
        self._walk = gray_walk(3)
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self._dut
        wrong, count, bits = self._wrong, self._chunks, self._configuration.activation_chunk_bits
        # A memory of activations that never change: digit d of group g of chunk c is activations[6 * c + 2 * d + g].
        stored = Signal.like(self.activations)
        begun = Signal()
        m.d.sync += begun.eq(1)
        with m.If(~begun):
            m.d.sync += stored.eq(self.activations)
        with m.If(dut.enable):
            for group, code in enumerate(dut.codes):
                words = [[stored[6 * chunk + 2 * digit + group] for digit in range(3)] for chunk in range(count)]
                read = Signal(signed(CODE_BITS), name=f"read_{group}")
                m.d.sync += read.eq(Array(Array([*digits, digits[0]])[dut.address[bits:]] for digits in words)[
                    dut.address[:bits]])
                m.d.comb += code.eq(read)
        m.d.comb += [
            dut.commands.valid.eq(self.command & begun), dut.commands.payload.chunks.eq(self.chunks),
            dut.commands.payload.row_blocks.eq(self.row_blocks), dut.commands.payload.activation_chunk.eq(0),
            dut.tables.ready.eq(self.taken), dut.release.eq(self.release),
            Assume(~ResetSignal()), Assume(kept(m, dut.commands)),
            Assume((self.chunks != 0) & (self.chunks <= count) & (self.row_blocks != 0)),
        ]

        steps = len(self._walk) - 1
        earliest = steps - 2 + self._banks + (wrong == "offered")  # the last entry when the table is taken
        index, chunk, chunks, row_blocks = Signal(4, init=1), Signal(2), Signal(2), Signal(2)
        complete, offered, free = Signal(4), Signal(4), Signal(4)  # tables: written, taken, released
        with m.If(dut.write):
            m.d.sync += index.eq(Mux(index == steps, 1, index + 1))
            with m.If(index == steps):
                m.d.sync += [complete.eq(complete + 1), chunk.eq(chunk + 1)]
            m.d.comb += [
                Assert(dut.write_address == (index if self._banks == 1 else Cat(
                    index, Const(0, len(dut.write_address) - 5), complete[0] ^ (wrong == "bank")))),
                Assert(chunk < chunks), Assert(complete - free < self._banks - (wrong == "full")),
            ]
            for group, entry in enumerate(() if self._late is None else dut.entries):
                rows = []
                for trits in self._walk:
                    terms = [Array(stored[6 * number + 2 * digit + group] for number in range(count))[chunk[:bits]]
                             * (int(trit) if wrong != "sign" else abs(int(trit))) for digit, trit in enumerate(trits)]
                    rows.append(sum(terms, Const(0, signed(8))))
                if wrong == "order":
                    rows[4], rows[5] = rows[5], rows[4]
                m.d.comb += Assert(entry == Array(rows)[index])
        with m.If(dut.commands.valid & dut.commands.ready):  # at the earliest in the cycle of the last entry
            m.d.sync += [chunk.eq(0), chunks.eq(self.chunks), row_blocks.eq(self.row_blocks)]
        with m.If(dut.tables.valid & dut.tables.ready):
            m.d.sync += offered.eq(offered + 1)
            m.d.comb += [
                Assert((offered < complete) | ((offered == complete) & (index >= earliest))),
                Assert(dut.tables.payload.row_blocks == row_blocks),
            ]
        m.d.comb += [Assert(kept(m, dut.tables)), Assume(~self.release | (free != offered))]
        if self._late is not None:
            waited = Signal(range(self._late + 1))
            held = free != offered
            m.d.sync += waited.eq(Mux(held & ~self.release, waited + 1, 0))
            m.d.comb += Assume(self.command & self.taken & (self.chunks == count)
                               & (self.release == (held & (waited == self._late))))
        if self._banks > 1 and wrong != "waits":
            m.d.comb += Assume(~dut.tables.valid | self.taken | (free != offered))
        with m.If(self.release):
            m.d.sync += free.eq(free + 1)
        return m


def test_tables():
    """For 36 cycles: the second of two tables ends in cycle 35 at the earliest."""
    assert bounded(TableBuilderSpecification(), depth=36) is Verdict.PROVED


@pytest.mark.parametrize("late", [0, 3])
def test_entries(late):
    """To the end of the second table."""
    assert bounded(TableBuilderSpecification(late=late), depth=37 + late) is Verdict.PROVED


def test_tables_two_banks():
    """For 39 cycles: the third table begins in cycle 36 at the earliest, if the first one is released by then."""
    assert bounded(TableBuilderSpecification(banks=2), depth=39) is Verdict.PROVED


@pytest.mark.parametrize(("wrong", "late"), [
    ("sign", 0), ("order", 0), ("order", 3), ("full", None), ("offered", None)])
def test_wrong_specification(wrong, late):
    assert bounded(TableBuilderSpecification(wrong=wrong, late=late), depth=37) is Verdict.REFUTED


@pytest.mark.parametrize("wrong", ["full", "offered", "bank", "waits"])
def test_wrong_specification_two_banks(wrong):
    assert bounded(TableBuilderSpecification(banks=2, wrong=wrong), depth=39) is Verdict.REFUTED


class WalkSpecification(wiring.Component):
    """The table of trit5x8 of a chunk, entry after entry in the cycles that TableBuilder states.

    Entry 0 is 0. Entry i is entry i - 1 and the one activation that gray_walk[i] has more, or less the one that it has
    less; so it is gray_walk[i] . the group's activations. Looked at are one group, and activations of two bits.
    """

    def __init__(self, wrong=None):
        self._wrong = wrong
        self._configuration = small(dataflow="tables", packing="trit5x8", depth=10, lanes=1, result_width=1,
                                    activation_chunks=2, result_beats=3)
        self._dut = TableBuilder(self._configuration)
        super().__init__({"activations": In(data.ArrayLayout(signed(2), 5))})

    @property
    def depth(self):
        """Cycles: the command in cycle 1, all entries, the cycle behind them, and what was wrong until then."""
        return 1 + self._dut.latency + self._dut.steps + 2

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self._dut
        steps = self._dut.steps
        stored, begun, sent = Signal.like(self.activations), Signal(), Signal()
        m.d.sync += [begun.eq(1), sent.eq(begun)]
        with m.If(~begun):
            m.d.sync += stored.eq(self.activations)
        read = Signal(signed(2))
        with m.If(dut.enable):
            m.d.sync += read.eq(Array(stored)[dut.address[1:]])
        m.d.comb += [
            dut.codes[0].eq(read),
            dut.commands.valid.eq(begun & ~sent), dut.commands.payload.chunks.eq(1),
            dut.commands.payload.row_blocks.eq(1), dut.commands.payload.activation_chunk.eq(0),
            dut.tables.ready.eq(1), Assume(~ResetSignal()),
        ]
        m.d.sync += dut.release.eq(dut.tables.valid)

        # What is written is known by the cycle alone: entry 1 in cycle 1 + latency.
        cycle, index = Signal(range(self.depth + 1)), Signal(range(1, steps + 2), init=1)
        m.d.sync += cycle.eq(cycle + 1)
        written = (cycle > dut.latency) & (index != steps + 1)
        with m.If(written):
            m.d.sync += index.eq(index + 1)
        right = [dut.write == written, ~written | (dut.write_address == index)]
        walk = gray_walk(5)
        if self._wrong == "order":
            walk[[60, 61]] = walk[[61, 60]]
        changes = np.diff(walk, axis=0, prepend=walk[:1])
        digits = np.abs(changes).argmax(axis=1)
        digit = Array(Const(int(digit), 3) for digit in digits)[index]
        negative = Array(Const(int(change[digit] < 0), 1) for change, digit in zip(changes, digits, strict=True))[index]
        entry, code = dut.entries[0], Array(stored)[digit]
        before = delayed(m, Mux(written, entry, 0), 1)
        right.append(~written | (entry == Mux(negative, before - code, before + code)))
        ever_wrong = Signal()
        m.d.sync += ever_wrong.eq(ever_wrong | ~Cat(right).all())
        m.d.comb += Assert(~ever_wrong)
        return m


def test_walk_of_five():
    """To the last of its 121 entries."""
    specification = WalkSpecification()
    assert at_end(specification, specification.depth) is Verdict.PROVED


def test_wrong_walk_of_five():
    specification = WalkSpecification("order")
    assert at_end(specification, specification.depth) is Verdict.REFUTED
