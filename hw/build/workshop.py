"""The tools' work for one design, each step of it done once and kept.

Every seed that was routed is kept in a folder outside the checkout, under a hash of netlist, part, seed, pins, goals
and tool version: a run that was stopped goes on where it was, and the bitstream of what has a report is there at once.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import cached_property
from pathlib import Path

from trine.hw.build import synthesise as synthesis_flow
from trine.hw.build import tools
from trine.hw.build.design import Design
from trine.hw.build.errors import BuildError, DoesNotFit
from trine.hw.build.floorplan import place_block_rams
from trine.hw.build.pack import PACKERS, pack
from trine.hw.build.parts import Part
from trine.hw.build.route import Routed, Routing, goals, read_routing, route, router
from trine.hw.build.store import Store
from trine.hw.build.synthesise import Synthesis

NetlistCheck = Callable[[Synthesis], str]
"""Raises if a netlist does not do what it should; else says in a line what was looked at."""

Progress = Callable[[str], None]
"""Gets a line for each step that is done."""


class Workshop:
    """Synthesis, routing and packing for one design.

    name: of the design, for messages and logs. part: what it is built for. store: where results are kept, and the logs
    of tools that failed.
    """

    def __init__(self, name: str, part: Part, store: Store):
        self._name, self._part, self._store = name, part, store

    @cached_property
    def versions(self) -> Mapping[str, str]:
        """Tool -> version; ToolMissing if there is one that is not installed."""
        return tools.versions(("yosys", self._router))

    @property
    def _router(self) -> str:
        return f"nextpnr-{self._part.family}"

    def netlist(self, design: Design, check: NetlistCheck | None, progress: Progress) -> Synthesis:
        """The netlist of a design for the part, looked at by `check` if there is one. Raises as `synthesise` and
        `check`."""
        synthesis = place_block_rams(self._synthesis(design), self._part)
        progress("synthesised: " + ", ".join(f"{count} {cell}" for cell, count in synthesis.cells.items()))
        if check is not None:
            progress(check(synthesis))
        return synthesis

    def routings(self, synthesis: Synthesis, design: Design, seeds: list[int],
                 jobs: int) -> Iterator[tuple[int, Routing]]:
        """Seeds and what came out, as they get done; if one fails, or the caller stops, the others are killed.

        Raises as `route`, and BuildError if a domain that has to reach a frequency has no clock in the design.
        """
        stop = threading.Event()
        with ThreadPoolExecutor(jobs) as pool:
            try:
                futures = {pool.submit(self._read, synthesis, design, seed, stop): seed for seed in seeds}
                for future in as_completed(futures):
                    yield futures[future], future.result()
            finally:
                stop.set()
                pool.shutdown(cancel_futures=True)

    def bitstream(self, synthesis: Synthesis, design: Design, seed: int, options: tuple[str, ...]) -> bytes:
        """The bitstream of a seed; options are those of ecppack. Raises as `route` and `pack`."""
        routed = self._route(synthesis, design, seed, None)
        return pack(routed.layout, self._part, options, self._log(PACKERS[self._part.family]))

    def _synthesis(self, design: Design) -> Synthesis:
        mhz = design.goal_mhz
        key = ("netlist", design.rtlil, self._part.family, self._part.synthesis, mhz, self.versions["yosys"],
               synthesis_flow.REVISION)
        kept = self._store.get(*key)
        if kept is not None:
            return Synthesis(**json.loads(kept))
        synthesis = synthesis_flow.synthesise(design.rtlil, self._part, self._log("yosys"), mhz)
        self._store.put(json.dumps({"netlist": synthesis.netlist, "cells": dict(synthesis.cells),
                                    "clocks": dict(synthesis.clocks)}), *key)
        return synthesis

    def _read(self, synthesis: Synthesis, design: Design, seed: int, stop: threading.Event) -> Routing:
        routing = read_routing(self._route(synthesis, design, seed, stop).report, self._part, synthesis)
        for domain, mhz in design.required_mhz.items():
            if domain not in routing.fmax_mhz or domain not in routing.critical_path:
                raise BuildError(f"{self._name}: domain {domain!r} is required to reach {mhz:g} MHz, but the design "
                                 f"has no path in it; domains are {', '.join(routing.fmax_mhz) or 'none'}")
        return routing

    def _route(self, synthesis: Synthesis, design: Design, seed: int, stop: threading.Event | None) -> Routed:
        goals_mhz = goals(synthesis, design.required_mhz)
        key = ("route", synthesis.netlist_hash, self._part.name, seed, sorted(goals_mhz.items()), design.pins,
               self.versions[self._router], " ".join(router(synthesis)))
        report, layout = self._store.get(*key), self._store.get("layout", *key)
        if report is not None and layout is not None:
            return Routed(report, layout)
        routed = route(synthesis, self._part, seed, goals_mhz, self._log(f"seed-{seed}"), design.pins, stop=stop)
        self._store.put(routed.layout, "layout", *key)
        self._store.put(routed.report, *key)
        return routed

    def _log(self, step: str) -> Path:
        return self._store.folder / "logs" / f"{self._name}-{step}.log"


def check_capacity(name: str, part: Part, used: Mapping[str, int]) -> None:
    """DoesNotFit if a design uses more of something than the part may be used for."""
    for resource in ("lut4", "ebr", "spram", "dsp"):
        available = getattr(part.capacity, resource)
        if used[resource] > available:
            raise DoesNotFit(f"{name} needs {used[resource]} {resource}, {used[resource] - available} more than the "
                             f"{available} of {part.name}")
