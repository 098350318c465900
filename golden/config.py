"""The shape of a model, from a Hugging Face config.json.

What is not understood is refused: a field that changes the arithmetic and is silently ignored makes a model that runs,
and is wrong.
"""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any, Self

from trine.golden.bitlinear import LINEAR_CLASSES

# Fields that change the arithmetic, each with the one value that means what the golden model does. An absent field and
# null mean the same.
_FIXED = {
    "hidden_act": "relu2",
    "attention_bias": False,
    "rope_scaling": None,
    "sliding_window": None,
}
_FIXED_QUANTIZATION = {
    "quant_method": "bitnet",
    "quantization_mode": "offline",
    "use_rms_norm": False,
    "modules_to_not_convert": None,
}


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """A BitNet decoder, in the words of transformers' configuration; all sizes are counts.

    Raises ValueError for a size below 1, heads that do not divide the width into even parts, key/value heads that do
    not divide the heads, and numbers out of range.
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

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.type is int and (type(value) is not int or value < 1):
                raise ValueError(f"{field.name} must be a positive integer, not {value!r}")
            if field.type is float and (type(value) not in (int, float) or not 0 < value < math.inf):
                raise ValueError(f"{field.name} must be a positive number, not {value!r}")
            if field.type is bool and type(value) is not bool:
                raise ValueError(f"{field.name} must be true or false, not {value!r}")
        if self.hidden_size % (2 * self.num_attention_heads):
            raise ValueError(
                f"hidden_size must be an even multiple of the {self.num_attention_heads} heads, not {self.hidden_size}"
            )
        if self.num_attention_heads % self.num_key_value_heads:
            raise ValueError(
                f"num_key_value_heads must divide the {self.num_attention_heads} heads, not {self.num_key_value_heads}"
            )
        if self.linear_class not in LINEAR_CLASSES:
            raise ValueError(f"linear_class must be one of {', '.join(LINEAR_CLASSES)}, not {self.linear_class!r}")

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
        """The configuration in a parsed config.json of an offline-quantised BitNetForCausalLM.

        Raises ValueError for another architecture, a field that is missing, and one that asks for arithmetic which the
        golden model does not do: biases, another activation, scaled RoPE, online quantisation.
        """
        if fields.get("architectures") != ["BitNetForCausalLM"]:
            raise ValueError(f"architectures must be ['BitNetForCausalLM'], not {fields.get('architectures')!r}")
        quantization = _mapping(fields, "quantization_config")
        require_fixed(fields, _FIXED)
        require_fixed(quantization, _FIXED_QUANTIZATION)
        values: dict[str, Any] = {field.name: fields.get(field.name) for field in dataclasses.fields(cls)}
        values["rope_theta"] = _rope_theta(fields)
        values["tie_word_embeddings"] = fields.get("tie_word_embeddings", False)
        values["linear_class"] = quantization.get("linear_class", "bitlinear")
        missing = [name for name, value in values.items() if value is None]
        if missing:
            raise ValueError(f"{missing[0]} is missing")
        config = cls(**values)
        if fields.get("head_dim") not in (None, config.head_dim):
            raise ValueError(f"head_dim must be hidden_size / heads = {config.head_dim}, not {fields['head_dim']!r}")
        return config


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file; ValueError beginning with the path if there is none."""
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"{path}: not JSON ({error})") from error
    if not isinstance(fields, dict):
        raise ValueError(f"{path}: not a JSON object")
    return fields


def _mapping(fields: dict[str, Any], name: str) -> dict[str, Any]:
    value = fields.get(name)
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be an object, not {value!r}")
    return value


def require_fixed(fields: dict[str, Any], fixed: dict[str, Any]) -> None:
    for name, only in fixed.items():
        value = fields.get(name)
        if value is not None and value != only:
            raise ValueError(f"{name} must be {only!r}, not {value!r}")


def _rope_theta(fields: dict[str, Any]) -> Any:
    """rope_theta, which old files have at the top and new ones in rope_parameters; both may, if they agree."""
    theta = fields.get("rope_theta")
    if fields.get("rope_parameters") is None:
        return theta
    parameters = _mapping(fields, "rope_parameters")
    require_fixed(parameters, {"rope_type": "default"})
    newer = parameters.get("rope_theta")
    if theta is not None and newer is not None and theta != newer:
        raise ValueError(f"rope_theta is {theta!r}, but {newer!r} in rope_parameters")
    return theta if newer is None else newer
