"""hw.array.adder_array against golden.accumulate, and cycle by cycle against its documentation."""

import functools
import itertools
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.hw.configurations import VARIANTS, every_variant, small
from tests.hw.products import KINDS, make_product
from tests.hw.simulation import Record, Simulation, Watch, get_all, load, put_all, simulate
from trine.hw.array.adder_array import AdderArray


@functools.cache
def simulation(variant):
    configuration = small(**VARIANTS.get(variant, {}), activation_chunks=256)
    simulated = Simulation(AdderArray(configuration))
    return configuration, simulated


class Computed:
    """What an array does with products, one behind the other; pauses of commands, weights and results."""

    def __init__(self, variant, products, pauses=(0, 0, 0), seed=0, hold_results=0):
        self.configuration, simulated = simulation(variant)
        dut = simulated.dut
        self.commands, self.weights, self.results = (
            Watch(stream) for stream in (dut.commands, dut.weights, dut.results))
        self.pacing, self.active = Record(dut.pacing), Record(dut.active)
        self.ready = Record(dut.weights.ready)
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
            for _ in range(hold_results):
                await ctx.tick()
            await get_all(ctx, dut.results, sum(product.beats for product in products), pauses[2], seed + 2)
            ctx.set(dut.results.ready, 1)
            await ctx.tick().repeat(3)

        simulated.run(give_commands, give_weights, take_results,
                      monitors=[self.commands, self.weights, self.results, self.pacing, self.active, self.ready])

    def _slices(self, word):
        bits = self.configuration.slice_bits
        return [word >> (bits * lane) & ((1 << bits) - 1) for lane in range(self.configuration.lanes)]


def expected_beats(products):
    return [beat for product in products for beat in product.result_beats]


@pytest.mark.parametrize(("changes", "latency"), [
    ({"depth": 1}, 7), ({"depth": 4}, 9), ({"depth": 5, "packing": "trit5x8"}, 10), ({"depth": 32}, 12),
    ({"depth": 4, "group_accumulator_bits": 8}, 10),
])
def test_init(changes, latency):
    dut = AdderArray(small(**changes))
    assert dut.latency == latency
    assert len(dut.results.payload.as_value()) == 64


PAUSES = [(0, 0, 0), (0.8, 0, 0), (0, 0.5, 0), (0, 0, 0.7), (0.5, 0.3, 0.5)]


@every_variant
@settings(max_examples=5, deadline=None, derandomize=True, database=None,
          suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(shapes=st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), min_size=1, max_size=3),
       pauses=st.sampled_from(PAUSES), seed=st.integers(0, 1000))
def test_shapes(variant, shapes, pauses, seed):
    """Products of any shape, back to back, whatever pauses."""
    configuration, _ = simulation(variant)
    products = [make_product(configuration, rows, columns, seed + index)
                for index, (rows, columns) in enumerate(shapes)]
    assert Computed(variant, products, pauses, seed).results.payloads == expected_beats(products)


@every_variant
def test_extremes(variant):
    """The largest sums of either sign, nothing but zeros, one row, one column: all in one go, twice, the second time
    with pauses."""
    configuration, _ = simulation(variant)
    lanes, depth = configuration.lanes, configuration.depth
    products = [make_product(configuration, lanes + 1, 2 * depth + 1, seed, weights, codes)
                for seed, (weights, codes) in enumerate(itertools.product(KINDS, KINDS))]
    products += [make_product(configuration, rows, columns, rows, "random", codes)
                 for rows, columns in ((1, 1), (1, 3 * depth), (3 * lanes, 1), (lanes, depth)) for codes in KINDS]
    for pauses in ((0, 0, 0), (0.3, 0.3, 0.3)):
        assert Computed(variant, products, pauses).results.payloads == expected_beats(products)


def predicted(products, configuration, latency, start):
    """(cycle of each word, cycle of each beat) by the documentation, the first word being taken in cycle `start`."""
    beats = configuration.beats_per_row_block
    words, results = [], []
    last_of_block, now = start - beats, start - 1
    for product in products:
        for _ in range(product.row_blocks):
            for chunk in range(product.chunks):
                now += 1
                if chunk == product.chunks - 1:
                    now = last_of_block = max(now, last_of_block + beats)
                words.append(now)
            results += range(now + latency, now + latency + beats)
    return words, results


@pytest.mark.parametrize("shapes", [
    [(1, 1)], [(3, 1)], [(1, 7)], [(4, 2)], [(3, 3), (3, 3), (2, 3)], [(1, 1), (1, 1), (1, 1), (1, 1), (1, 1)],
    [(2, 9), (1, 1), (5, 1), (1, 2), (3, 4), (1, 1)], [(1, 2), (1, 2), (1, 2), (2, 1), (1, 5)],
], ids=str)
@every_variant
def test_timing(variant, shapes):
    """Every word and every beat in the cycle that the documentation says, products without a gap between them."""
    configuration, simulated = simulation(variant)
    products = [make_product(configuration, blocks * configuration.lanes, chunks * configuration.depth, blocks)
                for blocks, chunks in shapes]
    computed = Computed(variant, products)
    start = computed.commands.cycles[0] + 1
    words, results = predicted(products, configuration, simulated.dut.latency, start)
    assert computed.weights.cycles == words
    assert computed.results.cycles == results
    ends = [words[count - 1] for count in itertools.accumulate(len(product.words) for product in products)]
    assert computed.commands.cycles == [start - 1, *ends[:-1]]
    assert computed.active.cycles() == list(range(start, words[-1] + 1))
    assert computed.pacing.cycles() == sorted(set(range(start, words[-1])) - set(words))


def test_latency_with_pauses():
    """A row block's results come `latency` cycles after its last word, however the words come."""
    configuration, simulated = simulation("trit2")
    products = [make_product(configuration, 5 * configuration.lanes, 4 * configuration.depth, 1)]
    computed = Computed("trit2", products, (0, 0.8, 0))
    assert computed.results.offered[:: configuration.beats_per_row_block] == [
        cycle + simulated.dut.latency for cycle in computed.weights.cycles[3::4]]


@every_variant
def test_results_not_ready(variant):
    """The array goes on until its queue has no room for a row block, stands still, and loses nothing."""
    configuration, simulated = simulation(variant)
    products = [make_product(configuration, 6 * configuration.lanes, 3 * configuration.depth, 4),
                make_product(configuration, 60 * configuration.lanes, configuration.depth, 5)]
    computed = Computed(variant, products, hold_results=1000)
    words, _ = predicted(products, configuration, simulated.dut.latency, computed.commands.cycles[0] + 1)
    taken = [cycle for cycle in computed.weights.cycles if cycle < 1000]
    assert taken == words[: len(taken)]
    beats = configuration.beats_per_row_block
    room = simulated.dut.latency + 1 + beats
    row_blocks = min(6, len(taken) // 3) + max(0, len(taken) - 18)
    assert row_blocks == room // beats
    assert computed.results.cycles[0] == 1000
    assert computed.results.payloads == expected_beats(products)


def test_weights_wait_for_a_command():
    """No word is taken before its command."""
    configuration, _ = simulation("trit2")
    products = [make_product(configuration, 4, 8, seed) for seed in range(3)]
    computed = Computed("trit2", products, (0.9, 0, 0), seed=3)
    assert computed.weights.offered[0] < computed.commands.cycles[0] < computed.weights.cycles[0]
    assert computed.results.payloads == expected_beats(products)


def test_narrow_codes_are_the_low_bits():
    """Of a byte in the activation buffer."""
    variant = "4-bit activations, 8 bits in groups of 16"
    configuration, _ = simulation(variant)
    product = make_product(configuration, 8, 12, 3)
    chance = random.Random(1)
    noisy = bytes(code & 0x0F | chance.randrange(16) << 4 for code in product.code_bytes)

    class Noisy(type(product)):
        code_bytes = noisy

    noisy_product = Noisy(configuration, product.weights, product.codes)
    assert Computed(variant, [noisy_product]).results.payloads == product.result_beats


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5, 6, 7, 8, 9, 12])
def test_activation_buffer(depth):
    """Loaded by the word anywhere, for depths of one bank and of several: each column gets its own code."""
    configuration = small(depth=depth, lanes=depth, result_width=depth, activation_chunks=5)
    dut = AdderArray(configuration)
    chance = random.Random(depth)
    expected = [[chance.randrange(-128, 128) for _ in range(depth)] for _ in range(5)]
    unit = [1 << (2 * lane) for lane in range(depth)]  # lane n holds +1 in column n
    results = Watch(dut.results)
    bad = [255] * depth

    async def testbench(ctx):
        for chunk, codes in [(2, bad), *enumerate(expected[:3]), (4, expected[4]), (3, expected[3])]:
            await load(ctx, dut, chunk, bytes(code & 0xFF for code in codes))
            assert not ctx.get(dut.partial)
        await load(ctx, dut, 5, bytes(depth))
        assert ctx.get(dut.overflow)
        for chunk in range(5):
            await put_all(ctx, dut.commands, [{"row_blocks": 1, "chunks": 1, "activation_chunk": chunk}])
            await put_all(ctx, dut.weights, [unit])

    async def take(ctx):
        await get_all(ctx, dut.results, 5)

    simulate(dut, take, testbench, monitors=[results])
    found = [[beat >> (32 * lane) & 0xFF for lane in range(depth)] for beat in results.payloads]
    assert found == [[code & 0xFF for code in codes] for codes in expected]
