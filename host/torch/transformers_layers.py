"""What the quantised layers of transformers hold, and the modules that compute the same on a device.

transformers has two classes. BitLinear holds four weights to a byte. AutoBitLinear holds ternary weights as floats, or
master weights ("online"), which it makes ternary whenever it is called; packed files that declare it are unpacked as
they are loaded. Either may have a bias, and a norm of its own before the quantiser.
"""

from collections.abc import Iterator, Mapping
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from transformers.integrations import bitnet

from trine.golden.arrays import Int8, first
from trine.golden.huggingface import unpack_hf
from trine.golden.quantise import SMALLEST
from trine.host.errors import UsageError
from trine.host.layers import Layers
from trine.host.torch.bitlinear import BitLinear

TheirLayer: TypeAlias = bitnet.BitLinear | bitnet.AutoBitLinear


def find_layers(model: nn.Module) -> dict[str, TheirLayer]:
    """The quantised layers of a model by name, in its own order."""
    return {name: module for name, module in model.named_modules() if isinstance(module, TheirLayer)}


class TernaryWeights(Mapping[str, Int8]):
    """The weights int8 (N, K) of layers by name; unpacked when they are looked up, and not kept.

    Parameters: the layers of `find_layers`. A look-up raises UsageError for weights that are not on the CPU, not of the
    layer's shape, or not ternary, naming the first.
    """

    def __init__(self, layers: Mapping[str, TheirLayer]) -> None:
        self._layers = layers

    def __getitem__(self, name: str) -> Int8:
        layer = self._layers[name]
        weight = layer.weight.detach()
        if weight.device.type != "cpu":
            raise UsageError(f"{name}: its weights are on {weight.device}; move the model to the CPU first")
        if isinstance(layer, bitnet.BitLinear):
            return _unpack(name, weight, (layer.out_features, layer.in_features))
        if layer.online_quant:
            return _ternarise(weight)[0].to(torch.int8).numpy()
        return _as_ternary(name, weight)

    def __iter__(self) -> Iterator[str]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)


def make_module(name: str, layer: TheirLayer, layers: Layers) -> BitLinear:
    """The module that computes what `layer` does, by the layer of that name on a device; UsageError as BitLinear."""
    if isinstance(layer, bitnet.BitLinear):
        return BitLinear(layers, name, layer.weight_scale, "bitlinear", layer.bias, layer.dtype, layer.rms_norm)
    if layer.online_quant:
        _, magnitude = _ternarise(layer.weight.detach())
        return BitLinear(layers, name, magnitude, "online", layer.bias, norm=layer.rms_norm)
    return BitLinear(layers, name, layer.weight_scale, "autobitlinear", layer.bias, norm=layer.rms_norm)


def _unpack(name: str, packed: Tensor, shape: tuple[int, int]) -> Int8:
    try:
        weights = unpack_hf(packed.numpy())
        if weights.shape != shape:
            raise ValueError(f"its packed weights are of {weights.shape}, the layer is {shape}")
    except ValueError as error:
        raise UsageError(f"{name}: {error}") from error
    return weights


def _ternarise(master: Tensor) -> tuple[Tensor, Tensor]:
    """(weights float32 (N, K) in {-1, 0, +1}, the magnitude (1,) that the layer gives to +-1, in its own dtype).

    The formula of golden's `ternarise`, with the mean as PyTorch takes it, so that no weight falls on the other side.
    """
    weight = master.float()
    scale = 1.0 / weight.abs().mean().clamp(min=float(SMALLEST))
    return (weight * scale).round().clamp(-1, 1), (1 / scale).to(master.dtype).reshape(1)


def _as_ternary(name: str, weight: Tensor) -> Int8:
    codes = weight.to(torch.int8)
    wrong = ((codes.to(weight.dtype) != weight) | (codes.abs() > 1)).numpy()
    if wrong.any():
        row, column = first(wrong)
        raise UsageError(f"{name}: its weight at row {row}, column {column} is {weight[row, column].item():.6g}, not "
                         "-1, 0 or +1; if these are master weights, load the model with quantization_mode online")
    return np.ascontiguousarray(codes.numpy())
