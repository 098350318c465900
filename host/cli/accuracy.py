"""`trine accuracy`: what narrow accumulators and activations cost a language model."""

from pathlib import Path

import click
from rich.table import Table

from trine.golden.checkpoint import Checkpoint
from trine.host.accuracy import EVIDENCE, Cost, Refusal, candidate_modes, measure
from trine.host.cli.common import (
    config_option,
    configuration,
    console,
    i2s_option,
    json_option,
    print_json,
    progress,
    say,
)
from trine.host.errors import UsageError, bad_input
from trine.host.shipped import find_model, held_out_text, load_model

DEFAULT_PRESET = "ulx3s_25f"  # 16 columns a step: groups of 16 are possible
SHIPPED_TEXT = "the beginnings of the held-out parts of Jane Austen's six novels"


@click.command("accuracy")
@click.argument("model", default="austen-small")
@click.option("--preset", metavar="PRESET", help=f"Whose depth: the columns of a step.  [default: {DEFAULT_PRESET}]")
@config_option
@click.option("--depth", type=click.IntRange(min=1), help="The columns of a step, instead of a preset.")
@click.option("--text", type=click.Path(path_type=Path), metavar="FILE",
              help="A text of your own that the model has not seen.  [default: held-out Jane Austen]")
@click.option("--characters", type=click.IntRange(min=2), help="Use only the first so many of the text.")
@i2s_option
@json_option
def accuracy_command(model: str, preset: str | None, config: Path | None, depth: int | None, text: Path | None,
                     characters: int | None, i2s_layout: str | None, as_json: bool) -> None:
    """What accumulator and activation modes cost MODEL in bits per character.

    Every array step adds the exact sum of DEPTH columns and saturates after it, so that the depth matters. The golden
    model computes, whole windows of text at once; the weights stay as they were trained for exact sums.
    """
    columns = _depth(preset, config, depth)
    loaded = load_model(find_model(model), i2s_layout)
    if not isinstance(loaded, Checkpoint):
        raise UsageError(f"{model} is no language model")
    used = _read(text)[:characters]
    modes, refusals = candidate_modes(columns)
    with progress(model) as report:
        costs = measure(loaded, used, modes, report)
    source = SHIPPED_TEXT if text is None else str(text)
    if as_json:
        print_json({"model": model, "depth": columns, "text": source, "characters": len(used),
                    "characters_predicted": len(used) - 1, "evidence": EVIDENCE,
                    "modes": [cost.figures() for cost in costs],
                    "refused": [{"mode": refusal.name, "reason": refusal.reason} for refusal in refusals]})
        return
    _print(costs, refusals, f"{model}, {columns} columns a step")
    say(f"Text: {len(used):,} characters, all but the first predicted: {source}. Evidence: {EVIDENCE}.")


def _depth(preset: str | None, config: Path | None, depth: int | None) -> int:
    if depth is None:
        chosen = DEFAULT_PRESET if preset is None and config is None else preset
        return configuration(chosen, config).depth
    if preset is not None or config is not None:
        raise UsageError("--depth takes the place of --preset and --config; leave one out")
    return depth


def _read(path: Path | None) -> str:
    """The text of a file, or the one that is shipped."""
    if path is None:
        return held_out_text()
    with bad_input():
        try:
            return path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise UsageError(f"{path}: no text in UTF-8 ({error.reason} at byte {error.start})") from error


def _print(costs: list[Cost], refusals: list[Refusal], title: str) -> None:
    table = Table(title=title, title_justify="left")
    for column in ("mode", "bits/character", "change", "saturates"):
        table.add_column(column, justify="left" if column in ("mode", "saturates") else "right")
    for cost in costs:
        row = cost.figures()
        table.add_row(row["mode"], f"{cost.bits_per_character:.3f}", f"{cost.change:+.3f}",
                      "never" if cost.never_saturates else "it may")
    console().print(table)
    for refusal in refusals:
        say(f"Refused: {refusal.name}: {refusal.reason}.")
