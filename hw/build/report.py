"""Makes a routed report: builds a preset with several placement seeds, and computes its figures from what came out.

The slowest seed counts, so that a figure is one that anybody who builds the preset reaches. Every seed that was routed
is kept in a folder outside the checkout, under a hash of netlist, part, seed, goals and tool version: a run that was
stopped goes on where it was, and a change that leaves the netlist the same costs nothing.
"""

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amaranth.hdl import Elaboratable

from trine.firmware.configuration import Configuration, ConfigurationError
from trine.firmware.presets import find_preset
from trine.hw.build import synthesise as synthesis_flow
from trine.hw.build import tools
from trine.hw.build.errors import BuildError, DoesNotFit, ReportError
from trine.hw.build.parts import Part, find_part
from trine.hw.build.report_format import COUNTS, EVIDENCE, read_report, validate, worst_mhz
from trine.hw.build.route import Routing, read_routing, route
from trine.hw.build.source import configuration_text, source_hash, top_module
from trine.hw.build.store import Store, default_folder

TopFactory = Callable[[Configuration], Elaboratable]

TokenFigures = Callable[[Configuration, float], tuple[Mapping[str, float], Mapping[str, float]]]
"""Configuration and clock in MHz -> tokens a second of each model: of the array alone, and over the link."""

NetlistCheck = Callable[[synthesis_flow.Synthesis], str]
"""Raises if a netlist does not do what it should; else says in a line what was looked at."""

Progress = Callable[[str], None]


def make_report(preset: str, top_factory: TopFactory, configuration: Configuration, seeds: Iterable[int], *,
                jobs: int = 1, required_mhz: Mapping[str, float] | None = None, tokens: TokenFigures | None = None,
                check: NetlistCheck | None = None, folder: Path | None = None,
                progress: Progress = lambda line: None) -> dict[str, Any]:
    """The routed report of a preset; its keys are in report_format.

    preset: the name that the report gets. top_factory: makes the component, whose ports are put on free pins.
    seeds: placement seeds, each once, each >= 1. jobs: seeds that are routed at the same time.
    required_mhz: clock domain -> frequency that is aimed at and compared with; {"sync": configuration.clock_mhz} if not
    given. tokens: computes the figures of models; without, there are none. They are computed with the slowest seed's
    clock, but with no more than the configuration's, which is what the board runs at. check: looks at the netlist
    before any of it is routed; what it raises ends the report. folder: where results are kept and logs of failed tools
    go. progress: gets a line for each step that is done.

    Raises ValueError for wrong arguments, ToolMissing, ToolFailed, DoesNotFit if the part must not be filled that far,
    and BuildError if a required domain has no clock in the design.
    """
    seeds = list(seeds)
    if not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 1:
        raise ValueError(f"seeds must be one or more different numbers from 1, not {seeds!r}")
    if jobs < 1:
        raise ValueError(f"jobs must be at least 1, not {jobs!r}")
    required = dict(required_mhz or {"sync": configuration.clock_mhz})
    part = find_part(configuration.part)
    current = source_hash(top_module(configuration), configuration_text(configuration))
    router = f"nextpnr-{part.family}"
    versions = tools.versions(("yosys", router))
    build = _Build(preset, part, versions, Store(folder or default_folder()))
    synthesis = build.synthesis(synthesis_flow.to_rtlil(top_factory(configuration)))
    progress("synthesised: " + ", ".join(f"{count} {cell}" for cell, count in synthesis.cells.items()))
    if check is not None:
        progress(check(synthesis))

    routings: dict[int, Routing] = {}
    for seed, routing in build.routings(synthesis, seeds, required, jobs):
        for domain in required:
            if domain not in routing.fmax_mhz or domain not in routing.critical_path:
                raise BuildError(f"{preset}: domain {domain!r} is required to reach {required[domain]:g} MHz, but the "
                                 f"design has no path in it; domains are {', '.join(routing.fmax_mhz) or 'none'}")
        routings[seed] = routing
        clocks = ", ".join(f"{domain} {mhz:.2f} MHz" for domain, mhz in routing.fmax_mhz.items())
        progress(f"seed {seed} routed: {clocks}")

    used = {name: max(routing.used[name] for routing in routings.values()) for name in COUNTS}
    _check_capacity(preset, part, used)
    entries: list[dict[str, Any]] = [
        {"seed": seed, "fmax_mhz": {domain: round(mhz, 2) for domain, mhz in routings[seed].fmax_mhz.items()}}
        for seed in seeds]
    slowest = worst_mhz(entries, "sync")
    array, offload = tokens(configuration, min(slowest, configuration.clock_mhz)) if tokens else ({}, {})
    trits = configuration.trits_per_cycle
    report = {
        "preset": preset,
        "part": part.name,
        "source_hash": current,
        "tools": versions,
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
            configuration = find(report["preset"])
            if report["source_hash"] != source_hash(top_module(configuration), configuration_text(configuration)):
                stale.append(Stale(path, "made from another source or configuration"))
        except ReportError as error:
            stale.append(Stale(path, str(error).removeprefix(f"{path}: ")))
        except ConfigurationError as error:
            stale.append(Stale(path, str(error)))
    return stale


@dataclass(frozen=True)
class _Build:
    """The tools' work for one report, done once and kept."""

    preset: str
    part: Part
    versions: Mapping[str, str]
    store: Store

    def synthesis(self, design: str) -> synthesis_flow.Synthesis:
        key = ("netlist", design, self.part.family, self.part.synthesis, self.versions["yosys"],
               synthesis_flow.REVISION)
        kept = self.store.get(*key)
        if kept is not None:
            netlist = json.loads(kept)
            return synthesis_flow.Synthesis(netlist["netlist"], netlist["cells"])
        synthesis = synthesis_flow.synthesise(design, self.part, self._log("yosys"))
        self.store.put(json.dumps({"netlist": synthesis.netlist, "cells": dict(synthesis.cells)}), *key)
        return synthesis

    def routings(self, synthesis: synthesis_flow.Synthesis, seeds: list[int], required: Mapping[str, float],
                 jobs: int) -> Iterator[tuple[int, Routing]]:
        """Seeds and what came out, as they get done; if one fails, or the caller stops, the others are killed."""
        stop = threading.Event()
        with ThreadPoolExecutor(jobs) as pool:
            try:
                futures = {pool.submit(self._route, synthesis, seed, required, stop): seed for seed in seeds}
                for future in as_completed(futures):
                    yield futures[future], future.result()
            finally:
                stop.set()
                pool.shutdown(cancel_futures=True)

    def _route(self, synthesis: synthesis_flow.Synthesis, seed: int, required: Mapping[str, float],
               stop: threading.Event) -> Routing:
        version = self.versions[f"nextpnr-{self.part.family}"]
        key = ("route", synthesis.netlist_hash, self.part.name, seed, sorted(required.items()), version)
        report = self.store.get(*key)
        if report is None:
            report = route(synthesis.netlist, self.part, seed, required, self._log(f"seed-{seed}"), stop=stop)
            self.store.put(report, *key)
        return read_routing(report, self.part, synthesis)

    def _log(self, step: str) -> Path:
        return self.store.folder / "logs" / f"{self.preset}-{step}.log"


def _slowest_path(domain: str, routings: Iterable[Routing]) -> str:
    return min(routings, key=lambda routing: routing.fmax_mhz[domain]).critical_path[domain]


def _check_capacity(preset: str, part: Part, used: Mapping[str, int]) -> None:
    for name in ("lut4", "ebr", "spram", "dsp"):
        available = getattr(part.capacity, name)
        if used[name] > available:
            raise DoesNotFit(f"{preset} needs {used[name]} {name}, {used[name] - available} more than the {available} "
                             f"of {part.name}")
