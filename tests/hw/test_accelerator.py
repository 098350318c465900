"""hw.accelerator: from request bytes to response bytes, against golden and against firmware.machine."""

import functools
import random
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.hw.configurations import VARIANTS, every_variant, small
from tests.hw.products import make_product
from tests.hw.requests import RandomRequests, frames, load_products, read, run
from tests.hw.simulation import Simulation, Watch, get_all, put_all
from tests.hw.streams import SILENCE, damaged_segments, flip, oversized, parse_responses
from trine.firmware.counters import CAUSES, decode_counters
from trine.firmware.link import ERROR, Error, Frame, Request
from trine.firmware.machine import Machine
from trine.hw.accelerator import Accelerator

BUILD_ID = 0xFEDCBA9876543210
RUN_RESPONSE, COUNTERS_RESPONSE = Request.RUN | 0x80, Request.COUNTERS | 0x80


@functools.cache
def simulation(variant):
    changes = {"weight_words": 32, "activation_chunks": 11, "result_beats": 16, "timeout_cycles": 64}
    configuration = small(**(changes | VARIANTS[variant]))
    return configuration, Simulation(Accelerator(configuration, BUILD_ID))


def machine_answers(configuration, segments):
    """The responses of the functional device to a stream."""
    machine = Machine(configuration, BUILD_ID)
    data = b"".join(machine.timeout() if segment is SILENCE else machine.feed(segment) for segment in segments)
    return list(parse_responses(data))


def answers(variant, segments, pauses=(0, 0), seed=0):
    """The responses of the gateware to a stream, as many bytes as the functional device gives and not one more."""
    configuration, simulated = simulation(variant)
    dut = simulated.dut
    size = sum(12 + len(response.payload) for response in machine_answers(configuration, segments))
    o = Watch(dut.o)

    async def send(ctx):
        for number, segment in enumerate(segments):
            if segment is SILENCE:
                await ctx.tick().repeat(configuration.timeout_cycles + 20)
            else:
                await put_all(ctx, dut.i, segment, pauses[0], seed + number)

    async def receive(ctx):
        await get_all(ctx, dut.o, size, pauses[1], seed)
        ctx.set(dut.o.ready, 1)
        await ctx.tick().repeat(configuration.timeout_cycles + 50)

    simulated.run(send, receive, monitors=[o])
    return list(parse_responses(bytes(o.payloads)))


def comparable(response):
    """What a response must have in common with the functional device's: all but cycles spent on the link."""
    if response.opcode == RUN_RESPONSE:
        return response.opcode, response.sequence, len(response.payload)
    if response.opcode == COUNTERS_RESPONSE:
        return response.opcode, response.sequence, decode_counters(response.payload).engine
    return response


def demand_same(variant, segments, pauses=(0, 0), seed=0):
    """Demands that gateware and functional device answer the same; returns the gateware's answers."""
    configuration, _ = simulation(variant)
    found = answers(variant, segments, pauses, seed)
    assert [*map(comparable, found)] == [*map(comparable, machine_answers(configuration, segments))]
    return found


def results(response):
    return np.frombuffer(response.payload, "<i4")


def test_init_wrong_configuration():
    with pytest.raises(ValueError, match=r"^small is a bare array, without a link; use BareArray$"):
        Accelerator(small(bare=True))


@every_variant
@settings(max_examples=2, deadline=None, derandomize=True, database=None,
          suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data(), seed=st.integers(0, 1000), pauses=st.sampled_from([(0, 0), (0.3, 0), (0, 0.3), (0.2, 0.2)]))
def test_products(variant, data, seed, pauses):
    """Products of any shape that fits, in one program: golden's integers."""
    configuration, _ = simulation(variant)
    lanes, depth = configuration.lanes, configuration.depth
    blocks = 8 // configuration.beats_per_row_block
    shape = st.tuples(st.integers(1, min(3, blocks) * lanes), st.integers(1, 5 * depth))
    products = [make_product(configuration, rows, columns, seed + index)
                for index, (rows, columns) in enumerate(data.draw(st.lists(shape, min_size=1, max_size=2)))]
    beats = sum(product.beats for product in products)
    stream = frames([*load_products(products), run(), read(0, beats)])
    *loading, ran, got = demand_same(variant, stream, pauses, seed)
    assert all(response.payload == b"" for response in loading)
    assert ran.opcode == RUN_RESPONSE
    assert results(got).tolist() == np.concatenate([product.results for product in products]).tolist()


@pytest.mark.parametrize("variant", ["trit2", "32 bits", "8 bits over all columns"])
def test_extremes(variant):
    """The largest sums of either sign, and nothing but zeros."""
    configuration, _ = simulation(variant)
    kinds = [("least", "least"), ("least", "greatest"), ("greatest", "least"), ("zero", "least")]
    products = [make_product(configuration, configuration.lanes, 3 * configuration.depth - 1, 1, weights, codes)
                for weights, codes in kinds]
    stream = [frame for product in products
              for frame in frames([*load_products([product]), run(), read(0, product.beats)])]
    found = [results(response).tolist() for response in demand_same(variant, stream) if response.opcode == 0x84]
    assert found == [product.results.tolist() for product in products]


@pytest.mark.parametrize(("seed", "variant"), list(enumerate([*VARIANTS, "trit2", "trit5x8", "trit2"])))
def test_random_requests(variant, seed):
    """Requests of every kind, damaged and whole, on a link that pauses: the functional device's bytes, and the engine's
    counters are the cycle model's."""
    configuration, _ = simulation(variant)
    requests = RandomRequests(configuration, seed)
    segments = [*requests.fill(), *requests.segments(20, damage=0.25)]
    found = demand_same(variant, segments, (0.1, 0.1) if seed % 2 else (0, 0), seed)
    counters = [decode_counters(response.payload) for response in found if response.opcode == COUNTERS_RESPONSE]
    assert all(sum(getattr(snapshot, cause) for cause in CAUSES) == snapshot.cycles for snapshot in counters)
    cycles = [struct.unpack("<Q", response.payload)[0] for response in found if response.opcode == RUN_RESPONSE]
    assert cycles == sorted(set(cycles))


@pytest.mark.parametrize("kind", range(12))
def test_still_serves(kind):
    """After any damage, one clear error, and a product is computed as if nothing had been."""
    variant = "trit2"
    configuration, _ = simulation(variant)
    chance = random.Random(kind)
    product = make_product(configuration, 9, 17, kind)
    loaded = frames([*load_products([product]), (Request.ECHO, bytes(range(20)))])
    echo = loaded.pop()
    damage = {
        0: [flip(echo, 100)], 1: [flip(echo, 3)], 2: [echo[:5], SILENCE], 3: [echo[:-1], SILENCE],
        4: [oversized(1, configuration.maximum_payload)], 5: [oversized(2, 60_000 // 20)], 6: [bytes(50)],
        7: [Frame(0x55, 9, b"?").encode()],
    }.get(kind, damaged_segments(chance, echo))
    found = demand_same(variant, [*loaded, *damage, SILENCE, *frames([run(), read(0, product.beats)], 100)])
    assert results(found[-1]).tolist() == product.results.tolist()
    assert found[-2].opcode == RUN_RESPONSE
    if kind < 8:
        errors = [Error(response.payload[0]) for response in found if response.opcode == ERROR]
        assert errors == [[Error.BAD_CRC], [Error.NO_SYNC], [Error.TIMEOUT], [Error.TIMEOUT], [Error.OVERSIZED],
                          [Error.OVERSIZED], [Error.NO_SYNC], [Error.UNKNOWN_OPCODE]][kind]


def test_requests_are_idempotent():
    """Every frame twice: the same results, each request answered each time."""
    configuration, _ = simulation("trit3x5")
    product = make_product(configuration, 7, 20, 1)
    once = frames([*load_products([product]), run(), read(0, product.beats)])
    found = demand_same("trit3x5", [frame for frame in once for _ in range(2)])
    assert len(found) == 2 * len(once)
    assert [results(response).tolist() for response in found[-2:]] == [product.results.tolist()] * 2


def test_counters_are_one_snapshot():
    """Reading takes no cycle: two COUNTERS, back to back, differ only by the second one's own reception."""
    counters = frames([(Request.COUNTERS, b"")])
    found = answers("trit2", [*counters, *counters, *counters], (0, 0.7), 5)
    first, second, third = (decode_counters(response.payload) for response in found)
    assert (second - first) == (third - second)
    assert (second - first).engine.cycles == 0
    assert (second - first).link_stall == (second - first).cycles


def test_run_answers_with_the_cycle():
    """The counter when its last result was written: between the snapshots around it."""
    configuration, _ = simulation("trit2")
    product = make_product(configuration, 16, 12, 1)
    counters = (Request.COUNTERS, b"")
    found = demand_same("trit2", frames([*load_products([product]), counters, run(), counters]))
    before, ran, after = found[-3:]
    cycle = struct.unpack("<Q", ran.payload)[0]
    assert decode_counters(before.payload).cycles < cycle < decode_counters(after.payload).cycles
