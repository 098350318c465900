"""`trine bench`: layers one by one, where their cycles go."""

from pathlib import Path

import click
from rich.table import Table

from trine.host.bench import DEFAULT_SHAPES, LayerResult, bench, parse_shapes
from trine.host.cli.common import (
    config_option,
    console,
    device_option,
    json_option,
    print_json,
    progress,
    say,
)
from trine.host.errors import UsageError
from trine.host.open import counted, open_device
from trine.host.routed import Clock, clock_of

PLOTS = (".png", ".svg")


@click.command("bench")
@device_option("sim:ulx3s_85f")
@config_option
@click.option("--shapes", default=",".join(f"{n}x{k}" for n, k in DEFAULT_SHAPES), show_default=True,
              help="Layers, ROWSxCOLUMNS, with commas between.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the random weights.")
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Draw cycles per layer and a roofline (.png or .svg).")
@json_option
def bench_command(device: str, config: Path | None, shapes: str, seed: int, plot: Path | None, as_json: bool) -> None:
    """Cycles of layers by cause, busy and efficiency, with random ternary weights.

    Layers larger than the weight memory are executed in several loads, and the cycles are those with the weights
    resident. Every integer is compared with golden's, every cycle with the cycle model's.
    """
    sizes = parse_shapes(shapes)
    if plot is not None and plot.suffix not in PLOTS:
        raise UsageError(f"--plot takes a file that ends in {' or '.join(PLOTS)}, not {plot}")
    with progress("simulator") as report:
        opened = open_device(device, report, config=config)
    with opened, progress("layer") as report:
        results = bench(opened, sizes, seed, report)
    clock = clock_of(opened.configuration)
    if plot is not None:
        from trine.host.plot import draw  # matplotlib takes its time

        draw(results, clock, plot)
    if as_json:
        print_json({"device": device, "preset": opened.configuration.name, "seed": seed,
                    "trits_per_cycle": opened.configuration.trits_per_cycle, "clock_mhz": clock.mhz,
                    "evidence": clock.evidence, "clock_source": clock.source,
                    "layers": [result.figures(clock) for result in results]})
        return
    _print(results, clock, device)


def _print(results: list[LayerResult], clock: Clock, device: str) -> None:
    table = Table(title=f"layers on {device}, weights resident", title_justify="left")
    for column in ("layer", "loads", "cycles", "busy", "stall", "drain", "busy share", "efficiency", "Gtrit/s",
                   "offload"):
        table.add_column(column, justify="left" if column == "layer" else "right")
    for result in results:
        counters, offload = result.counters, result.offload_gtrit_per_s(clock)
        stalls = counters.weight_stall + counters.activation_stall + counters.table_build
        table.add_row(result.name, f"{result.loads}", f"{counters.cycles:,}", f"{counters.busy:,}", f"{stalls:,}",
                      f"{counters.drain:,}", f"{result.busy:.1%}", f"{result.efficiency:.1%}",
                      f"{result.gtrit_per_s(clock):.1f}", "-" if offload is None else f"{offload:.2f}")
    console().print(table)
    model = " by the cycle model" if counted(device) == "estimated" else ""
    say(f"Cycles are {counted(device)}{model}. Gtrit/s is {clock.evidence} at {clock.mhz:g} MHz ({clock.source}); "
        "offload adds the board's link, estimated.")
    say(f"All {sum(result.integers for result in results):,} integers equal the golden model's; all cycles "
        f"{'are' if model else 'equal'} the cycle model's.")
