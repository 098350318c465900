"""hw.array.table_array: every product's results leave, once and in time, whatever pauses there are between words.

Bounded: from reset to the results of a product of two chunks, with one bank of tables and with two. What results are is
not looked at: tables are proved in test_table_builder, the tree behind them in test_signed_tree.
"""

import pytest
from amaranth.hdl import Assert, Assume, Module, Mux, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from tests.formal.proof import Verdict, bounded, delayed, kept
from tests.formal.test_table_builder import configuration
from trine.hw.array.table_array import TableArray


class TableArraySpecification(wiring.Component):
    """Any commands of up to two chunks and row blocks, and words, at any time.

    A word is taken only for a command that was accepted and has words to come, of which `active` tells; where it is
    not, it is `building`, never `pacing`. That one may be taken is announced a cycle before. Words are counted chunk
    after chunk, row blocks fastest. `latency` cycles after each word of a product's last chunk comes a beat, and none
    at any other time; that of its last word is its `last`. At most one command waits behind the one that words come
    for.
    """

    command: In(1)
    row_blocks: In(2)
    chunks: In(2)
    word_valid: In(1)

    def __init__(self, banks, wrong=None):
        self._banks, self._wrong = banks, wrong
        self._dut = TableArray(configuration(banks, chunks=2))
        super().__init__()

    @property
    def depth(self):
        """Cycles: the tables of two chunks, the words behind them, and their results."""
        return 2 * 14 + 9 + self._dut.latency + 2

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self._dut
        wrong = self._wrong
        m.d.comb += [
            dut.commands.valid.eq(self.command), dut.commands.payload.row_blocks.eq(self.row_blocks),
            dut.commands.payload.chunks.eq(self.chunks), dut.weights.valid.eq(self.word_valid),
            Assume(~ResetSignal()), Assume(kept(m, dut.commands)), Assume(kept(m, dut.weights)),
            *(Assume((count == 1) | (count == 2)) for count in (self.row_blocks, self.chunks)),
        ]

        # The command that words are taken for, and the one behind it.
        active, row_blocks, chunks = Signal(), Signal(2), Signal(2)
        waiting, next_row_blocks, next_chunks = Signal(), Signal(2), Signal(2)
        row_block, chunk = Signal(), Signal()
        taken, accepted = dut.weights.valid & dut.weights.ready, dut.commands.valid & dut.commands.ready
        chunk_ends, last_chunk = row_block == row_blocks - 1, chunk == chunks - 1
        ends = taken & chunk_ends & last_chunk
        with m.If(taken):
            m.d.sync += row_block.eq(Mux(chunk_ends, 0, row_block + 1))
            with m.If(chunk_ends):
                m.d.sync += chunk.eq(Mux(last_chunk, 0, chunk + 1))
        with m.If(accepted):
            m.d.sync += [next_row_blocks.eq(self.row_blocks), next_chunks.eq(self.chunks)]
        with m.If(~active | ends):
            m.d.sync += [active.eq(waiting | accepted), waiting.eq(waiting & accepted)]
            m.d.sync += [row_blocks.eq(Mux(waiting, next_row_blocks, self.row_blocks)),
                         chunks.eq(Mux(waiting, next_chunks, self.chunks))]
        with m.Elif(accepted):
            m.d.sync += waiting.eq(1)

        due = taken & (1 if wrong == "count" else last_chunk)
        if wrong == "second":
            due = taken & last_chunk & (chunk == 0)
        final = due & (1 if wrong == "last" else chunk_ends)
        latency = dut.latency - (wrong == "latency")
        m.d.comb += [
            Assert(dut.active == (active if wrong != "active" else waiting)),
            Assert(dut.weights.ready == delayed(m, dut.ready_ahead, 1 + (wrong == "ahead"))),
            Assert(~dut.pacing if wrong != "pacing" else dut.pacing),
            Assert(~taken | (active if wrong != "ready" else ~active)),
            Assert(~accepted | ~waiting | ends if wrong != "accepted" else ~accepted | ~active),
            Assert(dut.building == (self.word_valid & (active if wrong == "building" else ~dut.weights.ready))),
            Assert(dut.results.valid == delayed(m, due, latency)),
            Assert(~dut.results.valid | (dut.last == delayed(m, final, dut.latency))),
        ]
        return m


@pytest.mark.parametrize("banks", [1, 2])
def test_results(banks):
    specification = TableArraySpecification(banks)
    assert bounded(specification, specification.depth) is Verdict.PROVED


@pytest.mark.parametrize(("banks", "wrong"), [
    *((2, wrong) for wrong in ("active", "ready", "ahead", "pacing", "accepted", "building", "count", "latency")),
    *((banks, wrong) for banks in (1, 2) for wrong in ("last", "second")),
])
def test_wrong_specification(banks, wrong):
    specification = TableArraySpecification(banks, wrong)
    assert bounded(specification, specification.depth) is Verdict.REFUTED
