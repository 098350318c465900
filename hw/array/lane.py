"""One lane: what turns a slice of weights and the shared codes into one row's sum."""

from amaranth.hdl import Module, Signal, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from trine.firmware.configuration import Configuration
from trine.hw.array.accumulator import Accumulator, Step
from trine.hw.array.adder_tree import AdderTree
from trine.hw.memory.decoder import Decoder


class Lane(wiring.Component):
    """Decoder, adder tree and accumulator of one row.

    Latency: `latency` cycles from slice and codes to the total that includes them. The codes are registered outside,
    once for all lanes, at the same time as the decoded slice is in here. Throughput: one slice a cycle.

    Members
    -------
    slice: In, the lane's share of a weight word.
    codes: In, activation codes, one cycle later than the slice they belong to.
    step: In, what the sum at the accumulator is; `step_latency` cycles after the slice it belongs to.
    total: Out, the row's sum after its last step.
    """

    def __init__(self, configuration: Configuration):
        self._decoder = Decoder(configuration.codec, configuration.depth)
        self._tree = AdderTree(configuration.depth, configuration.activation_bits)
        sum_bits = self._tree.signature.members["sum"].shape.width
        self._accumulator = Accumulator(sum_bits, configuration.accumulator_bits, configuration.group_accumulator_bits)
        super().__init__({
            "slice": In(unsigned(configuration.slice_bits)),
            "codes": In(data.ArrayLayout(signed(configuration.activation_bits), configuration.depth)),
            "step": In(Step),
            "total": Out(signed(configuration.accumulator_bits)),
        })

    @property
    def step_latency(self) -> int:
        """Cycles from a slice to its sum at the accumulator: decode, then the tree."""
        return 1 + self._tree.latency

    @property
    def latency(self) -> int:
        """Cycles from a slice to the total that includes it."""
        return self.step_latency + self._accumulator.latency

    def elaborate(self, platform):
        m = Module()
        m.submodules.decoder = decoder = self._decoder
        m.submodules.tree = tree = self._tree
        m.submodules.accumulator = accumulator = self._accumulator
        trits = Signal(decoder.trits.shape(), reset_less=True)
        m.d.sync += trits.eq(decoder.trits)
        m.d.comb += [
            decoder.codes.eq(self.slice),
            tree.trits.eq(trits),
            tree.codes.eq(self.codes),
            accumulator.step.eq(self.step),
            accumulator.sum.eq(tree.sum),
            accumulator.carry.eq(tree.carry),
            self.total.eq(accumulator.total),
        ]
        return m
