"""The cycle model against the gateware's own counters: every cause, for random programs of every geometry."""

import random
import struct

import pytest

from tests.hw.configurations import VARIANTS, small
from tests.hw.simulation import simulate
from trine.firmware.assembler import End, Matvec, encode
from trine.firmware.counters import CAUSES, decode_counters
from trine.firmware.cycles import program_cycles
from trine.firmware.link import ERROR, RESPONSE_BIT, WRITE_FORMAT, Frame, Region, Request, decode_header
from trine.hw.accelerator import Accelerator

GEOMETRIES = [*VARIANTS.values(), {"result_width": 1}, {"result_width": 4, "depth": 8}]


async def request(ctx, dut, opcode, payload=b""):
    """Sends one request and returns its response's payload."""
    for byte in Frame(opcode, 1, payload).encode():
        ctx.set(dut.i.payload, byte)
        ctx.set(dut.i.valid, 1)
        await ctx.tick().until(dut.i.ready)
    ctx.set(dut.i.valid, 0)
    ctx.set(dut.o.ready, 1)
    answer = bytearray()
    while len(answer) < 8 or len(answer) < 12 + decode_header(bytes(answer[:8]))[2]:
        (byte,) = await ctx.tick().sample(dut.o.payload).until(dut.o.valid)
        answer.append(byte)
    assert answer[2] == opcode | RESPONSE_BIT != ERROR
    return bytes(answer[8:-4])


def programs(seed):
    """A few programs of one to six products, among them the shortest that there are."""
    chance = random.Random(seed)
    yield [Matvec(0, 1, 1) for _ in range(6)]
    yield [Matvec(0, 2, 7), Matvec(0, 1, 1), Matvec(0, 3, 1)]
    for _ in range(6):
        yield [Matvec(0, chance.choice([1, 1, 2, 4]), chance.choice([1, 1, 2, 3, 8])) for _ in
               range(chance.randint(1, 6))]


@pytest.mark.parametrize("seed", range(len(GEOMETRIES)))
def test_counters_equal_the_cycle_model(seed):
    configuration = small(**GEOMETRIES[seed])
    dut = Accelerator(configuration)

    async def testbench(ctx):
        for program in ([], *programs(seed)):
            words = b"".join(encode(operation) for operation in [*program, End()])
            await request(ctx, dut, Request.WRITE, struct.pack(WRITE_FORMAT, Region.PROGRAM, 0) + words)
            await request(ctx, dut, Request.COMMIT, struct.pack("<I", 1))
            before = decode_counters(await request(ctx, dut, Request.COUNTERS))
            await request(ctx, dut, Request.RUN, bytes(4))
            after = decode_counters(await request(ctx, dut, Request.COUNTERS))
            assert (after - before).engine == program_cycles(program, configuration), program
            assert sum(getattr(after, cause) for cause in CAUSES) == after.cycles

    simulate(dut, testbench)
