"""Native models: equal to Amaranth's simulator, independent of each other, random where hardware is undefined."""

import random

import pytest

from tests.sim.components import PEEK, POKE, TABLE, Calculator, Mixer
from trine.sim.bench import simulate_amaranth
from trine.sim.errors import SimulatorError
from trine.sim.library import Library
from trine.sim.model import NativeModel


def random_bytes(seed, count):
    return random.Random(seed).randbytes(count)


def blank(model, addresses=range(256)):
    """What the memory without content has, without changing it."""
    model.transfer(bytes([0]), 1)
    return bytes(model.transfer(bytes([PEEK, address]), 2).output[1] for address in addresses)


@pytest.fixture(scope="module")
def session():
    """A stimulus for Mixer, Amaranth's answers to it and its cycles."""
    choice = random.Random(1)
    stimulus = []
    for _ in range(12):
        data = bytearray(random_bytes(choice.random(), choice.randrange(1, 60)))
        for command in (POKE, PEEK):
            data[choice.randrange(len(data))] = command
        stimulus.append((bytes(data), choice.choice([0, len(data), len(data) // 2])))
    stimulus.append((b"", sum(len(data) for data, _ in stimulus) - sum(want for _, want in stimulus)))
    outputs, cycles, _ = simulate_amaranth(Mixer(), stimulus)
    return stimulus, outputs, cycles


def test_equals_amaranth_byte_for_byte_and_cycle_for_cycle(session, open_mixer):
    stimulus, outputs, cycles = session
    model = open_mixer(seed=None)
    assert [model.transfer(data, want).output for data, want in stimulus] == outputs
    assert model.cycles == cycles


@pytest.mark.parametrize("chances", [(0.5, 0.5), (0.9, 0), (0, 0.9), (0.1, 0.7)])
def test_stalls_change_no_byte(session, open_mixer, chances):
    stimulus, outputs, cycles = session
    model = open_mixer(seed=None)
    model.stall(7, *chances)
    total = sum(len(data) for data, _ in stimulus)
    assert model.transfer(b"".join(data for data, _ in stimulus), total).output == b"".join(outputs)
    assert model.cycles > cycles + 50


def test_stalls_repeat_with_their_seed(open_mixer):
    def cycles(seed):
        model = open_mixer()
        model.stall(seed)
        model.transfer(bytes(50), 50)
        return model.cycles

    assert cycles(3) == cycles(3)
    assert len({cycles(seed) for seed in range(8)}) > 3


def test_a_stream_that_always_stalls_moves_nothing(open_mixer):
    model = open_mixer()
    model.stall(1, input=1, output=0)
    assert model.transfer(b"abc", 1, 1000) == (b"", 0, 1000)
    assert model.pending == 3


def test_every_operation_equals_amaranth(calculator):
    stimulus = [(random_bytes(seed, 3), Calculator.answer_bytes()) for seed in range(16)]
    stimulus += [(bytes(numbers), Calculator.answer_bytes()) for numbers in ((0, 0, 0), (255, 255, 255), (0, 8, 128))]
    outputs, cycles, _ = simulate_amaranth(Calculator(), stimulus)
    with NativeModel(calculator, seed=None) as model:
        for (data, want), expected in zip(stimulus, outputs, strict=True):
            found = model.transfer(data, want).output
            wrong = [index // 4 for index in range(0, want, 4) if found[index:index + 4] != expected[index:index + 4]]
            assert not wrong, f"expressions {wrong} of {data.hex()}"
        assert model.cycles == cycles


def test_models_do_not_interfere(session, open_mixer, calculator):
    stimulus, outputs, _ = session
    one, other = open_mixer(seed=None), open_mixer(seed=None)
    with NativeModel(calculator) as stranger:
        for number, ((data, want), expected) in enumerate(zip(stimulus, outputs, strict=True)):
            assert one.transfer(data, want).output == expected
            other.transfer(random_bytes(number, 5), 5)
            stranger.transfer(random_bytes(number, 3), Calculator.answer_bytes())
            stranger.reset()
    assert other.transfer(b"", 1, 100).output == b""


def test_memories_without_content_are_random_by_seed(open_mixer):
    contents = [blank(open_mixer(seed)) for seed in (0, 1, 2)]
    assert len(set(contents)) == 3
    assert all(len(set(content)) > 100 for content in contents)
    assert blank(open_mixer(1)) == contents[1]
    assert blank(open_mixer(None), range(20)) == bytes(20)


def test_what_has_content_has_it_whatever_the_seed(open_mixer):
    # This first byte writes the very word of the history that it reads; the rest comes from registers and the table.
    answers = {open_mixer(seed).transfer(bytes([0x81]), 1).output for seed in (None, 1, 2)}
    assert answers == {bytes([0x18 ^ TABLE[0]])}


def test_reset_restores_registers_and_keeps_memories(open_mixer):
    model = open_mixer(seed=5)
    content = blank(model)
    model.transfer(bytes([PEEK, 9, POKE, content[9] ^ 0xFF]), 4)
    before = model.cycles
    model.reset()
    assert model.cycles == before + 2
    assert blank(model)[9] == content[9] ^ 0xFF
    assert blank(model)[:9] == content[:9]
    assert open_mixer().transfer(b"A", 1).cycles == restarted(model)


def restarted(model):
    """Cycles of a first transaction after a reset, with bytes pending in both directions before it."""
    model.transfer(b"xyz", 1)
    model.run(3)
    assert model.pending
    model.reset()
    assert model.pending == 0
    return model.transfer(b"A", 1).cycles


def test_transfer_ends_when_all_came_and_keeps_the_rest_pending(open_mixer):
    model = open_mixer()
    output, consumed, cycles = model.transfer(b"abcdef", 2)
    assert len(output) == 2
    assert consumed + model.pending == 6
    assert cycles == model.cycles
    rest = model.transfer(b"", 4)
    assert rest.consumed + consumed == 6
    assert model.transfer(b"", 1, 500) == (b"", 0, 500)


def test_output_that_nobody_asked_for_is_kept(open_mixer):
    model, other = open_mixer(), open_mixer()
    expected = other.transfer(b"abcdef", 6).output
    assert model.transfer(b"abcdef").output == b""
    model.run(100)
    assert model.pending == 0
    assert model.transfer(b"", 6).output == expected


def test_limits(open_mixer):
    model = open_mixer()
    assert model.transfer(b"", 1, 0) == (b"", 0, 0)
    assert model.transfer(b"", 1, 300_001).cycles == 300_001
    idle = model.transfer(b"", 1, idle_cycles=300_001)
    assert idle.cycles == 300_001
    answers = iter([True, True, False])
    stopped = model.transfer(b"", 1, keep_on=lambda: next(answers))
    assert 0 < stopped.cycles < 2_000_000
    answer = model.transfer(bytes(20), 20, idle_cycles=20)
    assert len(answer.output) == 20, "bytes that move start the count of idle cycles anew"
    assert answer.cycles > 20
    followed = open_mixer().transfer(b"abc", 4, idle_cycles=200_000)
    assert followed.cycles == open_mixer().transfer(b"abc", 3).cycles + 200_000


def test_run_counts_cycles(open_mixer):
    model = open_mixer()
    model.run(300_000)
    model.run(0)
    assert model.cycles == 300_000


def test_wrong_arguments(open_mixer):
    model = open_mixer()
    with pytest.raises(ValueError, match="negative"):
        model.transfer(b"", -1)
    with pytest.raises(ValueError, match="negative"):
        model.run(-1)
    with pytest.raises(ValueError, match=r"chance is a number from 0 to 1, not 1\.5"):
        model.stall(1, 1.5)
    model.close()
    model.close()
    with pytest.raises(ValueError, match="closed"):
        model.run(1)


def test_trace_needs_a_traced_library(mixer, tmp_path):
    with pytest.raises(ValueError, match="trace=True"):
        NativeModel(mixer, trace=tmp_path / "wave.vcd")


def test_a_file_that_is_no_library(tmp_path):
    (tmp_path / "sim.so").write_bytes(b"not a library")
    with pytest.raises(SimulatorError, match="cannot load"):
        NativeModel(Library(tmp_path / "sim.so", False))
