"""What the subcommands share: options, names of presets and configurations, progress, and output."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from trine.firmware.configuration import Configuration, load_configuration
from trine.firmware.presets import find_preset
from trine.golden.i2s import BLOCKS
from trine.host.errors import UsageError, bad_input

F = TypeVar("F", bound=Callable[..., Any])

PIPE_WIDTH = 110
"""Columns of a table where there is no terminal to ask."""

Report = Callable[[str, float], None]
"""How long work tells how far it is: (what it does now, how much of it is done, 0 to 1)."""


def json_option(function: F) -> F:
    """`--json`: one JSON object on standard output and nothing else there."""
    return click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")(function)


def config_option(function: F) -> F:
    """`--config FILE`: a user's own device instead of a preset."""
    return click.option("--config", type=click.Path(path_type=Path), metavar="FILE",
                        help="A configuration of your own (TOML) instead of a preset.")(function)


def i2s_option(function: F) -> F:
    """`--i2s-layout x86|arm`: what a GGUF file with I2_S tensors does not say of itself."""
    return click.option("--i2s-layout", type=click.Choice(list(BLOCKS)),
                        help="The machine that wrote the I2_S tensors of a GGUF model.")(function)


def device_option(default: str) -> Callable[[F], F]:
    """`--device NAME`."""
    return click.option("--device", default=default, show_default=True, metavar="DEVICE",
                        help="sim, golden or twin, with :PRESET or :FILE.toml after it; usb, usb:SERIAL or "
                             "serial:PORT.")


def trace_option(function: F) -> F:
    """`--trace FILE.vcd`."""
    return click.option("--trace", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.vcd",
                        help="Write the simulation's waveforms, about 1 kB a cycle.")(function)


def configuration(preset: str | None, config: Path | None) -> Configuration:
    """The configuration that a preset's name or a file says; UsageError unless it is exactly one of them."""
    if (preset is None) == (config is None):
        raise UsageError("name one preset, or give a file with --config")
    with bad_input():
        return find_preset(preset) if config is None else load_configuration(config)  # type: ignore[arg-type]


def console() -> Console:
    """Where results are printed: standard output, in columns that a pipe has too."""
    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)


def say(text: str) -> None:
    """A line of prose on standard output, however long: a terminal wraps it, a pipe gets it whole."""
    console().print(text, soft_wrap=True, markup=False)


def digits(value: float) -> str:
    """A positive figure in three digits, or to a whole number: 0.0541, 13.6, 1,797."""
    return f"{value:,.0f}" if value >= 100 else f"{value:#.3g}".rstrip(".")


def print_json(figures: Mapping[str, Any]) -> None:
    """`figures` as JSON on standard output."""
    print(json.dumps(figures, indent=2))


@contextmanager
def progress(title: str, *, lines: bool = True) -> Iterator[Report]:
    """A progress bar on standard error: yields the function that moves it.

    Without a terminal there, each new step is a line instead, so that a log shows what took its time; not `lines`: none
    is, so that a failure is the only one.
    """
    if not sys.stderr.isatty():
        seen: set[str] = set()

        def say(step: str, _: float) -> None:
            if lines and step not in seen:
                seen.add(step)
                print(f"{title}: {step}", file=sys.stderr, flush=True)

        yield say
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(title, total=1.0)
        yield lambda step, done: bars.update(task, description=f"{title}: {step}", completed=done)
