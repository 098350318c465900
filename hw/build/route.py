"""Places and routes a netlist, and reads what nextpnr found out: what is used, how fast it is, and what limits it."""

import json
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from trine.hw.boards.kept import PREFIX, clock_name
from trine.hw.build import tools
from trine.hw.build.critical_path import describe
from trine.hw.build.errors import ToolFailed
from trine.hw.build.parts import Part
from trine.hw.build.synthesise import Synthesis, domain_of

SECONDS = 6 * 3600.0
"""Longest that one seed may take."""

FIRST_ROUTER_CELLS = 20_000
"""Cells of the largest netlist that nextpnr's first router gets (`router`)."""

RIPUP_MARGIN = 1.1
"""What a router that routes again what misses its goal is asked for, of what is required: it stops as soon as it
believes to be there, and what nextpnr says in the end may be a little less (109.5 MHz of 110)."""

_RESOURCES = {
    "ecp5": {"lut4": "TRELLIS_COMB", "ebr": "DP16KD", "spram": "", "dsp": "MULT18X18D"},
    "ice40": {"lut4": "ICESTORM_LC", "ebr": "ICESTORM_RAM", "spram": "ICESTORM_SPRAM", "dsp": "ICESTORM_DSP"},
}
"""What is used, in nextpnr's words; what a device has none of is missing in its report.

TRELLIS_COMB counts logic, carry and distributed RAM alike, and so does LC."""

_PINS = {"ecp5": "lpf", "ice40": "pcf"}
"""What a file that says where the ports go is called."""

_LAYOUT = {"ecp5": "--textcfg", "ice40": "--asc"}
"""The option that has the layout written."""


@dataclass(frozen=True)
class Routed:
    """What nextpnr wrote for one seed: its report, JSON text for `read_routing`, and the layout, which is packed."""

    report: str
    layout: str


@dataclass(frozen=True)
class Routing:
    """One routed seed.

    used: "lut4", "ff", "ebr", "spram" and "dsp" -> count. fmax_mhz: clock domain -> highest frequency.
    critical_path: clock domain -> its slowest path in words.
    """

    used: Mapping[str, int]
    fmax_mhz: Mapping[str, float]
    critical_path: Mapping[str, str]


def route(synthesis: Synthesis, part: Part, seed: int, goals_mhz: Mapping[str, float], log: Path,
          pins: str | None = None, seconds: float = SECONDS, stop: threading.Event | None = None) -> Routed:
    """Places and routes a netlist with one seed.

    Timing that is not met is no failure: the report says what was reached.

    goals_mhz: clock domain -> frequency to aim at (`goals`). A domain's clock is a net or port of the name that
    Amaranth gives it. pins: where each port goes, as nextpnr reads it for the family (LPF, PCF); None for pins of
    nextpnr's choice. log: the file that keeps what nextpnr printed, if it fails. stop: ends the run, as a failure, once
    it is set.

    Raises ToolMissing, or ToolFailed, for a design that does not fit, say.
    """
    with tempfile.TemporaryDirectory(prefix="trine-") as name:
        folder = Path(name)
        (folder / "top.json").write_text(synthesis.netlist, encoding="utf-8")
        source = "ports {" if pins is None else f"nets {{{PREFIX}"
        clocks = [f"create_clock -period {1000 / mhz:.6f} -name {domain} [get_{source}{clock_name(domain)}}}]\n"
                  for domain, mhz in goals_mhz.items()]
        (folder / "top.sdc").write_text("".join(clocks), encoding="utf-8")
        extension = _PINS[part.family]
        if pins is None:
            where = [f"--{extension}-allow-unconstrained"]
        else:
            (folder / f"pins.{extension}").write_text(pins, encoding="utf-8")
            where = [f"--{extension}", f"pins.{extension}"]
        arguments = [*part.options, *where, "--json", "top.json", "--sdc", "top.sdc", "--seed", str(seed),
                     "--timing-allow-fail", "--report", "report.json", _LAYOUT[part.family], "layout",
                     "--router", *router(synthesis)]
        tools.run(f"nextpnr-{part.family}", arguments, folder, log, seconds, writes="report.json", stop=stop)
        return Routed((folder / "report.json").read_text(encoding="utf-8"),
                      (folder / "layout").read_text(encoding="utf-8"))


def router(synthesis: Synthesis) -> tuple[str, ...]:
    """Which of nextpnr's routers a netlist gets, with its option: the first, or if it is large the second.

    The first gives the faster clocks (`array_25f_384`, seed 2: 137 MHz, and 113), but gets slower the more it has to
    rip up: of an `array_85f_2048` with its block RAMs in place (hw.build.floorplan) it had 137,600 of 149,000 wires
    left after 108 s; the second one takes some four minutes in all. It leaves a few wires on detours, with which that
    array had 75.8 MHz; routing again what misses the goal gave 101 to 113. Where the goal is out of reach it does so
    1,500 times, and leaves all as it is then. Neither gets nextpnr's static placer, whose placements are denser: seed
    1 of `array_25f_384` then had 134 MHz instead of 189.
    """
    return ("router1",) if sum(synthesis.cells.values()) <= FIRST_ROUTER_CELLS else ("router2", "--tmg-ripup")


def goals(synthesis: Synthesis, required_mhz: Mapping[str, float]) -> dict[str, float]:
    """Clock domain -> what to ask nextpnr for, of what is required of a netlist."""
    margin = RIPUP_MARGIN if "--tmg-ripup" in router(synthesis) else 1
    return {domain: margin * mhz for domain, mhz in required_mhz.items()}


def read_routing(report: str, part: Part, synthesis: Synthesis) -> Routing:
    """What a report of nextpnr says about a netlist; ToolFailed if it is not such a report.

    Flip-flops of iCE40 are those of the netlist, as nextpnr counts only logic cells.
    """
    try:
        document = json.loads(report)
        utilisation = document["utilization"]
        used = {name: utilisation[key]["used"] if key in utilisation or name == "lut4" else 0
                for name, key in _RESOURCES[part.family].items()}
        used["ff"] = (utilisation["TRELLIS_FF"]["used"] if part.family == "ecp5" else
                      sum(count for cell, count in synthesis.cells.items() if cell.startswith("SB_DFF")))
        fmax = {_domain(clock, synthesis): float(entry["achieved"]) for clock, entry in document["fmax"].items()}
        paths = {_domain(entry["from"].split()[-1], synthesis): describe(entry["path"])
                 for entry in document["critical_paths"] if entry["from"] == entry["to"]}
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ToolFailed(f"nextpnr-{part.family} wrote a report that is not understood: {error!r}") from error
    return Routing(used, fmax, paths)


def _domain(net: str, synthesis: Synthesis) -> str:
    """The domain of a clock net as nextpnr calls it after buffering, "$glbnet$clk$TRELLIS_IO_IN" for one."""
    name = net.removeprefix("$glbnet$").removesuffix("_$glb_clk")
    if name not in synthesis.clocks:
        name = name.partition("$")[0]
    return synthesis.clocks.get(name) or domain_of(name) or name
