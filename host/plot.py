"""Pictures of a bench: where the cycles of each layer go, and rooflines of boards.

The roofline is that of offloading: how many weights a byte on the link brings into play decides whether the array or
the link is the bound. Each layer stands there twice, with its array alone and with its link; so does a token of a
published model, and once more with the weights that the link has to bring.
"""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from trine.firmware.configuration import Configuration
from trine.firmware.counters import CAUSES
from trine.host.bench import LayerResult
from trine.host.output import output_file
from trine.host.routed import Clock
from trine.host.workload import Workload

COLOURS = {"busy": "#2a6f97", "weight_stall": "#e09f3e", "activation_stall": "#9e2a2b", "table_build": "#7b5ea7",
           "drain": "#a3b18a"}


def draw(results: Sequence[LayerResult], clock: Clock, path: Path) -> None:
    """Draw `results` (at least one, of one configuration) into a .png or .svg file; UsageError if it cannot be written.

    The same results give the same file.
    """
    configuration = results[0].configuration
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    cycles, roofline = figure.subplots(1, 2)
    _draw_cycles(cycles, results)
    _draw_roofline(roofline, results, clock)
    figure.suptitle(f"{configuration.name}: {configuration.trits_per_cycle} trits a cycle; rates {clock.evidence} at "
                    f"{clock.mhz:g} MHz")
    _save(figure, path)


def draw_workloads(workloads: Sequence[Workload], path: Path) -> None:
    """Draw a roofline of each board (at least one, all of one model) into a .png or .svg file, as `draw` does."""
    columns = min(2, len(workloads))
    rows = -(-len(workloads) // columns)
    figure = Figure(figsize=(6.4 * columns, 4.6 * rows), layout="constrained")
    for axes, workload in zip(figure.subplots(rows, columns, squeeze=False).flat, workloads, strict=False):
        _draw_workload(axes, workload)
    for axes in figure.axes[len(workloads) :]:
        axes.remove()
    model = workloads[0].model
    figure.suptitle(f"A token of {model.name}: {model.ternary_weights:,} ternary weights; with a link, estimated",
                    fontsize=11)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    matplotlib.rcParams["svg.hashsalt"] = "trine"
    metadata = {"Date": None} if path.suffix == ".svg" else None
    with output_file(path) as file:
        figure.savefig(file, format=path.suffix[1:], dpi=144, metadata=metadata)


def _draw_cycles(axes: Axes, results: Sequence[LayerResult]) -> None:
    names = [f"{result.name}\n{result.counters.cycles:,} cycles" for result in results]
    left = [0.0] * len(results)
    for cause in CAUSES:
        shares = [100 * getattr(result.counters, cause) / result.counters.cycles for result in results]
        if any(shares):
            axes.barh(names, shares, left=left, label=cause.replace("_", " "), color=COLOURS.get(cause))
            left = [a + b for a, b in zip(left, shares, strict=True)]
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.set_xlabel("% of the array's cycles, weights resident")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=5, frameon=False, fontsize=8)


def _draw_roofline(axes: Axes, results: Sequence[LayerResult], clock: Clock) -> None:
    intensity = [result.rows * result.columns / (result.link_use.to_device + result.link_use.from_device)
                 for result in results]
    _draw_roof(axes, results[0].configuration, clock, min(intensity), max(intensity))
    for index, (result, x) in enumerate(zip(results, intensity, strict=True)):
        colour, offload = f"C{index % 10}", result.offload_gtrit_per_s(clock)
        axes.scatter(x, result.gtrit_per_s(clock), color=colour, s=30, zorder=3, label=result.name)
        if offload is not None:
            axes.scatter(x, offload, color=colour, marker="x", s=40, zorder=3)
    axes.set_ylabel("Gtrit/s (dot: the array alone; cross: with the link)")
    axes.legend(loc="lower right", frameon=False, fontsize=8)


def _draw_workload(axes: Axes, workload: Workload) -> None:
    clock, use, array = workload.clock, workload.total.link_use, workload.array_seconds
    resident = array + workload.activation_seconds
    points = (("the array alone", "o", use.total, array),
              ("with the link, had it room for all weights", "x", use.total, resident),
              ("with the link, weights streamed", "*", workload.link_bytes, workload.offload_seconds))
    weights = workload.model.ternary_weights
    _draw_roof(axes, workload.configuration, clock, weights / workload.link_bytes, weights / use.total)
    for index, (name, marker, size, seconds) in enumerate(points):
        axes.scatter(weights / size, weights / seconds / 1e9, color=f"C{index}", marker=marker, s=60, zorder=3,
                     label=f"{name}: {1 / seconds:.3g} tokens/s")
    axes.set_title(f"{workload.configuration.name}: {workload.configuration.trits_per_cycle} trits a cycle, "
                   f"{clock.mhz:g} MHz ({clock.evidence})", fontsize=10)
    axes.set_ylabel("Gtrit/s")
    axes.legend(loc="lower right", frameon=False, fontsize=8)


def _draw_roof(axes: Axes, configuration: Configuration, clock: Clock, least: float, most: float) -> None:
    """What array and link allow, for `least` to `most` weights a byte."""
    peak = configuration.trits_per_cycle * clock.hz / 1e9
    span = [least / 4, most * 4]
    if configuration.link is not None:
        rate = configuration.link.bytes_per_second / 1e9
        span[1] = max(span[1], 2 * peak / rate)
        axes.plot([span[0], peak / rate], [span[0] * rate, peak], color="black", lw=1)
        axes.annotate(f"{configuration.link.kind}, {configuration.link.bytes_per_second / 1e6:g} MB/s",
                      (span[1] / 60, span[1] / 60 * rate), xytext=(6, -8), textcoords="offset points", fontsize=8)
    axes.plot(span, [peak, peak], color="black", lw=1)
    axes.annotate(f"peak {peak:.1f} Gtrit/s", (span[1], peak), xytext=(-4, 4), textcoords="offset points", ha="right",
                  fontsize=8)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(top=peak * 4)
    axes.set_xlabel("weights used per byte on the link")
