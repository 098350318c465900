"""The host against the simulated gateware. All tests share one cached build of a small device (conftest.py)."""

import numpy as np
import pytest

from trine.firmware.compiler import compile_classifier
from trine.firmware.configuration import Configuration
from trine.golden.accumulate import accumulate
from trine.golden.bitlinear import BitLinear
from trine.golden.classifier import Classifier, ClassifierConfig
from trine.host.bench import bench_layer
from trine.host.device import Device
from trine.host.errors import BuildError, SetupError, UsageError
from trine.host.runner import Runner
from trine.host.simulator import open_simulator


class DamagedLink:
    """A simulated device behind a link that damages the n-th write or read."""

    paced = False

    def __init__(self, inner, write=0, read=0, damage=None):
        self.inner, self.write_at, self.read_at, self.damage = inner, write, read, damage
        self.writes = self.reads = 0

    def write(self, data):
        self.writes += 1
        self.inner.write(self.damage(data) if self.writes == self.write_at else data)

    def read_exact(self, n, timeout):
        self.reads += 1
        data = self.inner.read_exact(n, timeout)
        return self.damage(data) if self.reads == self.read_at else data

    def close(self):
        self.inner.close()


@pytest.fixture
def simulated(small):
    with Device(open_simulator(small), small, timeout=60) as device:
        yield device


def test_integers_and_cycles(simulated, image, classifier, codes):
    runner = Runner(simulated, image, classifier)
    (sums,) = runner.multiply(("first",), codes)
    assert (sums == accumulate(classifier.linears["first"].weights, codes)).all()
    classifier.logits(np.ones(9, np.float32), runner.multiply)
    assert runner.tally.requests == 3, "every request compared with golden and with the cycle model"
    assert runner.counters.link_stall > 0, "these are not the functional machine's counters"


def test_layer_in_several_loads(simulated):
    result = bench_layer(simulated, 37, 59, 3)
    assert result.loads == 3
    assert result.counters.busy == 100


@pytest.fixture
def large():
    """72 words, of which 40 fit."""
    random = np.random.default_rng(9)
    sizes = {"first": (22, 30), "second": (30, 22), "third": (5, 30)}
    return Classifier(ClassifierConfig(sizes, False), {
        name: BitLinear(random.integers(-1, 2, shape, np.int8), np.float32(2.0)) for name, shape in sizes.items()})


def test_a_streamed_model(simulated, small, large):
    """A part of it stays, and all else is written while the device computes; every integer and cycle is compared."""
    image = compile_classifier(large, small, "large")
    assert image.loads[0].words > 0
    assert len(image.loads) > 3
    runner = Runner(simulated, image, large)
    for x in np.random.default_rng(2).normal(size=(3, 30)).astype(np.float32):
        assert np.array_equal(large.logits(x, runner.multiply), large.logits(x))
    assert (runner.passes, simulated.link_faults) == (3, 0)


@pytest.mark.parametrize("write", [9, 10, 12])
def test_a_streamed_model_and_a_fault(small, large, write):
    """A load that comes damaged: the exchange is done again, and what stays is written again."""
    link = DamagedLink(open_simulator(small), write=write, damage=lambda data: data[:90] + data[91:])
    image = compile_classifier(large, small, "large")
    with Device(link, small, timeout=60) as device:
        runner = Runner(device, image, large)
        for x in np.random.default_rng(3).normal(size=(2, 30)).astype(np.float32):
            assert np.array_equal(large.logits(x, runner.multiply), large.logits(x))
        assert device.link_faults > 0


@pytest.mark.parametrize(("packing", "depth"), [("trit3x5", 12), ("trit5x8", 15)])
def test_tables(packing, depth):
    """Every integer, whatever is in the memories at power-up."""
    configuration = Configuration("tables", "none", clock_mhz=1, lanes=2, depth=depth, packing=packing, weight_words=64,
                                  activation_chunks=8, result_beats=32, result_width=2, dataflow="tables")
    with Device(open_simulator(configuration), configuration, timeout=60) as device:
        result = bench_layer(device, 53, 70, 3)
    assert result.counters.table_build > 0


@pytest.mark.parametrize("damage", [
    lambda data: bytes([data[0] ^ 4]) + data[1:],
    lambda data: data[:9] + bytes([data[9] ^ 0x80]) + data[10:],
    lambda data: data[:-3],
    lambda data: data[:20] + data[25:],
    lambda data: b"\xb1\x58\x01" + data,
    lambda data: data + data[:30],
    lambda data: b"",
], ids=["magic", "payload", "truncated", "hole", "garbage", "repeated", "nothing"])
def test_damage_on_the_way_there(small, image, classifier, codes, damage):
    link = DamagedLink(open_simulator(small), write=6, damage=damage)
    with Device(link, small, timeout=60) as device:
        runner = Runner(device, image, classifier)
        for _ in range(3):
            (sums,) = runner.multiply(("first",), codes)
            assert (sums == accumulate(classifier.linears["first"].weights, codes)).all()
        assert link.writes > 7


@pytest.mark.parametrize("read", [9, 10, 15])
def test_damage_on_the_way_back(small, image, classifier, codes, read):
    link = DamagedLink(open_simulator(small), read=read, damage=lambda data: bytes([data[0] ^ 1]) + data[1:])
    with Device(link, small, timeout=60) as device:
        runner = Runner(device, image, classifier)
        runner.multiply(("first",), codes)
        runner.multiply(("first",), codes)
        assert device.link_faults == 1


def test_trace(small, tmp_path, image, codes):
    path = tmp_path / "a.vcd"
    with Device(open_simulator(small, trace=path), small, timeout=60) as device:
        device.load(image)
        device.run_request(image.requests[0], codes)
    text = path.read_text()
    for name in ("sequencer", "weights", "array", "results", "$enddefinitions"):
        assert name in text, name
    assert text.count("#") > 100


def test_trace_cannot_be_written(small, tmp_path):
    with pytest.raises(UsageError, match=r"a\.vcd: cannot write the waveforms: No such file"):
        open_simulator(small, trace=tmp_path / "no" / "a.vcd")


def test_progress(small, tmp_path, monkeypatch):
    """A build of its own, in a cache of its own, by a compiler that fails in the end."""
    monkeypatch.setenv("TRINE_CACHE", str(tmp_path))
    compiler = tmp_path / "broken"
    compiler.write_text('#!/bin/sh\n[ "$1" = --version ] && exit 0\necho "out of registers" >&2\nexit 1\n')
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    steps: list[tuple[str, float]] = []
    with pytest.raises(BuildError, match=r"out of registers"):
        open_simulator(small, lambda name, done: steps.append((name, done)))
    assert steps[0][0] == "elaborating the gateware"
    assert {name for name, _ in steps} >= {"translating it to C++", "compiling it"}
    assert [done for _, done in steps] == sorted(done for _, done in steps)
    assert all(0 <= done <= 1 for _, done in steps)


def test_no_compiler(small, tmp_path, monkeypatch):
    monkeypatch.setenv("TRINE_CACHE", str(tmp_path))
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(SetupError, match=r"CXX names 'no-such-compiler'"):
        open_simulator(small)


def test_cache_that_is_a_file(small, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TRINE_CACHE", str(tmp_path / "file"))
    with pytest.raises(SetupError, match=r"set TRINE_CACHE to one that is"):
        open_simulator(small)
