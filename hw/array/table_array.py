"""The activation-stationary table array.

A chunk of columns builds, once, a table of partial sums for each group of its activations (hw.array.table_builder);
then one word after another, a row block each, looks up and adds. So all row blocks of a chunk come before the next
chunk, and the rows' sums wait in a memory of partial sums meanwhile. A packed code is the address of its own partial
sum: there is no decoder, and no adder for each trit.

Tables of three trits are distributed RAM, one bank: while tables are built, no word is taken, so it wants many row
blocks. Tables of five are block RAM in two banks, one being built behind the other.

Weighed against it, by what an ECP5 takes a trit: two banks of distributed RAM, so that nothing ever waits (6 LUT4 more
than the 11.8 of `array_25f_384`: more in all than the 15.3 of the adder array); groups of six in both ports of a block
RAM (a third of the LUTs, but building takes 364 cycles in which a port of every table cannot look up).
"""

from amaranth.hdl import Cat, Module, Signal, signed, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from trine.firmware.configuration import Configuration
from trine.hw.array.command import command_layout
from trine.hw.array.table_builder import TableBuilder, table_layout
from trine.hw.array.table_lane import TableLane
from trine.hw.last_of import LastOf
from trine.hw.memory.loader import NO_COLLISIONS, Loader

PARTIAL_SUM_CYCLES = 4
"""A partial sum may be read as many cycles after the word before it of the same row was taken, at the earliest."""


class TableArray(wiring.Component):
    """Matrix-vector products with ternary weights.

    Formula: results = W @ codes, exact modulo 2**accumulator_bits, row after row.
    Throughput: a weight word a cycle while tables last. With one bank, the first word of a chunk comes `steps` cycles
    after the last word of the chunk before it, at the earliest; with two, as many after the last word of the chunk
    before that one. A row block's results are one beat.
    Latency: `latency` cycles from a row block's last word to its results.
    Stalls: nothing behind the words ever stands still, so whoever takes the results must always be ready.

    Members
    -------
    start, address, bytes, partial, overflow: load the activation buffer, one byte a code, in words of one chunk
        (see Loader).
    commands: In, stream of commands; accepted after the last tables of the one before were taken.
    weights: In, stream of weight words, chunk after chunk, row blocks fastest.
    ready_ahead: Out, what `weights.ready` will be in the next cycle (see WeightMemory).
    results: Out, stream of `lanes` int32 values, lowest row first.
    last: Out, with results: they are their product's last.
    pacing: Out, 0: no word has to wait because results are leaving.
    building: Out, 1 while a word has to wait: for its tables, or for the partial sum of its row.
    active: Out, 1 while words of a command are still to come.
    """

    def __init__(self, configuration: Configuration):
        self._configuration = configuration
        self._lanes = [TableLane(configuration) for _ in range(configuration.lanes)]
        self._builder = TableBuilder(configuration)
        groups = configuration.codes_per_slice
        self._bank_bytes = next(size for size in (4, 3, 2, 1) if groups % size == 0)
        self._loader = Loader(configuration.activation_chunks, banks=configuration.depth // self._bank_bytes,
                              bank_bytes=self._bank_bytes)
        super().__init__({
            **self._loader.port,
            "commands": In(stream.Signature(command_layout(configuration))),
            "weights": In(stream.Signature(data.ArrayLayout(unsigned(configuration.slice_bits), configuration.lanes))),
            "ready_ahead": Out(1),
            "results": Out(stream.Signature(data.ArrayLayout(signed(32), configuration.lanes), always_ready=True)),
            "last": Out(1),
            "pacing": Out(1),
            "building": Out(1),
            "active": Out(1),
        })

    @property
    def latency(self) -> int:
        """Cycles from a row block's last weight word to its results."""
        return 2 * self._registered + self._lanes[0].latency

    @property
    def _registered(self) -> int:
        """Cycles in a register behind a block RAM, and likewise in one before the lanes or the activation buffer, for
        what comes from afar to be looked up or written; none with tables in block RAM: an iCE40's, whose RAMs have
        none, and whose die is small.
        """
        return 1 if self._configuration.table_banks == 1 else 0

    @property
    def stores(self) -> int:
        """Products of which results are still to come when another command is accepted."""
        return 2

    def elaborate(self, platform):
        m = Module()
        configuration = self._configuration
        m.submodules.builder = builder = self._builder
        m.d.comb += [
            builder.commands.payload.eq(self.commands.payload), builder.commands.valid.eq(self.commands.valid),
            self.commands.ready.eq(builder.commands.ready), builder.codes.eq(self._activation_buffer(m, builder)),
        ]
        table, bank, begin, taken, ended = self._control(m, builder)

        # What the accepted word is, cycle after cycle.
        accept = self.weights.valid & self.weights.ready
        accepted = _delays(m, accept, self.latency, "accepted", reset_less=False)
        begun = [taken, *_delays(m, accept & begin, self.latency, "begun")]  # begun[n + 1] is n cycles after the word
        firsts = _delays(m, table.first, self.latency - 2, "first")
        lasts = _delays(m, accept & table.last, self.latency, "last", reset_less=False)
        finals = _delays(m, ended & table.last, self.latency, "final")
        slices = _delays(m, self.weights.payload, 2 * self._registered, "slices")[-1]
        writes = _delays(m, builder.write, self._registered, "write", reset_less=False)[-1]
        write_address = _delays(m, builder.write_address, self._registered, "write_address")[-1]
        entries = _delays(m, builder.entries, self._registered, "entries")[-1]

        # The partial sums of all lanes are read in time for the total, and written when it is there.
        width = configuration.lanes * configuration.accumulator_bits
        m.submodules.partial_sums = sums = memory.Memory(shape=unsigned(width), depth=configuration.result_beats,
                                                         init=[], attrs=NO_COLLISIONS)
        write, read = sums.write_port(), sums.read_port()
        stored = _delays(m, read.data, self._registered, "stored")[-1]
        partials = Signal(width, reset_less=True)
        totals = []
        for index, lane in enumerate(self._lanes):
            m.submodules[f"lane_{index}"] = lane
            m.d.comb += [
                lane.slice.eq(slices[index]), lane.bank.eq(bank),
                lane.write.eq(writes), lane.write_address.eq(write_address), lane.entries.eq(entries),
                lane.partial.eq(partials.word_select(index, configuration.accumulator_bits)),
            ]
            totals.append(lane.total)
        for port, cycle in ((read, self.latency - 3 - self._registered), (write, self.latency)):
            with m.If(begun[cycle]):
                m.d.sync += port.addr.eq(0)
            with m.Elif(accepted[cycle]):
                m.d.sync += port.addr.eq(port.addr + 1)
        m.d.comb += [read.en.eq(1), write.data.eq(Cat(*totals)), write.en.eq(accepted[self.latency])]
        m.d.sync += partials.eq(stored)
        with m.If(firsts[self.latency - 2]):
            m.d.sync += partials.eq(0)
        m.d.comb += [
            self.results.valid.eq(lasts[self.latency]), self.last.eq(finals[self.latency]),
            *(result.eq(total) for result, total in zip(self.results.payload, totals, strict=True)),
        ]
        return m

    def _control(self, m, builder):
        """Takes tables and counts their row blocks.

        Returns the table in use, its bank, whether its first word is still to come, whether a table is taken in this
        cycle, and whether its last word is.
        """
        table, looking_up, begin = Signal(table_layout(self._configuration)), Signal(), Signal()
        m.submodules.row_blocks = row_blocks = LastOf(len(table.row_blocks))
        bank = Signal(range(max(self._configuration.table_banks, 2)))
        accept = self.weights.valid & self.weights.ready
        ended = accept & row_blocks.last
        settling = self._settling(m, accept & begin) if self._configuration.table_banks > 1 else 0
        taken = builder.tables.valid & builder.tables.ready
        m.d.comb += [
            self.weights.ready.eq(looking_up), self.ready_ahead.eq(taken | (looking_up & ~ended)),
            self.building.eq(self.weights.valid & ~self.weights.ready),
            self.active.eq(builder.active | looking_up),
            builder.tables.ready.eq((~looking_up | ended) & ~settling),
            builder.release.eq(ended),
            row_blocks.begin.eq(taken), row_blocks.count.eq(builder.tables.payload.row_blocks),
            row_blocks.step.eq(accept),
        ]
        m.d.sync += looking_up.eq(self.ready_ahead)
        with m.If(accept):
            m.d.sync += begin.eq(0)
        with m.If(ended):
            m.d.sync += bank.eq(~bank)
        with m.If(taken):
            m.d.sync += [table.eq(builder.tables.payload), begin.eq(1)]
        return table, bank, begin, taken, ended

    def _settling(self, m, begun):
        """Whether, with a second bank, the next table may not be taken yet: the first row needs its partial sum."""
        cycles = Signal(range(PARTIAL_SUM_CYCLES))
        with m.If(cycles != 0):
            m.d.sync += cycles.eq(cycles - 1)
        with m.If(begun):
            m.d.sync += cycles.eq(PARTIAL_SUM_CYCLES - 2)
        return (cycles != 0) | begun

    def _activation_buffer(self, m, builder):
        """The codes that the builder asks for: digit d of group g of a chunk is its column d * groups + g.

        A code is in its memory two cycles after its byte came, three with registers, and the builder asks for none
        before the third cycle after a command: no command is too early.
        """
        configuration = self._configuration
        groups, bits = configuration.codes_per_slice, configuration.activation_chunk_bits
        m.submodules.loader = loader = self._loader
        loader.serve(m, self)
        banks = groups // self._bank_bytes
        digits = [loader.write_bank[at : at + banks] for at in range(0, configuration.depth // self._bank_bytes, banks)]
        chunk, digit = Signal(bits), Signal(range(len(digits)))
        m.d.comb += chunk.eq(loader.write_address)
        for number, written in enumerate(digits):
            with m.If(written.any()):
                m.d.comb += digit.eq(number)
        address = _delays(m, Cat(chunk, digit), self._registered, "written_address")[-1]
        loaded = _delays(m, loader.write_data, self._registered, "loaded")[-1]
        codes = Signal(data.ArrayLayout(signed(8), groups))
        shape = data.ArrayLayout(signed(8), self._bank_bytes)
        for index in range(banks):
            bank = memory.Memory(shape=shape, depth=len(digits) << bits, init=[], attrs=NO_COLLISIONS)
            m.submodules[f"activations_{index}"] = bank
            write, read = bank.write_port(), bank.read_port()
            enable = _delays(m, Cat(written[index] for written in digits).any(), self._registered, f"written_{index}",
                             reset_less=False)[-1]
            m.d.comb += [
                write.addr.eq(address), write.data.eq(loaded), write.en.eq(enable),
                read.addr.eq(builder.address), read.en.eq(builder.enable),
            ]
            m.d.comb += [codes[index * self._bank_bytes + byte].eq(read.data[byte])
                         for byte in range(self._bank_bytes)]
        return codes


def _delays(m, value, cycles, name, reset_less=True):
    """`value`, and what it was 1 .. `cycles` cycles ago."""
    delayed = [value]
    for cycle in range(1, cycles + 1):
        register = Signal.like(value, name=f"{name}_{cycle}", reset_less=reset_less)
        m.d.sync += register.eq(delayed[-1])
        delayed.append(register)
    return delayed
