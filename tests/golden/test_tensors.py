import json
import struct

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from trine.golden import tensors
from trine.golden.tensors import read_tensors


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.safetensors"


@pytest.fixture
def write(path):
    """Write a file of {name: (dtype, shape, bytes)}, or of a header's text and the data, without any library."""

    def write_file(header, data=b""):
        if isinstance(header, dict):
            fields, data = {}, b""
            for name, (dtype, shape, content) in header.items():
                fields[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
                data += content
            header = json.dumps(fields)
        text = header.encode() if isinstance(header, str) else header
        path.write_bytes(struct.pack("<Q", len(text)) + text + data)
        return path

    return write_file


def refused(path, message):
    with pytest.raises(ValueError, match=message) as error:
        read_tensors(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_floats_widen_exactly(write):
    """1, -2, 3.140625 and the largest finite one of each half-width type."""
    brain = struct.pack("<4H", 0x3F80, 0xC000, 0x4049, 0x7F7F)
    half = struct.pack("<4H", 0x3C00, 0xC000, 0x4248, 0x7BFF)
    single = struct.pack("<2f", 1.0, -2.0)
    found = read_tensors(
        write({"brain": ("BF16", [4], brain), "half": ("F16", [2, 2], half), "single": ("F32", [2], single)})
    )
    assert list(found) == ["brain", "half", "single"]
    assert found["brain"].floats().dtype == np.float32
    assert found["brain"].floats().tolist() == [1, -2, 3.140625, 255 * 2.0**120]
    assert found["half"].floats().tolist() == [[1, -2], [3.140625, 65504]]
    assert found["single"].floats().tolist() == [1, -2]


def test_integers(write):
    found = read_tensors(write({"i": ("I8", [1, 2], b"\xff\x01"), "b": ("U8", [1], b"\xff"), "none": ("U8", [0], b"")}))
    assert found["i"].integers().tolist() == [[-1, 1]]
    assert found["i"].integers().dtype == np.int8
    assert found["b"].integers().tolist() == [255]
    assert found["b"].integers().dtype == np.uint8
    assert found["none"].integers().shape == (0,)


@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16"])
def test_read_in_pieces(write, monkeypatch, dtype):
    """In pieces of 12 bytes, which end anywhere in a row."""
    monkeypatch.setattr(tensors, "CHUNK", 12)
    values = np.arange(1, 36, dtype=np.float32)
    stored = {"F32": values, "F16": values.astype("<f2"), "BF16": (values.view(np.uint32) >> 16).astype("<u2")}
    found = read_tensors(write({"x": (dtype, [5, 7], stored[dtype].tobytes())}))["x"]
    assert np.array_equal(found.floats(), values.reshape(5, 7))


@settings(derandomize=True, max_examples=30)
@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8"), max_size=5).filter(lambda name: name != "__metadata__"),
        st.tuples(st.sampled_from(["f4", "f2", "i1", "u1"]), st.lists(st.integers(0, 3), max_size=3)),
        max_size=4,
    )
)
def test_reads_what_the_package_writes(tmp_path_factory, contents):
    """Names, types, shapes and values of any file of `safetensors`, metadata included."""
    rng = np.random.default_rng(0)
    arrays = {name: rng.integers(0, 5, shape).astype(dtype) for name, (dtype, shape) in contents.items()}
    path = tmp_path_factory.mktemp("written") / "x.safetensors"
    safetensors.numpy.save_file(arrays, path, metadata={"format": "pt"})
    found = read_tensors(path)
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        read = found[name].floats() if array.dtype.kind == "f" else found[name].integers()
        assert read.shape == array.shape
        assert np.array_equal(read, array)


def test_require(write):
    tensor = read_tensors(write({"x": ("F32", [2], bytes(8))}))["x"]
    assert tensor.require(("U8", "F32"), (3,), (2,)) is tensor
    with pytest.raises(ValueError, match=r"x.safetensors: x must be of type U8 or I8, not F32"):
        tensor.require(("U8", "I8"), (2,))
    with pytest.raises(ValueError, match=r"x.safetensors: x must be \(3,\) or \(\), not \(2,\)"):
        tensor.require(("F32",), (3,), ())


@pytest.mark.parametrize(("word", "value"), [(0x7F80, "inf"), (0xFF80, "-inf"), (0x7FC0, "nan")])
def test_not_finite(write, monkeypatch, word, value):
    monkeypatch.setattr(tensors, "CHUNK", 4)
    tensor = read_tensors(write({"x": ("BF16", [2, 2], struct.pack("<4H", 0, 0, word, 0))}))["x"]
    with pytest.raises(ValueError, match=rf"x.safetensors: x must be finite, but x\[1, 0\] is {value}$"):
        tensor.floats()


def test_cut_short_after_it_was_opened(write, path):
    tensor = read_tensors(write({"x": ("U8", [4], b"abcd")}))["x"]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"x.safetensors: cut short while it was read"):
        tensor.integers()
    path.unlink()
    with pytest.raises(ValueError, match=r"x.safetensors: No such file"):
        tensor.integers()


def test_no_file(path):
    refused(path, "No such file")


@pytest.mark.parametrize("keep", [0, 4, 8, 30, 100, -1])
def test_truncated(path, keep):
    safetensors.numpy.save_file({"x": np.ones(64, np.float32)}, path)
    path.write_bytes(path.read_bytes()[:keep])
    refused(path, "not a whole safetensors file")


def test_bytes_too_many(path):
    safetensors.numpy.save_file({"x": np.ones(64, np.float32)}, path)
    path.write_bytes(path.read_bytes() + b"x")
    refused(path, r"not a whole safetensors file \(329 bytes, not the 328 of its header\)")


def test_header_too_long(path):
    path.write_bytes(struct.pack("<Q", 2**63) + b"{}")
    refused(path, f"a header of {2**63} bytes; at most {16 * 2**20} are read")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("[]", "its header: not a JSON object"),
        ("{", "its header: not JSON"),
        (b"\xff\xfe", "its header: not JSON"),
        ('{"a":' * 100_000, "its header: not JSON that can be read .nested too deeply"),
        ('{"x": 1, "x": 1}', "its header: x stands twice in one object"),
        ('{"x\\n\\ud800": 1, "x\\n\\ud800": 1}', r"its header: 'x\\n\\ud800' stands twice"),
        ('{"__metadata__": {"a": 1}}', "__metadata__ must be an object of strings"),
        ('{"x": 1}', "x must have dtype, shape and data_offsets"),
        ('{"x": {"dtype": "U8", "shape": [0]}}', "x must have dtype, shape and data_offsets"),
    ],
)
def test_wrong_header(write, path, header, message):
    write(header)
    refused(path, message)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("dtype", "I64", "x is of type 'I64', not one of I8, U8, F32, F16, BF16"),
        ("dtype", ["U8"], "x is of type .+, not one of"),
        ("dtype", None, "x is of type 'None', not one of"),
        ("shape", 4, "the shape of x must be a list of sizes, not 4"),
        ("shape", [-4], r"the shape of x must be a list of sizes, not \[-4\]"),
        ("shape", [4.0], "the shape of x must be a list of sizes"),
        ("shape", [True, 4], "the shape of x must be a list of sizes"),
        ("shape", [1] * 100, "the shape of x must be a list of sizes"),
        ("shape", [2**32, 2**32], rf"x has 4 bytes, not the {2**64} of U8 \({2**32}, {2**32}\)"),
        ("shape", [5], r"x has 4 bytes, not the 5 of U8 \(5,\)"),
        ("data_offsets", [4], r"the data_offsets of x must be \[begin, end\], not \[4\]"),
        ("data_offsets", [4, 0], r"the data_offsets of x must be \[begin, end\]"),
        ("data_offsets", [-4, 0], r"the data_offsets of x must be \[begin, end\]"),
        ("data_offsets", [1, 5], "x begins at byte 1 of the data, not at 0"),
        ("data_offsets", [2**62, 2**62 + 4], f"x begins at byte {2**62} of the data, not at 0"),
        ("more", 1, "x must have dtype, shape and data_offsets"),
    ],
)
def test_wrong_field(write, path, field, value, message):
    write(json.dumps({"x": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4], field: value}}), bytes(4))
    refused(path, message)


def test_overlap(write, path):
    entry = {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}
    write(json.dumps({"x": entry, "y": {**entry, "data_offsets": [3, 7]}}), bytes(7))
    refused(path, "y begins at byte 3 of the data, not at 4, where the one before ends")
