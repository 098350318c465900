"""`trine bench`: layers one by one, where their cycles go; a published model, what it would take on each board."""

from pathlib import Path

import click
from click.core import ParameterSource
from rich.table import Table

from trine.firmware.configuration import Configuration
from trine.firmware.presets import PRESETS
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
from trine.host.cli.published import bench_published, is_name
from trine.host.errors import UsageError
from trine.host.open import counted, device_configuration, open_device
from trine.host.published import PUBLISHED, find_published
from trine.host.routed import Clock, clock_of

PLOTS = (".png", ".svg")


@click.command("bench")
@device_option("sim:ulx3s_85f")
@config_option
@click.option("--shapes", default=",".join(f"{n}x{k}" for n, k in DEFAULT_SHAPES), show_default=True,
              help="Layers, ROWSxCOLUMNS, with commas between; or a published model's name: "
                   f"{', '.join(model.name for model in PUBLISHED)}.")
@click.option("--preset", "presets", multiple=True, metavar="PRESET",
              help="Of a published model: on this board; may be repeated.  [default: all boards]")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the random weights.")
@click.option("--plot", type=click.Path(path_type=Path), metavar="FILE",
              help="Draw cycles per layer and a roofline (.png or .svg). Of a published model: a roofline of each "
                   "board, all in one file, or one file each in a folder.")
@json_option
@click.pass_context
def bench_command(context: click.Context, device: str, config: Path | None, shapes: str, presets: tuple[str, ...],
                  seed: int, plot: Path | None, as_json: bool) -> None:
    """Cycles of layers by cause, busy and efficiency, with random ternary weights.

    Layers larger than the weight memory are executed in several loads, and the cycles are those with the weights
    resident. Every integer is compared with golden's, every cycle with the cycle model's.

    Of a published model only the shapes are used, and nothing is executed: its plan and the cycle model say what a
    token takes on each board, or on that of --preset, --device or --config.
    """
    if plot is not None and plot.suffix not in PLOTS and not (is_name(shapes) and plot.is_dir()):
        folder = ", or a folder that exists" if is_name(shapes) else ""
        raise UsageError(f"--plot takes a file that ends in {' or '.join(PLOTS)}{folder}, not {plot}")
    if is_name(shapes):
        given = {name for name in ("device", "seed") if context.get_parameter_source(name) != ParameterSource.DEFAULT}
        model = find_published(shapes)
        if "seed" in given:
            raise UsageError(f"--seed is for random weights, and {model.name} is looked at without any; leave it out")
        bench_published(model, _boards(presets, device if "device" in given else None, config), plot, as_json)
        return
    if presets:
        raise UsageError("--preset is for published models; for layers, name a device, such as --device "
                         f"sim:{presets[0]}")
    sizes = parse_shapes(shapes)
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


def _boards(presets: tuple[str, ...], device: str | None, config: Path | None) -> list[Configuration]:
    """The boards that options name, all of the presets' if they name none."""
    if presets and (device is not None or config is not None):
        raise UsageError("--preset and --device or --config both say which board; leave one out")
    names = [f"golden:{preset}" for preset in presets]
    if device is not None or config is not None:
        names = [device or "golden"]
    elif not names:
        names = [f"golden:{preset.name}" for preset in PRESETS.values() if not preset.bare]
    boards = [device_configuration(name, config) for name in names]
    for name, board in zip(names, boards, strict=True):
        if board is None:
            raise UsageError(f"a published model is not executed, so {name} is of no use; name a board with --preset")
    return [board for board in boards if board is not None]


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
