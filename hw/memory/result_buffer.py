"""Where results wait until the host reads them."""

from amaranth.hdl import Cat, Const, Module, Signal, signed
from amaranth.lib import data, fifo, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from trine.hw.memory.loader import NO_COLLISIONS


class ResultBuffer(wiring.Component):
    """`beats` beats of `width` int32 values, written in order, read one value at a time, at random.

    The low `value_bits` of each value are kept. Block RAMs write wide words and read narrow ones without any logic, if
    they are told: by a write port for each value of a beat.

    Throughput: a beat a cycle, also from one store to the next. Up to `queue` stores wait while one is under way.
    Latency: `data` follows `address` and `value` by one cycle. A store that goes beyond the end of the buffer makes it
    undefined.

    Parameters
    ----------
    beats: capacity. width: values to a beat. value_bits: bits of the array's accumulators, which `data` sign-extends.
    queue: stores that can wait.

    Members
    -------
    stores: In, stream of beat numbers, each where the results of the next product go, served in order.
    results: In, stream of beats, always ready: a beat that comes while no store is under way is lost.
    last: In, with a beat: it is its product's last.
    busy: Out, 1 while a store is not complete.
    address, value: In, the read port: which beat, and which of its values. data: Out, int32.
    """

    def __init__(self, beats: int, width: int, value_bits: int = 32, queue: int = 8):
        self._beats, self._width, self._value_bits, self._queue = beats, width, value_bits, queue
        super().__init__({
            "stores": In(stream.Signature(range(max(beats, 2)))),
            "results": In(stream.Signature(data.ArrayLayout(signed(32), width), always_ready=True)),
            "last": In(1),
            "busy": Out(1),
            "address": In(range(max(beats, 2))),
            "value": In(range(max(width, 2))),
            "data": Out(signed(32)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.queue = queue = fifo.SyncFIFO(width=len(self.stores.payload), depth=self._queue)
        lane_bits = (self._width - 1).bit_length()
        m.submodules.memory = buffer = memory.Memory(shape=signed(self._value_bits), depth=self._beats << lane_bits,
                                                    init=[], attrs=NO_COLLISIONS)
        read = buffer.read_port()
        m.d.comb += [read.addr.eq(Cat(self.value[:lane_bits], self.address)), self.data.eq(read.data)]

        address = Signal(range(max(self._beats, 2)), reset_less=True)
        active = Signal()
        written = self.results.valid & active
        finished = written & self.last
        m.d.comb += [
            queue.w_data.eq(self.stores.payload), queue.w_en.eq(self.stores.valid), self.stores.ready.eq(queue.w_rdy),
            queue.r_en.eq(~active | finished),
            self.busy.eq(active | queue.r_rdy),
        ]
        for index, value in enumerate(self.results.payload):
            write = buffer.write_port()
            m.d.comb += [
                write.addr.eq(Cat(Const(index, lane_bits), address)), write.data.eq(value), write.en.eq(written),
            ]
        with m.If(written):
            m.d.sync += address.eq(address + 1)
        with m.If(finished):
            m.d.sync += active.eq(0)
        with m.If(queue.r_en & queue.r_rdy):
            m.d.sync += [active.eq(1), address.eq(queue.r_data)]
        return m
