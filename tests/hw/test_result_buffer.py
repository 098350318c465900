"""hw.memory.result_buffer: stores in order, values read anywhere."""

import random

import pytest

from tests.hw.simulation import Record, Watch, put_all, simulate
from trine.hw.memory.result_buffer import ResultBuffer


async def read_all(ctx, dut, beats, width):
    found = []
    for address in range(beats):
        found.append([])
        for value in range(width):
            ctx.set(dut.address, address)
            ctx.set(dut.value, value)
            await ctx.tick()
            found[-1].append(ctx.get(dut.data))
    return found


async def put_results(ctx, dut, products, pause=0.0, seed=0):
    """Beats of products, the last of each marked."""
    chance = random.Random(seed)
    for product in products:
        for number, beat in enumerate(product):
            while chance.random() < pause:
                await ctx.tick()
            ctx.set(dut.results.payload, beat)
            ctx.set(dut.last, number == len(product) - 1)
            ctx.set(dut.results.valid, 1)
            await ctx.tick()
            ctx.set(dut.results.valid, 0)


@pytest.mark.parametrize(("beats", "width", "bits"), [(1, 1, 32), (16, 1, 20), (16, 2, 32), (24, 3, 24), (40, 4, 8)])
@pytest.mark.parametrize("pauses", [(0, 0), (0.5, 0), (0, 0.6), (0.5, 0.5)])
def test_stores(beats, width, bits, pauses):
    """Stores of one and more beats at any free place; the last value of every beat stands in the memory."""
    chance = random.Random(beats)
    dut = ResultBuffer(beats, width, bits)
    stores, products, expected = [], [], [[0] * width for _ in range(beats)]
    for _ in range(14):
        count = chance.randint(1, max(1, beats // 2))
        stores.append(chance.randint(0, beats - count))
        products.append([[chance.randrange(-(1 << (bits - 1)), 1 << (bits - 1)) for _ in range(width)]
                         for _ in range(count)])
        expected[stores[-1] : stores[-1] + count] = products[-1]

    async def give_stores(ctx):
        await put_all(ctx, dut.stores, stores, pauses[0], seed=1)

    async def give_results(ctx):
        await ctx.tick().repeat(3)  # results come after their store
        for store, product in enumerate(products):
            while len(taken.cycles) <= store:
                await ctx.tick()
            await ctx.tick().repeat(2)
            await put_results(ctx, dut, [product], pauses[1], store)
        await ctx.tick()
        assert not ctx.get(dut.busy)
        assert await read_all(ctx, dut, beats, width) == expected

    taken = Watch(dut.stores)
    simulate(dut, give_stores, give_results, monitors=[taken])


def test_without_a_gap():
    """A beat a cycle, also from one store to the next."""
    dut = ResultBuffer(12, 1)

    async def testbench(ctx):
        await put_all(ctx, dut.stores, [6, 0, 3])
        await ctx.tick()
        await put_results(ctx, dut, [[[1], [2], [3]], [[4]], [[5], [6]]])
        assert not ctx.get(dut.busy)
        assert await read_all(ctx, dut, 12, 1) == [[value] for value in (4, 0, 0, 5, 6, 0, 1, 2, 3, 0, 0, 0)]

    simulate(dut, testbench)


@pytest.mark.parametrize("queue", [1, 2, 8])
def test_queue(queue):
    """`queue` stores wait behind the one under way, the next has to; what comes before there is a store is lost."""
    dut = ResultBuffer(16, 1, queue=queue)
    stores, busy = Watch(dut.stores), Record(dut.busy)

    async def give_results(ctx):
        await put_results(ctx, dut, [[[99]]])
        await ctx.tick().repeat(30)
        assert stores.cycles == list(range(stores.cycles[0], stores.cycles[0] + queue + 1)) or queue == 1
        assert len(stores.cycles) == queue + 1
        assert busy.cycles() == list(range(stores.cycles[0] + 1, len(busy.values)))
        for value in range(1, 12):
            await put_results(ctx, dut, [[[value]]])
            await ctx.tick().repeat(2)
        assert not ctx.get(dut.busy)
        assert await read_all(ctx, dut, 12, 1) == [[value] for value in (*range(1, 12), 0)]

    async def give_stores(ctx):
        await ctx.tick().repeat(8)
        await put_all(ctx, dut.stores, range(11))

    simulate(dut, give_results, give_stores, monitors=[stores, busy])
