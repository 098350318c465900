"""GGUF files written without any library, so that they can be as wrong as a test wants, and models in them."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
from gguf.constants import GGMLQuantizationType
from gguf.quants import quantize

from trine.golden import i2s
from trine.golden.arrays import Float32, Int8, UInt8
from trine.golden.checkpoint import Checkpoint
from trine.golden.config import ModelConfig
from trine.golden.gguf_model import gguf_name

ALIGNMENT = 32
UINT8, INT32, FLOAT32, BOOL, STRING, ARRAY, UINT64 = 0, 5, 6, 7, 8, 9, 10
UINT32 = 4
_FORMATS = {UINT8: "<B", UINT32: "<I", INT32: "<i", FLOAT32: "<f", BOOL: "<B", UINT64: "<Q"}

Entries = dict[str, tuple[int, Any]]
"""Metadata: {key: (value type, value)}; of an array, (ARRAY, (value type, values))."""

Tensors = dict[str, tuple[int, tuple[int, ...], bytes]]
"""{name: (tensor type, shape as in NumPy, bytes)}."""


def string(text: str | bytes) -> bytes:
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<Q", len(data)) + data


def value(kind: int, content: Any) -> bytes:
    if kind == STRING:
        return string(content)
    if kind == ARRAY:
        of, contents = content
        return struct.pack("<IQ", of, len(contents)) + b"".join(value(of, each) for each in contents)
    return struct.pack(_FORMATS[kind], content)


def encode(entries: Entries, tensors: Tensors, version: int = 3) -> bytes:
    """The bytes of a file."""
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(entries))
    head += b"".join(string(key) + struct.pack("<I", kind) + value(kind, content) for key, (kind, content) in
                     entries.items())
    data = b""
    for name, (kind, shape, content) in tensors.items():
        data += bytes(-len(data) % ALIGNMENT)
        sizes = struct.pack(f"<{len(shape)}Q", *reversed(shape))
        head += string(name) + struct.pack("<I", len(shape)) + sizes + struct.pack("<IQ", kind, len(data))
        data += content
    return head + bytes(-len(head) % ALIGNMENT) + data


def metadata(config: ModelConfig, architecture: str) -> Entries:
    """What llama.cpp's converters write of a configuration, and a vocabulary that nobody needs here."""
    numbers = {
        "vocab_size": config.vocab_size,
        "context_length": config.max_position_embeddings,
        "embedding_length": config.hidden_size,
        "block_count": config.num_hidden_layers,
        "feed_forward_length": config.intermediate_size,
        "rope.dimension_count": config.head_dim,
        "attention.head_count": config.num_attention_heads,
        "attention.head_count_kv": config.num_key_value_heads,
    }
    return {
        "general.architecture": (STRING, architecture),
        "general.alignment": (UINT32, ALIGNMENT),
        **{f"{architecture}.{key}": (UINT32, number) for key, number in numbers.items()},
        f"{architecture}.attention.layer_norm_rms_epsilon": (FLOAT32, config.rms_norm_eps),
        f"{architecture}.rope.freq_base": (FLOAT32, config.rope_theta),
        "tokenizer.ggml.tokens": (ARRAY, (STRING, ["a", "b", ""])),
        "tokenizer.ggml.scores": (ARRAY, (FLOAT32, [0.5, -1, 0])),
        "tokenizer.ggml.add_bos_token": (BOOL, 1),
    }


def pack_i2s(weights: Int8, scale: float, layout: str) -> bytes:
    """A tensor in I2_S, by the index of each element as the format's quantiser does it; 28 bytes follow the scale."""
    quarter = i2s.BLOCKS[layout] // 4
    packed: UInt8 = np.zeros(weights.size // 4, np.uint8)
    block, within = np.divmod(np.arange(weights.size), i2s.BLOCKS[layout])
    codes = (weights.ravel() + 1).astype(np.uint8) << (6 - 2 * (within // quarter)).astype(np.uint8)
    np.bitwise_or.at(packed, block * quarter + within % quarter, codes)
    return packed.tobytes() + struct.pack("<f", scale) + b"\xa5" * 28


def tensors_of(checkpoint: Checkpoint, kind: GGMLQuantizationType | str, embedding: GGMLQuantizationType) -> Tensors:
    """A model's tensors, its ternary layers times their scale in `kind`: a tensor type, or "x86" or "arm" for I2_S."""
    found: Tensors = {}
    for name, tensor in checkpoint.tensors.items():
        found[gguf_name(name)] = floats(tensor, embedding if tensor.ndim == 2 else GGMLQuantizationType.F32)
    for name, linear in checkpoint.linears.items():
        if isinstance(kind, str):
            content = pack_i2s(linear.weights, float(linear.weight_scale), kind)
            found[gguf_name(name)] = i2s.TYPE, linear.weights.shape, content
        else:
            found[gguf_name(name)] = floats(linear.weights * linear.weight_scale, kind)
    return found


def floats(values: Float32, kind: GGMLQuantizationType) -> tuple[int, tuple[int, ...], bytes]:
    return int(kind), values.shape, quantize(values, kind).tobytes()


def write(path: Path, entries: Entries, tensors: Tensors) -> Path:
    path.write_bytes(encode(entries, tensors))
    return path
