"""Models in other formats than the shipped ones', wherever a command takes a model."""

import dataclasses
import json

import numpy as np
import pytest
import safetensors.numpy
from gguf.constants import GGMLQuantizationType

from tests.golden.conftest import huggingface_fields
from tests.golden.fuzz import GGUF, seeds
from tests.golden.gguf_builder import metadata, tensors_of, write
from trine.golden.checkpoint import load_checkpoint
from trine.host.shipped import find_model


@pytest.fixture(scope="module")
def tiny():
    """austen-tiny with scales that multiply, as they do in GGUF."""
    model = load_checkpoint(find_model("austen-tiny")).in_memory()
    linears = {
        name: dataclasses.replace(linear, weight_scale=1 / linear.weight_scale, linear_class="autobitlinear")
        for name, linear in model.linears.items()
    }
    config = dataclasses.replace(model.config, linear_class="autobitlinear")
    return dataclasses.replace(model, config=config, linears=linears)


@pytest.fixture
def gguf(tmp_path, tiny):
    tensors = tensors_of(tiny, "x86", GGMLQuantizationType.F32)
    return write(tmp_path / "tiny.gguf", metadata(tiny.config, "bitnet-b1.58"), tensors)


@pytest.fixture
def damaged(tmp_path, tiny):
    """A folder whose last ternary layer has a code 3."""
    folder = tmp_path / "damaged"
    folder.mkdir()
    stored = safetensors.numpy.load_file(find_model("austen-tiny") / "model.safetensors")
    stored["model.layers.1.mlp.down_proj.weight"][3, 5] = 0xFF
    (folder / "config.json").write_text(json.dumps(huggingface_fields(tiny.config)))
    safetensors.numpy.save_file(stored, folder / "model.safetensors")
    return folder


def test_gguf_compiles_and_speaks(trine, gguf, tmp_path):
    image = tmp_path / "tiny.img"
    assert trine("compile", gguf, "--i2s-layout", "x86", "--preset", "ulx3s_25f", "-o", image).code == 0
    figures = trine("info", gguf, "--i2s-layout", "x86", "--json").figures
    assert figures["stored"] == "GGUF bitnet-b1.58, I2_S (x86)"
    assert (figures["model"], figures["ternary_weights"]) == ("tiny.gguf", 172_800)
    speech = ("--device", "golden:ulx3s_25f", "--prompt", "A", "--characters", 3, "--json")
    text = trine("run", image, *speech).figures["text"]
    assert trine("run", gguf, "--i2s-layout", "x86", *speech).figures["text"] == text
    assert trine("demo", "--model", gguf, "--i2s-layout", "x86", *speech).figures["text"] == text


@pytest.mark.parametrize("command", [
    ("info", "MODEL"),
    ("compile", "MODEL", "--preset", "ulx3s_25f", "-o", "OUTPUT"),
    ("run", "MODEL", "--prompt", "A"),
    ("demo", "--model", "MODEL", "--device", "golden:ulx3s_25f"),
    ("accuracy", "MODEL", "--characters", "10"),
])
def test_refused_everywhere(refused, gguf, damaged, tmp_path, command):
    def run(model, *more):
        names = {"MODEL": model, "OUTPUT": tmp_path / "a.img"}
        return refused(*(names.get(argument, argument) for argument in command), *more)

    assert "tiny.gguf: blk.0.attn_q.weight is I2_S, whose layout is" in run(gguf)
    assert "i2s_layout is of GGUF files alone" in run(damaged, "--i2s-layout", "arm")
    assert "is not one of 'x86', 'arm'" in run(gguf, "--i2s-layout", "mips")
    gguf.write_bytes(gguf.read_bytes()[:-40])
    assert "tiny.gguf: not a whole GGUF file" in run(gguf, "--i2s-layout", "x86")
    assert not (tmp_path / "a.img").exists()
    if command[0] != "info":  # which says what a model needs of a device, whatever its weights are
        assert "model.layers.1.mlp.down_proj: code 3 at row and column" in run(damaged)


def test_another_vocabulary(trine, refused, tmp_path):
    """Compiled and described as any other; text says what it would need."""
    path = tmp_path / GGUF
    path.write_bytes(seeds()["i2s"][GGUF])
    assert "vocabulary 3" in trine("info", path, "--i2s-layout", "x86").out
    image = tmp_path / "a.img"
    assert trine("compile", path, "--preset", "ulx3s_25f", "--i2s-layout", "x86", "-o", image).code == 0
    message = refused("run", path, "--i2s-layout", "x86", "--prompt", "A", "--device", "golden:ulx3s_25f")
    assert "has a vocabulary of 3 tokens; text takes the 96 characters of the shipped models" in message
    np.save(tmp_path / "x.npy", np.ones(16, np.float32))
    layer = ("--layer", "model.layers.0.mlp.up_proj", "--input", tmp_path / "x.npy", "--device", "golden:ulx3s_25f")
    figures = trine("run", path, "--i2s-layout", "x86", *layer, "--json").figures
    assert figures["output"] == "float32 (16,)"
    assert figures["integers_equal"]
