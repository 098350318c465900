"""Models on disk: config.json and model.safetensors in one folder, BitNet b1.58 decoders in Hugging Face's layout.

Their ternary weights are stored four to a byte, as by transformers' `pack_weights` (`pack_hf`); all else is floats. A
model is loaded whole or refused: every tensor that the configuration implies is there, of its shape, finite, and no
other.
"""

import dataclasses
from pathlib import Path

import numpy as np

from trine.golden.arrays import Float32, Int8, UInt8, first, require_dtype, require_weights
from trine.golden.bitlinear import BinaryLinear, BitLinear
from trine.golden.classifier import Classifier, ClassifierConfig
from trine.golden.config import ModelConfig, read_json
from trine.golden.tensors import TensorFile


@dataclasses.dataclass(frozen=True, eq=False)
class Checkpoint:
    """A model in memory.

    linears: the ternary layers by name, such as "model.layers.0.self_attn.q_proj".
    tensors: the others, float32, by their name in the file: embeddings (vocab_size, hidden_size), the weights of the
        norms, and "lm_head.weight" unless the embeddings are tied.
    """

    config: ModelConfig
    linears: dict[str, BitLinear]
    tensors: dict[str, Float32]


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


def linear_shapes(config: ModelConfig) -> dict[str, tuple[int, int]]:
    """The (N, K) of every ternary layer by name, in the order in which a token passes them."""
    hidden, inner, kv = config.hidden_size, config.intermediate_size, config.kv_size
    return {
        f"model.layers.{layer}.{name}": shape
        for layer in range(config.num_hidden_layers)
        for name, shape in (
            ("self_attn.q_proj", (hidden, hidden)),
            ("self_attn.k_proj", (kv, hidden)),
            ("self_attn.v_proj", (kv, hidden)),
            ("self_attn.o_proj", (hidden, hidden)),
            ("mlp.gate_proj", (inner, hidden)),
            ("mlp.up_proj", (inner, hidden)),
            ("mlp.down_proj", (hidden, inner)),
        )
    }


def tensor_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """The shape of every float tensor but the weight scales, by name."""
    embedding = (config.vocab_size, config.hidden_size)
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": embedding}
    for layer in range(config.num_hidden_layers):
        for name, size in (
            ("input_layernorm", config.hidden_size),
            ("self_attn.attn_sub_norm", config.hidden_size),
            ("post_attention_layernorm", config.hidden_size),
            ("mlp.ffn_sub_norm", config.intermediate_size),
        ):
            shapes[f"model.layers.{layer}.{name}.weight"] = (size,)
    shapes["model.norm.weight"] = (config.hidden_size,)
    if not config.tie_word_embeddings:
        shapes["lm_head.weight"] = embedding
    return shapes


def load_checkpoint(path: str | Path) -> Checkpoint:
    """The model in the folder `path`: config.json and model.safetensors.

    Raises ValueError, in one line that names the file and what in it is wrong: a file that is missing or cut short; a
    configuration that asks for other arithmetic (`ModelConfig.from_huggingface`) or rows not a multiple of 4; a tensor
    that is missing, unknown, of another type or shape, or has NaN or infinity; a packed code 3; a weight scale that is
    not positive.
    """
    folder = Path(path)
    config_path = folder / "config.json"
    fields = read_json(config_path)
    try:
        config = ModelConfig.from_huggingface(fields)
        for name, (n, _) in linear_shapes(config).items():
            if n % 4:
                raise ValueError(f"{name} has {n} rows, not a multiple of 4")
    except ValueError as error:
        raise ValueError(f"{config_path}: {error}") from error
    file = TensorFile(folder / "model.safetensors")
    linears = {name: _linear(file, name, shape, config) for name, shape in linear_shapes(config).items()}
    tensors = {name: file.floats(name, shape) for name, shape in tensor_shapes(config).items()}
    file.close()
    return Checkpoint(config, linears, tensors)


def load_classifier(path: str | Path) -> Classifier:
    """The classifier in the folder `path`: config.json (architecture BitLinearMLP) and model.safetensors.

    The tensors of a layer are `NAME.weight`, int8 (N, K), and `NAME.weight_scale` or `NAME.beta`, float32 (1,), as the
    quantiser is "b1.58" or "bitnet". Raises ValueError as `load_checkpoint`.
    """
    folder = Path(path)
    config_path = folder / "config.json"
    fields = read_json(config_path)
    try:
        config = ClassifierConfig.from_fields(fields)
    except ValueError as error:
        raise ValueError(f"{config_path}: {error}") from error
    file = TensorFile(folder / "model.safetensors")
    linears: dict[str, BitLinear | BinaryLinear] = {}
    for name, shape in config.layers.items():
        weights = file.integers(f"{name}.weight", shape)
        scale = file.floats(f"{name}.{'beta' if config.binary else 'weight_scale'}", (1,))[0]
        try:
            linears[name] = BinaryLinear(weights, scale) if config.binary else BitLinear(weights, scale)
        except ValueError as error:
            raise ValueError(f"{file.path}: {name}: {error}") from error
    file.close()
    return Classifier(config, linears)


def _linear(file: TensorFile, name: str, shape: tuple[int, int], config: ModelConfig) -> BitLinear:
    packed = file.bytes(f"{name}.weight", (shape[0] // 4, shape[1]))
    scale = file.floats(f"{name}.weight_scale", (1,), ())
    try:
        return BitLinear(unpack_hf(packed), np.float32(scale.reshape(())), config.linear_class)
    except ValueError as error:
        raise ValueError(f"{file.path}: {name}: {error}") from error
