"""How layers that share an input are cut into tiles that the buffers of a device hold.

Rows are cut where the result buffer is too small, at the ends of row blocks; columns where the activation buffer is, at
the ends of chunks. Neither cut costs a weight word. Cutting columns leaves the host to add the parts, so it is allowed
only where the array's sums are exact there: always in exact mode, at the ends of groups in a group mode, and never if
one group spans all columns.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from trine.firmware.configuration import Configuration
from trine.firmware.layout import count_chunks, count_row_blocks


class TilingError(ValueError):
    """Layers that cannot be cut to fit; the message names the buffer, what is needed and what there is."""


@dataclass(frozen=True)
class Part:
    """Rows first_row .. first_row + rows - 1 of the layer with that index."""

    layer_index: int
    first_row: int
    rows: int


def cut_columns(columns: int, chunks: int, configuration: Configuration) -> list[tuple[int, int]]:
    """(first column, columns) of each tile of at most `chunks` chunks (>= 1), all but the last as wide as possible.

    Raises TilingError if a cut is needed where the array does not add exactly.
    """
    needed = count_chunks(columns, configuration)
    if needed <= chunks:
        return [(0, columns)]
    mode = configuration.accumulator_mode
    where = f"{columns} columns are {needed} chunks, {configuration.name} has room for {chunks}"
    if not mode.exact and mode.group is None:
        raise TilingError(f"{where}, and a group accumulator over all columns cannot be cut "
                          f"(group, group_accumulator_bits)")
    unit = 1 if mode.group is None else mode.group // configuration.depth
    if unit > chunks:
        raise TilingError(f"{where}, and a group of {mode.group} columns cannot be cut (group)")
    width = chunks // unit * unit * configuration.depth
    return [(first, min(width, columns - first)) for first in range(0, columns, width)]


def cut_rows(rows: Sequence[int], row_blocks: int, configuration: Configuration) -> Iterator[list[Part]]:
    """The parts of each tile of at most `row_blocks` row blocks (>= 1), filled one after another.

    rows: rows of each layer.
    """
    parts: list[Part] = []
    room = row_blocks
    for layer_index, count in enumerate(rows):
        first = 0
        while first < count:
            if room == 0:
                yield parts
                parts, room = [], row_blocks
            part = Part(layer_index, first, min(count - first, room * configuration.lanes))
            parts.append(part)
            first += part.rows
            room -= count_row_blocks(part.rows, configuration)
    yield parts


def result_row_blocks(configuration: Configuration) -> int:
    """Row blocks that the result buffer holds; TilingError if that is none."""
    row_blocks = configuration.result_beats // configuration.beats_per_row_block
    if row_blocks == 0:
        raise TilingError(f"a row block has {configuration.beats_per_row_block} beats of results, {configuration.name} "
                          f"has room for {configuration.result_beats} (result_beats)")
    return row_blocks
