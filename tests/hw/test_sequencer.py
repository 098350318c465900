"""hw.sequencer.sequencer: programs to the three parts of each instruction."""

import random

import pytest

from tests.hw.configurations import small
from tests.hw.simulation import Record, Watch, get_all, load, put, simulate
from trine.firmware.assembler import End, Matvec, encode
from trine.firmware.instructions import INSTRUCTION_BYTES
from trine.hw.sequencer.sequencer import Sequencer

WORDS = 16
END = encode(End())


def random_program(length, seed=0):
    """Instructions as `small` can execute them."""
    chance = random.Random(seed)
    return [Matvec(weight_word=chance.randrange(64), row_blocks=chance.randint(1, 16), chunks=chance.randint(1, 16),
                   activation_chunk=chance.randrange(16), result_beat=chance.randrange(32)) for _ in range(length)]


def parts(program):
    """What each unit gets, as the integers of its payloads: counts of up to 16 have five bits."""
    return {
        "fetches": [op.weight_word | op.row_blocks << 6 | op.chunks << 11 for op in program],
        "commands": [op.row_blocks | op.chunks << 5 | op.activation_chunk << 10 for op in program],
        "stores": [op.result_beat for op in program],
    }


class Run:
    """A sequencer with a program memory, run from some entries one after another; what its outputs did."""

    def __init__(self, memory, entries, counts, pauses=(0, 0, 0), storing=0, fault=None):
        self.dut = dut = Sequencer(small(program_words=WORDS))
        self.streams = {name: Watch(getattr(dut, name)) for name in ("fetches", "commands", "stores")}
        self.runs = Watch(dut.runs)
        self.state = Record(dut.running, dut.ending, dut.done)
        self.faults = []

        async def start(ctx):
            await load(ctx, dut, 0, memory)
            for entry in entries:
                await put(ctx, dut.runs, entry)
                ctx.set(dut.storing, bool(storing))
                waited = 0
                while True:
                    _, _, done, failed, ending = await ctx.tick().sample(dut.done, dut.fault, dut.ending)
                    if done:
                        self.faults.append(failed)
                        break
                    waited += ending
                    if waited >= storing:
                        ctx.set(dut.storing, 0)

        async def take(ctx, name, pause, seed):
            await get_all(ctx, getattr(dut, name), counts, pause, seed)
            ctx.set(getattr(dut, name).ready, 1)

        simulate(dut, start, *(
            lambda ctx, name=name, pause=pause, seed=seed: take(ctx, name, pause, seed)
            for seed, (name, pause) in enumerate(zip(self.streams, pauses, strict=True))
        ), monitors=[self.runs, self.state, *self.streams.values()])


@pytest.mark.parametrize("pauses", [(0, 0, 0), (0.7, 0, 0), (0, 0.7, 0), (0, 0, 0.7), (0.5, 0.6, 0.7)])
def test_program(pauses):
    """Every field of every instruction reaches its unit, in order, whichever unit is slow."""
    program = random_program(12)
    run = Run(b"".join(map(encode, program)) + END, [0], 12, pauses)
    assert {name: stream.payloads for name, stream in run.streams.items()} == parts(program)
    assert run.faults == [0]


def test_timing():
    """Four cycles to the first issue, four from each to the next, four to the end; one run after another."""
    program = random_program(5)
    run = Run(b"".join(map(encode, program)) + END, [0, 3], 7)
    first, second = run.runs.cycles
    for stream in run.streams.values():
        assert stream.offered == stream.cycles
        assert stream.cycles == [first + 4 * n for n in range(1, 6)] + [second + 4 * n for n in range(1, 3)]
    assert run.state.cycles((1, 1, 1)) == [first + 4 * 6, second + 4 * 3]  # running, ending, done: at once
    assert second == first + 4 * 6 + 1
    running = [cycle for cycle, (running, _, _) in enumerate(run.state.values) if running]
    assert running == [*range(first + 1, first + 4 * 6 + 1), *range(second + 1, second + 4 * 3 + 1)]


def test_issue_waits_for_all():
    """The next instruction is fetched while this one waits for a unit, and not issued before it has them all."""
    dut = Sequencer(small(program_words=WORDS))
    program = random_program(2)
    watches = {name: Watch(getattr(dut, name)) for name in ("fetches", "commands", "stores")}

    async def testbench(ctx):
        await load(ctx, dut, 0, b"".join(map(encode, program)) + END)
        await put(ctx, dut.runs, 0)
        ctx.set(dut.fetches.ready, 1)
        ctx.set(dut.stores.ready, 1)
        await ctx.tick().repeat(20)
        assert [len(watch.cycles) for watch in watches.values()] == [1, 0, 1]
        ctx.set(dut.commands.ready, 1)
        await ctx.tick().until(dut.done)

    simulate(dut, testbench, monitors=watches.values())
    taken = watches["commands"].cycles[0]
    assert [watch.offered[1] for watch in watches.values()] == [taken + 4] * 3


def test_end_waits_for_results():
    """`done` comes in the first cycle in which nothing is being stored."""
    run = Run(encode(Matvec(0, 1, 1)) + END, [0], 1, storing=9)
    ending = [cycle for cycle, (_, ending, _) in enumerate(run.state.values) if ending]
    assert ending == list(range(ending[0], ending[0] + 10))
    assert [cycle for cycle, (_, _, done) in enumerate(run.state.values) if done] == [ending[-1]]
    assert not any(running for running, _, _ in run.state.values[ending[-1] + 1 :])


def word(opcode=1, reserved=0, chunks=1, row_blocks=1):
    return (opcode | reserved << 8 | chunks << 16 | row_blocks << 32).to_bytes(INSTRUCTION_BYTES, "little")


@pytest.mark.parametrize("bad", [
    word(opcode=2), word(opcode=0xFF), word(opcode=0x81), word(reserved=1), word(reserved=0x80), word(chunks=0),
    word(row_blocks=0), word(opcode=0, reserved=4),
], ids=["opcode 2", "opcode 255", "opcode 129", "reserved 1", "reserved 128", "no chunks", "no row blocks",
        "end reserved"])
def test_fault(bad):
    """The program ends there and says so; what came before it is done, what follows is not; the next run is fine."""
    program = random_program(2)
    memory = b"".join(map(encode, program)) + bad + encode(Matvec(1, 2, 3)) + END
    run = Run(memory, [0, 3], 3)
    assert run.faults == [1, 0]
    assert run.streams["commands"].payloads == parts([*program, Matvec(1, 2, 3)])["commands"]


def test_end_ignores_other_fields():
    run = Run(word(opcode=0, chunks=7, row_blocks=0), [0], 0)
    assert run.faults == [0]


def test_fault_beyond_memory():
    """A program that does not end runs into the end of the memory, and no further."""
    program = random_program(WORDS)
    run = Run(b"".join(map(encode, program)), [WORDS - 2], 2)
    assert run.faults == [1]
    assert run.streams["stores"].payloads == parts(program[-2:])["stores"]


def test_end_in_last_word():
    program = random_program(WORDS - 1)
    run = Run(b"".join(map(encode, program)) + END, [WORDS - 3], 2)
    assert run.faults == [0]
    assert run.streams["fetches"].payloads == parts(program[-2:])["fetches"]


def test_runs_are_taken_one_by_one():
    """No run is accepted while one is under way."""
    run = Run(encode(Matvec(0, 1, 1)) + END, [0, 0, 0], 3, pauses=(0.8, 0.8, 0.8))
    running = [running for running, _, _ in run.state.values]
    assert len(run.runs.cycles) == 3
    assert not any(running[cycle] for cycle in run.runs.cycles)
