"""hw.memory.result_buffer: stores in order, reads anywhere."""

import random

import pytest

from tests.hw.simulation import Record, Watch, put_all, simulate
from trine.hw.memory.result_buffer import ResultBuffer


async def read_all(ctx, dut, beats):
    found = []
    for address in range(beats):
        ctx.set(dut.address, address)
        await ctx.tick()
        found.append([int(value) for value in ctx.get(dut.data)])
    return found


def random_beats(chance, count, width):
    return [[chance.randrange(-(1 << 31), 1 << 31) for _ in range(width)] for _ in range(count)]


@pytest.mark.parametrize(("beats", "width", "per_block"), [(1, 1, 1), (16, 1, 4), (16, 2, 2), (24, 3, 1), (40, 4, 5)])
@pytest.mark.parametrize("pauses", [(0, 0), (0.5, 0), (0, 0.6), (0.5, 0.5)])
def test_stores(beats, width, per_block, pauses):
    """Stores of one and more row blocks at any free place; the last value of every beat stands in the memory."""
    chance = random.Random(beats)
    dut = ResultBuffer(beats, width, per_block)
    stores, values, expected = [], [], [[0] * width for _ in range(beats)]
    for _ in range(14):
        row_blocks = chance.randint(1, max(1, beats // per_block // 2))
        beat = chance.randint(0, beats - row_blocks * per_block)
        stores.append({"beat": beat, "row_blocks": row_blocks})
        new = random_beats(chance, row_blocks * per_block, width)
        values += new
        expected[beat : beat + len(new)] = new
    results = Watch(dut.results)

    async def give_stores(ctx):
        await put_all(ctx, dut.stores, stores, pauses[0], seed=1)

    async def give_results(ctx):
        await put_all(ctx, dut.results, values, pauses[1], seed=2)
        await ctx.tick()
        assert not ctx.get(dut.busy)
        assert await read_all(ctx, dut, beats) == expected

    simulate(dut, give_stores, give_results, monitors=[results])
    if not any(pauses):  # a beat a cycle, also from one store to the next
        assert results.cycles == list(range(results.cycles[0], results.cycles[0] + len(values)))


def test_queue():
    """QUEUE stores wait behind the one under way, the next has to; no result is taken before there is a store."""
    dut = ResultBuffer(16, 1, 1)
    stores, busy = Watch(dut.stores), Record(dut.busy)

    async def give_results(ctx):
        ctx.set(dut.results.valid, 1)
        for _ in range(5):
            _, _, ready = await ctx.tick().sample(dut.results.ready)
            assert not ready
        ctx.set(dut.results.valid, 0)
        await ctx.tick().repeat(30)
        assert len(stores.cycles) == dut.QUEUE + 1
        assert stores.cycles == list(range(stores.cycles[0], stores.cycles[0] + dut.QUEUE + 1))
        assert busy.cycles() == list(range(stores.cycles[0] + 1, len(busy.values)))
        await put_all(ctx, dut.results, [[value] for value in range(1, 12)])
        await ctx.tick()
        assert not ctx.get(dut.busy)
        assert await read_all(ctx, dut, 12) == [[value] for value in (*range(1, 12), 0)]

    async def give_stores(ctx):
        await ctx.tick().repeat(8)
        await put_all(ctx, dut.stores, [{"beat": beat, "row_blocks": 1} for beat in range(11)])

    simulate(dut, give_results, give_stores, monitors=[stores, busy])
