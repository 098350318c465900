from dataclasses import replace

import pytest

from trine.firmware.machine import Machine
from trine.firmware.presets import PRESETS
from trine.host.bench import bench
from trine.host.device import Device
from trine.host.errors import UsageError
from trine.host.plot import draw, draw_workloads
from trine.host.published import find_published
from trine.host.routed import Clock
from trine.host.transport import GoldenTransport
from trine.host.workload import analyse

CLOCK = Clock(2, "estimated", "a guess")


@pytest.fixture
def results(device):
    return bench(device, [(4, 6), (13, 17)], 0)


def test_svg_repeats_and_names_the_layers(results, tmp_path):
    paths = [tmp_path / "a.svg", tmp_path / "b.svg"]
    for path in paths:
        draw(results, CLOCK, path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    text = paths[0].read_text()
    for word in ("13x17", "busy", "drain", "peak 0.0 Gtrit/s", "uart, 0.3 MB/s", "estimated"):
        assert f"<!-- {word}" in text or word in text, word


def test_png(results, tmp_path):
    draw(results, CLOCK, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_without_a_link(small, tmp_path):
    linkless = replace(small, link=None)
    draw(bench(Device(GoldenTransport(Machine(linkless)), linkless), [(4, 6)], 0), CLOCK, tmp_path / "a.svg")
    assert "uart" not in (tmp_path / "a.svg").read_text()


def test_cannot_be_written(results, tmp_path):
    with pytest.raises(UsageError, match=r"No such file or directory"):
        draw(results, CLOCK, tmp_path / "no" / "a.svg")


def test_rooflines_of_a_published_model(tmp_path):
    """Three boards in four panels; the numbers are those of the workloads."""
    workloads = [analyse(find_published("bitnet-0.7b"), PRESETS[name], CLOCK)
                 for name in ("icebreaker", "ulx3s_85f", "butterstick")]
    paths = [tmp_path / "a.svg", tmp_path / "b.svg"]
    for path in paths:
        draw_workloads(workloads, path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    text = paths[0].read_text()
    assert text.count("<!-- Gtrit/s") == 3
    for workload in workloads:
        for word in (workload.configuration.name, f"the array alone: {1 / workload.array_seconds:.3g} tokens/s",
                     f"with the link, weights streamed: {1 / workload.offload_seconds:.3g} tokens/s"):
            assert f"<!-- {word}" in text, word
