"""hw.build.report: a report of a small design, from the tools to the file, and when it is stale."""

import dataclasses
import json
import re
import time

import pytest
from amaranth.hdl import Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from trine.firmware.configuration import Configuration, ConfigurationError
from trine.hw.build import design as design_module
from trine.hw.build import report as report_module
from trine.hw.build import tools
from trine.hw.build.design import component_design
from trine.hw.build.errors import BuildError, DoesNotFit, ToolFailed
from trine.hw.build.parts import Capacity, find_part
from trine.hw.build.report import make_report, stale_reports
from trine.hw.build.report_format import read_report, write_report
from trine.hw.build.source import configuration_text, source_hash, top_module

CONFIGURATION = Configuration("tiny", "LFE5U-25F-6-CABGA381", clock_mhz=80, lanes=2, depth=2, packing="trit2",
                              weight_words=16, activation_chunks=16, result_beats=16, result_width=1, bare=True)


class Sum(wiring.Component):
    """An accumulator, and nothing that has to do with its configuration."""

    x: In(signed(8))
    o: Out(signed(16))

    def __init__(self, configuration):
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        x = Signal(signed(8))
        m.d.sync += [x.eq(self.x), self.o.eq(self.o + x)]
        return m


def make(preset, top, configuration, seeds, required_mhz=None, **options):
    """The report of a component on pins of nobody's choice."""
    def design():
        made = component_design(configuration, top(configuration))
        return dataclasses.replace(made, required_mhz=required_mhz or made.required_mhz)

    return make_report(preset, design, configuration, seeds, **options)


def tokens(configuration, clock_mhz):
    return {"model": clock_mhz * configuration.lanes}, {"model": clock_mhz}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def lines():
    return []


@pytest.fixture(scope="module")
def report(folder, lines):
    return make("tiny", Sum, CONFIGURATION, [5, 1], jobs=2, tokens=tokens, folder=folder, progress=lines.append)


def test_report(report):
    assert report["preset"] == "tiny"
    assert report["part"] == "LFE5U-25F-6-CABGA381"
    assert report["source_hash"] == source_hash(top_module(CONFIGURATION), configuration_text(CONFIGURATION))
    assert set(report["tools"]) == {"amaranth", "yosys", "nextpnr-ecp5"}
    assert report["tools"]["yosys"] == tools.version("yosys")
    # 16 bits of adder behind a half-cell, in pairs, and the two constants
    assert (report["lut4"], report["ff"]) == (18 + 2, 8 + 16)
    assert (report["ebr"], report["spram"], report["dsp"]) == (0, 0, 0)
    assert (report["trits_per_cycle"], report["engine_lut"], report["lut_per_trit"]) == (4, 20, 5.0)
    assert [entry["seed"] for entry in report["seeds"]] == [5, 1]
    assert report["required_mhz"] == {"sync": 80}


def test_slowest_seed_counts(report):
    clocks = [entry["fmax_mhz"]["sync"] for entry in report["seeds"]]
    assert clocks[0] != clocks[1]
    assert min(clocks) > 80
    assert report["gtrit_per_s"] == pytest.approx(4 * min(clocks) / 1000, rel=1e-3)
    path = report["critical_path"]["sync"]
    assert re.match(r"[xo](\[\d+\])? -> o: 1 logic level with \d+ carry bits?, ", path)
    assert 1000 / sum(map(float, re.findall(r"([\d.]+) ns", path))) == pytest.approx(min(clocks), rel=0.02)


def test_tokens_are_for_the_clock_of_the_board(report):
    assert report["array_tokens_per_s"] == {"model": 160}
    assert report["offload_tokens_per_s"] == {"model": 80}


def test_tokens_are_for_the_slowest_seed(report, folder):
    """A clock that no seed reaches is not what figures are computed with."""
    fast = dataclasses.replace(CONFIGURATION, clock_mhz=5000)
    result = make("fast", Sum, fast, [1], tokens=tokens, folder=folder)
    assert result["offload_tokens_per_s"] == {"model": result["seeds"][0]["fmax_mhz"]["sync"]}


def test_progress(report, lines):
    assert re.fullmatch(r"synthesised: 9 CCU2C, 24 TRELLIS_FF", lines[0])
    assert sorted(line.split(":")[0] for line in lines[1:]) == ["seed 1 routed", "seed 5 routed"]


def test_checked_before_it_is_routed(report, folder, monkeypatch):
    """What the check says is a step; what it raises ends the report before anything is routed."""
    def run(*_, **__):
        raise AssertionError("routed")
    monkeypatch.setattr(tools, "run", run)
    seen, steps = [], []

    def accept(synthesis):
        seen.append(synthesis.cells["TRELLIS_FF"])
        return "fine"

    make("tiny", Sum, CONFIGURATION, [1], check=accept, folder=folder, progress=steps.append)
    assert seen == [24]
    assert steps[1] == "fine"

    def refuse(synthesis):
        raise ToolFailed("not this one")

    with pytest.raises(ToolFailed, match=r"^not this one$"):
        make("tiny", Sum, CONFIGURATION, [9], check=refuse, folder=folder)


def test_written(report, tmp_path):
    path = write_report(report, tmp_path)
    assert [entry["seed"] for entry in read_report(path)["seeds"]] == [1, 5]


def test_goes_on(report, folder, monkeypatch):
    """What was done is not done again, in a run with one seed more, and by another name."""
    done = []
    original = tools.run

    def run(tool, arguments, *rest, **others):
        done.append((tool, arguments[arguments.index("--seed") + 1]))
        original(tool, arguments, *rest, **others)

    monkeypatch.setattr(tools, "run", run)
    again = make("other", Sum, CONFIGURATION, [1, 2, 5], folder=folder)
    assert done == [("nextpnr-ecp5", "2")]
    assert again["seeds"][0] == report["seeds"][1]
    assert again["seeds"][2] == report["seeds"][0]
    assert again["array_tokens_per_s"] == again["offload_tokens_per_s"] == {}


@pytest.mark.parametrize("change", [{"part": "LFE5U-25F-7-CABGA381"}, {"clock_mhz": 81}])
def test_other_routes_are_not_mistaken(report, folder, monkeypatch, change):
    def run(*_, **__):
        raise ToolFailed("asked for")
    monkeypatch.setattr(tools, "run", run)
    with pytest.raises(ToolFailed, match=r"^asked for$"):
        make("tiny", Sum, dataclasses.replace(CONFIGURATION, **change), [1], folder=folder)


def test_other_tool_is_not_mistaken(report, folder, monkeypatch):
    def run(tool, *_, **__):
        raise ToolFailed(f"{tool} asked for")
    versions = tools.versions
    monkeypatch.setattr(tools, "run", run)
    for tool in ("yosys", "nextpnr-ecp5"):
        with monkeypatch.context() as patch:
            patch.setattr(tools, "versions", lambda names, tool=tool: versions(names) | {tool: "9"})
            with pytest.raises(ToolFailed, match=rf"^{tool} asked for$"):
                make("tiny", Sum, CONFIGURATION, [1], folder=folder)


@pytest.mark.parametrize(("name", "result", "period"), [
    ("router", ("router2",), 12.5), ("router", ("router1", "--tmg-ripup"), 12.5), ("goals", {"sync": 100.0}, 10),
])
def test_other_routing_is_not_mistaken(report, folder, monkeypatch, name, result, period):
    """By another router, with another option, or towards another goal, of which nextpnr hears."""
    def run(tool, arguments, folder, *_, **__):
        raise ToolFailed("asked for a period of " + (folder / "top.sdc").read_text().split()[2])
    monkeypatch.setattr(tools, "run", run)
    monkeypatch.setattr(f"trine.hw.build.workshop.{name}", lambda *_: result)
    with pytest.raises(ToolFailed, match=rf"^asked for a period of {period:.6f}$"):
        make("tiny", Sum, CONFIGURATION, [1], folder=folder)


def test_failing_seed_ends_the_others(report, folder, monkeypatch):
    def run(tool, arguments, *_, stop, **__):
        if arguments[arguments.index("--seed") + 1] == "8":
            raise ToolFailed("seed 8 failed")
        assert stop.wait(60)
        raise ToolFailed("was stopped")
    monkeypatch.setattr(tools, "run", run)
    start = time.monotonic()
    with pytest.raises(ToolFailed, match=r"^seed 8 failed$"):
        make("tiny", Sum, CONFIGURATION, [7, 8, 9], jobs=2, folder=folder)
    assert time.monotonic() - start < 30


def test_bare_figures_are_for_bare_arrays_only(report, folder):
    whole = dataclasses.replace(CONFIGURATION, bare=False)
    assert set(report) - set(make("tiny", Sum, whole, [1], folder=folder)) == {"engine_lut", "lut_per_trit"}


def test_does_not_fit(report, folder, monkeypatch):
    part = dataclasses.replace(find_part(CONFIGURATION.part), capacity=Capacity(17, 1, 0, 0))
    monkeypatch.setattr(report_module, "find_part", lambda name: part)
    with pytest.raises(DoesNotFit, match=r"^tiny needs 20 lut4, 3 more than the 17 of LFE5U-25F-6-CABGA381$"):
        make("tiny", Sum, CONFIGURATION, [1], folder=folder)


def test_required_domain_without_logic(report, folder):
    with pytest.raises(BuildError, match=r"^tiny: domain 'usb' is required to reach 60 MHz, but the design has"):
        make("tiny", Sum, CONFIGURATION, [1], required_mhz={"sync": 80, "usb": 60}, folder=folder)


@pytest.mark.parametrize("seeds", [[], [1, 1], [0], [2, -1]])
def test_wrong_seeds(folder, seeds):
    with pytest.raises(ValueError, match=r"^seeds must be one or more different numbers from 1, not "):
        make("tiny", Sum, CONFIGURATION, seeds, folder=folder)


def test_wrong_jobs(folder):
    with pytest.raises(ValueError, match=r"^jobs must be at least 1, not 0$"):
        make("tiny", Sum, CONFIGURATION, [1], jobs=0, folder=folder)


def test_wrong_part(folder):
    with pytest.raises(ValueError, match=r"^part must be like "):
        make("tiny", Sum, dataclasses.replace(CONFIGURATION, part="XC7A35T"), [1], folder=folder)


def find(name):
    if name != "tiny":
        raise ConfigurationError(f"unknown preset {name!r}")
    return CONFIGURATION


def test_current(report, tmp_path):
    write_report(report, tmp_path)
    assert stale_reports(tmp_path, find) == []
    assert stale_reports(tmp_path / "none", find) == []


def test_stale_configuration(report, tmp_path):
    path = write_report(report, tmp_path)
    (stale,) = stale_reports(tmp_path, lambda name: dataclasses.replace(CONFIGURATION, lanes=4))
    assert (stale.path, stale.reason) == (path, "made from another source or configuration")


def test_stale_source(report, tmp_path, monkeypatch):
    write_report(report, tmp_path)
    monkeypatch.setattr(design_module, "source_hash", lambda top, text: source_hash(top, text + "other"))
    assert [stale.path.name for stale in stale_reports(tmp_path, find)] == ["tiny.json"]


def test_stale_or_broken_files(report, tmp_path):
    write_report(report, tmp_path)
    write_report(report | {"preset": "gone"}, tmp_path)
    (tmp_path / "broken.json").write_text(json.dumps(report | {"ff": -1}))
    (tmp_path / "notes.txt").write_text("not a report")
    assert [(stale.path.name, stale.reason) for stale in stale_reports(tmp_path, find)] == [
        ("broken.json", "not a routed report: ff must be an integer from 0, not -1"),
        ("gone.json", "unknown preset 'gone'"),
    ]
