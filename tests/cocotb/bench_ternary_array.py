"""cocotb tests of the arrays of designs.ARRAYS; run by test_verilog.py."""

import itertools
import random

import cocotb

from tests.cocotb.designs import ARRAYS
from tests.cocotb.stepping import Clock, Sink, Source
from tests.hw.products import KINDS, make_product
from trine.hw.array.command import command_layout

PAUSES = [(0, 0), (0.5, 0), (0, 0.4), (0.4, 0.2)]
"""Of commands and weights."""


async def compute(dut, name, groups):
    """Computes groups of products, the products of a group back to back, and compares them with golden."""
    clock = Clock(dut, f"{name}_")
    await clock.reset()
    for number, products in enumerate(groups):
        pauses = PAUSES[number % len(PAUSES)]
        commands, weights, codes = (Source(dut, f"{name}__{stream}", pause, seed=number) for stream, pause in
                                    zip(("commands", "weights", "bytes"), (*pauses, 0), strict=True))
        results = Sink(dut, f"{name}__results")
        address, start = getattr(dut, f"{name}__address"), getattr(dut, f"{name}__start")
        address.value = 0
        start.value = 1
        await clock.step([])
        start.value = 0
        codes.give(b"".join(product.code_bytes for product in products))
        while not codes.empty:
            await clock.step([codes])
        await clock.step([codes])
        chunk = 0
        for product in products:
            commands.give([command_bits(ARRAYS[name], product, chunk)])
            weights.give(product.words)
            chunk += product.chunks
        expected = [beat for product in products for beat in product.result_beats]
        limit = 1000 + 8 * sum(len(product.words) + 8 * product.beats + 20 * product.chunks for product in products)
        await clock.run([commands, weights, results], results, len(expected), limit)
        assert results.taken == expected, [(product.weights.shape, pauses) for product in products]


def command_bits(configuration, product, chunk):
    """A product's command, its input from `chunk` on, as an unsigned integer."""
    fields = {"row_blocks": product.row_blocks, "chunks": product.chunks, "activation_chunk": chunk}
    return command_layout(configuration).const(fields).as_value().value


@cocotb.test()
@cocotb.parametrize(name=list(ARRAYS))
async def shapes(dut, name):
    """Any shape from 1 to 512 rows and columns."""
    configuration = ARRAYS[name]
    chance = random.Random(name)
    sizes = [(512, 511), (1, 509), (503, 1), *((chance.randint(1, 512), chance.randint(1, 512)) for _ in range(2)),
             *((chance.randint(1, 100), chance.randint(1, 100)) for _ in range(10))]
    await compute(dut, name, [[make_product(configuration, rows, columns, seed)]
                              for seed, (rows, columns) in enumerate(sizes)])


@cocotb.test()
@cocotb.parametrize(name=list(ARRAYS))
async def back_to_back(dut, name):
    """Products one behind the other, small ones next to large ones."""
    configuration = ARRAYS[name]
    chance = random.Random(name)
    most = configuration.activation_chunks * configuration.depth // 7
    groups = [[make_product(configuration, chance.choice((1, chance.randint(1, 60))),
                            chance.choice((1, chance.randint(1, most))), seed) for seed in range(6)] for _ in range(5)]
    await compute(dut, name, groups)


@cocotb.test()
@cocotb.parametrize(name=list(ARRAYS))
async def extremes(dut, name):
    """The largest sums of either sign, and nothing but zeros, over 512 columns."""
    configuration = ARRAYS[name]
    rows = 2 * configuration.lanes + 1
    await compute(dut, name, [[make_product(configuration, rows, 512, 1, weights, codes)]
                              for weights, codes in itertools.product(KINDS[1:], KINDS)])
