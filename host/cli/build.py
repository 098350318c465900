"""`trine build`: the bitstream of a board, and what it will do there."""

import sys
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from trine.firmware.configuration import load_configuration
from trine.firmware.presets import find_preset
from trine.host.cli.common import config_option, console, json_option, print_json, progress, say
from trine.host.cli.report import parse_seeds
from trine.host.errors import UsageError, bad_input
from trine.host.routed import Clock
from trine.host.usage import largest_resident

FOLDER = Path("build")
"""Where bitstreams go, and where `trine flash` looks for them."""


@click.command("build")
@click.argument("preset")
@config_option
@click.option("--seed", type=click.IntRange(min=1), help="One placement seed, instead of --seeds.")
@click.option("--seeds", help="Placement seeds, tried in this order: 1-5, or 3,1,7.  [default: 1-5]")
@click.option("-o", "--output", type=click.Path(path_type=Path, file_okay=False), default=FOLDER, show_default=True,
              metavar="FOLDER", help="Where the bitstream and its description go.")
@click.option("--serial", help="The serial number on USB, by which usb:SERIAL finds this board among others.  "
                               "[default: 1]")
@click.option("--no-check", is_flag=True, help="Do not simulate the netlist, which takes a C++ compiler, before it is "
                                               "routed.")
@json_option
def build_command(preset: str, config: Path | None, seed: int | None, seeds: str | None, output: Path, no_check: bool,
                  serial: str | None, as_json: bool) -> None:
    """Make the bitstream of PRESET's board, of the preset itself or of a configuration of your own for its FPGA.

    One seed after the other is placed and routed until every clock is met; if none meets them, there is no bitstream.
    What was done is kept, so a second build of the same is quick.
    """
    if seed is not None and seeds is not None:
        raise UsageError("--seed and --seeds both say which seeds; leave one out")
    numbers = [seed] if seed is not None else parse_seeds(seeds or "1-5")
    with bad_input():
        configuration = find_preset(preset)
        if config is not None:
            configuration = load_configuration(config)
    from trine.host.gateware import bitstream

    done = 0

    def step(line: str) -> None:
        nonlocal done
        done += 1
        report(f"{done} steps done", min(1.0, done / (len(numbers) + 3)))
        print(f"{configuration.name}: {line}", file=sys.stderr, flush=True)

    with progress(configuration.name) as report:
        report("elaborating and synthesising", 0.0)
        description, path = bitstream(preset, configuration, numbers, output, step, check=not no_check,
                                      serial=serial)
    clock = Clock(description["clock_mhz"], "derived", "routed")
    resident = largest_resident(configuration, clock)
    figures: dict[str, Any] = {**description, "file": str(path), "bytes": path.stat().st_size, "resident": None}
    if resident is not None:
        name, rates = resident
        figures["resident"] = {"model": name, "array_tokens_per_s": round(rates.array_tokens_per_s, 1),
                               "offload_tokens_per_s": round(rates.offload_tokens_per_s or 0, 2)}
    if as_json:
        print_json(figures)
    else:
        _print(figures, preset)


def _print(figures: dict[str, Any], preset: str) -> None:
    table = Table(title=f"{figures['name']} on {figures['board']}, {figures['part']}", title_justify="left")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("evidence")
    for key, available in figures["capacity"].items():
        if available:
            table.add_row(key, f"{figures['used'][key]:,} of {available:,}", "routed")
    table.add_row("ff", f"{figures['used']['ff']:,}", "routed")
    for domain, needed in figures["required_mhz"].items():
        table.add_row(f"{domain}, seed {figures['seed']}", f"{figures['fmax_mhz'][domain]:.2f} MHz",
                      f"routed; {needed:g} MHz needed")
    table.add_row("accelerator's clock", f"{figures['clock_mhz']:g} MHz", "derived")
    if figures["resident"] is not None:
        model = figures["resident"]["model"]
        for key in ("array_tokens_per_s", "offload_tokens_per_s"):
            table.add_row(f"{key}, {model}", f"{figures['resident'][key]:,.1f}", "derived")
    console().print(table)
    if figures["resident"] is None:
        say("no shipped model fits")
    say(f"build id {figures['build_id']}; written to {figures['file']} ({figures['bytes']:,} bytes), "
        f"what it is to {Path(figures['file']).with_suffix('.json')}")
    own = "" if Path(figures["file"]) == FOLDER / Path(figures["file"]).name and figures["name"] == preset else \
        f" {figures['file']}"
    say(f"put it into the board: trine flash {preset}{own}")
