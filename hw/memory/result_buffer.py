"""Where results wait until the host reads them."""

from amaranth.hdl import Module, Signal, signed, unsigned
from amaranth.lib import data, fifo, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from trine.hw.memory.loader import NO_COLLISIONS


class Store(data.Struct):
    """Where the results of the next `row_blocks` row blocks go: from `beat` on; row_blocks >= 1."""

    beat: unsigned(32)
    row_blocks: unsigned(16)


class ResultBuffer(wiring.Component):
    """`beats` beats of `width` int32 values, written in order, read at random.

    Throughput: a beat a cycle, also from one store to the next. Up to `QUEUE` stores wait while one is under way.
    Latency: `data` follows `address` by one cycle. A store that goes beyond the end of the buffer makes it undefined.

    Parameters
    ----------
    beats: capacity. width: values to a beat. beats_per_row_block: beats in which a row block arrives.

    Members
    -------
    stores: In, stream of Store, served in order.
    results: In, stream of beats.
    busy: Out, 1 while a store is not complete.
    address, data: In and Out, the read port.
    """

    QUEUE = 8

    def __init__(self, beats: int, width: int, beats_per_row_block: int):
        self._beats, self._beats_per_row_block = beats, beats_per_row_block
        beat = data.ArrayLayout(signed(32), width)
        super().__init__({
            "stores": In(stream.Signature(Store)),
            "results": In(stream.Signature(beat)),
            "busy": Out(1),
            "address": In(range(max(beats, 2))),
            "data": Out(beat),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.queue = queue = fifo.SyncFIFO(width=len(self.stores.payload.as_value()), depth=self.QUEUE)
        m.submodules.memory = buffer = memory.Memory(shape=self.data.shape(), depth=self._beats, init=[],
                                                    attrs=NO_COLLISIONS)
        write, read = buffer.write_port(), buffer.read_port()

        address = Signal(range(max(self._beats, 2)))
        beats_left, row_blocks_left = Signal(range(self._beats_per_row_block + 1)), Signal(16)
        active, beat_last, row_block_last = Signal(), Signal(), Signal()  # compared a cycle ahead
        store = data.View(Store, queue.r_data)
        written = self.results.valid & self.results.ready
        block_written = written & beat_last
        finished = block_written & row_block_last
        m.d.comb += [
            queue.w_data.eq(self.stores.payload), queue.w_en.eq(self.stores.valid), self.stores.ready.eq(queue.w_rdy),
            queue.r_en.eq(~active | finished),
            self.results.ready.eq(active),
            self.busy.eq(active | queue.r_rdy),
            write.addr.eq(address), write.data.eq(self.results.payload), write.en.eq(written),
            read.addr.eq(self.address), self.data.eq(read.data),
        ]
        with m.If(written):
            m.d.sync += [address.eq(address + 1), beats_left.eq(beats_left - 1), beat_last.eq(beats_left == 2)]
        with m.If(block_written):
            m.d.sync += [
                *self._begin_row_block(beats_left, beat_last),
                row_blocks_left.eq(row_blocks_left - 1), row_block_last.eq(row_blocks_left == 2),
            ]
        with m.If(finished):
            m.d.sync += active.eq(0)
        with m.If(queue.r_en & queue.r_rdy):
            m.d.sync += [
                *self._begin_row_block(beats_left, beat_last), active.eq(1), address.eq(store.beat),
                row_blocks_left.eq(store.row_blocks), row_block_last.eq(store.row_blocks == 1),
            ]
        return m

    def _begin_row_block(self, beats_left, beat_last):
        """What to set when the next beat is a row block's first."""
        return [beats_left.eq(self._beats_per_row_block), beat_last.eq(self._beats_per_row_block == 1)]
