import json
import struct

import numpy as np
import pytest
import safetensors.numpy

from trine.golden.tensors import TensorFile


@pytest.fixture
def file_of(tmp_path):
    """A TensorFile of given arrays, or of {name: (dtype, shape, bytes)} written without any library."""

    def write(tensors):
        path = tmp_path / "x.safetensors"
        if all(isinstance(tensor, np.ndarray) for tensor in tensors.values()):
            safetensors.numpy.save_file(tensors, path)
            return TensorFile(path)
        header, data = {}, b""
        for name, (dtype, shape, content) in tensors.items():
            header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
            data += content
        text = json.dumps(header).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + data)
        return TensorFile(path)

    return write


def test_floats_widen_exactly(file_of):
    """1, -2, 3.140625 and the largest finite one of each half-width type."""
    brain = struct.pack("<4H", 0x3F80, 0xC000, 0x4049, 0x7F7F)
    half = struct.pack("<4H", 0x3C00, 0xC000, 0x4248, 0x7BFF)
    single = struct.pack("<2f", 1.0, -2.0)
    file = file_of({"brain": ("BF16", [4], brain), "half": ("F16", [2, 2], half), "single": ("F32", [2], single)})
    found = file.floats("brain", (4,))
    assert found.dtype == np.float32
    assert found.tolist() == [1, -2, 3.140625, 255 * 2.0**120]
    assert file.floats("half", (2, 2)).tolist() == [[1, -2], [3.140625, 65504]]
    assert file.floats("single", (2,)).tolist() == [1, -2]
    file.close()


def test_integers_and_bytes(file_of):
    file = file_of({"i": np.array([[-1, 1]], np.int8), "b": np.array([255], np.uint8)})
    assert file.integers("i", (1, 2)).tolist() == [[-1, 1]]
    assert file.bytes("b", (1,)).tolist() == [255]


def test_one_of_several_shapes(file_of):
    assert file_of({"x": np.ones((), np.float32)}).floats("x", (1,), ()).shape == ()


def test_wrong_shape(file_of):
    with pytest.raises(ValueError, match=r"x.safetensors: x must be \(3,\) or \(\), not \(2,\)"):
        file_of({"x": np.ones(2, np.float32)}).floats("x", (3,), ())


def test_wrong_dtype(file_of):
    with pytest.raises(ValueError, match=r"x.safetensors: x must be float32, not uint8"):
        file_of({"x": np.ones(2, np.uint8)}).floats("x", (2,))


def test_unknown_dtype(file_of):
    with pytest.raises(ValueError, match=r"x.safetensors: x is of type I64, not one of I8, U8, F16, BF16, F32"):
        file_of({"x": np.ones(2, np.int64)})


def test_missing(file_of):
    with pytest.raises(ValueError, match=r"x.safetensors: tensor y is missing"):
        file_of({"x": np.ones(2, np.float32)}).floats("y", (2,))


def test_taken_once(file_of):
    file = file_of({"x": np.ones(2, np.float32)})
    file.floats("x", (2,))
    with pytest.raises(ValueError, match="x is missing"):
        file.floats("x", (2,))


def test_close_names_what_is_left(file_of):
    file = file_of({"x": np.ones(2, np.float32), "y": np.ones(2, np.float32)})
    file.floats("x", (2,))
    with pytest.raises(ValueError, match=r"x.safetensors: unknown tensor y"):
        file.close()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_not_finite(file_of, value):
    with pytest.raises(ValueError, match=rf"x.safetensors: x must be finite, but x\[1\] is {value}"):
        file_of({"x": np.array([0, value], np.float32)}).floats("x", (2,))


def test_bfloat16_not_finite(file_of):
    with pytest.raises(ValueError, match=r"x\[0\] is inf"):
        file_of({"x": ("BF16", [1], struct.pack("<H", 0x7F80))}).floats("x", (1,))


def test_no_file(tmp_path):
    with pytest.raises(ValueError, match=r"x.safetensors: No such file"):
        TensorFile(tmp_path / "x.safetensors")


@pytest.mark.parametrize("keep", [0, 4, 8, 30, 100, -1])
def test_truncated(tmp_path, keep):
    path = tmp_path / "x.safetensors"
    safetensors.numpy.save_file({"x": np.ones(64, np.float32)}, path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"x.safetensors: not a whole safetensors file") as error:
        TensorFile(path)
    assert "\n" not in str(error.value)
