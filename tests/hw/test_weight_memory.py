"""hw.memory.weight_memory: load, then stream words."""

import random

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from tests.hw.simulation import Record, Watch, load, put, put_all, simulate
from trine.hw.memory.weight_memory import WeightMemory

GEOMETRIES = [(1, 1, 1), (16, 4, 8), (13, 3, 5), (8, 2, 20), (6, 4, 60)]
"""In the last one, two lanes share a bank."""
every_geometry = pytest.mark.parametrize(("words", "lanes", "slice_bits"), GEOMETRIES)


class Read(wiring.Component):
    """A weight memory and what reads it, which takes words in the cycles after those in which it is `willing`."""

    willing: In(1)

    def __init__(self, memory):
        self._memory = memory
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = self._memory
        m.d.comb += memory.ready_ahead.eq(self.willing)
        m.d.sync += memory.weights.ready.eq(self.willing)
        return m

    async def take(self, ctx, watch, count, pause=0.0, seed=0):
        """Reads until `watch`, of the memory's words, has seen `count` of them, with pauses at random."""
        chance = random.Random(seed)
        for _ in range(1000 + 20 * count):
            if len(watch.payloads) >= count:
                break
            ctx.set(self.willing, chance.random() >= pause and len(watch.payloads) < count)
            await ctx.tick()
        ctx.set(self.willing, 0)
        await ctx.tick().repeat(2)


def contents(words, lanes, slice_bits, seed=0):
    """(bytes on the link, each word as one integer); the padding bits of a slice are ones, to be dropped."""
    chance = random.Random(seed)
    link, values = b"", []
    for _ in range(words):
        slices = [chance.getrandbits(slice_bits) for _ in range(lanes)]
        size = -(-slice_bits // 8)
        padding = (1 << (8 * size)) - (1 << slice_bits)
        link += b"".join((part | padding).to_bytes(size, "little") for part in slices)
        values.append(sum(part << (slice_bits * lane) for lane, part in enumerate(slices)))
    return link, values


def random_fetches(words, count, seed=0):
    chance = random.Random(seed)
    for _ in range(count):
        row_blocks = chance.randint(1, words)
        chunks = chance.randint(1, words // row_blocks)
        yield chance.randint(0, words - row_blocks * chunks), row_blocks, chunks


def as_payloads(fetches):
    return [{"address": address, "row_blocks": row_blocks, "chunks": chunks} for address, row_blocks, chunks in fetches]


def fetched(values, fetches):
    return [values[address + index] for address, row_blocks, chunks in fetches
            for index in range(row_blocks * chunks)]


@every_geometry
@pytest.mark.parametrize("pauses", [(0, 0), (0.5, 0), (0, 0.5), (0.4, 0.4)])
def test_fetches(words, lanes, slice_bits, pauses):
    """Every word as loaded, in order, whatever pauses; without pauses a word a cycle."""
    dut = WeightMemory(words, lanes, slice_bits)
    reader = Read(dut)
    link, values = contents(words, lanes, slice_bits)
    fetches = list(random_fetches(words, 12))
    expected = fetched(values, fetches)
    weights, taken = Watch(dut.weights), Watch(dut.fetches)

    async def request(ctx):
        await load(ctx, dut, 0, link)
        await put_all(ctx, dut.fetches, as_payloads(fetches), pauses[0], seed=1)

    async def receive(ctx):
        await reader.take(ctx, weights, len(expected), pauses[1], seed=2)

    simulate(reader, request, receive, monitors=[weights, taken])
    assert weights.payloads == expected
    if not any(pauses):
        first = taken.cycles[0] + 2
        assert weights.cycles == list(range(first, first + len(expected)))


def test_latency():
    """Two cycles to the first word; the next fetch is taken when the last word's address is issued."""
    dut = WeightMemory(16, 2, 4)
    reader = Read(dut)
    fetches = [(0, 1, 1), (3, 2, 3), (5, 1, 2)]
    taken, weights = Watch(dut.fetches), Watch(dut.weights)

    async def testbench(ctx):
        ctx.set(reader.willing, 1)
        for fetch in as_payloads(fetches[:1]):
            await put(ctx, dut.fetches, fetch)
        await ctx.tick().repeat(5)
        await put_all(ctx, dut.fetches, as_payloads(fetches[1:]))
        await ctx.tick().repeat(5)

    simulate(reader, testbench, monitors=[taken, weights])
    start = taken.cycles[1]
    assert taken.cycles == [0, start, start + 6]
    assert weights.cycles == [2, *range(start + 2, start + 2 + 6 + 2)]


def test_stalled_word_stays():
    """A word that is not taken stands as it is, however long, and the words behind it wait."""
    dut = WeightMemory(8, 2, 8)
    reader = Read(dut)
    link, values = contents(8, 2, 8)
    weights, valid = Watch(dut.weights), Record(dut.weights.valid)

    async def testbench(ctx):
        await load(ctx, dut, 0, link)
        await put(ctx, dut.fetches, {"address": 2, "row_blocks": 1, "chunks": 3})
        await ctx.tick().repeat(20)
        assert weights.offered == [weights.offered[0]]
        await reader.take(ctx, weights, 3)
        await ctx.tick().repeat(5)

    simulate(reader, testbench, monitors=[weights, valid])
    assert weights.payloads == values[2:5]
    assert len(valid.cycles()) == weights.cycles[-1] - weights.offered[0] + 1


def test_partial_load():
    """Loading some words leaves the others; so does one word that is begun and given up."""
    dut = WeightMemory(8, 2, 8)
    reader = Read(dut)
    link, values = contents(8, 2, 8)
    new_link, new_values = contents(3, 2, 8, seed=9)
    weights = Watch(dut.weights)

    async def testbench(ctx):
        await load(ctx, dut, 0, link)
        await load(ctx, dut, 4, new_link[:5])
        assert ctx.get(dut.partial)
        await load(ctx, dut, 4, new_link)
        assert not ctx.get(dut.partial)
        assert not ctx.get(dut.overflow)
        await load(ctx, dut, 7, new_link[:2])
        assert ctx.get(dut.overflow)
        await put(ctx, dut.fetches, {"address": 0, "row_blocks": 8, "chunks": 1})
        await reader.take(ctx, weights, 8)

    simulate(reader, testbench, monitors=[weights])
    assert weights.payloads == [*values[:4], *new_values, new_values[0]]


@pytest.mark.parametrize(("words", "lanes", "slice_bits"), [(16, 1, 64), (9, 2, 8)])
def test_single_port(words, lanes, slice_bits):
    """The same words; also those that are loaded between two fetches."""
    dut = WeightMemory(words, lanes, slice_bits, "single-port")
    reader = Read(dut)
    weights, expected = Watch(dut.weights), []

    async def testbench(ctx):
        for seed in range(3):
            link, values = contents(words, lanes, slice_bits, seed)
            await load(ctx, dut, 0, link)
            await put(ctx, dut.fetches, {"address": 1, "row_blocks": words - 1, "chunks": 1})
            expected.extend(values[1:])
            await reader.take(ctx, weights, len(expected), 0.3, seed)

    simulate(reader, testbench, monitors=[weights])
    assert weights.payloads == expected


@pytest.mark.parametrize(("lanes", "slice_bits"), [(1, 8), (2, 12)])
def test_single_port_wrong_word(lanes, slice_bits):
    with pytest.raises(ValueError, match=f"whole 16 bits, not {lanes} slices of {slice_bits} bits"):
        WeightMemory(4, lanes, slice_bits, "single-port")
