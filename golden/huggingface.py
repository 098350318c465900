"""A decoder's folder in Hugging Face's layout: config.json beside safetensors, the ternary layers in one of four forms.

    packed      uint8 (N / 4, K) with weight_scale, four weights to a byte: transformers' `pack_weights`
    unpacked    floats (N, K), each -1, 0 or +1, with weight_scale: what transformers saves of an AutoBitLinear
    master      floats (N, K) alone, which every pass makes ternary: quantization_mode "online", and BitnetForCausalLM
    both        floats (N, K) that are not ternary, with the weight_scale that was made of them

The last are made ternary too, if the scale proves that it belongs to them: 1 / mean|W| where linear_class divides by
it, mean|W| where it multiplies. transformers itself would multiply such weights as they are.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trine.golden.arrays import Float32, Int8, UInt8, first, require_dtype, require_weights
from trine.golden.bitlinear import BitLinear
from trine.golden.config import ModelConfig, is_online, read_json
from trine.golden.json_object import one_line
from trine.golden.quantise import ternarise
from trine.golden.shards import read_folder
from trine.golden.tensors import FLOATS, StoredTensor

SCALE_TOLERANCE = 2.0**-6  # of a stored scale against mean|W|: BF16 rounds both, by 2**-9 each

# What the tensors of BitnetForCausalLM are called there.
_OLDER_NAMES = {"self_attn.attn_sub_norm": "self_attn.inner_attn_ln", "mlp.ffn_sub_norm": "mlp.ffn_layernorm"}


def pack_hf(weights: Int8) -> UInt8:
    """Ternary weights int8 (N, K) packed to uint8 (N / 4, K): bits 2i+1:2i of row r hold weight + 1 of row i * N/4 + r.

    Raises ValueError for another type or shape, a weight outside {-1, 0, +1}, or N not a multiple of 4.
    """
    require_weights(weights)
    n, k = weights.shape
    if n % 4:
        raise ValueError(f"the rows of packed weights must be a multiple of 4, not {n}")
    quarters = (weights + 1).astype(np.uint8).reshape(4, n // 4, k)
    packed: UInt8 = np.bitwise_or.reduce([quarters[i] << np.uint8(2 * i) for i in range(4)])
    return packed


def unpack_hf(packed: UInt8) -> Int8:
    """Ternary weights int8 (N, K) of `packed` uint8 (N / 4, K): the inverse of `pack_hf`.

    Raises ValueError for another type or shape, and for the code 3, naming its row and column among the weights.
    transformers reads a 3 as a weight of +2.
    """
    require_dtype("packed weights", packed, np.uint8)
    if packed.ndim != 2 or packed.size == 0:
        raise ValueError(f"packed weights must be a non-empty (N / 4, K) matrix, not of shape {packed.shape}")
    codes = np.concatenate([packed >> np.uint8(2 * i) & np.uint8(3) for i in range(4)])
    if (codes == 3).any():
        raise ValueError(f"code 3 at row and column {first(codes == 3)} is no weight")
    return codes.astype(np.int8) - np.int8(1)


class ModelFolder:
    """A decoder in the folder `folder`, of which only config.json and the headers of the tensors are read.

    config: its configuration; whether the ternary weights of its files suit it, `check` says.

    Every method raises ValueError, in one line that begins with the path of the file in question.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "config.json"
        fields = read_json(path)
        try:
            self.config = ModelConfig.from_huggingface(fields)
            self._online = is_online(fields)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        self._older = fields["architectures"] == ["BitnetForCausalLM"]
        self._path, self._stored = read_folder(folder)

    def check(self, linears: Mapping[str, tuple[int, int]], tensors: Mapping[str, tuple[int, ...]]) -> str:
        """How the ternary layers are stored, in words, once every tensor is found there, of its type and shape.

        linears, tensors: the shapes, by name. Raises ValueError for a tensor that is missing, one that nobody expects,
        one of another type or shape, and packed weights whose rows are not a multiple of 4.
        """
        left = dict(self._stored)

        def take(name: str) -> StoredTensor:
            if name not in left:
                raise ValueError(f"{self._path}: tensor {name} is missing")
            return left.pop(name)

        forms: dict[str, None] = {}
        for name, (n, k) in linears.items():
            weight = take(f"{name}.weight")
            if weight.dtype == "U8" and not self._online:
                if n % 4:
                    raise ValueError(f"{weight.path}: {name} is packed, but its {n} rows are not a multiple of 4")
                weight.require(("U8",), (n // 4, k))
            else:
                weight.require(FLOATS if self._online else ("U8", *FLOATS), (n, k))
            if not self._online:
                take(f"{name}.weight_scale").require(FLOATS, (1,), ())
            forms[self._form(weight)] = None
        for name, shape in tensors.items():
            take(self._file_name(name)).require(FLOATS, shape)
        if left:
            raise ValueError(f"{self._path}: unknown tensor {one_line(min(left))}")
        return f"Hugging Face, {' and '.join(forms)}"

    def linear(self, name: str) -> BitLinear:
        """The ternary layer `name`, read now; ValueError for a code 3, a value or scale that is not finite, and others.

        Nothing may be missing: `check` has been called.
        """
        weight = self._stored[f"{name}.weight"]
        values: npt.NDArray[Any] = weight.integers() if weight.dtype == "U8" else weight.floats()
        scale = np.float32(1) if self._online else self._stored[f"{name}.weight_scale"].floats().reshape(-1)[0]
        try:
            if self._online:
                return BitLinear(*ternarise(values))
            linear_class = self.config.linear_class
            ternary = unpack_hf(values) if weight.dtype == "U8" else make_ternary(values, scale, linear_class)
            return BitLinear(ternary, scale, linear_class)
        except ValueError as error:
            raise ValueError(f"{weight.path}: {name}: {error}") from error

    def tensor(self, name: str) -> Float32:
        """The float tensor `name`, read now; ValueError naming its first value that is not finite."""
        return self._stored[self._file_name(name)].floats()

    def _form(self, weight: StoredTensor) -> str:
        if weight.dtype == "U8":
            return "packed ternary weights (U8)"
        return f"{'master' if self._online else 'unpacked'} weights ({weight.dtype})"

    def _file_name(self, name: str) -> str:
        if self._older:
            for ours, theirs in _OLDER_NAMES.items():
                name = name.replace(ours, theirs)
        return name


def make_ternary(weights: Float32, scale: np.float32, linear_class: str) -> Int8:
    """Ternary weights int8 (N, K) of floats (N, K) that have a weight scale beside them.

    Weights that all are -1, 0 or +1 stay what they are: nothing in the numbers tells which way the scale works, and
    linear_class is believed. Others are master weights, and it must be their own scale: 1 / mean|W| for "bitlinear",
    mean|W| for "autobitlinear", within SCALE_TOLERANCE.

    Raises ValueError if it is not, saying so if it is the other one, for NaN and infinity, and for a scale that is not
    positive and finite.
    """
    if np.isin(weights, (-1, 0, 1)).all():
        return weights.astype(np.int8)
    ternary, inverse = ternarise(weights)
    expected = {"bitlinear": float(inverse), "autobitlinear": 1 / float(inverse)}
    fitting = [name for name, value in expected.items() if abs(float(scale) / value - 1) <= SCALE_TOLERANCE]
    if linear_class not in fitting:
        found = f"{scale}, not {expected[linear_class]:.6g} as {linear_class} needs for these weights"
        hint = f": it is the scale of {fitting[0]}" if fitting else ""
        raise ValueError(f"weight_scale is {found}{hint}")
    return ternary
