"""The output-stationary adder array.

Each cycle takes one weight word (`lanes` rows x `depth` columns) and one chunk of `depth` activation codes, which all
lanes share; a row block's sums stay in the lanes' accumulators until its last chunk, then leave in row order. There
are no tables to build and no partial sums to store, so it is right for every N and K; a table array (array.md) needs
half the logic and wants many rows.
"""

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from trine.firmware.configuration import Configuration
from trine.hw.array.accumulator import Step
from trine.hw.array.command import command_layout
from trine.hw.array.lane import Lane
from trine.hw.last_of import LastOf
from trine.hw.memory.loader import NO_COLLISIONS, Loader


class AdderArray(wiring.Component):
    """Matrix-vector products with ternary weights.

    Formula: results = W @ codes in the configuration's accumulator mode (golden.accumulate), row after row.
    Throughput: a weight word a cycle, but a row block's last word comes `beats` cycles after the last one of the row
    block before it, or later, where beats = lanes / result_width: results leave one beat a cycle. A command is taken in
    the cycle of the last word of the one before it, so commands follow each other without a gap.
    Latency: `latency` cycles from a row block's last word to its first results.
    Stalls: nothing behind the words ever stands still, which spares thousands of flip-flops an enable; whoever takes
    the results must always be ready.

    Members
    -------
    start, address, bytes, partial, overflow: load the activation buffer, one byte a code, in words of one chunk
        (see Loader); codes of a narrower configuration are the low bits.
    commands: In, stream of commands.
    weights: In, stream of weight words, row block after row block, chunks fastest.
    ready_ahead: Out, what `weights.ready` will be in the next cycle (see WeightMemory).
    results: Out, stream of `result_width` int32 values, lowest row first.
    last: Out, with results: they are their product's last.
    pacing: Out, 1 while a row block's last word has to wait because results are leaving.
    building: Out, 0: there are no tables.
    active: Out, 1 while words of a command are still to come.
    """

    def __init__(self, configuration: Configuration):
        self._configuration = configuration
        depth = configuration.depth
        bank_bytes = next(size for size in (4, 3, 2, 1) if depth % size == 0)
        self._loader = Loader(configuration.activation_chunks, banks=depth // bank_bytes, bank_bytes=bank_bytes)
        self._bank_bytes = bank_bytes
        self._lanes = [Lane(configuration) for _ in range(configuration.lanes)]
        super().__init__({
            **self._loader.port,
            "commands": In(stream.Signature(command_layout(configuration))),
            "weights": In(stream.Signature(data.ArrayLayout(unsigned(configuration.slice_bits), configuration.lanes))),
            "ready_ahead": Out(1),
            "results": Out(stream.Signature(data.ArrayLayout(signed(32), configuration.result_width),
                                            always_ready=True)),
            "last": Out(1),
            "pacing": Out(1),
            "building": Out(1),
            "active": Out(1),
        })

    @property
    def latency(self) -> int:
        """Cycles from a row block's last weight word to the cycle in which its first results are valid."""
        return 1 + self._lanes[0].latency + 1

    @property
    def stores(self) -> int:
        """Products that can be under way at the same time, from one's first word to another's results."""
        return 8

    def elaborate(self, platform):
        m = Module()
        configuration = self._configuration

        accept, first, last, row_block_last, activation_chunk = self._control(m)
        codes = self._activation_buffer(m, activation_chunk, accept)

        # From the word to the accumulator: one register for the word, then the lane's own stages.
        slices = Signal(self.weights.payload.shape(), reset_less=True)
        m.d.sync += slices.eq(self.weights.payload)
        step = self._step(m, first, last, accept)
        for stage in range(1 + self._lanes[0].step_latency):
            step = _delay(m, step, f"step_{stage}")
        finished = step.valid & step.last
        for stage in range(self._lanes[0].latency - self._lanes[0].step_latency):
            finished = _delay(m, finished, f"finished_{stage}")
        finished_last = row_block_last
        for stage in range(1 + self._lanes[0].latency):
            finished_last = _delay(m, finished_last, f"finished_last_{stage}")

        totals = []
        for index, lane in enumerate(self._lanes):
            m.submodules[f"lane_{index}"] = lane
            m.d.comb += [lane.slice.eq(slices[index]), lane.codes.eq(codes), lane.step.eq(step)]
            totals.append(lane.total)

        # Finished rows move to a register of their own and leave from there, `result_width` at a time.
        beats = configuration.beats_per_row_block
        width = configuration.result_width * configuration.accumulator_bits
        leaving = Signal(configuration.lanes * configuration.accumulator_bits, reset_less=True)
        leaving_last = Signal()
        beats_left = Signal(range(beats + 1))
        m.d.comb += [
            self.results.valid.eq(beats_left != 0), self.last.eq(leaving_last & (beats_left == 1)),
            *(result.eq(leaving.word_select(index, configuration.accumulator_bits).as_signed())
              for index, result in enumerate(self.results.payload)),
        ]
        m.d.sync += leaving.eq(leaving >> width)
        with m.If(beats_left != 0):
            m.d.sync += beats_left.eq(beats_left - 1)
        with m.If(finished):
            m.d.sync += [leaving.eq(Cat(*totals)), leaving_last.eq(finished_last), beats_left.eq(beats)]
        return m

    def _control(self, m):
        """Counts chunks and row blocks of the words that are accepted.

        Returns whether a word is accepted in this cycle, whether it, or the next one, is the first and the last of its
        row block and its row block the last of its product, and the chunk whose codes it needs.
        """
        layout = command_layout(self._configuration)
        m.submodules.chunks = chunks = LastOf(layout["chunks"].width)
        m.submodules.row_blocks = row_blocks = LastOf(layout["row_blocks"].width)
        first = Signal()
        activation_chunk, first_chunk = (Signal(layout["activation_chunk"].shape, name=name, reset_less=True)
                                         for name in ("activation_chunk", "first_chunk"))
        beats = self._configuration.beats_per_row_block
        pace, paced = Signal(range(max(beats, 2))), Signal()  # cycles in which no last word may come
        active_ahead, paced_ahead = Signal(), Signal()
        accept = self.weights.valid & self.weights.ready
        finish = accept & chunks.last  # a row block
        begin = self.commands.valid & self.commands.ready
        new = self.commands.payload
        m.d.comb += [
            self.commands.ready.eq(~self.active | (finish & row_blocks.last)),
            self.pacing.eq(self.active & self.weights.valid & ~self.weights.ready),
            chunks.begin.eq(begin), chunks.count.eq(new.chunks), chunks.step.eq(accept),
            row_blocks.begin.eq(begin), row_blocks.count.eq(new.row_blocks), row_blocks.step.eq(finish),
            active_ahead.eq(begin | (self.active & ~(finish & row_blocks.last))),
            paced_ahead.eq(Mux(finish, beats > 1, paced & (pace != 1))),
            self.ready_ahead.eq(active_ahead & ~(chunks.last_ahead & paced_ahead)),
        ]
        m.d.sync += [
            self.active.eq(active_ahead), paced.eq(paced_ahead), self.weights.ready.eq(self.ready_ahead),
            pace.eq(pace - 1),
        ]
        with m.If(accept):
            m.d.sync += [first.eq(chunks.last), activation_chunk.eq(activation_chunk + 1)]
        with m.If(finish):
            m.d.sync += [activation_chunk.eq(first_chunk), pace.eq(beats - 1)]
        with m.If(begin):
            m.d.sync += [activation_chunk.eq(new.activation_chunk), first_chunk.eq(new.activation_chunk), first.eq(1)]
        return accept, first, chunks.last, row_blocks.last, activation_chunk

    def _step(self, m, first, last, accept):
        """What the word accepted in this cycle is to the accumulators."""
        step = Signal(Step)
        m.d.comb += [step.valid.eq(accept), step.first.eq(first), step.last.eq(last)]
        mode = self._configuration.accumulator_mode
        if mode.exact:
            return step
        if mode.group is None:
            m.d.comb += [step.group_first.eq(first), step.group_last.eq(last)]
            return step
        steps = mode.group // self._configuration.depth
        position = Signal(range(steps))
        m.d.comb += [step.group_first.eq(position == 0), step.group_last.eq((position == steps - 1) | last)]
        with m.If(accept):
            m.d.sync += position.eq(Mux(step.group_last, 0, position + 1))
        return step

    def _activation_buffer(self, m, chunk, accept):
        """The codes of the chunk that the word accepted two cycles ago needs, registered."""
        configuration = self._configuration
        m.submodules.loader = loader = self._loader
        loader.serve(m, self)
        codes = Signal(data.ArrayLayout(signed(configuration.activation_bits), configuration.depth), reset_less=True)
        shape = data.ArrayLayout(signed(8), self._bank_bytes)
        for index in range(configuration.depth // self._bank_bytes):
            bank = memory.Memory(shape=shape, depth=configuration.activation_chunks, init=[], attrs=NO_COLLISIONS)
            m.submodules[f"activations_{index}"] = bank
            write, read = bank.write_port(), bank.read_port()
            m.d.comb += [
                write.addr.eq(loader.write_address), write.data.eq(loader.write_data),
                write.en.eq(loader.write_bank[index]),
                read.addr.eq(chunk), read.en.eq(accept),
            ]
            m.d.sync += [codes[index * self._bank_bytes + byte].eq(read.data[byte])
                         for byte in range(self._bank_bytes)]
        return codes


def _delay(m, value, name):
    """`value` a cycle later."""
    register = Signal.like(value, name=name)
    m.d.sync += register.eq(value)
    return register
