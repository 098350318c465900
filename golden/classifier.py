"""Small classifiers: ternary or binary layers with a ReLU between them, as of 8x8 images of digits."""

import dataclasses
from typing import Any, Self

import numpy as np

from trine.golden.arrays import Float32
from trine.golden.bitlinear import BinaryLinear, BitLinear, Multiply, call_multiply
from trine.golden.config import require_fixed
from trine.golden.json_object import one_line

_FIXED = {"activation": "relu", "activation_bits": 8}


@dataclasses.dataclass(frozen=True)
class ClassifierConfig:
    """The layers of a classifier, first to last, as {name: (N, K)}; each takes what the one before gives.

    binary: weights and quantisers of the original BitNet, not of b1.58. Raises ValueError if the layers do not fit.
    """

    layers: dict[str, tuple[int, int]]
    binary: bool

    def __post_init__(self) -> None:
        if not self.layers:
            raise ValueError("layers must not be empty")
        width = next(iter(self.layers.values()))[1]
        for name, (outputs, inputs) in self.layers.items():
            if inputs != width:
                raise ValueError(f"inputs of layer {one_line(name)} must be {width}, not {inputs!r}")
            width = outputs

    @property
    def inputs(self) -> int:
        """Values of one input."""
        return next(iter(self.layers.values()))[1]

    @property
    def classes(self) -> int:
        """Logits of one result."""
        return next(reversed(self.layers.values()))[0]

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> Self:
        """The configuration in a parsed config.json; ValueError for a field that is missing or not as expected."""
        if fields.get("architectures") != ["BitLinearMLP"]:
            raise ValueError(f"architectures must be ['BitLinearMLP'], not {fields.get('architectures')!r}")
        quantiser = fields.get("quantiser")
        if quantiser not in ("b1.58", "bitnet"):
            raise ValueError(f"quantiser must be b1.58 or bitnet, not {quantiser!r}")
        require_fixed(fields, _FIXED)
        try:
            layers = {
                str(layer["name"]): (_size(layer, "outputs"), _size(layer, "inputs")) for layer in fields["layers"]
            }
        except (KeyError, TypeError) as error:
            raise ValueError("layers must be a list of objects with name, inputs and outputs") from error
        if len(layers) < len(fields["layers"]):
            raise ValueError("two layers have the same name")
        config = cls(layers, quantiser == "bitnet")
        if fields.get("classes") != config.classes:
            raise ValueError(f"classes must be {config.classes}, the outputs of the last layer")
        return config


@dataclasses.dataclass(frozen=True, eq=False)
class Classifier:
    """A classifier in memory: its configuration and its layers by name, in order."""

    config: ClassifierConfig
    linears: dict[str, BitLinear | BinaryLinear]

    def logits(self, x: Float32, multiply: Multiply | None = None) -> Float32:
        """Logits float32 (classes,) of one input x (inputs,): `last(relu(... relu(first(x))))`.

        `multiply`, if given, executes each layer, one call each. Without it x may be (..., inputs), for results
        (..., classes). Raises ValueError for another type, shape, NaN or infinity.
        """
        if x.shape[-1:] != (self.config.inputs,) or (multiply is not None and x.ndim != 1):
            raise ValueError(f"x must be ({self.config.inputs},), not {x.shape}")
        for index, (name, linear) in enumerate(self.linears.items()):
            if index:
                x = np.maximum(x, np.float32(0))
            codes, *scales = linear.quantise(x)
            if multiply is None:
                sums = linear.accumulate(codes)
            else:
                (sums,) = call_multiply(multiply, self.linears, (name,), codes)
            x = linear.rescale(sums, *scales)
        return x


def _size(layer: dict[str, Any], name: str) -> int:
    value = layer[name]
    if type(value) is not int or value < 1:
        raise ValueError(f"{name} of a layer must be a positive integer, not {value!r}")
    return value
