"""The comparison finds simulators that disagree, and says how much faster which is."""

import json
import random

import pytest

from tests.sim.components import Mixer
from trine.firmware.presets import find_preset
from trine.sim import bench
from trine.sim.errors import SimulatorError

STIMULUS = [(random.Random(3).randbytes(40), 40), (b"abc", 0), (b"", 3)]


def test_compare(mixer):
    result = bench.compare(Mixer, STIMULUS, mixer, repetitions=1, passes=20)
    assert result.cycles > 100
    assert result.ratio == result.native / result.amaranth > 5


def test_disagreement_is_an_error(calculator, mixer, monkeypatch):
    with pytest.raises(SimulatorError, match="disagree about the answer to transaction 0"):
        bench.compare(Mixer, STIMULUS, calculator, repetitions=1, passes=1)
    monkeypatch.setattr(bench, "simulate_native", lambda *_: (bench.simulate_amaranth(Mixer(), STIMULUS)[0], 1, 1.0))
    with pytest.raises(SimulatorError, match="cycles, the native one 1"):
        bench.compare(Mixer, STIMULUS, mixer, repetitions=1)


def test_a_component_that_never_answers(monkeypatch):
    monkeypatch.setattr(bench, "CYCLE_LIMIT", 100)
    with pytest.raises(TimeoutError, match="within 100 cycles"):
        bench.simulate_amaranth(Mixer(), [(b"", 1)])


def test_stimulus_of_an_accelerator():
    configuration = find_preset("tinyfpga_bx")
    stimulus = bench.accelerator_stimulus(configuration, 8, 16, 2)
    assert [want for _, want in stimulus[:2]] == [16, 12]
    assert stimulus[-1][1] == 12 + 8 * 4


def test_command(monkeypatch, cache, capsys):
    monkeypatch.setenv("TRINE_CACHE", str(cache.folder.parent))
    small = ["tinyfpga_bx", "--rows", "4", "--columns", "8", "--inputs", "1", "--repetitions", "1"]
    assert bench.main(small) == 0
    printed = capsys.readouterr().out
    assert "tinyfpga_bx: 4 lanes x 8 columns" in printed
    assert int(printed.partition("ratio")[2].split()[0]) > 5
    assert bench.main([*small, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ratio"] > 5


def test_unknown_preset(capsys):
    assert bench.main(["nonsense"]) == 2
    assert "unknown preset 'nonsense'" in capsys.readouterr().err
