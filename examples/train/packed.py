"""The exported character model, read and run with NumPy alone: an integer forward pass and its bits per character.

It shares no code with the training model, so that agreement between the two means something. Every projection is an
exact integer matrix product of the ternary weights in the file and int8 activation codes; what stands between them is
float32, in the order of operations of transformers' BitNetForCausalLM.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load_file

Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[np.int8]
SMALLEST = np.float32(1e-5)


class ModelFileError(Exception):
    """An exported model is not what it should be."""


def pack(weights: Codes) -> npt.NDArray[np.uint8]:
    """Ternary (N, K) to the packed (N / 4, K): bits 2i+1:2i of row r hold weight + 1 of row i * N / 4 + r."""
    if weights.shape[0] % 4:
        raise ValueError(f"the number of rows must be a multiple of 4, not {weights.shape[0]}")
    codes = (weights + 1).astype(np.uint8).reshape(4, weights.shape[0] // 4, -1)
    packed: npt.NDArray[np.uint8] = codes[0] | codes[1] << 2 | codes[2] << 4 | codes[3] << 6
    return packed


def unpack(packed: npt.NDArray[np.uint8]) -> Codes:
    """The inverse of `pack`; ModelFileError for the code 3, which stands for nothing."""
    codes = np.concatenate([packed >> 2 * i & 3 for i in range(4)]).astype(np.int8)
    if (codes == 3).any():
        raise ModelFileError("a packed weight has the invalid code 3")
    return codes - np.int8(1)


def quantise(x: Floats) -> tuple[Codes, Floats]:
    """int8 codes of x (..., K) and their scale (..., 1): code = round(x * scale), half to even."""
    peak = np.maximum(np.abs(x).max(-1, keepdims=True), SMALLEST)
    scale = np.float32(127) * (np.float32(1) / peak)
    return np.clip(np.rint(x * scale), -128, 127).astype(np.int8), scale


def norm(x: Floats, weight: Floats, epsilon: float) -> Floats:
    """RMSNorm over the last axis."""
    mean: Floats = (x * x).mean(-1, keepdims=True, dtype=np.float32)
    normalised: Floats = x * (np.float32(1) / np.sqrt(mean + np.float32(epsilon)))
    return weight * normalised


class PackedModel:
    """A model folder (config.json, model.safetensors) in memory. ModelFileError if the two do not agree."""

    def __init__(self, folder: Path) -> None:
        try:
            self.config: dict[str, Any] = json.loads((folder / "config.json").read_text())
            self.tensors: dict[str, npt.NDArray[Any]] = load_file(folder / "model.safetensors")
        except OSError as error:
            raise ModelFileError(f"cannot read the model in {folder}: {error}") from error
        if self.config["quantization_config"]["linear_class"] != "bitlinear":
            raise ModelFileError("only linear_class bitlinear divides by weight_scale")
        # float32 holds these products and sums exactly (below 2^24), and NumPy multiplies it far faster than integers.
        self.weights: dict[str, Floats] = {
            name.removesuffix(".weight"): unpack(tensor).astype(np.float32)
            for name, tensor in self.tensors.items()
            if name.endswith("_proj.weight")
        }
        for name, tensor in self.weights.items():
            if 128 * tensor.shape[1] >= 1 << 24:
                raise ModelFileError(f"{name} has rows of {tensor.shape[1]}, too long for an exact float32 sum")

    def linear(self, name: str, x: Floats) -> Floats:
        """(..., K) to (..., N): exact integers accumulate, then one division by both scales."""
        codes, scale = quantise(x)
        accumulators = codes.astype(np.float32) @ self.weights[name].T
        return (accumulators / (self.tensors[f"{name}.weight_scale"] * scale)).astype(np.float32)

    def _norm(self, name: str, x: Floats) -> Floats:
        return norm(x, self.tensors[f"{name}.weight"], self.config["rms_norm_eps"])

    def _attention(self, prefix: str, x: Floats) -> Floats:
        heads, shared = self.config["num_attention_heads"], self.config["num_key_value_heads"]
        length, width = x.shape[-2], x.shape[-1] // heads
        q, k, v = (
            self.linear(f"{prefix}.{part}_proj", x).reshape(*x.shape[:-1], -1, width).swapaxes(-2, -3) for part in "qkv"
        )
        steps = np.arange(0, width, 2, dtype=np.float32) / np.float32(width)
        inverse = np.float32(1) / np.float32(self.config["rope_theta"]) ** steps
        angles = np.tile(np.arange(length, dtype=np.float32)[:, None] * inverse, 2)
        cos, sin = np.cos(angles), np.sin(angles)

        def turn(part: Floats) -> Floats:
            first, second = np.split(part, 2, -1)
            turned: Floats = part * cos + np.concatenate([-second, first], -1) * sin
            return turned

        q, k, v = turn(q), np.repeat(turn(k), heads // shared, -3), np.repeat(v, heads // shared, -3)
        scores = q @ k.swapaxes(-1, -2) * np.float32(width**-0.5)
        scores += np.triu(np.full((length, length), -np.inf, np.float32), 1)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (weights / weights.sum(-1, keepdims=True)) @ v
        mixed = mixed.swapaxes(-2, -3).reshape(x.shape)
        return self.linear(f"{prefix}.o_proj", self._norm(f"{prefix}.attn_sub_norm", mixed))

    def _feed_forward(self, prefix: str, x: Floats) -> Floats:
        gate = np.maximum(self.linear(f"{prefix}.gate_proj", x), np.float32(0))
        gated = gate * gate * self.linear(f"{prefix}.up_proj", x)
        return self.linear(f"{prefix}.down_proj", self._norm(f"{prefix}.ffn_sub_norm", gated))

    def logits(self, ids: npt.NDArray[np.uint8]) -> Floats:
        """Logits (..., T, vocab_size) of the character after each of ids (..., T)."""
        embedding: Floats = self.tensors["model.embed_tokens.weight"]
        x = embedding[ids]
        for index in range(self.config["num_hidden_layers"]):
            layer = f"model.layers.{index}"
            x = x + self._attention(f"{layer}.self_attn", self._norm(f"{layer}.input_layernorm", x))
            x = x + self._feed_forward(f"{layer}.mlp", self._norm(f"{layer}.post_attention_layernorm", x))
        return self._norm("model.norm", x) @ embedding.T

    def bits_per_character(self, tokens: npt.NDArray[np.uint8]) -> tuple[float, int]:
        """(bits per character, characters predicted) of ids (n,).

        Consecutive windows of max_position_embeddings, the shorter tail included; each starts without context and
        predicts the character after each of its own, so every character but the first is predicted once.
        """
        window, total = self.config["max_position_embeddings"], 0.0
        whole = (tokens.size - 1) // window * window
        inputs, targets = tokens[:whole].reshape(-1, window), tokens[1 : whole + 1].reshape(-1, window)
        parts = [(inputs[at : at + 32], targets[at : at + 32]) for at in range(0, len(inputs), 32)]
        if whole < tokens.size - 1:
            parts.append((tokens[None, whole:-1], tokens[None, whole + 1 :]))
        for window_ids, following in parts:
            scores = self.logits(window_ids).astype(np.float64)
            scores -= scores.max(-1, keepdims=True)
            chosen = np.take_along_axis(scores, following[..., None].astype(np.int64), -1)
            total -= float(chosen.sum() - np.log(np.exp(scores).sum(-1)).sum())
        return total / (tokens.size - 1) / np.log(2), tokens.size - 1
