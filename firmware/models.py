"""Models inside images: what of a model the device does not hold, and the whole model back again.

In an image's `model` section stands {"kind", "name", ...}: of a "decoder" its `config`, of a "classifier" its `layers`
in order, as [name, outputs, inputs], and whether it is `binary`. Its tensors are the model's own and, of each layer,
`NAME.weight_scale` (or `NAME.beta` of a binary one), float32 (1,), as in the files that models are read from.
"""

import dataclasses
from typing import Any

import numpy as np

from trine.firmware.configuration import Configuration
from trine.firmware.image import Image, ImageError, layer_weights
from trine.golden.arrays import Float32
from trine.golden.bitlinear import BinaryLinear, BitLinear
from trine.golden.checkpoint import Checkpoint, linear_shapes, tensor_shapes
from trine.golden.classifier import Classifier, ClassifierConfig
from trine.golden.config import ModelConfig


def describe_checkpoint(checkpoint: Checkpoint, name: str) -> tuple[dict[str, Any], dict[str, Float32]]:
    """(model, tensors) of an image of a decoder."""
    scales = {f"{layer}.weight_scale": _scale(linear.weight_scale) for layer, linear in checkpoint.linears.items()}
    model = {"kind": "decoder", "name": name, "config": dataclasses.asdict(checkpoint.config)}
    return model, {**checkpoint.tensors, **scales}


def describe_classifier(classifier: Classifier, name: str) -> tuple[dict[str, Any], dict[str, Float32]]:
    """(model, tensors) of an image of a classifier."""
    config = classifier.config
    layers = [[layer, *shape] for layer, shape in config.layers.items()]
    tensors = {}
    for layer, linear in classifier.linears.items():
        if isinstance(linear, BinaryLinear):
            tensors[f"{layer}.beta"] = _scale(linear.beta)
        else:
            tensors[f"{layer}.weight_scale"] = _scale(linear.weight_scale)
    return {"kind": "classifier", "name": name, "layers": layers, "binary": config.binary}, tensors


def restore_checkpoint(image: Image, configuration: Configuration) -> Checkpoint:
    """The decoder that an image was compiled from, bit for bit; ImageError if it does not hold one whole."""
    try:
        config = ModelConfig(**_field(image, "decoder", "config", dict))
        weights = _weights(image, configuration, linear_shapes(config))
        tensors = dict(image.tensors)
        linears = {layer: BitLinear(matrix, _take_scale(tensors, f"{layer}.weight_scale"), config.linear_class)
                   for layer, matrix in weights.items()}
        shapes = tensor_shapes(config)
        if {name: tensor.shape for name, tensor in tensors.items()} != shapes:
            wrong = next(name for name in [*shapes, *tensors]
                         if name not in tensors or tensors[name].shape != shapes.get(name))
            raise ValueError(f"tensor {wrong} is missing, unknown or of another shape")
        for name, tensor in tensors.items():
            if not np.isfinite(tensor).all():
                raise ValueError(f"tensor {name} is not finite")
    except (ValueError, TypeError) as error:
        raise ImageError(f"{image.name}: {error}") from None
    return Checkpoint(config, linears, {name: tensors[name] for name in shapes})


def restore_classifier(image: Image, configuration: Configuration) -> Classifier:
    """The classifier that an image was compiled from, bit for bit; ImageError if it does not hold one whole."""
    try:
        layers = {str(name): (int(n), int(k)) for name, n, k in _field(image, "classifier", "layers", list)}
        config = ClassifierConfig(layers, _field(image, "classifier", "binary", bool))
        tensors = dict(image.tensors)
        linears: dict[str, BitLinear | BinaryLinear] = {}
        for layer, matrix in _weights(image, configuration, config.layers).items():
            if config.binary:
                linears[layer] = BinaryLinear(matrix, _take_scale(tensors, f"{layer}.beta"))
            else:
                linears[layer] = BitLinear(matrix, _take_scale(tensors, f"{layer}.weight_scale"))
        if tensors:
            raise ValueError(f"tensor {next(iter(tensors))} is unknown")
    except (ValueError, TypeError) as error:
        raise ImageError(f"{image.name}: {error}") from None
    return Classifier(config, linears)


def _field(image: Image, kind: str, name: str, expected: type) -> Any:
    found = image.model.get("kind")
    if found != kind:
        raise ValueError(f"the image holds a {found}, not a {kind}")
    value = image.model.get(name)
    if not isinstance(value, expected):
        raise ValueError(f"section model: {name} must be a {expected.__name__}, not {value!r:.40}")
    return value


def _weights(image: Image, configuration: Configuration, shapes: dict[str, tuple[int, int]]) -> dict[str, Any]:
    weights = layer_weights(image, configuration)
    if {name: matrix.shape for name, matrix in weights.items()} != shapes:
        raise ValueError("its layers are not those of its configuration")
    return {name: weights[name] for name in shapes}


def _scale(value: np.float32) -> Float32:
    return np.array([value], np.float32)


def _take_scale(tensors: dict[str, Float32], name: str) -> np.float32:
    scale = tensors.pop(name, None)
    if scale is None or scale.shape != (1,):
        raise ValueError(f"tensor {name} is missing, or not of shape (1,)")
    return np.float32(scale[0])
