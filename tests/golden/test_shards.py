import json

import numpy as np
import pytest
import safetensors.numpy

from trine.golden.shards import read_folder

INDEX = "model.safetensors.index.json"
A, B = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"


@pytest.fixture
def write(tmp_path):
    """Two shards, x and y in the first and z in the second, and an index of a given map."""

    def write_folder(weight_map):
        safetensors.numpy.save_file({"x": np.zeros(1, np.float32), "y": np.ones(2, np.float32)}, tmp_path / A)
        safetensors.numpy.save_file({"z": np.full(3, 2, np.float32)}, tmp_path / B)
        (tmp_path / INDEX).write_text(json.dumps({"metadata": {"total_size": 24}, "weight_map": weight_map}))
        return tmp_path

    return write_folder


def refused(folder, file, message):
    with pytest.raises(ValueError, match=message) as error:
        read_folder(folder)
    assert str(error.value).startswith(f"{folder / file}: ")
    assert "\n" not in str(error.value)


def test_shards(write):
    folder = write({"x": A, "y": A, "z": B})
    path, tensors = read_folder(folder)
    assert path == folder / INDEX
    assert {name: tensor.floats().tolist() for name, tensor in tensors.items()} == {"x": [0], "y": [1, 1], "z": [2] * 3}


def test_single_file_goes_first(write):
    """As in transformers, which looks for the index only where there is no model.safetensors."""
    folder = write({"x": A, "y": A, "z": B})
    safetensors.numpy.save_file({"w": np.zeros(1, np.float32)}, folder / "model.safetensors")
    path, tensors = read_folder(folder)
    assert path == folder / "model.safetensors"
    assert list(tensors) == ["w"]


def test_neither(tmp_path):
    refused(tmp_path, "model.safetensors", "No such file")


@pytest.mark.parametrize("weight_map", [None, {}, [], "x"])
def test_wrong_map(write, weight_map):
    refused(write(weight_map), INDEX, "weight_map must be an object of tensors and files")


@pytest.mark.parametrize(
    "file",
    [
        "../model.safetensors", "/etc/model.safetensors", "sub/model.safetensors", "..\\model.safetensors",
        "c:model.safetensors", ".safetensors", "model.bin", "", "a\n.safetensors", 3, None, [A],
    ],
)  # fmt: skip
def test_file_elsewhere(write, file):
    refused(write({"x": A, "y": A, "z": file}), INDEX, "z must be in a file of this folder, not in ")


def test_shard_is_missing(write):
    folder = write({"x": A, "y": A, "z": B})
    (folder / B).unlink()
    refused(folder, B, "No such file")


def test_shard_is_cut_short(write):
    folder = write({"x": A, "y": A, "z": B})
    (folder / A).write_bytes((folder / A).read_bytes()[:-1])
    refused(folder, A, "not a whole safetensors file")


def test_tensor_is_missing(write):
    refused(write({"x": A, "y": A, "z": B, "w": A}), INDEX, f"w is not in {A}")


def test_tensor_is_unknown(write):
    refused(write({"x": A, "z": B}), INDEX, f"{A} has y, which by the index is unknown")


def test_tensor_is_in_two_shards(write):
    folder = write({"x": A, "y": A, "z": B})
    safetensors.numpy.save_file({"z": np.zeros(3, np.float32), "x": np.zeros(1, np.float32)}, folder / B)
    refused(folder, INDEX, f"{B} has x, which by the index is in {A}")


def test_index_is_no_json(write):
    folder = write({})
    (folder / INDEX).write_text('{"weight_map": {"x": "a", "x": "b"}}')
    refused(folder, INDEX, "x stands twice in one object")
