"""A decoder in a GGUF file, as llama.cpp and bitnet.cpp keep them: bitnet, bitnet-25, bitnet-b1.58 and llama.

The first three pair the halves of a head in RoPE, as golden does, and their converters leave q and k as they are; llama
pairs neighbours, and its converter permutes the rows of q and k to suit (`restore_halves` undoes it). A converter has
made the weights ternary, times a scale, before anything was quantised: whatever type a ternary layer is stored in, its
weights must be 0, +s and -s for one s. That s multiplies, so every layer is an "autobitlinear".
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize

from trine.golden import i2s
from trine.golden.arrays import Float32, Int8, first
from trine.golden.bitlinear import BitLinear
from trine.golden.chunks import join_finite, read_chunks
from trine.golden.config import ModelConfig
from trine.golden.gguf_file import GGUFTensor, read_gguf
from trine.golden.json_object import one_line

CHUNK = 2 * 2**20  # weights that are decoded at a time

# (hidden_act unless the file states it, sub_norms, whether a separate head may be there) of each architecture.
_ARCHITECTURES = {
    "bitnet": ("silu", True, False),
    "bitnet-25": ("relu2", True, False),
    "bitnet-b1.58": ("relu2", True, False),
    "llama": ("silu", False, True),
}
_LAYER_NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.attn_sub_norm": "attn_sub_norm",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.ffn_sub_norm": "ffn_sub_norm",
    "mlp.down_proj": "ffn_down",
}
_NAMES = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
# Metadata of an architecture that say something else than a field of ModelConfig, and what they may say.
_FIXED: dict[str, tuple[Any, ...]] = {
    "rope.scaling.type": ("none", "linear"),
    "rope.scaling.factor": (1.0,),
    "rope.scaling.finetuned": (False,),
    "attention.causal": (True,),
    "expert_count": (0,),
    "expert_used_count": (0,),
}


def gguf_name(name: str) -> str:
    """What GGUF calls a tensor or layer; "model.layers.3.mlp.up_proj.weight" is "blk.3.ffn_up.weight"."""
    stem = name.removesuffix(".weight")
    if stem in _NAMES:
        return f"{_NAMES[stem]}.weight"
    _, _, layer, part = stem.split(".", 3)
    return f"blk.{layer}.{_LAYER_NAMES[part]}.weight"


class GGUFModel:
    """The decoder in the file `path`, of which only the header is read.

    i2s_layout: "x86" or "arm" (`i2s`), None if there is no I2_S. config: its configuration; whether the tensors suit
    it, `check` says.

    Every method raises ValueError, in one line that begins with the path.
    """

    def __init__(self, path: Path, i2s_layout: str | None = None) -> None:
        if i2s_layout not in (None, *i2s.BLOCKS):
            raise ValueError(f"{path}: i2s_layout must be one of {', '.join(i2s.BLOCKS)}, not {i2s_layout!r:.80}")
        header = read_gguf(path)
        self._path, self._layout, self._stored = path, i2s_layout, header.tensors
        try:
            self._architecture = _architecture(header.metadata)
            self.config = _config(header.metadata, self._architecture, header.tensors)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    def check(self, linears: Mapping[str, tuple[int, int]], tensors: Mapping[str, tuple[int, ...]]) -> str:
        """How the ternary layers are stored, in words, once every tensor is found there, of a type that can be decoded.

        linears, tensors: the shapes, by name. Raises ValueError for a tensor that is missing, one that nobody expects,
        one of another shape, a type that is not decoded, I2_S without a layout or that is not made of its blocks, and a
        layout without I2_S.
        """
        left = dict(self._stored)
        types: dict[str, None] = {}
        for name, shape in {**linears, **tensors}.items():
            tensor = left.pop(gguf_name(name), None)
            if tensor is None:
                raise ValueError(f"{self._path}: tensor {gguf_name(name)} is missing")
            if tensor.shape != shape:
                raise ValueError(f"{self._path}: {tensor.name} must be {shape}, not {tensor.shape}")
            if tensor.type == i2s.TYPE and name in linears:
                self._check_i2s(tensor)
            elif not _is_decoded(tensor.type):
                raise ValueError(f"{self._path}: {tensor.name} is of type {tensor.type_name}, which is not read")
            if name in linears:
                types[tensor.type_name] = None
        if left:
            raise ValueError(f"{self._path}: unknown tensor {one_line(min(left))}")
        stored = " and ".join(types)
        if self._layout is None:
            return f"GGUF {self._architecture}, {stored}"
        if "I2_S" not in types:
            raise ValueError(f"{self._path}: no ternary layer is I2_S, but {stored}; leave out --i2s-layout "
                             "(i2s_layout)")
        return f"GGUF {self._architecture}, {stored} ({self._layout})"

    def linear(self, name: str) -> BitLinear:
        """The ternary layer `name`, read now; ValueError for weights that are not 0, +s and -s for one s.

        One that is zero throughout has the scale 1. Nothing may be missing: `check` has been called.
        """
        tensor = self._stored[gguf_name(name)]
        weights, scale = self._unpack_i2s(tensor) if tensor.type == i2s.TYPE else _unpack_ternary(tensor)
        config, part = self.config, name.rpartition(".")[2]
        if self._architecture == "llama" and part in ("q_proj", "k_proj"):
            weights = restore_halves(weights, weights.shape[0] // config.head_dim)
        try:
            return BitLinear(weights, scale, config.linear_class)
        except ValueError as error:
            raise ValueError(f"{self._path}: {tensor.name}: {error}") from error

    def tensor(self, name: str) -> Float32:
        """The float tensor `name`, decoded now; ValueError naming its first value that is not finite."""
        tensor = self._stored[gguf_name(name)]
        return join_finite(self._path, tensor.name, tensor.shape, _decode(tensor))

    def _check_i2s(self, tensor: GGUFTensor) -> None:
        if self._layout is None:
            raise ValueError(f"{self._path}: {tensor.name} is I2_S, whose layout is that of the machine that wrote it, "
                             "which the file does not name; say it with --i2s-layout x86 or arm (i2s_layout)")
        n, k = tensor.shape
        if n * k % i2s.BLOCKS[self._layout]:
            raise ValueError(f"{self._path}: {tensor.name} of {n} x {k} weights is no whole number of the "
                             f"{self._layout} layout's blocks of {i2s.BLOCKS[self._layout]}")

    def _unpack_i2s(self, tensor: GGUFTensor) -> tuple[Int8, np.float32]:
        (data,) = read_chunks(tensor.path, tensor.offset, tensor.size, tensor.size)
        n, k = tensor.shape
        try:
            return i2s.unpack_i2s(np.frombuffer(data, np.uint8), (n, k), str(self._layout))
        except ValueError as error:
            raise ValueError(f"{tensor.path}: {tensor.name}: {error}") from error


def restore_halves(weights: Int8, heads: int) -> Int8:
    """Rows (N, K) of `heads` heads whose neighbours RoPE pairs, in the order in which it pairs the halves of a head.

    llama's converter puts coordinate j of the first half of a head at 2 j, and j of the second at 2 j + 1.
    """
    n, k = weights.shape
    return np.ascontiguousarray(weights.reshape(heads, n // heads // 2, 2, k).swapaxes(1, 2).reshape(n, k))


def _architecture(metadata: dict[str, Any]) -> str:
    name = metadata.get("general.architecture")
    if name not in tuple(_ARCHITECTURES):
        raise ValueError(f"general.architecture must be one of {', '.join(_ARCHITECTURES)}, not {name!r:.80}")
    parts = metadata.get("split.count", 1)
    if parts not in (0, 1):
        raise ValueError(f"one of {parts!r:.20} files of a model; join them with llama-gguf-split --merge")
    return str(name)


def _config(metadata: dict[str, Any], architecture: str, tensors: Mapping[str, GGUFTensor]) -> ModelConfig:
    """The configuration that the metadata of an architecture make; ValueError for one that is not understood."""
    prefix = f"{architecture}."
    left = {key.removeprefix(prefix): value for key, value in metadata.items() if key.startswith(prefix)}

    def take(key: str, default: Any = None) -> Any:
        value = left.pop(key, default)
        if value is None:
            raise ValueError(f"{prefix}{key} is missing, or an array")
        return value

    hidden_act, sub_norms, separate_head = _ARCHITECTURES[architecture]
    embedding = tensors.get("token_embd.weight")
    rows = embedding.shape[0] if embedding is not None else None
    heads = take("attention.head_count")
    try:
        config = ModelConfig(
            vocab_size=take("vocab_size", rows),
            hidden_size=take("embedding_length"),
            intermediate_size=take("feed_forward_length"),
            num_hidden_layers=take("block_count"),
            num_attention_heads=heads,
            num_key_value_heads=take("attention.head_count_kv", heads),
            max_position_embeddings=take("context_length"),
            rms_norm_eps=take("attention.layer_norm_rms_epsilon"),
            rope_theta=take("rope.freq_base", 10000.0),
            tie_word_embeddings=not (separate_head and "output.weight" in tensors),
            linear_class="autobitlinear",
            hidden_act=take("hidden_activation", hidden_act),
            sub_norms=sub_norms,
        )
    except ValueError as error:
        raise ValueError(f"metadata of {architecture}: {error}") from error
    widths = ("rope.dimension_count", "attention.key_length", "attention.value_length")
    for key, allowed in {**_FIXED, **dict.fromkeys(widths, (config.head_dim,))}.items():
        if key in left and left[key] not in allowed:
            raise ValueError(f"{prefix}{key} must be {' or '.join(map(str, allowed))}, not {left[key]!r:.80}")
        left.pop(key, None)
    if left:
        raise ValueError(f"{one_line(prefix + min(left))} is not understood")
    return config


def _is_decoded(kind: int) -> bool:
    """Whether `gguf` decodes a tensor type to floats."""
    try:
        _, size = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
        dequantize(np.zeros((1, size), np.uint8), GGMLQuantizationType(kind))
    except (ValueError, NotImplementedError):
        return False
    return True


def _decode(tensor: GGUFTensor) -> Iterator[Float32]:
    """The rows of a tensor, float32 (rows, K), about CHUNK weights at a time."""
    row_bytes = tensor.size // tensor.rows
    step = max(1, CHUNK // tensor.shape[-1]) * row_bytes
    for data in read_chunks(tensor.path, tensor.offset, tensor.size, step):
        with np.errstate(all="ignore"):  # scales that are not finite are found in the result
            yield dequantize(np.frombuffer(data, np.uint8).reshape(-1, row_bytes), GGMLQuantizationType(tensor.type))


def _unpack_ternary(tensor: GGUFTensor) -> tuple[Int8, np.float32]:
    """(weights, scale) of a ternary layer of any type that is decoded to floats."""
    weights = np.empty(tensor.shape, np.int8)
    scale, at = np.float32(0), 0
    for block in _decode(tensor):
        magnitudes = np.abs(block)
        if not scale:
            nonzero = magnitudes[magnitudes != 0]
            scale = nonzero[0] if nonzero.size else scale
        wrong = (magnitudes != 0) & (magnitudes != scale)
        if wrong.any():
            row, column = first(wrong)
            raise ValueError(f"{tensor.path}: {tensor.name} is not ternary with one scale: {block[row, column]} at row "
                             f"{at + row}, column {column}, where others are {scale} or 0")
        weights[at : at + len(block)] = np.sign(block)
        at += len(block)
    return weights, scale or np.float32(1)
