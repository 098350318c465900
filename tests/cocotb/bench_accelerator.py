"""cocotb tests of the accelerator of designs.ACCELERATOR; run by test_verilog.py."""

import itertools
import random

import cocotb
import numpy as np

from tests.cocotb.designs import ACCELERATOR, BUILD_ID
from tests.cocotb.stepping import Clock, Sink, Source
from tests.hw.products import KINDS, make_product
from tests.hw.requests import RandomRequests, frames, load_products, read, run
from tests.hw.streams import SILENCE, Response, parse_responses
from trine.firmware.counters import CAUSES, decode_counters
from trine.firmware.link import Request
from trine.firmware.machine import Machine

RUN_RESPONSE, READ_RESPONSE, COUNTERS_RESPONSE = (request | 0x80 for request in (Request.RUN, Request.READ,
                                                                                Request.COUNTERS))


class Device:
    """The accelerator with its link, and the functional device that hears the same."""

    def __init__(self, dut):
        self._dut = dut
        self._clock = Clock(dut, f"{ACCELERATOR.name}_")
        self._machine = Machine(ACCELERATOR, BUILD_ID)
        self.stalls = 0

    async def start(self):
        await self._clock.reset()

    async def exchange(self, segments, pauses=(0, 0), seed=0) -> list[Response]:
        """Sends a stream and returns the responses; demands that they are the functional device's, but for cycles."""
        name = ACCELERATOR.name
        source = Source(self._dut, f"{name}__i", pauses[0], seed)
        sink = Sink(self._dut, f"{name}__o", pauses[1], seed)
        expected = b""
        for segment in segments:
            if segment is SILENCE:
                expected += self._machine.timeout()
                for _ in range(ACCELERATOR.timeout_cycles + 20):
                    await self._clock.step([source, sink])
            else:
                expected += self._machine.feed(segment)
                source.give(segment)
                while not source.empty:
                    await self._clock.step([source, sink])
        await self._clock.run([source, sink], sink, len(expected), limit=20_000 + 20 * len(expected))
        self.stalls += sink.stalls
        found = list(parse_responses(bytes(sink.taken)))
        assert [*map(comparable, found)] == [*map(comparable, parse_responses(expected))]
        return found


def comparable(response):
    """What a response must have in common with the functional device's: all but cycles spent on the link."""
    if response.opcode == RUN_RESPONSE:
        return response.opcode, response.sequence, len(response.payload)
    if response.opcode == COUNTERS_RESPONSE:
        return response.opcode, response.sequence, decode_counters(response.payload).engine
    return response


async def compute(device, products, pauses=(0, 0), seed=0):
    """Runs products as one program and compares their results with golden's."""
    messages = [*load_products(products), run(), read(0, sum(product.beats for product in products))]
    *_, got = await device.exchange(frames(messages), pauses, seed)
    assert got.opcode == READ_RESPONSE
    expected = np.concatenate([product.results for product in products])
    assert np.frombuffer(got.payload, "<i4").tolist() == expected.tolist(), [p.weights.shape for p in products]


@cocotb.test()
async def shapes(dut):
    """Any shape from 1 to 512 rows and columns, with pauses on both sides of the link."""
    device = Device(dut)
    await device.start()
    chance = random.Random(1)
    sizes = [(1, 1), (1, 511), (509, 1), *((chance.randint(1, 512), chance.randint(1, 70)) for _ in range(2)),
             *((chance.randint(1, 70), chance.randint(1, 512)) for _ in range(2))]
    for seed, (rows, columns) in enumerate(sizes):
        pauses = [(0, 0), (0.1, 0), (0, 0.5), (0.1, 0.3)][seed % 4]
        await compute(device, [make_product(ACCELERATOR, rows, columns, seed)], pauses, seed)
    assert device.stalls


@cocotb.test()
async def largest(dut):
    """As many rows and columns as the test has time for."""
    device = Device(dut)
    await device.start()
    await compute(device, [make_product(ACCELERATOR, 311, 487, 5)])


@cocotb.test()
async def programs(dut):
    """Several products in one program, and the counters as the cycle model has them."""
    device = Device(dut)
    await device.start()
    chance = random.Random(2)
    for seed in range(6):
        products = [make_product(ACCELERATOR, chance.randint(1, 40), chance.randint(1, 50), seed + index)
                    for index in range(chance.randint(2, 5))]
        await compute(device, products, (0, 0.2 * (seed % 2)), seed)
        (snapshot,) = await device.exchange(frames([(Request.COUNTERS, b"")]))
        counters = decode_counters(snapshot.payload)
        assert counters.busy
        assert sum(getattr(counters, cause) for cause in CAUSES) == counters.cycles


@cocotb.test()
async def extremes(dut):
    """The largest sums of either sign, and nothing but zeros, over 512 columns."""
    device = Device(dut)
    await device.start()
    for weights, codes in itertools.product(KINDS[1:], KINDS[1:]):
        await compute(device, [make_product(ACCELERATOR, 9, 512, 1, weights, codes)])


@cocotb.test()
async def requests(dut):
    """Requests of every kind, damaged and whole: the functional device's bytes."""
    device = Device(dut)
    await device.start()
    generator = RandomRequests(ACCELERATOR, 1)
    await device.exchange(generator.fill())
    for seed, pauses in enumerate([(0, 0), (0.1, 0), (0, 0.3), (0.1, 0.1)]):
        await device.exchange(generator.segments(50, damage=0.25), pauses, seed)
