"""hw.array.table_builder: every entry is the partial sum that its code stands for, and no table is written in use.

Bounded: from reset to the end of the second table.
"""

import pytest
from amaranth.hdl import Array, Assert, Assume, Const, Module, Mux, ResetSignal, Signal, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In

from tests.formal.proof import Verdict, bounded, kept
from tests.hw.configurations import small
from trine.golden.packing import gray_walk
from trine.hw.array.table_builder import TableBuilder

CHUNKS = 2
CODE_BITS = 3
"""Of the activations that are looked at: the adders are the same for all."""


class TableBuilderSpecification(wiring.Component):
    """Any command at any time, any activations, tables taken and released at any time, in order.

    The entries of a table are written in the order of their indices, from 1 on, chunk after chunk of the command;
    entry i of a group is gray_walk[i] . the group's activations. No entry is written while as many tables as there are
    banks are complete and not released, and a table is offered no earlier than two entries before its end.
    """

    command: In(1)
    chunks: In(2)
    row_blocks: In(2)
    taken: In(1)
    release: In(1)
    activations: In(data.ArrayLayout(signed(CODE_BITS), 6 * CHUNKS))

    def __init__(self, wrong=None):
        self._wrong = wrong
        self._configuration = small(dataflow="tables", packing="trit3x5", depth=6, lanes=1, result_width=1,
                                    activation_chunks=CHUNKS, result_beats=3)
        self._dut = TableBuilder(self._configuration)
        self._walk = gray_walk(3)
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self._dut
        wrong = self._wrong
        # A memory of activations that never change: digit d of group g of chunk c is activations[6 * c + 2 * d + g].
        stored = Signal.like(self.activations)
        begun = Signal()
        m.d.sync += begun.eq(1)
        with m.If(~begun):
            m.d.sync += stored.eq(self.activations)
        with m.If(dut.enable):
            for group, code in enumerate(dut.codes):
                words = [[stored[6 * chunk + 2 * digit + group] for digit in range(3)] for chunk in range(CHUNKS)]
                read = Signal(signed(CODE_BITS), name=f"read_{group}")
                m.d.sync += read.eq(Array(Array([*digits, digits[0]])[dut.address[1:]] for digits in words)[
                    dut.address[0]])
                m.d.comb += code.eq(read)
        m.d.comb += [
            dut.commands.valid.eq(self.command & begun), dut.commands.payload.chunks.eq(self.chunks),
            dut.commands.payload.row_blocks.eq(self.row_blocks), dut.commands.payload.activation_chunk.eq(0),
            dut.tables.ready.eq(self.taken), dut.release.eq(self.release),
            Assume(~ResetSignal()), Assume(kept(m, dut.commands)),
            Assume((self.chunks != 0) & (self.chunks <= CHUNKS) & (self.row_blocks != 0)),
        ]

        steps = len(self._walk) - 1
        index, chunk, chunks, row_blocks = Signal(4, init=1), Signal(2), Signal(2), Signal(2)
        complete, offered, free = Signal(4), Signal(4), Signal(4)  # tables: written, taken, released
        with m.If(dut.write):
            m.d.sync += index.eq(Mux(index == steps, 1, index + 1))
            with m.If(index == steps):
                m.d.sync += [complete.eq(complete + 1), chunk.eq(chunk + 1)]
            m.d.comb += [
                Assert(dut.write_address == index), Assert(chunk < chunks),
                Assert(complete - free < 1 + (wrong == "free") - (wrong == "full")),
            ]
            for group, entry in enumerate(dut.entries):
                rows = []
                for trits in self._walk:
                    terms = [Array(stored[6 * number + 2 * digit + group] for number in range(CHUNKS))[chunk[0]]
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
                Assert((offered < complete) | ((offered == complete) & (index >= steps - (wrong != "offered")))),
                Assert(dut.tables.payload.row_blocks == row_blocks),
            ]
        m.d.comb += [Assert(kept(m, dut.tables)), Assume(~self.release | (free != offered))]
        with m.If(self.release):
            m.d.sync += free.eq(free + 1)
        return m


def test_tables():
    """For 36 cycles: two tables are complete after 6 + 13 + 1 + 13."""
    assert bounded(TableBuilderSpecification(), depth=36) is Verdict.PROVED


@pytest.mark.parametrize("wrong", ["sign", "order", "full", "offered"])
def test_wrong_specification(wrong):
    assert bounded(TableBuilderSpecification(wrong), depth=36) is Verdict.REFUTED
