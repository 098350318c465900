"""Makes a bitstream: routes a board's design with one seed after the other, until one meets every clock.

A bitstream whose timing is not met is not made: it would work on one board, on a cool day.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trine.firmware.whole_file import whole_file
from trine.hw.boards.board import Board
from trine.hw.build.design import Design
from trine.hw.build.errors import TimingNotMet
from trine.hw.build.pack import with_dfu_suffix
from trine.hw.build.parts import find_part
from trine.hw.build.report_format import COUNTS
from trine.hw.build.route import Routing
from trine.hw.build.store import Store, default_folder
from trine.hw.build.workshop import NetlistCheck, Progress, Workshop, check_capacity


@dataclass(frozen=True)
class Bitstream:
    """A bitstream and what it is.

    name: of the preset or configuration. suffix: of its file. data: the file. description: what is written beside it:

    | key | content |
    |---|---|
    | name, board, part, link | what it is for |
    | build_id, configuration_hash | as the device reports them, hexadecimal |
    | sha256 | of the file |
    | clock_mhz | of the accelerator, as the board's PLL makes it |
    | seed, tools | what placed it, tool -> version |
    | required_mhz, fmax_mhz, critical_path | by clock domain: what is needed, what is reached, and by what path |
    | used, capacity | resource -> count: of the design, of the part |
    """

    name: str
    suffix: str
    data: bytes
    description: dict[str, Any]


def make_bitstream(design: Design, board: Board, seeds: Iterable[int], *, check: NetlistCheck | None = None,
                   folder: Path | None = None, progress: Progress = lambda line: None) -> Bitstream:
    """The bitstream of a board's design, from the first of the seeds whose timing is met.

    seeds: placement seeds, each >= 1, in the order in which they are tried. check: looks at the netlist before it is
    routed; what it raises ends the build. folder: where results are kept and logs of failed tools go. progress: gets a
    line for each step that is done.

    Raises ValueError for wrong seeds, DoesNotFit, TimingNotMet if no seed meets it, ToolMissing and ToolFailed.
    """
    seeds = list(seeds)
    if not seeds or min(seeds) < 1:
        raise ValueError(f"seeds must be one or more numbers from 1, not {seeds!r}")
    configuration = design.configuration
    name, part = configuration.name, find_part(configuration.part)
    workshop = Workshop(name, part, Store(folder or default_folder()))
    synthesis = workshop.netlist(design, check, progress)
    tried: dict[int, Routing] = {}
    for seed in seeds:
        _, tried[seed] = next(workshop.routings(synthesis, design, [seed], 1))
        routing = tried[seed]
        check_capacity(name, part, routing.used)
        clocks = ", ".join(f"{domain} {routing.fmax_mhz[domain]:.2f} of {mhz:g} MHz"
                           for domain, mhz in design.required_mhz.items())
        progress(f"seed {seed} routed: {clocks}")
        if _slack(design, routing) >= 1:
            break
    else:
        raise _not_met(name, design, tried)
    data = workshop.bitstream(synthesis, design, seed, board.pack)
    if board.dfu is not None:
        data = with_dfu_suffix(data, *board.dfu)
    progress(f"packed: {len(data):,} bytes")
    description = {
        "name": name, "board": board.title, "part": part.name,
        "link": configuration.link.kind if configuration.link else None,
        "build_id": f"{design.build_id:016x}", "configuration_hash": f"{configuration.configuration_hash:016x}",
        "sha256": hashlib.sha256(data).hexdigest(), "clock_mhz": configuration.clock_mhz, "seed": seed,
        "tools": dict(workshop.versions), "required_mhz": dict(design.required_mhz),
        "fmax_mhz": {domain: round(routing.fmax_mhz[domain], 2) for domain in design.required_mhz},
        "critical_path": {domain: routing.critical_path[domain] for domain in design.required_mhz},
        "used": {count: routing.used[count] for count in COUNTS},
        "capacity": {count: getattr(part.capacity, count) for count in COUNTS if count != "ff"},
    }
    return Bitstream(name, board.suffix, data, description)


def write_bitstream(bitstream: Bitstream, folder: Path) -> Path:
    """Writes NAME with its suffix and NAME.json to a folder, each in one step; returns the path of the first."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (bitstream.name + bitstream.suffix)
    description = json.dumps(bitstream.description, indent=2) + "\n"
    for target, data in ((path, bitstream.data), (path.with_suffix(".json"), description.encode())):
        with whole_file(target) as file:
            file.write(data)
    return path


def _slack(design: Design, routing: Routing) -> float:
    """The clock that is reached over the one that is needed, of the domain where that is least."""
    return min(routing.fmax_mhz[domain] / mhz for domain, mhz in design.required_mhz.items())


def _not_met(name: str, design: Design, tried: dict[int, Routing]) -> TimingNotMet:
    seed = max(tried, key=lambda seed: _slack(design, tried[seed]))
    routing = tried[seed]
    late = [f"{domain} reaches {routing.fmax_mhz[domain]:.2f} of {mhz:g} MHz ({routing.critical_path[domain]})"
            for domain, mhz in design.required_mhz.items() if routing.fmax_mhz[domain] < mhz]
    return TimingNotMet(f"{name}: timing is not met by {len(tried)} seed{'s' * (len(tried) != 1)}; nearest is seed "
                        f"{seed}: {'; '.join(late)}; try other --seeds, or a lower clock_mhz")
