"""The accelerator: everything between two byte streams.

Bytes come in as requests (firmware.link), load memories and start programs; responses leave as bytes. What carries the
streams (UART, USB, a simulator's call) is outside, as is the clock.
"""

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from trine.firmware.configuration import Configuration
from trine.hw.array.command import chunk_bits, row_block_bits
from trine.hw.array.ternary_array import make_array
from trine.hw.link.controller import Controller
from trine.hw.link.receiver import Receiver
from trine.hw.link.transmitter import Transmitter
from trine.hw.memory.result_buffer import ResultBuffer
from trine.hw.memory.weight_memory import WeightMemory
from trine.hw.sequencer.counters import CycleCounters
from trine.hw.sequencer.sequencer import Sequencer


class Accelerator(wiring.Component):
    """A device of the given configuration, in one clock domain (`sync`).

    Parameters
    ----------
    configuration: what to build; not a bare array's, else ValueError.
    build_id: 64 bits that INFO reports, to tell which bitstream is in a board.

    Members
    -------
    i: In, stream of request bytes; not ready while a request is served.
    o: Out, stream of response bytes.
    """

    i: In(stream.Signature(8))
    o: Out(stream.Signature(8))

    def __init__(self, configuration: Configuration, build_id: int = 0):
        if configuration.bare:
            raise ValueError(f"{configuration.name} is a bare array, without a link; use BareArray")
        self._configuration = configuration
        self._build_id = build_id
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        c = self._configuration
        m.submodules.receiver = receiver = Receiver(c.maximum_payload, c.timeout_cycles)
        m.submodules.transmitter = transmitter = Transmitter()
        m.submodules.controller = controller = Controller(c, self._build_id)
        m.submodules.sequencer = sequencer = Sequencer(c)
        m.submodules.weights = weights = WeightMemory(c.weight_words, c.lanes, c.slice_bits, c.weight_storage,
                                                      row_block_bits(c), chunk_bits(c))
        m.submodules.array = array = make_array(c)
        m.submodules.results = results = ResultBuffer(c.result_beats, c.result_width, c.accumulator_bits, array.stores)
        m.submodules.counters = counters = CycleCounters()

        connect(m, flipped(self.i), receiver.i)
        connect(m, transmitter.o, flipped(self.o))
        m.d.comb += [
            controller.request.eq(receiver.request), controller.valid.eq(receiver.valid),
            receiver.release.eq(controller.release),
            transmitter.reply.eq(controller.reply), transmitter.start.eq(controller.start),
            controller.sent.eq(transmitter.idle),
        ]
        connect(m, receiver.payload, controller.payload)
        connect(m, controller.reply_payload, transmitter.payload)

        for port, memory in ((controller.weights, weights), (controller.program, sequencer),
                             (controller.activations, array)):
            m.d.comb += [
                memory.start.eq(port.start), memory.address.eq(port.address),
                port.partial.eq(memory.partial), port.overflow.eq(memory.overflow),
            ]
            connect(m, port.bytes, memory.bytes)
        m.d.comb += [
            results.address.eq(controller.result_address), results.value.eq(controller.result_value),
            controller.result_data.eq(results.data),
        ]

        connect(m, controller.runs, sequencer.runs)
        connect(m, sequencer.fetches, weights.fetches)
        connect(m, sequencer.commands, array.commands)
        connect(m, sequencer.stores, results.stores)
        connect(m, weights.weights, array.weights)
        connect(m, array.results, results.results)
        m.d.comb += [
            weights.ready_ahead.eq(array.ready_ahead),
            results.last.eq(array.last),
            sequencer.storing.eq(results.busy),
            controller.done.eq(sequencer.done), controller.fault.eq(sequencer.fault),
            counters.word.eq(array.weights.valid & array.weights.ready),
            counters.pacing.eq(array.pacing), counters.building.eq(array.building),
            counters.array_idle.eq(~array.active),
            counters.running.eq(sequencer.running), counters.ending.eq(sequencer.ending),
            counters.linked.eq(receiver.active | receiver.valid | controller.active), counters.hold.eq(controller.hold),
            controller.settled.eq(counters.settled), controller.cycles.eq(counters.cycles),
            counters.address.eq(controller.counter_address), counters.read.eq(controller.counter_read),
            controller.counter_byte.eq(counters.byte),
        ]
        return m
