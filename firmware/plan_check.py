"""Whether a plan that was read from somewhere is one: what a device of a configuration would do is what it says."""

from collections.abc import Iterable
from itertools import groupby

from trine.firmware.assembler import End, Matvec
from trine.firmware.configuration import Configuration
from trine.firmware.layout import count_chunks, count_row_blocks
from trine.firmware.plan import Load, Plan, PlanError, RequestPlan, Tile


def check_plan(plan: Plan, configuration: Configuration) -> None:
    """Raises PlanError unless a device of `configuration` executes what the requests say, each layer once and whole.

    Every load lies within the memories, load 0 at their beginning and the others behind it; its programs and its weight
    words are those of its tiles, one after another, and nothing else. Loads are used in their order, each streamed one
    by a single request.
    """
    if not plan.loads:
        raise PlanError("there is no load")
    for index, load in enumerate(plan.loads):
        _check_place(load, index, plan.loads[0], configuration)
    ends = [[load.first_word, load.first_instruction] for load in plan.loads]
    names: set[str] = set()
    before = 0
    for number, request in enumerate(plan.requests):
        for count, tile in enumerate(request.tiles):
            where = f"request {number}, tile {count}"
            if tile.load >= len(plan.loads):
                raise PlanError(f"{where}: load {tile.load} of {len(plan.loads)}")
            if tile.load < before or (count == 0 and 0 < tile.load == before):
                raise PlanError(f"{where}: load {tile.load} after load {before}")
            before = tile.load
            _check_buffers(tile, configuration, where)
            _check_program(tile, plan.loads[tile.load], ends[tile.load], configuration, where)
        _check_cover(request, names)
    for index, (load, (word, instruction)) in enumerate(zip(plan.loads, ends, strict=True)):
        if word != load.first_word + load.words or instruction != load.first_instruction + len(load.operations):
            raise PlanError(f"load {index} has {load.words} words and {len(load.operations)} instructions, its tiles "
                            f"{word - load.first_word} and {instruction - load.first_instruction}")


def _check_place(load: Load, index: int, first: Load, configuration: Configuration) -> None:
    for what, start, count, least, most in (
        ("weight words", load.first_word, load.words, first.words, configuration.weight_words),
        ("instructions", load.first_instruction, len(load.operations), len(first.operations),
         configuration.program_words),
    ):
        if start + count > most:
            raise PlanError(f"load {index}: {count} {what} from {start} on, {configuration.name} has {most}")
        if start < least if index else start:
            raise PlanError(f"load {index}: its {what} cannot begin at {start}")


def _check_buffers(tile: Tile, configuration: Configuration, where: str) -> None:
    if tile.first_column % configuration.depth or tile.first_beat + tile.beats > configuration.result_beats:
        raise PlanError(f"{where}: column {tile.first_column} or beat {tile.first_beat} cannot be its first")
    if (chunks := count_chunks(tile.columns, configuration)) > configuration.activation_chunks:
        raise PlanError(f"{where}: {chunks} chunks of columns, {configuration.name} has room for "
                        f"{configuration.activation_chunks}")


def _check_program(tile: Tile, load: Load, ends: list[int], configuration: Configuration, where: str) -> None:
    """Checks that the next program of `load`, at [word, instruction] `ends`, computes `tile`; moves them behind it."""
    start = ends[1] - load.first_instruction
    program = load.operations[start : start + tile.instructions]
    if tile.entry != ends[1] or len(program) != tile.instructions:
        raise PlanError(f"{where}: no program of {tile.instructions} instructions at {tile.entry}")
    chunks = count_chunks(tile.columns, configuration)
    for output, operation in zip(tile.outputs, program, strict=False):
        row_blocks = count_row_blocks(output.rows, configuration)
        expected = Matvec(ends[0], row_blocks, chunks, 0, output.first_beat)
        if operation != expected:
            raise PlanError(f"{where}: the instruction is `{operation}`, but its output needs `{expected}`")
        if output.first_beat + row_blocks * configuration.beats_per_row_block > tile.first_beat + tile.beats:
            raise PlanError(f"{where}: `{operation}` writes beyond the results that are read")
        ends[0] += row_blocks * chunks
    if program[-1] != End():
        raise PlanError(f"{where}: its program ends with `{program[-1]}`")
    ends[1] += tile.instructions


def _check_cover(request: RequestPlan, names: set[str]) -> None:
    """Checks that the tiles are strips of columns, each of all rows of each layer, and that no layer was there yet."""
    for index, (layer, rows) in enumerate(zip(request.layers, request.rows, strict=True)):
        places = sorted((tile.first_column, tile.columns, output.first_row, output.rows)
                        for tile in request.tiles for output in tile.outputs if output.layer_index == index)
        strips = [(strip, [place[2:] for place in group]) for strip, group in groupby(places, lambda place: place[:2])]
        whole = all(_covers(parts, rows) for _, parts in strips) and _covers((strip for strip, _ in strips),
                                                                             request.columns)
        if layer in names or not whole:
            raise PlanError(f"{layer} is not in the image once and whole")
        names.add(layer)


def _covers(parts: Iterable[tuple[int, ...]], total: int) -> bool:
    """Whether (first, count), ascending, are 0 .. total - 1 without gap or overlap."""
    end = 0
    for first, count in parts:
        if first != end:
            return False
        end += count
    return end == total
