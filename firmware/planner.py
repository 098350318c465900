"""Where everything goes: which part of which layer is in which load, at which word, computed by which instruction.

A plan needs shapes and no weights, so that of a model of billions of weights is made in seconds.

What fits the weight and the program memory is one load, written once: the model is *resident*. Of a larger one the
first tiles stay, in a part of both memories, and everything else is *streamed* through the rest, load after load, as
a token passes it. A streamed load belongs to one request, which so begins by writing what it needs and can be done
again. All tiles are in the order of execution, and so are their weight words.

Loads that take turns in the whole memory, the alternative, send every word of a model with every token. A word that
stays is one less; but the smaller the part for streaming, the smaller are the tiles, and the more often codes and
partial sums cross the link. So that part is halved for as long as it saves bytes a token. For a model of a hundred
memories it never does, and nothing stays; for one that nearly fits it is most of them: austen-small, in memories like
ulx3s_25f's but of 1,500 words of the 1,758 that it needs, sends 51,924 bytes a token instead of 191,712, and in
ulx3s_25f itself, of 512, 156,028. To go through the loads to and fro would save one of them a turn, but a token passes
its layers in one order; and no part is used more often than another, so that a cache has nothing to choose.

A streamed request is cut into the columns that take the least time, in link and array together: wide tiles send many
codes for few rows, high ones many partial sums, and where chunks wait for their tables, few rows cost cycles.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from trine.firmware.assembler import End, Matvec, Operation
from trine.firmware.configuration import Configuration
from trine.firmware.cycles import tile_bytes, tile_cycles, token_bytes
from trine.firmware.layout import count_chunks, count_row_blocks, count_words
from trine.firmware.plan import Load, Output, Plan, RequestPlan, Tile
from trine.firmware.tiling import Part, TilingError, cut_columns, cut_rows, result_row_blocks

Shapes = Mapping[str, tuple[int, int]]
"""(N, K) of layers by name."""
LARGEST_FIELD = 0xFFFF
"""Of an instruction: row blocks or chunks."""


def plan_model(requests: Sequence[tuple[str, ...]], shapes: Shapes, configuration: Configuration) -> Plan:
    """The plan of a model in as few bytes a token as the halving finds.

    requests: the names of the layers that share an input, in the order in which a token passes them. Raises
    TilingError, beginning with a layer's name, if a memory or buffer is too small to cut it for (tiling.py).
    """
    if (plan := plan_resident(requests, shapes, configuration)) is not None:
        return plan
    best, share = plan_streamed(requests, shapes, configuration), 2
    while configuration.weight_words // share and configuration.program_words // share >= 2:
        try:
            plan = plan_streamed(requests, shapes, configuration, share)
        except TilingError:  # columns that may not be cut so narrow
            break
        if token_bytes(plan, configuration).total >= token_bytes(best, configuration).total:
            break
        best, share = plan, 2 * share
    return best


def plan_layer(name: str, shape: tuple[int, int], configuration: Configuration) -> Plan:
    """The plan of one layer; of one that does not fit nothing stays, so that its tiles are as large as can be.

    Raises TilingError as `plan_model`.
    """
    plan = plan_resident([(name,)], {name: shape}, configuration)
    return plan_streamed([(name,)], {name: shape}, configuration) if plan is None else plan


def plan_resident(requests: Sequence[tuple[str, ...]], shapes: Shapes, configuration: Configuration) -> Plan | None:
    """The plan of a model of which everything stays; None if it does not fit. Raises TilingError as `plan_model`."""
    places = _Places(configuration, configuration.weight_words, configuration.program_words)
    plans = []
    for layers in requests:
        rows, columns = _rows_and_columns(layers, shapes)
        with _named(layers):
            tiles = places.stay(rows, columns)
        if tiles is None:
            return None
        plans.append(RequestPlan(layers, columns, rows, tuple(tiles)))
    return Plan(tuple(plans), places.loads())


def plan_streamed(requests: Sequence[tuple[str, ...]], shapes: Shapes, configuration: Configuration,
                  share: int = 1) -> Plan:
    """The plan of a model that is streamed through 1 / share of the memories, and what fits the rest of them stays.

    Raises TilingError as `plan_model`.
    """
    words, instructions = configuration.weight_words // share, configuration.program_words // share
    places = _Places(configuration, configuration.weight_words - words, configuration.program_words - instructions)
    cuts: dict[tuple[tuple[int, ...], int], list[tuple[int, int]]] = {}
    plans = []
    for layers in requests:
        rows, columns = _rows_and_columns(layers, shapes)
        with _named(layers):
            tiles = places.stay(rows, columns)
            if tiles is None:
                if (rows, columns) not in cuts:
                    cuts[rows, columns] = cut_streamed(rows, columns, words, configuration)
                tiles = list(places.stream(rows, cuts[rows, columns]))
        plans.append(RequestPlan(layers, columns, rows, tuple(tiles)))
    return Plan(tuple(plans), places.loads())


def _rows_and_columns(layers: tuple[str, ...], shapes: Shapes) -> tuple[tuple[int, ...], int]:
    """The rows of each layer of a request, and the columns of all."""
    return tuple(shapes[layer][0] for layer in layers), shapes[layers[0]][1]


@contextmanager
def _named(layers: tuple[str, ...]) -> Iterator[None]:
    """TilingErrors of a request begin with the name of its first layer."""
    try:
        yield
    except TilingError as error:
        raise TilingError(f"{layers[0]}: {error}") from None


def cut_streamed(rows: Sequence[int], columns: int, words: int, configuration: Configuration) -> list[tuple[int, int]]:
    """(first column, columns) of the tiles of a request, in loads of so many words, that take the least time.

    Raises TilingError if there are none.
    """
    if configuration.program_words < 2:
        raise TilingError(f"a program has 2 instructions, {configuration.name} has room for "
                          f"{configuration.program_words} (program_words)")
    chunks = count_chunks(columns, configuration)
    widest = min(configuration.activation_chunks, words)
    least, best = math.inf, cut_columns(columns, widest, configuration)
    for width in sorted({-(-chunks // strips) for strips in range(-(-chunks // widest), chunks + 1)}, reverse=True):
        try:
            strips = cut_columns(columns, width, configuration)
        except TilingError:  # narrower than a group
            break
        seconds = _seconds(rows, strips, words, configuration)
        if seconds < least:
            least, best = seconds, strips
    return best


def _seconds(rows: Sequence[int], strips: Sequence[tuple[int, int]], words: int, configuration: Configuration) -> float:
    """How long a request takes that is cut so, but for what any cut takes: its weights."""
    row_blocks = sum(count_row_blocks(count, configuration) for count in rows)
    link, total = configuration.link, 0.0
    for columns, times in Counter(columns for _, columns in strips).items():
        high = min(_tile_row_blocks(configuration), words // count_chunks(columns, configuration))
        for blocks, tiles in ((high, row_blocks // high), (row_blocks % high, 1)):
            if blocks:
                beats = blocks * configuration.beats_per_row_block
                cycles = tile_cycles(columns, [blocks * configuration.lanes], configuration).cycles
                seconds = cycles / (1e6 * configuration.clock_mhz)
                if link is not None:
                    seconds += tile_bytes(columns, beats, configuration).total / link.bytes_per_second
                total += times * tiles * seconds
    return total


def _tile_row_blocks(configuration: Configuration) -> int:
    """Row blocks of the largest tile: as many as there is room for results, and as an instruction can say."""
    return min(result_row_blocks(configuration), LARGEST_FIELD)


@dataclass
class _Growing:
    """A load to which tiles are added.

    first_word, room_words: where its weights begin, and how many words there are. first_instruction, room_instructions:
    the same of its programs.
    """

    first_word: int
    room_words: int
    first_instruction: int
    room_instructions: int
    words: int = 0
    operations: list[Operation] = field(default_factory=list)

    @property
    def free_words(self) -> int:
        """Words that are left."""
        return self.room_words - self.words

    @property
    def free_instructions(self) -> int:
        """Instructions that are left."""
        return self.room_instructions - len(self.operations)

    def add(self, index: int, first_column: int, columns: int, parts: Sequence[Part],
            configuration: Configuration) -> Tile:
        """A tile of some columns and rows, its program and words the next of this load, which is number `index`."""
        entry, beat, outputs = self.first_instruction + len(self.operations), 0, []
        chunks = count_chunks(columns, configuration)
        for part in parts:
            row_blocks = count_row_blocks(part.rows, configuration)
            self.operations.append(Matvec(self.first_word + self.words, row_blocks, chunks, 0, beat))
            outputs.append(Output(part.layer_index, part.first_row, part.rows, beat))
            self.words += row_blocks * chunks
            beat += row_blocks * configuration.beats_per_row_block
        self.operations.append(End())
        return Tile(entry, len(parts) + 1, first_column, columns, 0, beat, tuple(outputs), index)


class _Places:
    """The loads as they grow.

    Parameters: the words and instructions of load 0, which hold what stays; 0 or what leaves room for streaming.
    """

    def __init__(self, configuration: Configuration, words: int, instructions: int) -> None:
        self._configuration = configuration
        self._loads = [_Growing(0, words, 0, instructions)]

    def stay(self, rows: Sequence[int], columns: int) -> list[Tile] | None:
        """The tiles of a whole request in load 0; None if it does not go there."""
        configuration, load = self._configuration, self._loads[0]
        if len(self._loads) > 1:
            return None
        cut = [(column, count, parts)
               for column, count in cut_columns(columns, configuration.activation_chunks, configuration)
               for parts in cut_rows(rows, _tile_row_blocks(configuration), configuration)]
        instructions = sum(len(parts) + 1 for *_, parts in cut)
        words = sum(count_words(part.rows, count, configuration) for _, count, parts in cut for part in parts)
        if words > load.free_words or instructions > load.free_instructions:
            return None
        return [load.add(0, column, count, parts, configuration) for column, count, parts in cut]

    def stream(self, rows: Sequence[int], strips: Sequence[tuple[int, int]]) -> Iterator[Tile]:
        """The tiles of a request, cut into those (first column, columns); what load 0 has left is filled first."""
        if len(self._loads) > 1:
            self._begin()
        for column, count in strips:
            chunks = count_chunks(count, self._configuration)
            for parts in self._fill(rows, chunks):
                yield self._loads[-1].add(len(self._loads) - 1, column, count, parts, self._configuration)

    def loads(self) -> tuple[Load, ...]:
        """All of them."""
        return tuple(Load(load.first_word, load.words, load.first_instruction, tuple(load.operations))
                     for load in self._loads)

    def _fill(self, rows: Sequence[int], chunks: int) -> Iterator[list[Part]]:
        """The parts of each tile, as many as results, words and instructions of the last load have room for."""
        configuration, parts, used = self._configuration, list[Part](), 0
        for layer_index, count in enumerate(rows):
            first = 0
            while first < count:
                load = self._loads[-1]
                room = min(_tile_row_blocks(configuration), load.free_words // chunks) - used
                if room > 0 and len(parts) + 2 <= load.free_instructions:
                    parts.append(Part(layer_index, first, min(count - first, room * configuration.lanes)))
                    first += parts[-1].rows
                    used += count_row_blocks(parts[-1].rows, configuration)
                elif parts:
                    yield parts
                    parts, used = [], 0
                else:
                    self._begin()
        yield parts

    def _begin(self) -> None:
        """The next streamed load."""
        first, configuration = self._loads[0], self._configuration
        self._loads.append(_Growing(first.words, configuration.weight_words - first.words, len(first.operations),
                                    configuration.program_words - len(first.operations)))
