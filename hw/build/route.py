"""Places and routes a netlist, and reads what nextpnr found out: what is used, how fast it is, and what limits it."""

import json
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from trine.hw.build import tools
from trine.hw.build.critical_path import describe
from trine.hw.build.errors import ToolFailed
from trine.hw.build.parts import Part
from trine.hw.build.synthesise import Synthesis

SECONDS = 6 * 3600.0
"""Longest that one seed may take."""

_RESOURCES = {
    "ecp5": {"lut4": "TRELLIS_COMB", "ebr": "DP16KD", "spram": "", "dsp": "MULT18X18D"},
    "ice40": {"lut4": "ICESTORM_LC", "ebr": "ICESTORM_RAM", "spram": "ICESTORM_SPRAM", "dsp": "ICESTORM_DSP"},
}
"""What is used, in nextpnr's words; what a device has none of is missing in its report.

TRELLIS_COMB counts logic, carry and distributed RAM alike, and so does LC."""

_OPTIONS = {"ecp5": ("--lpf-allow-unconstrained",), "ice40": ("--pcf-allow-unconstrained",)}


@dataclass(frozen=True)
class Routing:
    """One routed seed.

    used: "lut4", "ff", "ebr", "spram" and "dsp" -> count. fmax_mhz: clock domain -> highest frequency.
    critical_path: clock domain -> its slowest path in words.
    """

    used: Mapping[str, int]
    fmax_mhz: Mapping[str, float]
    critical_path: Mapping[str, str]


def route(netlist: str, part: Part, seed: int, required_mhz: Mapping[str, float], log: Path,
          seconds: float = SECONDS, stop: threading.Event | None = None) -> str:
    """Places and routes a netlist with one seed; returns nextpnr's report, JSON text for `read_routing`.

    Ports go to pins of nextpnr's choice. Timing that is not met is no failure: the report says what was reached.

    required_mhz: clock domain -> frequency to aim at. A domain's clock is the port that Amaranth gives it.
    log: the file that keeps what nextpnr printed, if it fails. stop: ends the run, as a failure, once it is set.

    Raises ToolMissing, or ToolFailed, for a design that does not fit, say.
    """
    with tempfile.TemporaryDirectory(prefix="trine-") as name:
        folder = Path(name)
        (folder / "top.json").write_text(netlist, encoding="utf-8")
        clocks = [f"create_clock -period {1000 / mhz:.6f} -name {domain} [get_ports {{{_clock(domain)}}}]\n"
                  for domain, mhz in required_mhz.items()]
        (folder / "top.sdc").write_text("".join(clocks), encoding="utf-8")
        arguments = [*part.options, *_OPTIONS[part.family], "--json", "top.json", "--sdc", "top.sdc",
                     "--seed", str(seed), "--timing-allow-fail", "--report", "report.json"]
        tools.run(f"nextpnr-{part.family}", arguments, folder, log, seconds, writes="report.json", stop=stop)
        return (folder / "report.json").read_text(encoding="utf-8")


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
        fmax = {_domain(clock): float(entry["achieved"]) for clock, entry in document["fmax"].items()}
        paths = {_domain(entry["from"].split()[-1]): describe(entry["path"]) for entry in document["critical_paths"]
                 if entry["from"] == entry["to"]}
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ToolFailed(f"nextpnr-{part.family} wrote a report that is not understood: {error!r}") from error
    return Routing(used, fmax, paths)


def _clock(domain: str) -> str:
    """Amaranth's name of a domain's clock."""
    return "clk" if domain == "sync" else f"{domain}_clk"


def _domain(net: str) -> str:
    """The domain of a clock net as nextpnr calls it after buffering, "$glbnet$clk$TRELLIS_IO_IN" for one."""
    name = net.removeprefix("$glbnet$").split("$")[0]
    if name == "clk":
        return "sync"
    return name.removesuffix("_clk")
