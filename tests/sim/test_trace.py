"""Waveforms are complete, hierarchical, and show what happened."""

import pytest
from vcd.reader import TokenKind, tokenize

from trine.sim.model import NativeModel

PERIOD = 10


@pytest.fixture(scope="module")
def traced(traced_mixer, tmp_path_factory):
    """(what the models did, their waveform file): two models write at the same time."""
    folder = tmp_path_factory.mktemp("waves")
    with NativeModel(traced_mixer, trace=folder / "one.vcd") as one:
        with NativeModel(traced_mixer, trace=str(folder / "other.vcd")) as other:
            other.run(5)
            transfer = one.transfer(b"\x00\x81hello", 7)
        one.run(3)
        cycles = one.cycles
    return transfer, cycles, folder / "one.vcd"


def read(path):
    """(identifier codes by hierarchical name, list of (time, code, value))."""
    names, scopes, changes, now = {}, [], [], 0
    with path.open("rb") as file:
        for token in tokenize(file):
            if token.kind is TokenKind.SCOPE:
                scopes.append(token.scope.ident)
            elif token.kind is TokenKind.UPSCOPE:
                scopes.pop()
            elif token.kind is TokenKind.VAR:
                names[".".join([*scopes, token.var.reference])] = token.var.id_code
            elif token.kind is TokenKind.CHANGE_TIME:
                now = token.time_change
            elif token.kind is TokenKind.CHANGE_SCALAR:
                changes.append((now, token.scalar_change.id_code, int(token.scalar_change.value)))
            elif token.kind is TokenKind.CHANGE_VECTOR:
                changes.append((now, token.vector_change.id_code, int(token.vector_change.value)))
    return names, changes, now


def test_names_are_hierarchical_and_readable(traced):
    names, _, _ = read(traced[2])
    for name in ("i__payload", "i__valid", "o__ready", "clk", "rst", "byte", "wait", "state_state", "address",
                 "fast.difference", "slow.difference", "fast.value", "table[3]", "history[15]"):
        assert f"sim.harness.top.{name}" in names
    assert sum(".unnamed$" in name for name in names) >= 2
    assert not [name for name in names if "DOT" in name or "$$" in name or "__0" in name]
    assert not [name for name in names if name.startswith("sim.harness.top.blank")], "large memories stay out"


def test_the_file_is_complete_and_shows_the_bytes(traced):
    transfer, cycles, path = traced
    names, changes, end = read(path)
    assert end == PERIOD * cycles
    assert cycles == transfer.cycles + 3
    values = dict.fromkeys(names.values(), 0)
    output, position = bytearray(), 0
    valid, ready, payload = (names[f"sim.harness.top.o__{part}"] for part in ("valid", "ready", "payload"))
    for cycle in range(cycles):
        edge = PERIOD * cycle + PERIOD // 2
        while position < len(changes) and changes[position][0] < edge:
            values[changes[position][1]] = changes[position][2]
            position += 1
        if values[valid] and values[ready]:
            output.append(values[payload])
    assert bytes(output) == transfer.output


def test_tracing_changes_nothing(traced, open_mixer):
    assert open_mixer().transfer(b"\x00\x81hello", 7) == traced[0]


def test_a_file_that_cannot_be_written(traced_mixer, tmp_path):
    with pytest.raises(FileNotFoundError):
        NativeModel(traced_mixer, trace=tmp_path / "no" / "wave.vcd")
