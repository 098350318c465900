"""hw.memory.loader: bytes to banks of words."""

import random

import pytest

from tests.hw.simulation import Record, load, pulse, put_all, simulate
from trine.hw.memory.loader import Loader

every_geometry = pytest.mark.parametrize(("words", "banks", "bank_bytes"), [
    (1, 1, 1), (5, 1, 1), (4, 3, 1), (6, 1, 4), (7, 4, 3), (3, 2, 2),
])


class Banks:
    """A memory of bytes behind the write port; `writes` are (cycle, bank, address, data)."""

    def __init__(self, dut, words, banks, bank_bytes):
        self.record = Record(dut.write_bank, dut.write_address, dut.write_data)
        self._shape = words, banks, bank_bytes

    @property
    def writes(self):
        return [(cycle, bank, address, data) for cycle, (enabled, address, data) in enumerate(self.record.values)
                for bank in range(self._shape[1]) if enabled >> bank & 1]

    @property
    def contents(self):
        """Address of a byte in the memory: what was written there last."""
        _, banks, bank_bytes = self._shape
        return {(address * banks + bank) * bank_bytes + byte: data >> (8 * byte) & 0xFF
                for _, bank, address, data in self.writes for byte in range(bank_bytes)}


@every_geometry
@pytest.mark.parametrize("pause", [0, 0.5])
def test_words(words, banks, bank_bytes, pause):
    """The whole memory, and each bank in the cycle after its last byte; every byte is taken at once."""
    dut = Loader(words, banks, bank_bytes)
    data = random.Random(words).randbytes(words * banks * bank_bytes)
    port = Banks(dut, words, banks, bank_bytes)
    taken = Record(dut.bytes.valid)

    async def testbench(ctx):
        await load(ctx, dut, 0, data, pause, seed=1)

    simulate(dut, testbench, monitors=[port.record, taken])
    assert port.contents == dict(enumerate(data))
    cycles = taken.cycles()
    assert len(cycles) == len(data)
    assert [cycle for cycle, *_ in port.writes] == [cycle + 1 for cycle in cycles[bank_bytes - 1 :: bank_bytes]]


@every_geometry
def test_overflow(words, banks, bank_bytes):
    """One word too many: it is dropped, and said."""
    dut = Loader(words, banks, bank_bytes)
    size = banks * bank_bytes
    data = bytes(range(1, size * (words + 1) + 1))
    port = Banks(dut, words, banks, bank_bytes)
    overflow = Record(dut.overflow)

    async def testbench(ctx):
        await load(ctx, dut, 0, data)

    simulate(dut, testbench, monitors=[port.record, overflow])
    assert port.contents == dict(enumerate(data[: words * size]))
    first_byte = 1  # cycle 0 is `start`
    assert overflow.cycles() == list(range(first_byte + words * size, len(overflow.values)))


@every_geometry
@pytest.mark.parametrize("beyond", [0, 1, 1 << 16, (1 << 32) - 1])
def test_start_beyond(words, banks, bank_bytes, beyond):
    """No address is truncated into the memory."""
    dut = Loader(words, banks, bank_bytes)
    port = Banks(dut, words, banks, bank_bytes)

    async def testbench(ctx):
        await load(ctx, dut, min(words + beyond, (1 << 32) - 1), bytes(banks * bank_bytes))
        assert ctx.get(dut.overflow)

    simulate(dut, testbench, monitors=[port.record])
    assert port.writes == []


@every_geometry
def test_restart(words, banks, bank_bytes):
    """A word that was begun is dropped by `start`; what is loaded then begins with its first byte."""
    dut = Loader(words, banks, bank_bytes)
    size = banks * bank_bytes
    port = Banks(dut, words, banks, bank_bytes)

    async def testbench(ctx):
        for count in range(size):
            ctx.set(dut.address, 0)
            await pulse(ctx, dut.start)
            assert not ctx.get(dut.partial)
            await put_all(ctx, dut.bytes, [0xEE] * count)
            assert ctx.get(dut.partial) == (count > 0)
        await load(ctx, dut, words - 1, bytes(range(size)))
        assert not ctx.get(dut.partial)

    simulate(dut, testbench, monitors=[port.record])
    last = (words - 1) * size
    assert {at: byte for at, byte in port.contents.items() if at >= last} == {last + i: i for i in range(size)}
    assert all(byte == 0xEE for at, byte in port.contents.items() if at < last)


def test_ready():
    """Always: also without a start, and beyond the end."""
    dut = Loader(2, 1, 2)
    ready = Record(dut.bytes.ready)

    async def testbench(ctx):
        await put_all(ctx, dut.bytes, range(7), pause=0.3)

    simulate(dut, testbench, monitors=[ready])
    assert all(ready.values)
