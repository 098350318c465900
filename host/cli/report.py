"""`trine report`: what a preset really takes and reaches, after place and route."""

import re
import sys
from pathlib import Path
from statistics import median
from typing import Any

import click
from rich.table import Table

from trine.host.cli.common import config_option, configuration, console, json_option, print_json, progress, say
from trine.host.errors import MismatchError, UsageError
from trine.host.routed import REPORTS


@click.command("report")
@click.argument("preset", required=False)
@config_option
@click.option("--seeds", default="1-5", show_default=True, help="Placement seeds: 1-5, or 1,3,7.")
@click.option("--jobs", type=click.IntRange(min=1), default=2, show_default=True, help="Seeds routed side by side.")
@click.option("-o", "--output", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
              help="Where PRESET.json goes.  [default: reports/ of the checkout, else ./reports]")
@click.option("--check", is_flag=True, help="Only say which reports are not of the gateware as it is now.")
@json_option
def report_command(preset: str | None, config: Path | None, seeds: str, jobs: int, output: Path | None, check: bool,
                   as_json: bool) -> None:
    """Synthesise, place and route PRESET, or a configuration of your own, with several seeds; the slowest counts.

    Before it is routed, the netlist is simulated and every integer compared with the golden model: half a minute for
    a small one, three minutes for 512 trits. All takes from minutes to an hour or so. A run that was stopped goes on
    where it was.
    """
    folder = output if output is not None else _default_folder()
    if check:
        if preset is not None or config is not None:
            raise UsageError("--check looks at all reports; leave the preset out")
        _check(folder, as_json)
        return
    chosen, numbers = configuration(preset, config), parse_seeds(seeds)
    from trine.host.gateware import routed_report

    done = 0

    def step(line: str) -> None:
        nonlocal done
        done += 1
        report(f"{done} of {len(numbers) + 2} steps done", done / (len(numbers) + 2))
        print(f"{chosen.name}: {line}", file=sys.stderr, flush=True)

    with progress(chosen.name) as report:
        report("synthesising", 0.0)
        figures, path = routed_report(chosen, numbers, jobs, folder, step)
    if as_json:
        print_json(figures)
    else:
        _print(figures, path)


def parse_seeds(text: str) -> list[int]:
    """The seeds in "1-5" or "1,3,7-9"; UsageError for anything else, none twice and none of 0."""
    seeds: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d{1,5})(?:-(\d{1,5}))?\s*", part)
        if found is None:
            raise UsageError(f"--seeds takes numbers such as 1-5 or 1,3,7, not {text!r}")
        seeds += range(int(found[1]), int(found[2] or found[1]) + 1)
    if not seeds or 0 in seeds or len(set(seeds)) < len(seeds):
        raise UsageError(f"--seeds takes one or more different numbers from 1, not {text!r}")
    return seeds


def _default_folder() -> Path:
    """reports/ where this is a checkout; an installed package is not to be written into."""
    return REPORTS if (REPORTS.parent / "pyproject.toml").is_file() else Path("reports")


def _check(folder: Path, as_json: bool) -> None:
    from trine.host.gateware import stale

    if not folder.is_dir():
        raise UsageError(f"{folder}: no folder of reports")
    names = sorted(path.stem for path in folder.glob("*.json"))
    found = {entry.path.stem: entry.reason for entry in stale(folder)}
    if as_json:
        print_json({"reports": names, "stale": found})
    else:
        if not names:
            say(f"{folder}: no reports")
        for name in names:
            say(f"{name}: {found.get(name, 'current')}")
    if found:
        again = " and ".join(f"trine report {name}" for name in found)
        raise MismatchError(f"{len(found)} of {len(names)} reports are stale; {again}")


def _print(figures: dict[str, Any], path: Path) -> None:
    table = Table(title=f"{figures['preset']} on {figures['part']}", title_justify="left")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("evidence")
    for key in ("lut4", "ff", "ebr", "spram", "dsp", "lut_per_trit"):
        if key in figures:
            table.add_row(key, f"{figures[key]:,}", "routed")
    for domain, needed in figures["required_mhz"].items():
        clocks = [seed["fmax_mhz"][domain] for seed in figures["seeds"]]
        reached = "reached" if min(clocks) >= needed else "not reached"
        table.add_row(f"{domain}, worst of {len(clocks)} seeds", f"{min(clocks):.2f} MHz",
                      f"routed; {needed:g} MHz {reached}")
        table.add_row(f"{domain}, median of {len(clocks)} seeds", f"{median(clocks):.2f} MHz", "routed")
    table.add_row("Gtrit/s", f"{figures['gtrit_per_s']:.2f}", "derived")
    for key in ("array_tokens_per_s", "offload_tokens_per_s"):
        for model, rate in figures[key].items():
            table.add_row(f"{key}, {model}", f"{rate:,.1f}", "derived")
    console().print(table)
    for domain, text in figures["critical_path"].items():
        say(f"slowest path of {domain}: {text}")
    say(f"written to {path}")
