import json

import numpy as np
import pytest

from trine.firmware.presets import PRESETS
from trine.golden.checkpoint import Checkpoint
from trine.golden.classifier import Classifier
from trine.host import shipped
from trine.host.compiled import compile_for
from trine.host.errors import SetupError, UsageError
from trine.host.shipped import (
    count_words,
    digits,
    find_model,
    known_words,
    load_model,
    shipped_models,
    training_facts,
)


def test_shipped_models():
    assert shipped_models() == ["austen-small", "austen-tiny", "digits-binary", "digits-ternary"]


@pytest.mark.parametrize(("name", "weights"), [("austen-small", 633_600), ("austen-tiny", 172_800),
                                               ("digits-binary", 4736), ("digits-ternary", 4736)])
def test_load_model(name, weights):
    model = load_model(find_model(name))
    assert isinstance(model, Classifier if "digits" in name else Checkpoint)
    assert sum(linear.weights.size for linear in model.linears.values()) == weights


def test_find_model_by_path(model_folder):
    assert find_model(str(model_folder)) == model_folder


@pytest.mark.parametrize("name", ["digits", "austen_words.txt", "../models/austen-tiny", "no-such"])
def test_find_model_unknown(name):
    with pytest.raises(UsageError, match=rf"no model '{name}': no folder or \.gguf file of that name, and shipped "):
        find_model(name)


def test_find_model_that_is_a_file(model_folder):
    with pytest.raises(UsageError, match=r"config\.json: a file, but not a \.gguf one"):
        find_model(str(model_folder / "config.json"))


def test_load_model_truncated(model_folder):
    path = model_folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UsageError, match=r"model\.safetensors: not a whole safetensors file"):
        load_model(model_folder)


def test_load_model_without_config(model_folder):
    (model_folder / "config.json").unlink()
    with pytest.raises(UsageError, match=r"config\.json: No such file or directory"):
        load_model(model_folder)


def test_load_model_other_architecture(model_folder):
    (model_folder / "config.json").write_text(json.dumps({"architectures": ["GemmaForCausalLM"]}))
    with pytest.raises(UsageError, match=r"architectures must be one of BitNetForCausalLM, "):
        load_model(model_folder)


def test_code_3_is_refused(decoder_folder):
    packed = np.zeros((20, 80), np.uint8)
    packed[3, 5] = 0b11
    folder = decoder_folder(**{"model.layers.1.self_attn.o_proj.weight": packed})
    model = load_model(folder)
    with pytest.raises(UsageError, match=r"model\.layers\.1\.self_attn\.o_proj: code 3 at row and column \(3, 5\)"):
        compile_for(model, PRESETS["ulx3s_25f"], "damaged")


def test_training_facts(model_folder):
    assert training_facts(find_model("austen-small"))["ternary_weights"] == 633_600
    assert training_facts(model_folder) == {}
    (model_folder / "training.json").write_text("[1")
    assert training_facts(model_folder) == {}


def test_digits():
    images, labels = digits()
    assert images.shape == (360, 64)
    assert images.dtype == np.float32
    assert images.max() == 16
    assert set(labels.tolist()) == set(range(10))


def test_missing_data(monkeypatch, tmp_path):
    monkeypatch.setattr(shipped, "MODELS", tmp_path)
    with pytest.raises(SetupError, match=r"install trine again"):
        digits()
    with pytest.raises(SetupError, match=r"austen_words\.txt: No such file"):
        known_words()


@pytest.mark.parametrize(("text", "prompt", "expected"), [
    ("She was xqzt, and Emma's.", "", (5, 4)),
    ("ing was here", "walk", (1, 1)),
    ("She wa", "", (1, 1)),
    ("SHE\nWAS.", "One ", (2, 2)),
    ("", "She", (0, 0)),
    ("1811 --", "", (0, 0)),
])
def test_count_words(text, prompt, expected):
    assert count_words(text, prompt) == expected
