"""Makes a routed report: builds a preset with several placement seeds, and computes its figures from what came out.

The slowest seed counts, so that a figure is one that anybody who builds the preset reaches. What was routed is kept
(workshop), so a run that was stopped goes on where it was.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trine.firmware.configuration import Configuration, ConfigurationError
from trine.firmware.presets import find_preset
from trine.hw.build.design import Design, current_hash
from trine.hw.build.errors import ReportError
from trine.hw.build.parts import find_part
from trine.hw.build.report_format import COUNTS, EVIDENCE, read_report, validate, worst_mhz
from trine.hw.build.route import Routing
from trine.hw.build.store import Store, default_folder
from trine.hw.build.workshop import NetlistCheck, Progress, Workshop, check_capacity

TokenFigures = Callable[[Configuration, float], tuple[Mapping[str, float], Mapping[str, float]]]
"""Configuration and clock in MHz -> tokens a second of each model: of the array alone, and over the link."""


def make_report(preset: str, make_design: Callable[[], Design], configuration: Configuration, seeds: Iterable[int], *,
                jobs: int = 1, tokens: TokenFigures | None = None, check: NetlistCheck | None = None,
                folder: Path | None = None, progress: Progress = lambda line: None) -> dict[str, Any]:
    """The routed report of a preset; its keys are in report_format.

    preset: the name that the report gets. make_design: elaborates what is routed, for the configuration. seeds:
    placement seeds, each once, each >= 1. jobs: seeds that are routed at the same time. tokens: computes the figures of
    models; without, there are none. They are computed with the slowest seed's clock, but with no more than the
    design's, which is what the board runs at. check: looks at the netlist before any of it is routed; what it raises
    ends the report. folder: where results are kept and logs of failed tools go. progress: gets a line for each step
    that is done.

    Raises ValueError for wrong arguments, ToolMissing, ToolFailed, DoesNotFit if the part must not be filled that far,
    and BuildError if a required domain has no clock in the design.
    """
    seeds = list(seeds)
    if not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 1:
        raise ValueError(f"seeds must be one or more different numbers from 1, not {seeds!r}")
    if jobs < 1:
        raise ValueError(f"jobs must be at least 1, not {jobs!r}")
    part = find_part(configuration.part)
    design = make_design()
    required = dict(design.required_mhz)
    workshop = Workshop(preset, part, Store(folder or default_folder()))
    synthesis = workshop.netlist(design, check, progress)

    routings: dict[int, Routing] = {}
    for seed, routing in workshop.routings(synthesis, design, seeds, jobs):
        routings[seed] = routing
        clocks = ", ".join(f"{domain} {mhz:.2f} MHz" for domain, mhz in routing.fmax_mhz.items())
        progress(f"seed {seed} routed: {clocks}")

    used = {name: max(routing.used[name] for routing in routings.values()) for name in COUNTS}
    check_capacity(preset, part, used)
    entries: list[dict[str, Any]] = [
        {"seed": seed, "fmax_mhz": {domain: round(mhz, 2) for domain, mhz in routings[seed].fmax_mhz.items()}}
        for seed in seeds]
    slowest = worst_mhz(entries, "sync")
    array, offload = tokens(configuration, min(slowest, design.configuration.clock_mhz)) if tokens else ({}, {})
    trits = configuration.trits_per_cycle
    report = {
        "preset": preset,
        "part": part.name,
        "source_hash": design.source_hash,
        "tools": dict(workshop.versions),
        **used,
        "trits_per_cycle": trits,
        **({"engine_lut": used["lut4"], "lut_per_trit": round(used["lut4"] / trits, 3)} if configuration.bare else {}),
        "seeds": entries,
        "required_mhz": required,
        "critical_path": {domain: _slowest_path(domain, routings.values()) for domain in required},
        "gtrit_per_s": round(trits * slowest / 1000, 4),
        "array_tokens_per_s": dict(array),
        "offload_tokens_per_s": dict(offload),
        "evidence": dict(EVIDENCE),
    }
    validate(report)
    return report


@dataclass(frozen=True)
class Stale:
    """A report that no longer says what it should, and why."""

    path: Path
    reason: str


def stale_reports(directory: Path, find: Callable[[str], Configuration] = find_preset) -> list[Stale]:
    """The reports in a folder that were not made from the current source and configuration, by name.

    find: gives the configuration of a name, or raises ConfigurationError. A file that is not a report is in the list.
    """
    stale = []
    for path in sorted(directory.glob("*.json")):
        try:
            report = read_report(path)
            if report["source_hash"] != current_hash(find(report["preset"])):
                stale.append(Stale(path, "made from another source or configuration"))
        except ReportError as error:
            stale.append(Stale(path, str(error).removeprefix(f"{path}: ")))
        except ConfigurationError as error:
            stale.append(Stale(path, str(error)))
    return stale


def _slowest_path(domain: str, routings: Iterable[Routing]) -> str:
    return min(routings, key=lambda routing: routing.fmax_mhz[domain]).critical_path[domain]
