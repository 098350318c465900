"""`trine bench --shapes NAME`: a published model on boards, for people and as JSON."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from trine.firmware.configuration import Configuration
from trine.firmware.counters import CAUSES
from trine.host.cli.common import console, digits, print_json, progress, say
from trine.host.energy import NODES, NONZERO_SHARE, token_energy
from trine.host.published import Published
from trine.host.quantisation import HostCost, host_cost
from trine.host.routed import clock_of
from trine.host.workload import Workload, analyse

FLOAT16_BYTES = 2


def is_name(shapes: str) -> bool:
    """Whether `--shapes` means a model: it has a letter that no list of ROWSxCOLUMNS has."""
    return re.search(r"[a-wyz]", shapes, re.IGNORECASE) is not None


def bench_published(model: Published, boards: Sequence[Configuration], plot: Path | None, as_json: bool) -> None:
    """Prints what a token of `model` takes on each of `boards` (at least one), and draws it.

    plot: a .png or .svg file for all, or a folder for one MODEL-PRESET.svg each. Raises UsageError as `analyse`, and
    for a file that cannot be written.
    """
    workloads = []
    with progress("plan") as report:
        for index, board in enumerate(boards):
            report(board.name, index / len(boards))
            workloads.append(analyse(model, board, clock_of(board)))
    host, energy = host_cost(model.requests, model.shapes), token_energy(model.shapes.values())
    if plot is not None:
        from trine.host.plot import draw_workloads  # matplotlib takes its time

        if plot.is_dir():
            for workload in workloads:
                draw_workloads([workload], plot / f"{model.name}-{workload.configuration.name}.svg")
        else:
            draw_workloads(workloads, plot)
    if as_json:
        print_json(_figures(model, workloads, host, energy))
        return
    _print_boards(workloads)
    _print_memory(model, workloads, host)
    _print_energy(energy)


def _figures(model: Published, workloads: Sequence[Workload], host: HostCost,
             energy: dict[str, dict[int, float]]) -> dict[str, Any]:
    """All as JSON, each group of figures with its evidence."""
    return {
        "model": model.name,
        "source": model.source,
        "ternary_layers": len(model.shapes),
        "ternary_weights": model.ternary_weights,
        "embedding_weights": model.embedding_weights,
        "float16_bytes": FLOAT16_BYTES * (model.ternary_weights + model.embedding_weights),
        "boards": [_board(workload, host) for workload in workloads],
        "quantisation": {
            "evidence": "timed",
            "quantise_seconds": host.quantise_seconds,
            "rescale_seconds": host.rescale_seconds,
            "float32_operations": host.operations,
            "array_additions": host.additions,
            "operation_share": host.operation_share,
        },
        "energy": {
            "evidence": "estimated",
            "nonzero_share": NONZERO_SHARE,
            "joules_per_token": {name: {f"{node} nm": joules for node, joules in by_node.items()}
                                 for name, by_node in energy.items()},
        },
    }


def _board(workload: Workload, host: HostCost) -> dict[str, Any]:
    configuration, total, layers = workload.configuration, workload.total, len(workload.model.shapes)
    return {
        "preset": configuration.name,
        "part": configuration.part,
        "packing": configuration.packing,
        "trits_per_cycle": configuration.trits_per_cycle,
        "clock_mhz": workload.clock.mhz,
        "clock_source": workload.clock.source,
        "link": workload.link.kind,
        "evidence": {"cycles": "derived", "loads": "derived", "bytes": "derived", "array": workload.clock.evidence,
                     "link": "estimated", "offload": "estimated", "quantisation": "timed; estimated"},
        "cycles": total.counters.cycles,
        "cycles_by_cause": {cause: getattr(total.counters, cause) for cause in CAUSES
                            if cause not in ("link_stall", "idle")},
        "weight_words": workload.weight_words,
        "resident_words": workload.resident_words,
        "padding": workload.padding,
        "packed_bytes": workload.packed_bytes,
        "bytes_with_float16_embeddings": _footprint(workload),
        "loads": workload.loads,
        "weight_link_bytes": workload.weight_use.to_device + workload.weight_use.from_device,
        "activation_link_bytes": total.link_use.to_device + total.link_use.from_device,
        "round_trips": total.link_use.round_trips + workload.weight_use.round_trips,
        "array_seconds": workload.array_seconds,
        "activation_seconds": workload.activation_seconds,
        "weight_seconds": workload.weight_seconds,
        "resident_seconds": workload.resident_seconds,
        "offload_seconds": workload.offload_seconds,
        "array_tokens_per_s": 1 / workload.array_seconds,
        "offload_tokens_per_s": 1 / workload.offload_seconds,
        "array_layers_per_s": layers / workload.array_seconds,
        "offload_layers_per_s": layers / workload.offload_seconds,
        "bound": workload.bound,
        "resident_bound": workload.resident_bound,
        "quantisation_share_of_offload": host.time_share(workload.offload_seconds),
        "quantisation_share_of_array": host.time_share(workload.array_seconds),
        "layers": {name: {"weights": work.weights, "cycles": work.counters.cycles,
                          "activation_link_bytes": work.link_use.to_device + work.link_use.from_device}
                   for name, work in workload.kinds.items()},
    }


def _footprint(workload: Workload) -> int:
    """Bytes of the model with ternary weights packed and embeddings in float16."""
    return workload.packed_bytes + FLOAT16_BYTES * workload.model.embedding_weights


def _print_boards(workloads: Sequence[Workload]) -> None:
    model = workloads[0].model
    layers = len(model.shapes)
    _table(f"{model.name}: a token, had the weight memory room for all {model.ternary_weights:,} weights",
           ("board", "MHz", "evidence", "cycles", "array alone\ntokens/s", "layers/s", "with link\ntokens/s",
            "bound by"),
           [[w.configuration.name, f"{w.clock.mhz:g}", w.clock.evidence, f"{w.total.counters.cycles:,}",
             digits(1 / w.array_seconds), digits(layers / w.array_seconds), digits(1 / w.resident_seconds),
             w.resident_bound] for w in workloads])
    _table("as it is: what does not stay in the weight memory is streamed for every token",
           ("board", "loads", "weights\nMB", "other\nMB", "seconds", "tokens/s", "layers/s", "bound by"),
           [[w.configuration.name, f"{w.loads:,}", _megabytes(w.weight_use.total), _megabytes(w.total.link_use.total),
             digits(w.offload_seconds), digits(1 / w.offload_seconds), digits(layers / w.offload_seconds), w.bound]
            for w in workloads])
    say(f"{layers} layers. Cycles, loads and bytes are derived: by the plan, and by the cycle model, which the "
        "gateware's counters equal. Rates of the array alone have the evidence of the clock; with the link, all is "
        "estimated. MB cross the link, frames included; other: inputs and results. Weight memory: bound by its size.")


def _print_memory(model: Published, workloads: Sequence[Workload], host: HostCost) -> None:
    whole = FLOAT16_BYTES * (model.ternary_weights + model.embedding_weights)
    _table(f"memory, beside {_megabytes(whole)} MB in float16, and the host's share of a token's time",
           ("board", "packing", "padding", "ternary\nMB", "and float16\nembeddings", "times\nsmaller",
            "host with\nlink", "host with\narray"),
           [[w.configuration.name, w.configuration.packing, f"{w.padding:.1%}", _megabytes(w.packed_bytes),
             _megabytes(_footprint(w)), f"{whole / _footprint(w):.1f}", _percent(host.time_share(w.offload_seconds)),
             _percent(host.time_share(w.array_seconds))] for w in workloads])
    say(f"Norms are left out. The host quantises inputs in {host.quantise_seconds * 1e3:.2f} ms and rescales sums in "
        f"{host.rescale_seconds * 1e3:.2f} ms a token (timed on this machine), {host.operations:,} float32 operations "
        f"beside the array's {host.additions:,} additions: {_percent(host.operation_share)} of all operations. Shares "
        "of time are estimated.")


def _print_energy(energy: dict[str, dict[int, float]]) -> None:
    rows = [[name, *(text for node in NODES for text in (f"{joules[node] * 1e3:.3f}",
                                                         f"{energy['float16'][node] / joules[node]:.1f}"))]
            for name, joules in energy.items()]
    columns = [text for node in NODES for text in (f"{node} nm, mJ", "times less")]
    _table("arithmetic energy of a token, estimated; times less than float16",
           ("arithmetic", *columns), rows)
    say("Matrix products by the BitNet papers' model: INT8 additions, and the few multiplications of ternary layers in "
        f"float32. Zeros skipped: {NONZERO_SHARE:.1%} of the weights are not zero, as of a normal distribution. "
        "Standard cells without memories; it is not what an FPGA takes.")


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(title=title, title_justify="left")
    for column in columns:
        left = column in ("board", "evidence", "packing", "bound by", "arithmetic")
        table.add_column(column, justify="left" if left else "right", no_wrap=column == "board")
    for row in rows:
        table.add_row(*row)
    console().print(table)


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f}"


def _percent(share: float) -> str:
    return f"{100 * share:.2g}%"
