"""Models on disk: decoders as Hugging Face folders or GGUF files, classifiers as folders of our own.

A model is loaded whole or refused: every tensor that the configuration implies is there, of its shape, finite, and no
other. What can be known without the tensors' bytes is checked when a model is loaded; a decoder's bytes are read, and
checked, when its mappings are indexed.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from trine.golden.arrays import Float32
from trine.golden.bitlinear import BinaryLinear, BitLinear
from trine.golden.classifier import Classifier, ClassifierConfig
from trine.golden.config import ModelConfig, read_json
from trine.golden.huggingface import ModelFolder
from trine.golden.json_object import one_line
from trine.golden.lazy import LazyMapping
from trine.golden.tensors import FLOATS, read_tensors


@dataclasses.dataclass(frozen=True, eq=False)
class Checkpoint:
    """A decoder: in memory, or in files that are read when one of its parts is asked for.

    linears: the ternary layers by name, such as "model.layers.0.self_attn.q_proj".
    tensors: the others, float32, by name: embeddings (vocab_size, hidden_size), the weights of the norms, and
        "lm_head.weight" unless the embeddings are tied.
    form: how the ternary layers are stored where the model comes from, in words; empty for one made in memory.

    The mappings of `load_checkpoint` read a part each time they are indexed and keep nothing, so that a model of any
    size is gone through in little memory. ValueError, naming the file, may come out of that.
    """

    config: ModelConfig
    linears: Mapping[str, BitLinear]
    tensors: Mapping[str, Float32]
    form: str = ""

    def in_memory(self) -> "Checkpoint":
        """The same model with every part read, once, for whoever needs them again and again."""
        if isinstance(self.linears, dict) and isinstance(self.tensors, dict):
            return self
        return dataclasses.replace(self, linears=dict(self.linears), tensors=dict(self.tensors))


class _Source(Protocol):
    """Files that hold a decoder."""

    config: ModelConfig

    def check(self, linears: Mapping[str, tuple[int, int]], tensors: Mapping[str, tuple[int, ...]]) -> str: ...

    def linear(self, name: str) -> BitLinear: ...

    def tensor(self, name: str) -> Float32: ...


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
        for name, size, there in (
            ("input_layernorm", config.hidden_size, True),
            ("self_attn.attn_sub_norm", config.hidden_size, config.sub_norms),
            ("post_attention_layernorm", config.hidden_size, True),
            ("mlp.ffn_sub_norm", config.intermediate_size, config.sub_norms),
        ):
            if there:
                shapes[f"model.layers.{layer}.{name}.weight"] = (size,)
    shapes["model.norm.weight"] = (config.hidden_size,)
    if not config.tie_word_embeddings:
        shapes["lm_head.weight"] = embedding
    return shapes


def load_checkpoint(path: str | Path, i2s_layout: str | None = None) -> Checkpoint:
    """The decoder in the folder `path` (config.json and safetensors), or in the GGUF file `path` (its name ends so).

    i2s_layout: "x86" or "arm", the machine that wrote the I2_S tensors of a GGUF file, which do not tell.

    Raises ValueError, in one line that names the file and what in it is wrong: a file that is missing, cut short or
    malformed; a configuration that asks for other arithmetic (`ModelConfig`); a tensor that is missing, unknown, of
    another type or shape. When a part is read (`Checkpoint`): NaN or infinity, a packed code 3, a weight scale that is
    not positive or not that of its weights.
    """
    path = Path(path)
    source: _Source
    if path.suffix == ".gguf":
        from trine.golden.gguf_model import GGUFModel  # and with it gguf, for which nobody else should wait

        source = GGUFModel(path, i2s_layout)
    elif i2s_layout is not None:
        raise ValueError(f"{path}: i2s_layout is of GGUF files alone, not {i2s_layout!r}")
    else:
        source = ModelFolder(path)
    linears, tensors = linear_shapes(source.config), tensor_shapes(source.config)
    form = source.check(linears, tensors)
    return Checkpoint(source.config, LazyMapping(linears, source.linear), LazyMapping(tensors, source.tensor), form)


def load_classifier(path: str | Path) -> Classifier:
    """The classifier in the folder `path`, read whole: config.json (architecture BitLinearMLP) and model.safetensors.

    The tensors of a layer are `NAME.weight`, int8 (N, K), and `NAME.weight_scale` or `NAME.beta`, float32 (1,), as the
    quantiser is "b1.58" or "bitnet". Raises ValueError as `load_checkpoint`.
    """
    folder = Path(path)
    config_path, tensors_path = folder / "config.json", folder / "model.safetensors"
    fields = read_json(config_path)
    try:
        config = ClassifierConfig.from_fields(fields)
    except ValueError as error:
        raise ValueError(f"{config_path}: {error}") from error
    left = read_tensors(tensors_path)
    linears: dict[str, BitLinear | BinaryLinear] = {}
    for name, shape in config.layers.items():
        weight, scale_name = f"{name}.weight", f"{name}.{'beta' if config.binary else 'weight_scale'}"
        for tensor in (weight, scale_name):
            if tensor not in left:
                raise ValueError(f"{tensors_path}: tensor {one_line(tensor)} is missing")
        weights = left.pop(weight).require(("I8",), shape).integers()
        scale = left.pop(scale_name).require(FLOATS, (1,)).floats()[0]
        try:
            linears[name] = BinaryLinear(weights, scale) if config.binary else BitLinear(weights, scale)
        except ValueError as error:
            raise ValueError(f"{tensors_path}: {one_line(name)}: {error}") from error
    if left:
        raise ValueError(f"{tensors_path}: unknown tensor {one_line(min(left))}")
    return Classifier(config, linears)
