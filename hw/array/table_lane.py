"""One lane of a table array: looks up partial sums, adds them, and adds the row's partial sum so far."""

from amaranth.hdl import Module, Signal, signed, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from trine.firmware.configuration import Configuration
from trine.hw.array.arithmetic import add, complement
from trine.hw.array.signed_tree import SignedTree
from trine.hw.memory.loader import NO_COLLISIONS

STARTS_WITH_ZEROS = {"starts_with_zeros": 1}
"""Attribute of a memory whose zeros at power-up, which an FPGA's configuration puts there, are relied on. Any other one
without content may start with anything, and in the simulator does."""


class TableLane(wiring.Component):
    """Tables, adder tree and accumulation of one row.

    Each code of the slice is a sign and the address of its own partial sum in the table of its group, so that nothing
    is decoded. Entry 0 is 0 from the start and is never written. A single bank is distributed RAM, which is read
    without a clock; two are block RAM.

    Formula: total = partial + slice . codes of the chunk that the tables were built from, modulo 2**accumulator_bits.
    Latency: `latency` cycles from a slice to the total that includes it, `sum_latency` to the cycle in which `partial`
    is added. Throughput: one slice a cycle. An entry that is looked up in the cycle in which it is written is the old
    one in distributed RAM, and undefined in block RAM.

    Members
    -------
    slice: In, the lane's share of a weight word: codes with relative signs (firmware.layout).
    bank: In, which of the two tables to look up, with the slice (`banks` = 2 only).
    write, write_address, entries: In, one entry of each table: `write_address` is the entry's index, with two banks
        the bank on top of it.
    partial: In, the row's partial sum, `sum_latency` cycles after the slice. total: Out.
    """

    def __init__(self, configuration: Configuration):
        codec = configuration.codec
        self._index_bits = codec.bits_per_code - 1
        self._codes = configuration.codes_per_slice
        self._banks = configuration.table_banks
        self._early = self._banks > 1  # an iCE40's, as only that part's tables want to be in block RAM
        self._tree = SignedTree(self._codes, codec.trits_per_code * 128, self._early)
        self._entry = self._tree.signature.members["values"].shape.elem_shape
        super().__init__({
            "slice": In(unsigned(configuration.slice_bits)),
            "bank": In(1),
            "write": In(1),
            "write_address": In(unsigned(self._index_bits + self._banks - 1)),
            "entries": In(data.ArrayLayout(self._entry, self._codes)),
            "partial": In(signed(configuration.accumulator_bits)),
            "total": Out(signed(configuration.accumulator_bits)),
        })

    @property
    def sum_latency(self) -> int:
        """Cycles from a slice to its sum: the table, then the tree."""
        return 1 + self._tree.latency

    @property
    def latency(self) -> int:
        """Cycles from a slice to the total that includes it."""
        return self.sum_latency + 1

    def elaborate(self, platform):
        m = Module()
        m.submodules.tree = tree = self._tree
        slices = data.View(data.ArrayLayout(unsigned(self._index_bits + 1), self._codes), self.slice)
        signs = Signal(self._codes, reset_less=True)
        m.d.comb += tree.signs.eq(signs)
        for number, code in enumerate(slices):
            m.d.sync += signs[number].eq(code[-1])
            m.d.comb += tree.values[number].eq(self._look_up(m, number, code[:-1]))

        negative = signs[0]
        for stage in range(tree.latency):
            delayed = Signal(name=f"negative_{stage}", reset_less=True)
            m.d.sync += delayed.eq(negative)
            negative = delayed
        addend = tree.total if self._early else complement(tree.total, negative)
        m.d.sync += self.total.eq(add(self.partial, addend, negative))
        return m

    def _look_up(self, m, number, index):
        """The entry with that index of a code's table, a cycle later."""
        distributed = self._banks == 1
        table = memory.Memory(shape=self._entry, depth=self._banks << self._index_bits, init=[],
                              attrs=STARTS_WITH_ZEROS | ({} if distributed else NO_COLLISIONS))
        m.submodules[f"table_{number}"] = table
        write, read = table.write_port(), table.read_port(domain="comb" if distributed else "sync")
        m.d.comb += [
            write.en.eq(self.write), write.addr.eq(self.write_address), write.data.eq(self.entries[number]),
            read.addr[: self._index_bits].eq(index),
        ]
        if self._banks > 1:
            m.d.comb += read.addr[self._index_bits :].eq(self.bank)
        if not distributed:
            return read.data
        entry = Signal(self._entry, name=f"entry_{number}", reset_less=True)
        m.d.sync += entry.eq(read.data)
        return entry
