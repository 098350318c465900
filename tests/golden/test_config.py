import dataclasses

import pytest

from trine.golden import config as config_module
from trine.golden.config import ModelConfig, is_online, read_json


def test_from_huggingface(fields, config):
    assert ModelConfig.from_huggingface(fields) == config


def test_sizes(config):
    assert config.head_dim == 4
    assert config.kv_size == 12


def test_linear_class_defaults_to_bitlinear(fields):
    del fields["quantization_config"]["linear_class"]
    assert ModelConfig.from_huggingface(fields).linear_class == "bitlinear"


def test_autobitlinear(fields):
    fields["quantization_config"]["linear_class"] = "autobitlinear"
    assert ModelConfig.from_huggingface(fields).linear_class == "autobitlinear"


def test_online(fields):
    """There is no stored scale whose direction the class could say: the one that is computed divides."""
    assert not is_online(fields)
    fields["quantization_config"] |= {"linear_class": "autobitlinear", "quantization_mode": "online"}
    assert is_online(fields)
    assert ModelConfig.from_huggingface(fields).linear_class == "bitlinear"


@pytest.mark.parametrize(
    ("architecture", "hidden_act", "sub_norms"),
    [("BitNetForCausalLM", "relu2", True), ("BitnetForCausalLM", "silu", True), ("LlamaForCausalLM", "silu", False)],
)
def test_architectures(fields, architecture, hidden_act, sub_norms):
    """What each does unless hidden_act says something else."""
    fields["architectures"] = [architecture]
    if architecture == "BitnetForCausalLM":
        fields |= {"quantization_config": None, "weight_bits": 1, "input_bits": 8}
    del fields["hidden_act"]
    config = ModelConfig.from_huggingface(fields)
    assert (config.hidden_act, config.sub_norms) == (hidden_act, sub_norms)
    fields["hidden_act"] = "silu"
    assert ModelConfig.from_huggingface(fields).hidden_act == "silu"


@pytest.mark.parametrize(
    ("name", "value"), [("weight_bits", 2), ("input_bits", 4), ("quantization_config", {"quant_method": "bitnet"})]
)
def test_first_bitnet_models_wrong(fields, name, value):
    fields |= {"architectures": ["BitnetForCausalLM"], "quantization_config": None, name: value}
    with pytest.raises(ValueError, match=f"{name} must be "):
        ModelConfig.from_huggingface(fields)


@pytest.mark.parametrize("place", ["rope_theta", "rope_parameters"])
def test_rope_theta_in_one_place(fields, place):
    del fields[place]
    assert ModelConfig.from_huggingface(fields).rope_theta == 10000.0


def test_rope_theta_contradicts(fields):
    fields["rope_theta"] = 500000.0
    with pytest.raises(ValueError, match=r"rope_theta is 500000.0, but 10000.0 in rope_parameters"):
        ModelConfig.from_huggingface(fields)


def test_untied_is_the_default(fields):
    del fields["tie_word_embeddings"]
    assert ModelConfig.from_huggingface(fields).tie_word_embeddings is False


@pytest.mark.parametrize(
    "name",
    [
        "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
        "num_key_value_heads", "max_position_embeddings", "rms_norm_eps",
    ],
)  # fmt: skip
def test_missing_field(fields, name):
    del fields[name]
    with pytest.raises(ValueError, match=f"{name} is missing"):
        ModelConfig.from_huggingface(fields)


def test_missing_rope_theta(fields):
    del fields["rope_theta"], fields["rope_parameters"]
    with pytest.raises(ValueError, match="rope_theta is missing"):
        ModelConfig.from_huggingface(fields)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("architectures", ["GemmaForCausalLM"], r"must be one of BitNetForCausalLM, .+, not \['GemmaForCausalLM'\]"),
        ("architectures", ["LlamaForCausalLM"] * 2, "architectures must be one of"),
        ("architectures", "LlamaForCausalLM", "architectures must be one of"),
        ("architectures", [["x"]], "architectures must be one of"),
        ("hidden_act", "gelu", "hidden_act must be one of relu2, silu, not 'gelu'"),
        ("hidden_act", "", "hidden_act must be one of relu2, silu, not ''"),
        ("attention_bias", True, "attention_bias must be False, not True"),
        ("mlp_bias", True, "mlp_bias must be False, not True"),
        ("partial_rotary_factor", 0.5, "partial_rotary_factor must be 1.0, not 0.5"),
        ("rope_parameters", {"partial_rotary_factor": 0.5}, "partial_rotary_factor must be 1.0, not 0.5"),
        ("rope_scaling", {"factor": 2}, "rope_scaling must be None"),
        ("sliding_window", 64, "sliding_window must be None, not 64"),
        ("head_dim", 8, "head_dim must be hidden_size / heads = 4, not 8"),
        ("rope_parameters", {"rope_type": "yarn"}, "rope_type must be 'default', not 'yarn'"),
        ("rope_parameters", 3, "rope_parameters must be an object, not 3"),
        ("quantization_config", None, "quantization_config is missing, with which transformers says"),
        ("quantization_config", 3, "quantization_config must be an object, not 3"),
        ("hidden_size", "24", "hidden_size must be a positive integer, not '24'"),
        ("hidden_size", True, "hidden_size must be a positive integer, not True"),
        ("hidden_size", 2**31, "hidden_size must be a positive integer, not 2147483648"),
        ("num_hidden_layers", 1001, "num_hidden_layers must be at most 1000, not 1001"),
        ("rms_norm_eps", 10**400, "rms_norm_eps must be a positive number, not 1000"),
        ("num_hidden_layers", 0, "num_hidden_layers must be a positive integer, not 0"),
        ("hidden_size", 18, "hidden_size must be an even multiple of the 6 heads, not 18"),
        ("num_key_value_heads", 4, "num_key_value_heads must divide the 6 heads, not 4"),
        ("rms_norm_eps", 0, "rms_norm_eps must be a positive number, not 0"),
        ("rms_norm_eps", float("nan"), "rms_norm_eps must be a positive number, not nan"),
        ("tie_word_embeddings", 1, "tie_word_embeddings must be true or false, not 1"),
    ],
)
def test_wrong_field(fields, name, value, message):
    fields[name] = value
    with pytest.raises(ValueError, match=message):
        ModelConfig.from_huggingface(fields)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("quant_method", "gptq"),
        ("quantization_mode", "online"),  # with linear_class "bitlinear", which knows no such mode
        ("quantization_mode", "sometimes"),
        ("use_rms_norm", True),
        ("modules_to_not_convert", ["model.layers.0.mlp.up_proj"]),
        ("linear_class", "linear"),
    ],
)
def test_wrong_quantisation(fields, name, value):
    fields["quantization_config"][name] = value
    with pytest.raises(ValueError, match=f"{name} must be"):
        ModelConfig.from_huggingface(fields)


def test_init_wrong_linear_class(config):
    with pytest.raises(ValueError, match="linear_class must be one of"):
        dataclasses.replace(config, linear_class="float")


def test_read_json(tmp_path):
    path = tmp_path / "config.json"
    path.write_text('{"a": 1}')
    assert read_json(path) == {"a": 1}


def test_read_json_too_long(tmp_path, monkeypatch):
    monkeypatch.setattr(config_module, "LARGEST_JSON", 10)
    path = tmp_path / "config.json"
    path.write_text('{"a": 123}')
    assert read_json(path) == {"a": 123}
    path.write_text('{"a": 1234}')
    with pytest.raises(ValueError, match=r"config.json: more than 10 bytes"):
        read_json(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1]", "not a JSON object"), ("{", "not JSON"), ('{"a": 1, "a": 2}', "a stands twice"), (b"\xff", "not JSON"),
        (None, "No such"),
    ],
)  # fmt: skip
def test_read_json_wrong(tmp_path, text, message):
    path = tmp_path / "config.json"
    if text is not None:
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ValueError, match=f"config.json: {message}") as error:
        read_json(path)
    assert "\n" not in str(error.value)
