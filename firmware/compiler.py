"""Models into images: their weights, packed into the words of a plan (trine.firmware.planner), and what stays.

Each layer is asked for once, in the order in which a token passes them, and let go when its request is packed; each
load is handed on when it is full. So a model of billions of weights, whose layers and tensors are read when they are
asked for, goes into a file in the memory that its largest tensor needs.
"""

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trine.firmware.configuration import Configuration
from trine.firmware.image import Image, Outline
from trine.firmware.image_file import write_image
from trine.firmware.layout import pack_weights
from trine.firmware.models import Linear, describe_checkpoint, describe_classifier, scale_tensor
from trine.firmware.plan import Plan
from trine.firmware.planner import plan_layer, plan_model
from trine.firmware.tiling import TilingError
from trine.golden.accumulate import static_bound
from trine.golden.arrays import Float32, Int8, first
from trine.golden.checkpoint import Checkpoint, linear_shapes
from trine.golden.classifier import Classifier, ClassifierConfig
from trine.golden.config import ModelConfig

SHARED_INPUTS = (
    ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    ("self_attn.o_proj",),
    ("mlp.gate_proj", "mlp.up_proj"),
    ("mlp.down_proj",),
)
"""Layers of one decoder block that share an input, in the order in which a token passes them."""

ROWS_AT_ONCE = 1024
"""Of a layer that are checked together, which bounds the memory for it."""

Progress = Callable[[str, float], None]
"""Told what is done, and how much of it, 0 to 1."""


class CompileError(ValueError):
    """A model that does not suit a configuration; the message names what does not, by how much, and where."""


def outline_model(config: ModelConfig, configuration: Configuration, name: str = "the model") -> Outline:
    """The image of a decoder but for its tensors and weights, which are not looked at.

    Raises CompileError if a memory or buffer is too small to cut a layer for (tiling.py).
    """
    requests = [
        tuple(f"model.layers.{layer}.{part}" for part in parts)
        for layer in range(config.num_hidden_layers)
        for parts in SHARED_INPUTS
    ]
    with _fitting():
        plan = plan_model(requests, linear_shapes(config), configuration)
    return _outline(plan, describe_checkpoint(config, name), configuration)


def outline_classifier(config: ClassifierConfig, configuration: Configuration, name: str = "the model") -> Outline:
    """The image of a classifier but for its tensors and weights. Raises CompileError as `outline_model`."""
    with _fitting():
        plan = plan_model([(layer,) for layer in config.layers], config.layers, configuration)
    return _outline(plan, describe_classifier(config, name), configuration)


def outline(model: Checkpoint | Classifier, configuration: Configuration, name: str = "the model") -> Outline:
    """`outline_model` or `outline_classifier`."""
    if isinstance(model, Classifier):
        return outline_classifier(model.config, configuration, name)
    return outline_model(model.config, configuration, name)


def compile_model(checkpoint: Checkpoint, configuration: Configuration, name: str = "the model",
                  progress: Progress | None = None) -> Image:
    """The image of a decoder, in memory.

    progress: told what is done, and how much of it, 0 to 1. Raises CompileError as `outline_model`, and if a row may
    overflow the accumulators (naming layer, row and bound) or the packing has no zero and the weights have.
    """
    return _in_memory(outline_model(checkpoint.config, configuration, name), checkpoint, configuration, progress)


def compile_classifier(classifier: Classifier, configuration: Configuration, name: str = "the model",
                       progress: Progress | None = None) -> Image:
    """The image of a classifier, each of whose layers is a request; otherwise as `compile_model`."""
    return _in_memory(outline_classifier(classifier.config, configuration, name), classifier, configuration, progress)


def compile_layers(requests: Sequence[tuple[str, ...]], weights: Mapping[str, Int8], configuration: Configuration,
                   name: str = "the layers") -> Image:
    """The image of layers of any network, in memory.

    requests: the names of all layers, those that share an input together, in the order in which a pass of the network
    comes by them. weights: int8 (N, K) of each, by name, which is asked for them twice. The image has no scales, so
    that it takes codes only. Raises CompileError as `compile_model`, and for no layers at all, one that is named twice,
    and layers of one request that differ in K.
    """
    names = [layer for layers in requests for layer in layers]
    if not names or len(set(names)) != len(names):
        raise CompileError(f"{name}: each layer is in one request, once, and there is at least one; not {requests!r}")
    shapes = {layer: _shape(layer, weights[layer]) for layer in names}
    for layers in requests:
        for layer in layers:
            columns, expected = shapes[layer][1], shapes[layers[0]][1]
            if columns != expected:
                raise CompileError(f"{layer} has {columns} columns, {layers[0]} of the same request {expected}")
    with _fitting():
        plan = plan_model(requests, shapes, configuration)
    found = _outline(plan, {"kind": "layer", "name": name}, configuration)
    return _image(found, {}, list(_pack(found, weights.__getitem__, configuration)))


def compile_layer(name: str, weights: Int8, configuration: Configuration) -> Image:
    """The image of one layer, int8 (N, K). Raises CompileError as `compile_model`."""
    _check_layer(name, weights, configuration)
    n, k = weights.shape
    with _fitting():
        plan = plan_layer(name, (n, k), configuration)
    found = _outline(plan, {"kind": "layer", "name": name}, configuration)
    return _image(found, {}, list(_pack(found, lambda _: weights, configuration)))


def compile_to_file(model: Checkpoint | Classifier, configuration: Configuration, name: str, path: str | Path,
                    progress: Progress | None = None) -> None:
    """Writes the image of a model into a file, as a stream (image_file.write_image).

    progress: as `compile_model` takes it. Raises CompileError as that does, ImageError if the file cannot be written,
    and what the model's mappings raise.
    """
    found = outline(model, configuration, name)
    weights, tensors = _parts(found, model, configuration, progress)
    write_image(path, found, tensors, weights)


def _shape(layer: str, weights: Int8) -> tuple[int, int]:
    """(N, K); CompileError unless the weights are a matrix."""
    if weights.ndim != 2 or weights.size == 0:
        raise CompileError(f"{layer}: weights must be a non-empty (N, K) matrix, not of shape {weights.shape}")
    return weights.shape[0], weights.shape[1]


def _outline(plan: Plan, model: dict[str, Any], configuration: Configuration) -> Outline:
    return Outline(plan.requests, plan.loads, configuration.configuration_hash, configuration.name, model)


def _image(found: Outline, tensors: Mapping[str, Float32], weights: Sequence[bytes]) -> Image:
    return Image(found.requests, found.loads, found.configuration_hash, found.configuration_name, found.model,
                 tensors, weights, tuple(map(zlib.crc32, weights)))


def _in_memory(found: Outline, model: Checkpoint | Classifier, configuration: Configuration,
               progress: Progress | None) -> Image:
    weights, tensors = _parts(found, model, configuration, progress)
    packed = list(weights)
    return _image(found, dict(tensors), packed)


def _parts(found: Outline, model: Checkpoint | Classifier, configuration: Configuration,
           progress: Progress | None) -> tuple[Iterator[bytes], Iterator[tuple[str, Float32]]]:
    """What follows an image's outline: the weight words of each load and, to be asked for after them, the tensors."""
    report = progress or (lambda step, done: None)
    scales: dict[str, Float32] = {}
    return (_pack(found, _take(model.linears, scales), configuration, lambda done: report("packing weights", done)),
            _tensors(model, scales, lambda done: report("copying tensors", done)))


def _take(linears: Mapping[str, Linear], scales: dict[str, Float32]) -> Callable[[str], Int8]:
    """What asks for a layer's weights, and puts its scale aside for `scales`, by the name of its tensor."""

    def take(layer: str) -> Int8:
        linear = linears[layer]
        name, scale = scale_tensor(layer, linear)
        scales[name] = scale
        return linear.weights

    return take


def _pack(found: Outline, weights_of: Callable[[str], Int8], configuration: Configuration,
          progress: Callable[[float], None] = lambda done: None) -> Iterator[bytes]:
    """The weight words of each load."""
    load, done, words = 0, 0, list[bytes]()
    for request in found.requests:
        matrices = []
        for layer, rows in zip(request.layers, request.rows, strict=True):
            matrices.append(weights_of(layer))
            _check_layer(layer, matrices[-1], configuration)
            if matrices[-1].shape != (rows, request.columns):
                raise CompileError(f"{layer} must be {(rows, request.columns)}, not {matrices[-1].shape}")
        for tile in request.tiles:
            while load < tile.load:
                yield b"".join(words)
                done += found.loads[load].words
                progress(done / found.words)
                load, words = load + 1, []
            columns = slice(tile.first_column, tile.first_column + tile.columns)
            words += [pack_weights(matrices[output.layer_index][output.first_row : output.first_row + output.rows,
                                                                columns], configuration) for output in tile.outputs]
    yield b"".join(words)
    progress(1.0)


def _tensors(model: Checkpoint | Classifier, scales: Mapping[str, Float32],
             progress: Callable[[float], None] = lambda done: None) -> Iterator[tuple[str, Float32]]:
    """The tensors of an image, by name; `scales` is complete when the first is asked for."""
    own: Mapping[str, Float32] = model.tensors if isinstance(model, Checkpoint) else {}
    for number, name in enumerate(own):
        progress(number / len(own))
        yield name, own[name]
    yield from scales.items()
    progress(1.0)


@contextmanager
def _fitting() -> Iterator[None]:
    """What cannot be cut becomes a CompileError."""
    try:
        yield
    except TilingError as error:
        raise CompileError(str(error)) from None


def _check_layer(layer: str, weights: Int8, configuration: Configuration) -> None:
    """Raises CompileError unless the array can hold and add these weights."""
    for first_row in range(0, max(1, len(weights)), ROWS_AT_ONCE):
        _check_rows(layer, first_row, weights[first_row : first_row + ROWS_AT_ONCE], configuration)


def _check_rows(layer: str, first_row: int, weights: Int8, configuration: Configuration) -> None:
    try:
        bounds = static_bound(weights, configuration.activation_bits,
                              admit_minimum=configuration.accumulator_mode.code_range[0] == -128)
    except ValueError as error:
        raise CompileError(f"{layer}: {error}") from None
    if not configuration.codec.has_zero and not weights.all():
        row, column = first(weights == 0)
        raise CompileError(f"{layer}: the weight at row {first_row + row}, column {column} is 0, which "
                           f"{configuration.packing} of {configuration.name} cannot hold")
    row, most = int(bounds.argmax()), int(2 ** (configuration.accumulator_bits - 1)) - 1
    if bounds[row] > most:
        raise CompileError(f"{layer}: row {first_row + row} may reach {bounds[row]}, but the "
                           f"{configuration.accumulator_bits}-bit accumulators of {configuration.name} hold at most "
                           f"{most}")
