import numpy as np
import pytest

from trine.host.shipped import MODELS


def test_digits(trine):
    outcome = trine("run", "digits-ternary", "--device", "golden:tinyfpga_bx", "--images", 40)
    assert outcome.code == 0
    assert "of 40 digits right" in outcome.out
    assert "All 2,960 integers equal the golden model's" in outcome.out


def test_digits_json(trine):
    figures = trine("run", "digits-binary", "--images", 25, "--json").figures
    assert figures["images"] == 25
    assert figures["accuracy"] == figures["right"] / 25 > 0.8
    assert figures["integers_equal"] is True


def test_text(trine):
    outcome = trine("run", "austen-tiny", "--device", "golden:ulx3s_25f", "--prompt", "Oh! ", "--characters", 5)
    assert outcome.code == 0
    assert outcome.out.startswith("Oh! ")
    assert "tokens executed" in outcome.out


@pytest.mark.parametrize(("dtype", "kind"), [(np.int8, "int32"), (np.float32, "float32")])
def test_layer(trine, tmp_path, dtype, kind):
    np.save(tmp_path / "x.npy", np.ones((2, 64), dtype))
    outcome = trine("run", "digits-ternary", "--layer", "output", "--input", tmp_path / "x.npy",
                    "--output", tmp_path / "y.npy", "--json")
    figures = outcome.figures
    assert figures["output"] == f"{kind} (2, 10)"
    assert figures["integers_compared"] == 20
    found = np.load(tmp_path / "y.npy")
    assert found.dtype == kind
    assert found.shape == (2, 10)


def test_layer_says_what_it_does(trine, tmp_path):
    """On standard error; nothing with --json."""
    (tmp_path / "tight.toml").write_text('base = "ulx3s_25f"\nweight_words = 2\n')
    np.save(tmp_path / "x.npy", np.ones((3, 64), np.int8))
    arguments = ("run", "digits-ternary", "--device", "golden", "--config", tmp_path / "tight.toml",
                 "--layer", "hidden", "--input", tmp_path / "x.npy")
    outcome = trine(*arguments)
    assert outcome.err == "layer: hidden\n"
    assert "integers equal the golden model's" in outcome.out
    assert trine(*arguments, "--json").err == ""


def test_layer_prints_without_output(trine, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros(64, np.int8))
    outcome = trine("run", "digits-ternary", "--layer", "output", "--input", tmp_path / "x.npy")
    assert "[0 0 0 0 0 0 0 0 0 0]" in outcome.out
    assert "all 10 integers equal" in outcome.out


def test_image(trine, tmp_path, refused):
    image = tmp_path / "d.img"
    assert trine("compile", "digits-ternary", "--preset", "ulx3s_25f", "-o", image).code == 0
    assert trine("run", image, "--device", "golden:ulx3s_25f", "--images", 3).code == 0
    message = refused("run", image, "--device", "golden:icebreaker")
    assert "d.img: compiled for another configuration (ulx3s_25f" in message
    image.write_bytes(image.read_bytes()[:-1])
    assert "d.img: truncated" in refused("run", image, "--device", "golden:ulx3s_25f")


def test_model_by_path(trine, model_folder, refused):
    assert trine("run", model_folder, "--images", 2).code == 0
    (model_folder / "model.safetensors").write_bytes(b"")
    assert "not a whole safetensors file" in refused("run", model_folder)


def save(value):
    return lambda path: np.save(path, value)


def cut_short(path):
    np.save(path, np.zeros(64, np.int8))
    path.write_bytes(path.read_bytes()[:-7])


def nan():
    x = np.zeros(64, np.float32)
    x[5] = np.nan
    return x


@pytest.mark.parametrize(("write", "message"), [
    (save(nan()), "x must be finite, but x[5] is nan"),
    (save(np.zeros(63, np.int8)), "output: x must be (..., 64), not (63,)"),
    (save(np.zeros(64)), "output: x must be an array of int8 codes or of float32, not float64"),
    (save(np.zeros(64, np.int16)), "not int16"),
    (save(np.array(1, np.int8)), "output: x must be (..., 64), not ()"),
    (save(np.array([{}], object)), "x.npy: not a NumPy array (.npy)"),
    (lambda path: path.write_bytes(b""), "x.npy: empty, not a NumPy array"),
    (lambda path: path.write_bytes(b"hello"), "x.npy: not a NumPy array (.npy)"),
    (cut_short, "x.npy: not a NumPy array (.npy)"),
    (lambda path: np.savez(path.open("wb"), a=np.zeros(64, np.int8)), "x.npy: several arrays (.npz)"),
    (lambda path: path.mkdir(), "Is a directory"),
    (lambda path: None, "No such file or directory"),
])
def test_bad_vectors(refused, tmp_path, write, message):
    write(tmp_path / "x.npy")
    assert message in refused("run", "digits-ternary", "--layer", "output", "--input", tmp_path / "x.npy")


def test_code_out_of_range(refused, tmp_path):
    (tmp_path / "four.toml").write_text('base = "ulx3s_25f"\nactivation_bits = 4\n')
    np.save(tmp_path / "x.npy", np.full(64, 8, np.int8))
    message = refused("run", "digits-ternary", "--layer", "output", "--input", tmp_path / "x.npy",
                      "--device", "golden", "--config", tmp_path / "four.toml")
    assert "output: codes must be -7 to 7, but codes[0] is 8" in message


@pytest.mark.parametrize(("arguments", "message"), [
    (("austen-small",), "say with --prompt what its text begins with"),
    (("digits-ternary", "--trace", "x.vcd"), "the golden device has no signals to trace"),
    (("austen-small", "--layer", "x"), "--layer and --input go together"),
    (("austen-small", "--input", "x.npy"), "--layer and --input go together"),
    (("austen-small", "--output", "x.npy"), "name the layer with --layer"),
    (("digits-ternary", "--device", "golden:nothing"), "unknown preset 'nothing'"),
    (("no-such-model",), "no model 'no-such-model'"),
    ((MODELS / "austen_words.txt",), "not an image of trine"),
])
def test_bad_arguments(refused, arguments, message):
    assert message in refused("run", *arguments)


def test_unknown_layer(refused, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros(64, np.int8))
    message = refused("run", "digits-ternary", "--layer", "third", "--input", tmp_path / "x.npy")
    assert "digits-ternary: no layer 'third'; its layers are hidden, output" in message


def test_weight_code_3(refused, decoder_folder):
    packed = np.full((20, 80), 0b01010101, np.uint8)
    packed[0, 0] = 0xFF
    folder = decoder_folder(**{"model.layers.2.self_attn.q_proj.weight": packed})
    assert "model.layers.2.self_attn.q_proj: code 3 at row and column (0, 0)" in refused("run", folder, "--prompt", "A")


def test_output_cannot_be_written(trine, tmp_path):
    np.save(tmp_path / "x.npy", np.zeros(64, np.int8))
    outcome = trine("run", "digits-ternary", "--layer", "output", "--input", tmp_path / "x.npy",
                    "--output", tmp_path / "no" / "y.npy")
    assert outcome.code == 2
    assert "y.npy: cannot be written: No such file or directory" in outcome.err
