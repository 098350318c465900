"""Models into images: which weight word lies where, which instructions read it, and what the host does for a request.

A model is compiled to be *resident*: all weights are loaded once. A single layer may be larger than the weight memory;
it becomes several images, which the host loads in turn. Layers that share an input are one request, so that the input
crosses the link once and the host waits once.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from trine.firmware.assembler import AssemblerError, End, Matvec, Operation, assemble
from trine.firmware.configuration import Configuration
from trine.firmware.image import Image
from trine.firmware.layout import count_chunks, count_row_blocks, count_words, pack_weights
from trine.firmware.models import describe_checkpoint, describe_classifier
from trine.firmware.plan import Output, RequestPlan, Tile
from trine.firmware.tiling import Part, TilingError, cut_columns, cut_rows, result_row_blocks
from trine.golden.accumulate import static_bound
from trine.golden.arrays import Float32, Int8, first
from trine.golden.checkpoint import Checkpoint
from trine.golden.classifier import Classifier

SHARED_INPUTS = (
    ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    ("self_attn.o_proj",),
    ("mlp.gate_proj", "mlp.up_proj"),
    ("mlp.down_proj",),
)
"""Layers of one decoder block that share an input, in the order in which a token passes them."""


class CompileError(ValueError):
    """A model that does not suit a configuration; the message names what does not, by how much, and where."""


def compile_model(checkpoint: Checkpoint, configuration: Configuration, name: str = "the model") -> Image:
    """The image of a decoder, all of its ternary layers resident.

    Raises CompileError if the weights or the programs do not fit (naming `name`, memory, need, capacity and excess), a
    row may overflow the accumulators (naming layer, row and bound), the packing has no zero and the weights have, or
    the buffers are too small to cut the layers (tiling.py).
    """
    requests = [
        tuple(f"model.layers.{layer}.{part}" for part in parts)
        for layer in range(checkpoint.config.num_hidden_layers)
        for parts in SHARED_INPUTS
    ]
    weights = {layer: linear.weights for layer, linear in checkpoint.linears.items()}
    model, tensors = describe_checkpoint(checkpoint, name)
    return _compile(requests, weights, configuration, model, tensors)


def compile_classifier(classifier: Classifier, configuration: Configuration, name: str = "the model") -> Image:
    """The image of a classifier, all of its layers resident, each a request. Raises CompileError as `compile_model`."""
    weights = {layer: linear.weights for layer, linear in classifier.linears.items()}
    model, tensors = describe_classifier(classifier, name)
    return _compile([(layer,) for layer in weights], weights, configuration, model, tensors)


def compile_layer(name: str, weights: Int8, configuration: Configuration) -> list[Image]:
    """The images of one layer, int8 (N, K), to be loaded in turn; as many as the weight memory needs, one if it can.

    Each has one request of the layer, with those of its tiles that are in it; the layer's result is the sum of all.
    Raises CompileError as `compile_model`, but for a lack of weight memory.
    """
    _check_layer(name, weights, configuration)
    rows, columns = weights.shape
    builders: list[_Builder] = []
    with_room = 0  # weight words left in the last
    widest = _widest(name, rows, configuration)
    for column, count in _columns(name, columns, widest, configuration):
        chunks = count_chunks(count, configuration)
        row = 0
        while row < rows:
            if with_room < chunks or builders[-1].instructions + 2 > configuration.program_words:
                builders.append(_Builder(configuration))
                with_room = configuration.weight_words
            blocks = min(_result_row_blocks(name, configuration), with_room // chunks)
            part = Part(0, row, min(rows - row, blocks * configuration.lanes))
            builders[-1].add_tile([weights], column, count, [part])
            with_room -= count_words(part.rows, count, configuration)
            row += part.rows
    return [
        builder.image([RequestPlan((name,), columns, (rows,), tuple(builder.tiles))],
                      {"kind": "layer", "name": name, "load": load, "loads": len(builders)}, {})
        for load, builder in enumerate(builders)
    ]


class _Builder:
    """A program, and the weights it reads, as they grow."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._operations: list[Operation] = []
        self._weights: list[bytes] = []
        self._words = 0
        self.tiles: list[Tile] = []

    @property
    def instructions(self) -> int:
        """Instructions so far."""
        return len(self._operations)

    def add_tile(self, weights: Sequence[Int8], first_column: int, columns: int, parts: Sequence[Part]) -> None:
        """Appends a program for some rows, `parts`, and some columns of layers that share an input."""
        configuration = self._configuration
        entry, beat, outputs = len(self._operations), 0, []
        chunks = count_chunks(columns, configuration)
        for part in parts:
            matrix = weights[part.layer_index][part.first_row : part.first_row + part.rows,
                                               first_column : first_column + columns]
            row_blocks = count_row_blocks(part.rows, configuration)
            self._weights.append(pack_weights(matrix, configuration))
            self._operations.append(Matvec(self._words, row_blocks, chunks, 0, beat))
            outputs.append(Output(part.layer_index, part.first_row, part.rows, beat))
            self._words += row_blocks * chunks
            beat += row_blocks * configuration.beats_per_row_block
        self._operations.append(End())
        self.tiles.append(Tile(entry, len(parts) + 1, first_column, columns, 0, beat, tuple(outputs)))

    def image(self, requests: Sequence[RequestPlan], model: dict[str, Any], tensors: dict[str, Float32]) -> Image:
        """The image of all tiles so far; CompileError if one of its memories is too small."""
        configuration, name = self._configuration, model["name"]
        _check_capacity(name, self._words, "weight words", configuration.weight_words, "weight memory", configuration)
        _check_capacity(name, self.instructions, "instructions", configuration.program_words, "program memory",
                        configuration)
        try:
            program = assemble(self._operations, configuration)
        except AssemblerError as error:
            raise CompileError(f"{name}: {error}") from None
        return Image(configuration.configuration_hash, configuration.name, model, tuple(requests), tensors, program,
                     b"".join(self._weights))


def _compile(requests: Sequence[tuple[str, ...]], weights: Mapping[str, Int8], configuration: Configuration,
             model: dict[str, Any], tensors: dict[str, Float32]) -> Image:
    needed = sum(count_words(matrix.shape[0], matrix.shape[1], configuration) for matrix in weights.values())
    _check_capacity(model["name"], needed, "weight words", configuration.weight_words, "weight memory", configuration)
    builder = _Builder(configuration)
    plans = []
    for layers in requests:
        matrices = [weights[layer] for layer in layers]
        for layer, matrix in zip(layers, matrices, strict=True):
            _check_layer(layer, matrix, configuration)
        rows, columns = tuple(len(matrix) for matrix in matrices), matrices[0].shape[1]
        row_blocks = _result_row_blocks(layers[0], configuration)
        before = len(builder.tiles)
        for column, count in _columns(layers[0], columns, configuration.activation_chunks, configuration):
            for parts in cut_rows(rows, row_blocks, configuration):
                builder.add_tile(matrices, column, count, parts)
        plans.append(RequestPlan(layers, columns, rows, tuple(builder.tiles[before:])))
    return builder.image(plans, model, tensors)


def _check_layer(layer: str, weights: Int8, configuration: Configuration) -> None:
    """Raises CompileError unless the array can hold and add these weights."""
    try:
        bounds = static_bound(weights, configuration.activation_bits,
                              admit_minimum=configuration.accumulator_mode.code_range[0] == -128)
    except ValueError as error:
        raise CompileError(f"{layer}: {error}") from None
    if not configuration.codec.has_zero and not weights.all():
        row, column = first(weights == 0)
        raise CompileError(f"{layer}: the weight at row {row}, column {column} is 0, which {configuration.packing} of "
                           f"{configuration.name} cannot hold")
    row, most = int(bounds.argmax()), int(2 ** (configuration.accumulator_bits - 1)) - 1
    if bounds[row] > most:
        raise CompileError(f"{layer}: row {row} may reach {bounds[row]}, but the {configuration.accumulator_bits}-bit "
                           f"accumulators of {configuration.name} hold at most {most}")


def _check_capacity(name: str, needed: int, what: str, available: int, memory: str,
                    configuration: Configuration) -> None:
    if needed > available:
        raise CompileError(f"{name} needs {needed} {what}, {configuration.name} has {available}: "
                           f"{needed - available} too many ({memory})")


def _columns(layer: str, columns: int, chunks: int, configuration: Configuration) -> list[tuple[int, int]]:
    try:
        return cut_columns(columns, chunks, configuration)
    except TilingError as error:
        raise CompileError(f"{layer}: {error}") from None


def _widest(layer: str, rows: int, configuration: Configuration) -> int:
    """Chunks of the tiles of a layer that may be larger than the weight memory.

    As many as there is room for, or, where each chunk waits for its tables, as many as leave room for all row blocks.
    """
    room = configuration.weight_words
    if configuration.dataflow == "tables":
        row_blocks = min(count_row_blocks(rows, configuration), _result_row_blocks(layer, configuration))
        room = max(1, room // row_blocks)
    return min(configuration.activation_chunks, room)


def _result_row_blocks(layer: str, configuration: Configuration) -> int:
    try:
        return result_row_blocks(configuration)
    except TilingError as error:
        raise CompileError(f"{layer}: {error}") from None
