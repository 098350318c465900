"""Models and the images made of them, in both directions, whichever kind of model it is."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from trine.firmware.compiler import Progress, compile_classifier, compile_model, compile_to_file
from trine.firmware.configuration import Configuration
from trine.firmware.image import Image, ImageError
from trine.firmware.image_file import MAGIC, read_image
from trine.firmware.models import restore_checkpoint, restore_classifier
from trine.firmware.presets import PRESETS
from trine.golden.arrays import Float32, Int8, Int32
from trine.golden.bitlinear import BinaryLinear, BitLinear
from trine.golden.checkpoint import Checkpoint, linear_shapes
from trine.golden.classifier import Classifier
from trine.host.errors import UsageError, bad_input
from trine.host.shipped import Model, find_model, is_gguf, load_model

Linear = BitLinear | BinaryLinear


def compile_for(model: Model, configuration: Configuration, name: str, progress: Progress | None = None) -> Image:
    """The image of a model, in memory; UsageError if it does not suit the configuration, saying by how much.

    progress: told what is done, and how much of it, 0 to 1.
    """
    with bad_input():
        if isinstance(model, Classifier):
            return compile_classifier(model, configuration, name, progress)
        return compile_model(model, configuration, name, progress)


def write_compiled(model: Model, configuration: Configuration, name: str, path: Path,
                   progress: Progress | None = None) -> Image:
    """The image of a model, written into a file, in bounded memory; UsageError as `compile_for`, and for the file.

    progress: as `compile_for` takes it. Whatever ends it before, nothing is left behind.
    """
    with bad_input():
        compile_to_file(model, configuration, name, path, progress)
        return read_image(path, configuration)


def restore_model(image: Image, configuration: Configuration) -> Model | None:
    """The model that an image was compiled from, None for an image of bare layers; UsageError if it is damaged."""
    with bad_input():
        if image.model.get("kind") == "layer":
            return None
        if image.model.get("kind") == "classifier":
            return restore_classifier(image, configuration)
        return restore_checkpoint(image, configuration)


def is_image(path: Path) -> bool:
    """Whether a file begins as an image does."""
    try:
        with open(path, "rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def open_image(path: Path, configuration: Configuration | None = None) -> tuple[Image, Configuration]:
    """The image in a file and the configuration it is for.

    Without a configuration, that is the preset that suits the image, the one it names if several do. UsageError for a
    file that is no whole image, or not one for the configuration or any preset.
    """
    with bad_input():
        if configuration is not None:
            return read_image(path, configuration), configuration
        found: tuple[Image, Configuration] | None = None
        fault: ImageError | None = None
        for preset in {preset.configuration_hash: preset for preset in PRESETS.values()}.values():
            try:
                found = read_image(path, preset), preset
                break
            except ImageError as error:
                fault = error
        if found is None:
            text = str(fault)
            if "another configuration" in text:
                raise UsageError(f"{path}: compiled for a configuration that is no preset; give it with --config")
            raise UsageError(text)
        image, preset = found
        named = PRESETS.get(image.configuration_name, preset)
        return image, named if named.configuration_hash == image.configuration_hash else preset


def load_any(source: str, configuration: Configuration, i2s_layout: str | None = None,
             progress: Progress | None = None) -> tuple[Image, Model | None]:
    """The image and the model that a name or path stands for, compiled for `configuration` if it is no image yet.

    i2s_layout: as `load_model` takes it. progress: as `compile_for` takes it. The model is None for an image of bare
    layers. UsageError for whatever is wrong with it.
    """
    path = Path(source)
    if path.is_file() and not is_gguf(path):
        if i2s_layout is not None and is_image(path):
            raise UsageError(f"{path}: i2s_layout is of GGUF files alone, not of an image")
        image, _ = open_image(path, configuration)
        return image, restore_model(image, configuration)
    folder = find_model(source)
    model = load_model(folder, i2s_layout)
    return compile_for(model, configuration, folder.resolve().name, progress), model


def apply_linear(linear: Linear, x: Float32, bits: int, multiply: Callable[[Int8], Int32]) -> Float32:
    """A layer's output (..., N) for x (..., K), quantised to `bits` bits, its integer sums taken from `multiply`.

    Raises UsageError for NaN and infinity.
    """
    with bad_input():
        codes, *scales = linear.quantise(x, bits)
    sums = multiply(codes)
    if isinstance(linear, BinaryLinear):
        gamma, minimum = scales
        return linear.rescale(sums, gamma, minimum, bits=bits)
    return linear.rescale(sums, np.asarray(scales[0], np.float32))


def model_shapes(model: Model) -> dict[str, tuple[int, int]]:
    """(N, K) of every layer of a model, by name."""
    if isinstance(model, Checkpoint):
        return linear_shapes(model.config)
    return {name: (linear.weights.shape[0], linear.weights.shape[1]) for name, linear in model.linears.items()}


def describe(model: Model) -> str:
    """A model's kind and dimensions in a few words."""
    if isinstance(model, Checkpoint):
        c = model.config
        return (f"BitNet b1.58 decoder: d {c.hidden_size}, {c.num_hidden_layers} layers, ffn {c.intermediate_size}, "
                f"{c.num_attention_heads} heads, {c.num_key_value_heads} KV heads, vocabulary {c.vocab_size}, "
                f"context {c.max_position_embeddings}")
    kind = "binary (BitNet)" if model.config.binary else "ternary (BitNet b1.58)"
    sizes = [model.config.inputs, *(n for n, _ in model.config.layers.values())]
    return f"{kind} classifier: {' - '.join(map(str, sizes))}"
