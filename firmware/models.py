"""Models inside images: what of a model the device does not hold, and the whole model back again.

In an image's `model` stands {"kind", "name", ...}: of a "decoder" its `config`, of a "classifier" its `layers`
in order, as [name, outputs, inputs], and whether it is `binary`. Its tensors are the model's own and, of each layer,
`NAME.weight_scale` (or `NAME.beta` of a binary one), float32 (1,), as in the files that models are read from.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from trine.firmware.configuration import Configuration
from trine.firmware.image import Image, ImageError, layer_weights
from trine.golden.arrays import Float32, Int8
from trine.golden.bitlinear import BinaryLinear, BitLinear
from trine.golden.checkpoint import Checkpoint, linear_shapes, tensor_shapes
from trine.golden.classifier import Classifier, ClassifierConfig
from trine.golden.config import ModelConfig
from trine.golden.lazy import LazyMapping

Linear = BitLinear | BinaryLinear


def describe_checkpoint(config: ModelConfig, name: str) -> dict[str, Any]:
    """What an image says of a decoder."""
    return {"kind": "decoder", "name": name, "config": dataclasses.asdict(config)}


def describe_classifier(config: ClassifierConfig, name: str) -> dict[str, Any]:
    """What an image says of a classifier."""
    layers = [[layer, *shape] for layer, shape in config.layers.items()]
    return {"kind": "classifier", "name": name, "layers": layers, "binary": config.binary}


def scale_tensor(layer: str, linear: Linear) -> tuple[str, Float32]:
    """The name and the value, float32 (1,), of the tensor that keeps a layer's scale."""
    if isinstance(linear, BinaryLinear):
        return f"{layer}.beta", np.array([linear.beta], np.float32)
    return f"{layer}.weight_scale", np.array([linear.weight_scale], np.float32)


def restore_checkpoint(image: Image, configuration: Configuration) -> Checkpoint:
    """The decoder that an image was compiled from, bit for bit; ImageError if it does not hold one.

    Of a model that is resident all is read. Of a larger one, layers and tensors are when they are asked for, and what
    is wrong with one is an ImageError then.
    """
    with _naming(image):
        config = ModelConfig(**_field(image, "decoder", "config", dict))
        shapes = tensor_shapes(config)
        weights = _weights(image, configuration, linear_shapes(config))
        scales = {layer: f"{layer}.weight_scale" for layer in weights}
        if missing := [name for name in scales.values() if name not in image.tensors]:
            raise ValueError(f"tensor {missing[0]} is missing, or not of shape (1,)")
        if wrong := image.tensors.keys() ^ (shapes.keys() | set(scales.values())):
            raise ValueError(f"tensor {min(wrong)} is missing, unknown or of another shape")

    def linear(layer: str) -> BitLinear:
        with _naming(image):
            return BitLinear(weights[layer], _scale(image, scales[layer]), config.linear_class)

    def tensor(name: str) -> Float32:
        with _naming(image):
            return _tensor(image, name, shapes[name])

    linears, tensors = LazyMapping(weights, linear), LazyMapping(shapes, tensor)
    if len(image.loads) > 1:
        return Checkpoint(config, linears, tensors)
    return Checkpoint(config, dict(linears), dict(tensors))


def restore_classifier(image: Image, configuration: Configuration) -> Classifier:
    """The classifier that an image was compiled from, bit for bit; ImageError if it does not hold one whole."""
    with _naming(image):
        layers = {str(name): (int(n), int(k)) for name, n, k in _field(image, "classifier", "layers", list)}
        config = ClassifierConfig(layers, _field(image, "classifier", "binary", bool))
        weights = _weights(image, configuration, config.layers)
        linears: dict[str, Linear] = {}
        for layer in weights:
            if config.binary:
                linears[layer] = BinaryLinear(weights[layer], _scale(image, f"{layer}.beta"))
            else:
                linears[layer] = BitLinear(weights[layer], _scale(image, f"{layer}.weight_scale"))
        if unknown := image.tensors.keys() - {scale_tensor(*entry)[0] for entry in linears.items()}:
            raise ValueError(f"tensor {min(unknown)} is unknown")
    return Classifier(config, linears)


@contextmanager
def _naming(image: Image) -> Iterator[None]:
    """What is wrong with an image becomes an ImageError that begins with its name."""
    try:
        yield
    except ImageError:
        raise
    except (ValueError, TypeError) as error:
        raise ImageError(f"{image.name}: {error}") from None


def _field(image: Image, kind: str, name: str, expected: type) -> Any:
    found = image.model.get("kind")
    if found != kind:
        raise ValueError(f"the image holds a {found}, not a {kind}")
    value = image.model.get(name)
    if not isinstance(value, expected):
        raise ValueError(f"its model: {name} must be a {expected.__name__}, not {value!r:.40}")
    return value


def _weights(image: Image, configuration: Configuration, shapes: Mapping[str, tuple[int, int]]) -> Mapping[str, Int8]:
    found = {layer: (rows, request.columns) for request in image.requests
             for layer, rows in zip(request.layers, request.rows, strict=True)}
    if found != shapes:
        raise ValueError("its layers are not those of its configuration")
    return layer_weights(image, configuration)


def _scale(image: Image, name: str) -> np.float32:
    scale = image.tensors.get(name)
    if scale is None or scale.shape != (1,):
        raise ValueError(f"tensor {name} is missing, or not of shape (1,)")
    return np.float32(scale[0])


def _tensor(image: Image, name: str, shape: tuple[int, ...]) -> Float32:
    tensor = image.tensors[name]
    if tensor.shape != shape:
        raise ValueError(f"tensor {name} is missing, unknown or of another shape")
    if not all(np.isfinite(row).all() for row in tensor):  # row by row: the embeddings of some models are 2 GB
        raise ValueError(f"tensor {name} is not finite")
    return tensor
