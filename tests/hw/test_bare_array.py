"""hw.bare_array: loads, computes and gives its results, byte by byte."""

import struct

import pytest

from tests.hw.configurations import VARIANTS, every_variant, small
from tests.hw.products import make_product
from tests.hw.simulation import Record, Simulation, Watch, get_all, pulse, put_all
from trine.hw.bare_array import BareArray, Target


async def send(ctx, dut, target, data, pause=0.0):
    ctx.set(dut.target, target)
    await pulse(ctx, dut.start)
    await put_all(ctx, dut.i, data, pause, seed=len(data))


async def compute(ctx, dut, product, chunk=0, pause=0.0):
    """The product's results; its activations from `chunk` on."""
    await send(ctx, dut, Target.WEIGHTS, product.weight_bytes, pause)
    await send(ctx, dut, Target.ACTIVATIONS, bytes(chunk * product.configuration.depth) + product.code_bytes, pause)
    await send(ctx, dut, Target.COMMAND, struct.pack("<HHH", product.row_blocks, product.chunks, chunk), pause)
    await ctx.tick().until(~dut.busy)
    ctx.set(dut.target, Target.RESULTS)
    await pulse(ctx, dut.start)
    return bytes(await get_all(ctx, dut.o, 4 * len(product.results), pause, seed=1))


@every_variant
def test_products(variant):
    """One after another, with pauses on both sides and without: golden's integers, each in four bytes."""
    configuration = small(**VARIANTS[variant], bare=True)
    lanes, depth = configuration.lanes, configuration.depth
    products = [make_product(configuration, rows, columns, rows) for rows, columns in
                ((1, 1), (2 * lanes + 1, 3 * depth), (3 * lanes, depth + 1))]
    simulated = Simulation(BareArray(configuration))
    dut = simulated.dut
    found = []

    async def testbench(ctx):
        for number, product in enumerate(products):
            found.append(await compute(ctx, dut, product, number, 0.4 * (number % 2)))

    simulated.run(testbench)
    assert found == [product.results.astype("<i4").tobytes() for product in products]


def test_busy():
    """From the command's last byte to the last result, and it is safe to give the next command then."""
    configuration = small(bare=True)
    product = make_product(configuration, 12, 8, 1)
    simulated = Simulation(BareArray(configuration))
    dut, busy, taken = simulated.dut, Record(simulated.dut.busy), Watch(simulated.dut.i)

    async def testbench(ctx):
        assert await compute(ctx, dut, product) == await compute(ctx, dut, product)

    simulated.run(testbench, monitors=[busy, taken])
    last = taken.cycles[len(taken.cycles) // 2 - 1]
    cycles = busy.cycles()
    assert cycles[0] == last + 1
    assert cycles[: len(cycles) // 2] == list(range(last + 1, last + 1 + len(cycles) // 2))


@pytest.mark.parametrize("reads", [2, 3])
def test_results_again(reads):
    """`start` begins with the first beat again, also in the middle of one."""
    configuration = small(bare=True, result_width=4)
    product = make_product(configuration, 8, 4, 2)
    simulated = Simulation(BareArray(configuration))
    dut = simulated.dut
    expected = product.results.astype("<i4").tobytes()

    async def testbench(ctx):
        assert await compute(ctx, dut, product) == expected
        for count in range(reads, 20, 7):
            await pulse(ctx, dut.start)
            assert bytes(await get_all(ctx, dut.o, count)) == expected[:count]

    simulated.run(testbench)
