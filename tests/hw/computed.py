"""Arrays of either dataflow on the simulator, fed with products."""

import functools
import itertools

from tests.hw.configurations import VARIANTS, small
from tests.hw.simulation import Record, Simulation, Watch, load, put_all
from trine.hw.array.ternary_array import make_array


@functools.cache
def simulation(variant):
    """The configuration of a variant, with room for many products, and its array on the simulator."""
    configuration = small(**(VARIANTS[variant] | {"activation_chunks": 256, "result_beats": 256}))
    simulated = Simulation(make_array(configuration))
    return configuration, simulated


class Computed:
    """What an array does with products, one behind the other; pauses of commands and weights.

    Demands that each product's last beat, and no other, is marked, and that the array says a cycle ahead when it is
    ready for words.
    """

    def __init__(self, variant, products, pauses=(0, 0), seed=0):
        self.configuration, simulated = simulation(variant)
        dut = simulated.dut
        self.commands, self.weights, self.results = (
            Watch(stream) for stream in (dut.commands, dut.weights, dut.results))
        marks = Record(dut.results.valid, dut.last, dut.ready_ahead, dut.weights.ready)
        self.waiting, self.active = Record(dut.pacing, dut.building), Record(dut.active)
        starts = [0, *itertools.accumulate(product.chunks for product in products)]
        commands = [{"row_blocks": product.row_blocks, "chunks": product.chunks, "activation_chunk": start}
                    for product, start in zip(products, starts, strict=False)]
        words = [self._slices(word) for product in products for word in product.words]
        loaded = []

        async def give_commands(ctx):
            await load(ctx, dut, 0, b"".join(product.code_bytes for product in products))
            assert not ctx.get(dut.partial)
            loaded.append(True)
            await put_all(ctx, dut.commands, commands, pauses[0], seed)

        async def give_weights(ctx):
            while not loaded:
                await ctx.tick()
            await put_all(ctx, dut.weights, words, pauses[1], seed + 1)

        async def take_results(ctx):
            beats = sum(product.beats for product in products)
            while len(self.results.cycles) < beats:
                await ctx.tick()
            await ctx.tick().repeat(3)

        simulated.run(give_commands, give_weights, take_results,
                      monitors=[self.commands, self.weights, self.results, marks, self.waiting, self.active])
        valid, last, ahead, ready = zip(*marks.values, strict=True)
        assert ahead[:-1] == ready[1:]
        taken = list(itertools.compress(last, valid))
        assert taken == [beat == product.beats - 1 for product in products for beat in range(product.beats)]

    def _slices(self, word):
        bits = self.configuration.slice_bits
        return [word >> (bits * lane) & ((1 << bits) - 1) for lane in range(self.configuration.lanes)]


def expected_beats(products):
    """The results of products, beat after beat."""
    return [beat for product in products for beat in product.result_beats]
