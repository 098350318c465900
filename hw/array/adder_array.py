"""The output-stationary adder array.

Each cycle takes one weight word (`lanes` rows x `depth` columns) and one chunk of `depth` activation codes, which all
lanes share; a row block's sums stay in the lanes' accumulators until its last chunk, then leave in row order. There
are no tables to build and no partial sums to store, so it is right for every N and K; a table array (array.md) needs
half the logic and wants many rows.
"""

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, fifo, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from trine.firmware.configuration import Configuration
from trine.hw.array.accumulator import Step
from trine.hw.array.command import command_layout
from trine.hw.array.lane import Lane
from trine.hw.memory.loader import NO_COLLISIONS, Loader

QUEUE_LATENCY = 2
"""Cycles through the queue from which results leave, if it is empty."""


class AdderArray(wiring.Component):
    """Matrix-vector products with ternary weights.

    Formula: results = W @ codes in the configuration's accumulator mode (golden.accumulate), row after row.
    Throughput: a weight word a cycle, but a row block's last word comes `beats` cycles after the last one of the row
    block before it, or later, where beats = lanes / result_width: results leave one beat a cycle. A command is taken in
    the cycle of the last word of the one before it, so commands follow each other without a gap.
    Latency: `latency` cycles from a row block's last word to its first result, if none is waiting.
    Stalls: nothing inside ever stands still, which spares thousands of flip-flops an enable. Instead a row block's last
    word is accepted only when there is room for all of its results in the queue from which they leave, which is deep
    enough never to be felt while `results` is ready.

    Members
    -------
    start, address, bytes, partial, overflow: load the activation buffer, one byte a code, in words of one chunk
        (see Loader); codes of a narrower configuration are the low bits.
    commands: In, stream of commands.
    weights: In, stream of weight words, row block after row block, chunks fastest.
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
            "results": Out(stream.Signature(data.ArrayLayout(signed(32), configuration.result_width))),
            "last": Out(1),
            "pacing": Out(1),
            "building": Out(1),
            "active": Out(1),
        })

    @property
    def latency(self) -> int:
        """Cycles from a row block's last weight word to the cycle in which its first results are valid."""
        return 1 + self._lanes[0].latency + 1 + QUEUE_LATENCY

    @property
    def _queue_depth(self) -> int:
        """Beats of the row blocks that are accepted while one is on its way through an empty queue, and of the next."""
        return self.latency + 1 + self._configuration.beats_per_row_block

    @property
    def stores(self) -> int:
        """Products that can be under way at the same time, from one's first word to another's results."""
        return 8

    def elaborate(self, platform):
        m = Module()
        configuration = self._configuration

        first, last, row_block_last, accept = Signal(), Signal(), Signal(), Signal()
        activation_chunk = self._control(m, first, last, row_block_last, accept)
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

        # Finished rows move to a register of their own and from there, `result_width` at a time, into the queue.
        beats = configuration.beats_per_row_block
        width = configuration.result_width * configuration.accumulator_bits
        m.submodules.queue = queue = fifo.SyncFIFOBuffered(width=width + 1, depth=self._queue_depth)
        leaving = Signal(configuration.lanes * configuration.accumulator_bits, reset_less=True)
        leaving_last = Signal()
        beats_left = Signal(range(beats + 1))
        m.d.comb += [
            queue.w_data.eq(Cat(leaving[:width], leaving_last & (beats_left == 1))), queue.w_en.eq(beats_left != 0),
            self.results.valid.eq(queue.r_rdy), queue.r_en.eq(self.results.ready), self.last.eq(queue.r_data[-1]),
            *(result.eq(queue.r_data.word_select(index, configuration.accumulator_bits).as_signed())
              for index, result in enumerate(self.results.payload)),
        ]
        m.d.sync += leaving.eq(leaving >> width)
        with m.If(beats_left != 0):
            m.d.sync += beats_left.eq(beats_left - 1)
        with m.If(finished):
            m.d.sync += [leaving.eq(Cat(*totals)), leaving_last.eq(finished_last), beats_left.eq(beats)]
        return m

    def _control(self, m, first, last, row_block_last, accept):
        """Counts chunks and row blocks; returns the chunk whose codes the accepted word needs.

        `first` and `last` say which chunk of its row block the next word is, `row_block_last` whether that is its
        product's last one. What the next cycle needs is compared a
        cycle ahead, so that `weights.ready` is one LUT behind registers: from there it goes to every weight bank.
        """
        layout = command_layout(self._configuration)
        command = Signal(layout)
        # Left after the current one.
        chunks_left, row_blocks_left = Signal(layout["chunks"].shape), Signal(layout["row_blocks"].shape)
        activation_chunk = Signal(layout["activation_chunk"].shape)
        beats = self._configuration.beats_per_row_block
        pace, paced = Signal(range(max(beats, 2))), Signal()  # cycles until the next last word
        room = Signal(range(self._queue_depth + 1), init=self._queue_depth)  # beats
        full = Signal()  # no room for a row block, even if, of one beat, another was accepted in the cycle before
        held = last & (paced | full)
        m.d.comb += [
            self.pacing.eq(self.active & self.weights.valid & held),
            self.weights.ready.eq(self.active & ~held),
            accept.eq(self.weights.valid & self.weights.ready),
            self.commands.ready.eq(~self.active | (accept & last & row_block_last)),
        ]
        left = self.results.valid & self.results.ready
        m.d.sync += [room.eq(room - Mux(accept & last, beats, 0) + left), full.eq(room < max(beats, 2))]
        with m.If(paced):
            m.d.sync += [pace.eq(pace - 1), paced.eq(pace != 1)]
        with m.If(accept):
            m.d.sync += [
                first.eq(last), last.eq(chunks_left == 1), chunks_left.eq(chunks_left - 1),
                activation_chunk.eq(activation_chunk + 1),
            ]
            with m.If(last):
                m.d.sync += [
                    last.eq(command.chunks == 1), chunks_left.eq(command.chunks - 1),
                    row_block_last.eq(row_blocks_left == 1), row_blocks_left.eq(row_blocks_left - 1),
                    activation_chunk.eq(command.activation_chunk),
                    pace.eq(beats - 1), paced.eq(beats > 1),
                ]
                with m.If(row_block_last):
                    m.d.sync += self.active.eq(0)
        with m.If(self.commands.valid & self.commands.ready):
            new = self.commands.payload
            m.d.sync += [
                command.eq(new), self.active.eq(1), first.eq(1), activation_chunk.eq(new.activation_chunk),
                last.eq(new.chunks == 1), chunks_left.eq(new.chunks - 1),
                row_block_last.eq(new.row_blocks == 1), row_blocks_left.eq(new.row_blocks - 1),
            ]
        return activation_chunk

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
