"""hw.array.adder_array, cycle by cycle against its documentation; its sums: test_ternary_array.py."""

import itertools
import random

import pytest

from tests.hw.computed import Computed, expected_beats, simulation
from tests.hw.configurations import ADDER_VARIANTS, small
from tests.hw.products import make_product
from tests.hw.simulation import Watch, load, put_all, simulate
from trine.hw.array.adder_array import AdderArray

every_adder_variant = pytest.mark.parametrize("variant", ADDER_VARIANTS)


@pytest.mark.parametrize(("changes", "latency"), [
    ({"depth": 1}, 5), ({"depth": 4}, 7), ({"depth": 5, "packing": "trit5x8"}, 8), ({"depth": 32}, 10),
    ({"depth": 4, "group_accumulator_bits": 8}, 8),
])
def test_init(changes, latency):
    dut = AdderArray(small(**changes))
    assert dut.latency == latency
    assert len(dut.results.payload.as_value()) == 64


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
@every_adder_variant
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
    assert computed.waiting.cycles((1, 0)) == sorted(set(range(start, words[-1])) - set(words))
    assert not computed.waiting.cycles((0, 1))


def test_latency_with_pauses():
    """A row block's results come `latency` cycles after its last word, however the words come."""
    configuration, simulated = simulation("trit2")
    products = [make_product(configuration, 5 * configuration.lanes, 4 * configuration.depth, 1)]
    computed = Computed("trit2", products, (0, 0.8))
    assert computed.results.offered[:: configuration.beats_per_row_block] == [
        cycle + simulated.dut.latency for cycle in computed.weights.cycles[3::4]]


def test_weights_wait_for_a_command():
    """No word is taken before its command."""
    configuration, _ = simulation("trit2")
    products = [make_product(configuration, 4, 8, seed) for seed in range(3)]
    computed = Computed("trit2", products, (0.9, 0), seed=3)
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
        await ctx.tick().repeat(dut.latency + 1)

    simulate(dut, testbench, monitors=[results])
    found = [[beat >> (32 * lane) & 0xFF for lane in range(depth)] for beat in results.payloads]
    assert found == [[code & 0xFF for code in codes] for codes in expected]
