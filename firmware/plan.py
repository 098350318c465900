"""What the host does to have layers executed: which columns to write, which program to run, which results to read.

A *request* is one input vector for one or more layers that share it. It is served by *tiles*, executed one after
another; where the buffers of a device hold all of it, there is one. A tile covers some columns of the input and some
rows of the layers. Executing it:

1. Unless the device holds its load: write that (trine.firmware.traffic).
2. WRITE the codes of its columns to the activation buffer from chunk 0 on, padded with zeros to whole chunks.
3. RUN its program at `entry`.
4. READ `beats` beats of results from `first_beat` on.

Row r of an output, counted from `first_row`, is int32 value r of its beats. The results of a layer are the sums of its
tiles' results.

A *load* is contents of a part of the weight and of the program memory. Load 0 stays where it is, at address 0 of both;
it is all of a model that fits, and may be empty. The others, which are *streamed*, take turns in what it leaves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from trine.firmware.assembler import Operation, encode


class PlanError(ValueError):
    """A description of requests that is not one; the message names the field."""


@dataclass(frozen=True)
class Output:
    """Rows of one layer that a tile computes: the results of one instruction.

    layer_index: the layer, an index into the request's `layers`.
    first_row, rows: rows first_row .. first_row + rows - 1 of that layer.
    first_beat: where their results begin in the result buffer; a multiple of a row block's beats after the tile's own.
    """

    layer_index: int
    first_row: int
    rows: int
    first_beat: int


@dataclass(frozen=True)
class Tile:
    """One run of a program.

    entry: address of the program, of which only its own load has words.
    instructions: how many it has, END included; all others are MATVEC, one for each of `outputs` and in their order.
    first_column, columns: the part of the input that it uses; first_column is a multiple of the device's depth.
    first_beat, beats: the results to read.
    load: index of the load that the device must hold besides load 0.
    """

    entry: int
    instructions: int
    first_column: int
    columns: int
    first_beat: int
    beats: int
    outputs: tuple[Output, ...]
    load: int = 0


@dataclass(frozen=True)
class RequestPlan:
    """Layers that share an input.

    layers: their names. rows: how many each has. columns: length of the input.
    tiles: in the order of execution, those of load 0 first and each other load's together; together they cover each
        layer once.
    """

    layers: tuple[str, ...]
    columns: int
    rows: tuple[int, ...]
    tiles: tuple[Tile, ...]


@dataclass(frozen=True)
class Load:
    """Weight words and instructions that are written together, each from an address on.

    first_word, words: where the weights lie, and how many words they are.
    first_instruction, operations: the same of the programs, one after another, each with its END.
    """

    first_word: int
    words: int
    first_instruction: int
    operations: tuple[Operation, ...]

    @property
    def program(self) -> bytes:
        """The instruction words; AssemblerError for a value beyond its field."""
        return b"".join(map(encode, self.operations))


@dataclass(frozen=True)
class Plan:
    """How a model is executed.

    requests: in the order in which a token passes them.
    loads: load 0 and the streamed ones, which no two requests share, in the order in which the requests use them.
    """

    requests: tuple[RequestPlan, ...]
    loads: tuple[Load, ...]

    @property
    def words(self) -> int:
        """Weight words of all loads."""
        return sum(load.words for load in self.loads)


def plans_to_json(plans: Sequence[RequestPlan]) -> list[dict[str, Any]]:
    """`plans` as lists, dictionaries, strings and integers."""
    return [asdict(plan) for plan in plans]


def plans_from_json(values: Any) -> tuple[RequestPlan, ...]:
    """The inverse of `plans_to_json` for anything that JSON can hold.

    Raises PlanError for what it cannot have written, and for rows, columns and layers that do not exist.
    """
    plans = tuple(_plan(value, f"request {index}") for index, value in enumerate(_sequence(values, "requests")))
    for index, plan in enumerate(plans):
        for number, tile in enumerate(plan.tiles):
            _check_tile(tile, plan, f"request {index}, tile {number}")
    return plans


def _plan(value: Any, where: str) -> RequestPlan:
    entry = _mapping(value, [field.name for field in fields(RequestPlan)], where)
    layers = tuple(_sequence(entry["layers"], f"{where}: layers"))
    for name in layers:
        if not isinstance(name, str):
            raise PlanError(f"{where}: a layer's name must be text, not {name!r}")
    rows = tuple(_count(count, f"{where}: rows") for count in _sequence(entry["rows"], f"{where}: rows"))
    if not layers or len(rows) != len(layers):
        raise PlanError(f"{where}: {len(layers)} layers with {len(rows)} numbers of rows")
    tiles = tuple(_tile(tile, f"{where}, tile {number}")
                  for number, tile in enumerate(_sequence(entry["tiles"], f"{where}: tiles")))
    return RequestPlan(layers, _count(entry["columns"], f"{where}: columns"), rows, tiles)


def _tile(value: Any, where: str) -> Tile:
    entry = dict(_mapping(value, [field.name for field in fields(Tile)], where))
    outputs = _sequence(entry.pop("outputs"), f"{where}: outputs")
    names = [field.name for field in fields(Output)]
    parts = tuple(Output(**_integers(_mapping(output, names, f"{where}: output"), where)) for output in outputs)
    return Tile(**_integers(entry, where), outputs=parts)


def _check_tile(tile: Tile, plan: RequestPlan, where: str) -> None:
    """Raises PlanError unless the tile's program computes its outputs, and they are part of the plan's layers."""
    if not tile.outputs or tile.instructions != len(tile.outputs) + 1:
        raise PlanError(f"{where}: {tile.instructions} instructions for {len(tile.outputs)} outputs")
    if not tile.columns or tile.first_column + tile.columns > plan.columns:
        raise PlanError(f"{where}: columns {tile.first_column} to {tile.first_column + tile.columns} of {plan.columns}")
    for output in tile.outputs:
        if output.layer_index >= len(plan.layers):
            raise PlanError(f"{where}: layer {output.layer_index} of {len(plan.layers)}")
        rows = plan.rows[output.layer_index]
        if not output.rows or output.first_row + output.rows > rows:
            raise PlanError(f"{where}: rows {output.first_row} to {output.first_row + output.rows} of {rows}")
        if not tile.first_beat <= output.first_beat < tile.first_beat + tile.beats:
            raise PlanError(f"{where}: an output at beat {output.first_beat} is not among the results that are read")


def _sequence(value: Any, where: str) -> Sequence[Any]:
    if not isinstance(value, list):
        raise PlanError(f"{where} must be a list, not {type(value).__name__}")
    return value


def _mapping(value: Any, names: Sequence[str], where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict) or sorted(value) != sorted(names):
        found = ", ".join(map(repr, value)) if isinstance(value, dict) else type(value).__name__
        raise PlanError(f"{where} must have {', '.join(names)}, not {found}")
    return value


def _count(value: Any, where: str) -> int:
    if type(value) is not int or not 1 <= value < 1 << 32:
        raise PlanError(f"{where} must be a positive integer of at most 32 bits, not {value!r:.40}")
    return value


def _integers(values: Mapping[str, Any], where: str) -> dict[str, int]:
    for name, value in values.items():
        if type(value) is not int or not 0 <= value < 1 << 32:
            raise PlanError(f"{where}: {name} must be an integer of at most 32 bits, not {value!r:.40}")
    return dict(values)
