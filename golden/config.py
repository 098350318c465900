"""The shape of a model, from a Hugging Face config.json.

What is not understood is refused: a field that changes the arithmetic and is silently ignored makes a model that runs,
and is wrong.
"""

import dataclasses
from pathlib import Path
from typing import Any, Self

from trine.golden.bitlinear import LINEAR_CLASSES
from trine.golden.json_object import parse_object

# Fields that change the arithmetic, each with the one value that means what the golden model does. An absent field and
# null mean the same.
_FIXED = {
    "attention_bias": False,
    "mlp_bias": False,
    "rope_scaling": None,
    "partial_rotary_factor": 1.0,
    "sliding_window": None,
}
_FIXED_QUANTIZATION = {
    "quant_method": "bitnet",
    "use_rms_norm": False,
    "modules_to_not_convert": None,
}
_FIXED_OLDER = {"weight_bits": 1, "input_bits": 8, "quantization_config": None}

# Decoders that differ in their activation, unless they state it, and in their sub-norms: (hidden_act, sub_norms).
# BitNetForCausalLM is transformers' own; BitnetForCausalLM is the code that came with the first published models
# (1bitLLM/bitnet_b1_58-*), which makes its weights ternary in every pass; LlamaForCausalLM has its linear layers
# replaced by BitLinear (HF1BitLLM/Llama3-8B-1.58-*, tiiuae/Falcon3-*-1.58bit).
_ARCHITECTURES = {
    "BitNetForCausalLM": ("relu2", True),
    "BitnetForCausalLM": ("silu", True),
    "LlamaForCausalLM": ("silu", False),
}

ACTIVATIONS = ("relu2", "silu")
MOST_LAYERS = 1000
LARGEST_SIZE = 2**31
LARGEST_NUMBER = 2.0**64
LARGEST_JSON = 16 * 2**20  # bytes


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """A BitNet decoder, in the words of transformers' configuration; all sizes are counts.

    linear_class: which way the weight scales of its layers work (`BitLinear`).
    hidden_act: what the gate of the feed-forward network passes through, "relu2" or "silu".
    sub_norms: whether o_proj and down_proj have norms of their own before them (attn_sub_norm, ffn_sub_norm).

    Raises ValueError for a size below 1 or of LARGEST_SIZE and more, more than MOST_LAYERS layers, heads that do not
    divide the width into even parts, key/value heads that do not divide the heads, and numbers out of range.
    """

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    max_position_embeddings: int
    rms_norm_eps: float
    rope_theta: float
    tie_word_embeddings: bool
    linear_class: str = "bitlinear"
    hidden_act: str = "relu2"
    sub_norms: bool = True

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.type is int and (type(value) is not int or not 0 < value < LARGEST_SIZE):
                raise ValueError(f"{field.name} must be a positive integer, not {value!r:.80}")
            if field.type is float and (type(value) not in (int, float) or not 0 < value < LARGEST_NUMBER):
                raise ValueError(f"{field.name} must be a positive number, not {value!r:.80}")
            if field.type is bool and type(value) is not bool:
                raise ValueError(f"{field.name} must be true or false, not {value!r:.80}")
        if self.num_hidden_layers > MOST_LAYERS:
            raise ValueError(f"num_hidden_layers must be at most {MOST_LAYERS}, not {self.num_hidden_layers}")
        if self.hidden_size % (2 * self.num_attention_heads):
            raise ValueError(
                f"hidden_size must be an even multiple of the {self.num_attention_heads} heads, not {self.hidden_size}"
            )
        if self.num_attention_heads % self.num_key_value_heads:
            raise ValueError(
                f"num_key_value_heads must divide the {self.num_attention_heads} heads, not {self.num_key_value_heads}"
            )
        if self.linear_class not in LINEAR_CLASSES:
            raise ValueError(f"linear_class must be one of {', '.join(LINEAR_CLASSES)}, not {self.linear_class!r:.80}")
        if self.hidden_act not in ACTIVATIONS:
            raise ValueError(f"hidden_act must be one of {', '.join(ACTIVATIONS)}, not {self.hidden_act!r:.80}")

    @property
    def head_dim(self) -> int:
        """Width of one attention head."""
        return self.hidden_size // self.num_attention_heads

    @property
    def kv_size(self) -> int:
        """Width of the keys, and of the values, of one token."""
        return self.num_key_value_heads * self.head_dim

    @classmethod
    def from_huggingface(cls, fields: dict[str, Any]) -> Self:
        """The configuration in a parsed config.json of a quantised decoder of one of three architectures.

        If it `is_online` the linear_class is "bitlinear", whatever the file says: weights that are made ternary on the
        way have no stored scale, and the one that `ternarise` gives divides.

        Raises ValueError for another architecture, a field that is missing, and one that asks for arithmetic which the
        golden model does not do: biases, another activation, scaled RoPE, another quantisation.
        """
        hidden_act, sub_norms = _ARCHITECTURES[_architecture(fields)]
        require_fixed(fields, _FIXED)
        online = is_online(fields)
        values: dict[str, Any] = {field.name: fields.get(field.name) for field in dataclasses.fields(cls)}
        values["rope_theta"] = _rope_theta(fields)
        values["tie_word_embeddings"] = fields.get("tie_word_embeddings", False)
        values["linear_class"] = "bitlinear" if online else _linear_class(fields["quantization_config"])
        values["hidden_act"] = hidden_act if values["hidden_act"] is None else values["hidden_act"]
        values["sub_norms"] = sub_norms
        missing = [name for name, value in values.items() if value is None]
        if missing:
            raise ValueError(f"{missing[0]} is missing")
        config = cls(**values)
        head_dim = fields.get("head_dim")
        if head_dim not in (None, config.head_dim):
            raise ValueError(f"head_dim must be hidden_size / heads = {config.head_dim}, not {head_dim!r:.80}")
        return config


def is_online(fields: dict[str, Any]) -> bool:
    """Whether a parsed config.json says that its weights are float master weights, made ternary in every pass.

    So they are in BitnetForCausalLM, and in transformers with linear_class "autobitlinear" and quantization_mode
    "online". Raises ValueError for an architecture or a quantisation that is not understood.
    """
    if _architecture(fields) == "BitnetForCausalLM":
        require_fixed(fields, _FIXED_OLDER)
        return True
    if fields.get("quantization_config") is None:
        raise ValueError("quantization_config is missing, with which transformers says that the layers are ternary: a "
                         "model of floats has to be quantised first (quant_method 'bitnet')")
    quantization = _mapping(fields, "quantization_config")
    require_fixed(quantization, _FIXED_QUANTIZATION)
    if _linear_class(quantization) == "autobitlinear" and quantization.get("quantization_mode") == "online":
        return True
    require_fixed(quantization, {"quantization_mode": "offline"})
    return False


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file of at most LARGEST_JSON bytes; ValueError beginning with the path if there is none."""
    try:
        with open(path, "rb") as file:
            data = file.read(LARGEST_JSON + 1)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error
    try:
        if len(data) > LARGEST_JSON:
            raise ValueError(f"more than {LARGEST_JSON} bytes")
        return parse_object(data)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _architecture(fields: dict[str, Any]) -> str:
    found = fields.get("architectures")
    if not isinstance(found, list) or len(found) != 1 or found[0] not in tuple(_ARCHITECTURES):
        raise ValueError(f"architectures must be one of {', '.join(_ARCHITECTURES)}, not {found!r:.80}")
    return str(found[0])


def _linear_class(quantization: dict[str, Any]) -> Any:
    stated = quantization.get("linear_class")
    return "bitlinear" if stated is None else stated


def _mapping(fields: dict[str, Any], name: str) -> dict[str, Any]:
    value = fields.get(name)
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be an object, not {value!r:.80}")
    return value


def require_fixed(fields: dict[str, Any], fixed: dict[str, Any]) -> None:
    """Raise ValueError naming a field that is neither absent nor null nor what `fixed` says."""
    for name, only in fixed.items():
        value = fields.get(name)
        if value is not None and value != only:
            raise ValueError(f"{name} must be {only!r}, not {value!r:.80}")


def _rope_theta(fields: dict[str, Any]) -> Any:
    """rope_theta, which old files have at the top and new ones in rope_parameters; both may, if they agree."""
    theta = fields.get("rope_theta")
    if fields.get("rope_parameters") is None:
        return theta
    parameters = _mapping(fields, "rope_parameters")
    require_fixed(parameters, {"rope_type": "default", "partial_rotary_factor": 1.0})
    newer = parameters.get("rope_theta")
    if theta is not None and newer is not None and theta != newer:
        raise ValueError(f"rope_theta is {theta!r:.80}, but {newer!r:.80} in rope_parameters")
    return theta if newer is None else newer
