"""The tables of docs/published-models.md, in Markdown: all published models on all boards.

    python examples/published_models.py [--model NAME]

Everything but the host's milliseconds is the same on every machine. Takes half a minute for all.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence

from trine.firmware.presets import PRESETS
from trine.host.cli.common import digits
from trine.host.energy import token_energy
from trine.host.published import PUBLISHED, Published, find_published
from trine.host.quantisation import host_cost
from trine.host.routed import clock_of
from trine.host.workload import Workload, analyse

BOARDS = tuple(preset for preset in PRESETS.values() if not preset.bare)
DETAILED = "bitnet-2b4t"
MEMORY = "ulx3s_85f"
"""The board whose packing (`trit2`) the memory is counted in."""


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of a table, numbers to the right of its first column."""
    yield f"| {' | '.join(columns)} |"
    yield f"|---|{'---:|' * (len(columns) - 1)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def seconds_row(workloads: Sequence[Workload]) -> list[str]:
    """Seconds a token of one model, offloaded, on each board."""
    return [f"`{workloads[0].model.name}`", *(digits(workload.offload_seconds) for workload in workloads)]


def board_row(workload: Workload) -> list[str]:
    """One model on one board."""
    return [f"`{workload.configuration.name}`", f"{workload.total.counters.cycles:,}",
            f"{digits(1 / workload.array_seconds)}, {workload.clock.evidence}", f"{workload.loads:,}",
            f"{workload.weight_use.total / 1e6:,.1f}", f"{workload.total.link_use.total / 1e6:,.1f}",
            digits(workload.resident_seconds), digits(workload.offload_seconds), workload.bound]


def model_row(workload: Workload) -> list[str]:
    """What of one model is the same on all boards, but for the packing of `workload`'s."""
    model = workload.model
    energy, host = token_energy(model.shapes.values()), host_cost(model.requests, model.shapes)
    embeddings, float16, ternary = 2 * model.embedding_weights, energy["float16"], energy["ternary"]
    whole, packed = 2 * model.ternary_weights + embeddings, workload.packed_bytes + embeddings
    return [f"`{model.name}`", f"{model.ternary_weights / 1e9:.3f}", f"{whole / 1e6:,.0f}",
            f"{workload.packed_bytes / 1e6:,.0f}", f"{packed / 1e6:,.0f}", f"{whole / packed:.1f}",
            f"{1e3 * float16[7]:.2f}", f"{1e3 * ternary[7]:.4f}",
            f"{float16[45] / ternary[45]:.1f} / {float16[7] / ternary[7]:.1f}",
            f"{1e3 * host.seconds:.1f}"]


def report(workloads: Mapping[str, Sequence[Workload]]) -> Iterator[str]:
    """Lines of all tables."""
    yield from table(("model", *(f"`{board.name}`" for board in BOARDS)), list(map(seconds_row, workloads.values())))
    yield ""
    if DETAILED in workloads:
        yield from table(("board", "cycles", "array alone, tokens/s", "loads", "weights, MB", "other, MB",
                          "seconds, if resident", "seconds", "bound by"), list(map(board_row, workloads[DETAILED])))
        yield ""
    rows = [model_row(next(found for found in each if found.configuration.name == MEMORY))
            for each in workloads.values()]
    yield from table(("model", "10⁹ ternary weights", "float16, MB", "ternary, MB", "with embeddings, MB",
                      "times smaller", "float16, mJ", "ternary, mJ", "times less, 45 / 7 nm", "host, ms"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="the tables of docs/published-models.md")
    parser.add_argument("--model", help="only this one")
    chosen = parser.parse_args().model
    models: Sequence[Published] = PUBLISHED if chosen is None else [find_published(chosen)]
    print("\n".join(report({model.name: [analyse(model, board, clock_of(board)) for board in BOARDS]
                            for model in models})))


if __name__ == "__main__":
    main()
