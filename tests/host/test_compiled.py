from dataclasses import replace

import numpy as np
import pytest

from trine.firmware.compiler import compile_layer
from trine.firmware.image_file import save_image
from trine.firmware.presets import PRESETS
from trine.golden.bitlinear import BinaryLinear
from trine.host.compiled import (
    apply_linear,
    compile_for,
    describe,
    is_image,
    load_any,
    model_shapes,
    open_image,
    restore_model,
    write_compiled,
)
from trine.host.errors import UsageError
from trine.host.shipped import find_model, load_model


@pytest.mark.parametrize("name", ["digits-binary", "austen-tiny"])
def test_there_and_back(name):
    model, preset = load_model(find_model(name)), PRESETS["ulx3s_85f"]
    image = compile_for(model, preset, name)
    again = restore_model(image, preset)
    assert image.name == name
    assert again is not None
    assert model_shapes(again) == model_shapes(model)
    for layer, linear in model.linears.items():
        assert (again.linears[layer].weights == linear.weights).all()


def test_does_not_suit():
    narrow = replace(PRESETS["ulx3s_25f"], accumulator_bits=8)
    with pytest.raises(UsageError, match=r"q_proj: row \d+ may reach \d+, but the 8-bit accumulators of ulx3s_25f"):
        compile_for(load_model(find_model("austen-tiny")), narrow, "austen-tiny")


def test_write_compiled(tmp_path):
    """Of the same model: the same words, whether they are kept or written."""
    model, preset, path, steps = load_model(find_model("austen-small")), PRESETS["ulx3s_25f"], tmp_path / "x", []
    written = write_compiled(model, preset, "d", path, lambda *step: steps.append(step))
    said, steps = steps, []
    kept = compile_for(model, preset, "d", lambda *step: steps.append(step))
    assert len(kept.loads) > 10
    assert (written.loads, written.requests) == (kept.loads, kept.requests)
    assert list(written.weights) == list(kept.weights)
    assert written.image_id == kept.image_id
    assert steps == said
    assert [done for _, done in steps] == sorted(done for name, done in steps if name == "packing weights") + sorted(
        done for name, done in steps if name == "copying tensors")
    assert {name: steps.count((name, 1.0)) for name, _ in steps} == {"packing weights": 1, "copying tensors": 1}


def test_a_layer_has_no_model(small):
    image = compile_layer("a", np.ones((3, 9), np.int8), small)
    assert restore_model(image, small) is None


@pytest.mark.parametrize("preset", ["icebreaker", "orangecrab_85f"])
def test_open_image_finds_its_preset(tmp_path, preset):
    path = tmp_path / "x.img"
    save_image(path, compile_for(load_model(find_model("digits-ternary")), PRESETS[preset], "d"))
    image, configuration = open_image(path)
    assert configuration is PRESETS[preset]
    assert image.name == "d"
    assert is_image(path)


def test_open_image_of_a_configuration_of_ones_own(tmp_path, small, image):
    path = tmp_path / "x.img"
    save_image(path, image)
    assert open_image(path, small)[1] is small
    with pytest.raises(UsageError, match=r"compiled for a configuration that is no preset; give it with --config"):
        open_image(path)


@pytest.mark.parametrize(("damage", "message"), [
    (lambda data: data[:-5], r"truncated"),
    (lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:], r"damaged: the checksum is wrong"),
    (lambda data: b"PK" + data, r"not an image of trine"),
    (lambda data: b"", r"not an image of trine"),
    (lambda data: data + b"\0", r"1 bytes follow its end"),
])
def test_open_image_damaged(tmp_path, damage, message):
    path = tmp_path / "x.img"
    save_image(path, compile_for(load_model(find_model("digits-ternary")), PRESETS["ulx3s_85f"], "d"))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UsageError, match=rf"x\.img: {message}"):
        open_image(path)


@pytest.mark.parametrize(("at", "what"), [(300, "load 0"), (-60, "tensor hidden.weight_scale")])
def test_contents_are_damaged(tmp_path, at, what):
    """What is not looked at when an image is opened is when its model is."""
    image = compile_for(load_model(find_model("digits-ternary")), PRESETS["ulx3s_85f"], "d")
    path = tmp_path / "x.img"
    save_image(path, image)
    data = bytearray(path.read_bytes())
    scales = data.find(image.tensors["hidden.weight_scale"].tobytes())
    data[at if at > 0 else scales] ^= 1
    path.write_bytes(data)
    opened, _ = open_image(path)
    assert opened.name == "d"
    with pytest.raises(UsageError, match=rf"x\.img: {what} is damaged: its checksum is wrong"):
        load_any(str(path), PRESETS["ulx3s_85f"])


def test_open_image_missing(tmp_path):
    with pytest.raises(UsageError, match=r"No such file"):
        open_image(tmp_path / "x.img")
    assert not is_image(tmp_path / "x.img")


def test_load_any_image_for_another_device(tmp_path):
    path = tmp_path / "x.img"
    save_image(path, compile_for(load_model(find_model("digits-ternary")), PRESETS["ulx3s_85f"], "d"))
    assert load_any(str(path), PRESETS["ulx3s_85f"])[0].name == "d"
    with pytest.raises(UsageError, match=r"x\.img: i2s_layout is of GGUF files alone, not of an image"):
        load_any(str(path), PRESETS["ulx3s_85f"], "x86")
    with pytest.raises(UsageError, match=r"compiled for another configuration \(ulx3s_85f, .*\) than icebreaker"):
        load_any(str(path), PRESETS["icebreaker"])


def test_apply_linear_equals_golden(classifier):
    linear = classifier.linears["first"]
    x = np.random.default_rng(0).normal(size=9).astype(np.float32)
    assert (apply_linear(linear, x, 8, linear.accumulate) == linear(x)).all()


def test_apply_linear_binary_with_four_bits():
    linear = BinaryLinear(np.array([[1, -1], [1, 1]], np.int8), np.float32(0.5))
    y = apply_linear(linear, np.array([1.0, -1.0], np.float32), 4, linear.accumulate)
    assert y == pytest.approx([0.875, 0.0]), "7 eighths of 1, twice, times beta"


def test_apply_linear_nan(classifier):
    linear = classifier.linears["first"]
    with pytest.raises(UsageError, match=r"x\[2\] is nan"):
        apply_linear(linear, np.array([0, 0, np.nan] + [0] * 6, np.float32), 8, linear.accumulate)


def test_describe(classifier):
    assert describe(classifier) == "ternary (BitNet b1.58) classifier: 9 - 7 - 3"
    assert describe(load_model(find_model("austen-small"))).startswith("BitNet b1.58 decoder: d 160, 3 layers, ffn 280")


def test_restore_damaged(image, small):
    tensors = {name: value for name, value in image.tensors.items() if name != "first.weight_scale"}
    with pytest.raises(UsageError, match=r"first\.weight_scale is missing"):
        restore_model(replace(image, tensors=tensors), small)
