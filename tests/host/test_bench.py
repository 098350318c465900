from dataclasses import replace

import numpy as np
import pytest

from trine.firmware.machine import Machine
from trine.golden.accumulate import accumulate
from trine.host.bench import DEFAULT_SHAPES, bench, bench_layer, parse_shapes, random_layer
from trine.host.device import Device
from trine.host.errors import MismatchError, UsageError
from trine.host.routed import Clock
from trine.host.transport import GoldenTransport

CLOCK = Clock(2, "estimated", "a guess")


def test_default_shapes():
    assert parse_shapes(",".join(f"{n}x{k}" for n, k in DEFAULT_SHAPES)) == list(DEFAULT_SHAPES)


@pytest.mark.parametrize("text", ["", "160", "160x", "0x5", "5x0", "-1x5", "160x160,", "1x70000", "axb", "1x1x1"])
def test_wrong_shapes(text):
    with pytest.raises(UsageError, match=r"a shape is ROWSxCOLUMNS"):
        parse_shapes(text)


def test_random_layer(small):
    weights, codes = random_layer(300, 50, small, 1)
    assert weights.shape == (300, 50)
    assert set(np.unique(weights)) == {-1, 0, 1}
    assert codes.dtype == np.int8
    assert (random_layer(300, 50, small, 1)[0] == weights).all()
    assert (random_layer(300, 50, small, 2)[0] != weights).any()
    assert set(np.unique(random_layer(30, 50, replace(small, packing="bit1"), 1)[0])) == {-1, 1}


def test_bench_layer(device, small):
    # 100 words at 40 a load; five row blocks of five chunks in each column.
    progress: list[float] = []
    result = bench_layer(device, 37, 59, 3, progress.append)
    assert result.counters.busy == 100
    assert result.loads == 3
    assert progress[-1] == 1.0
    assert result.efficiency == 37 * 59 / (100 * 24)
    assert 0 < result.busy <= 1
    figures = result.figures(CLOCK)
    assert figures["cycles"] == sum(figures["cycles_by_cause"].values())
    assert figures["gtrit_per_s"] == pytest.approx(37 * 59 / figures["cycles"] * 2e6 / 1e9)
    assert figures["offload_gtrit_per_s"] < figures["gtrit_per_s"]


def test_no_link_no_offload(small):
    linkless = replace(small, link=None)
    result = bench_layer(Device(GoldenTransport(Machine(linkless)), linkless), 5, 5, 0)
    assert result.offload_gtrit_per_s(CLOCK) is None


def test_a_wrong_device_is_found(device, monkeypatch):
    monkeypatch.setattr("trine.firmware.machine.accumulate",
                        lambda weights, codes, mode: accumulate(weights, codes, mode) + np.int32(1))
    with pytest.raises(MismatchError, match=r"^5x5, row 0: the device says -?\d+, golden -?\d+"):
        bench_layer(device, 5, 5, 0)


def test_wrong_parts_are_found(device, monkeypatch):
    """Each part may be right and their sum still wrong, if one is executed twice."""
    run = Device.run_request
    monkeypatch.setattr(Device, "run_request", lambda self, plan, codes: [2 * r for r in run(self, plan, codes)])
    with pytest.raises(MismatchError, match=r"5x5, row 0: the parts add up to"):
        bench_layer(device, 5, 5, 0)


def test_too_many_columns_for_the_accumulators(device):
    with pytest.raises(UsageError, match=r"1x65536: row 0 may reach"):
        bench_layer(device, 1, 65536, 0)


def test_bench(device):
    steps: list[tuple[str, float]] = []
    results = bench(device, [(4, 6), (8, 6)], 0, lambda name, done: steps.append((name, done)))
    assert [result.name for result in results] == ["4x6", "8x6"]
    assert steps[-1] == ("8x6", 1.0)
    assert ("8x6", 24 / 72) in steps
