import struct

import gguf
import numpy as np
import pytest
from gguf.constants import GGMLQuantizationType

from tests.golden.gguf_builder import ARRAY, BOOL, FLOAT32, INT32, STRING, UINT8, UINT32, UINT64, encode
from trine.golden import gguf_file, i2s
from trine.golden.gguf_file import read_gguf

F32, F16, TQ2_0, I2_S = 0, 1, 35, 36


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.gguf"


def refused(path, content, message):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        read_gguf(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("version", [2, 3])
def test_header(path, version):
    entries = {
        "a": (STRING, "text"), "b": (UINT32, 7), "c": (BOOL, 1), "d": (INT32, -3), "e": (UINT64, 2**40),
        "f": (FLOAT32, 0.5), "g": (ARRAY, (STRING, ["x", ""])), "h": (ARRAY, (UINT8, [1, 2, 3])), "i": (STRING, ""),
    }  # fmt: skip
    tensors = {"t": (F16, (2, 3), bytes(12)), "u": (I2_S, (2, 64), bytes(64)), "v": (TQ2_0, (256,), bytes(66))}
    path.write_bytes(encode(entries, tensors, version))
    header = read_gguf(path)
    assert header.metadata == {
        "a": "text", "b": 7, "c": True, "d": -3, "e": 2**40, "f": 0.5, "g": None, "h": None, "i": "",
    }  # fmt: skip
    assert list(header.tensors) == ["t", "u", "v"]
    t, u, v = header.tensors.values()
    assert [tensor.shape for tensor in (t, u, v)] == [(2, 3), (2, 64), (256,)]
    assert [tensor.rows for tensor in (t, u, v)] == [2, 2, 1]
    assert [tensor.type_name for tensor in (t, u, v)] == ["F16", "I2_S", "TQ2_0"]
    assert [tensor.size for tensor in (t, u, v)] == [12, 32 + 4, 66]
    assert [tensor.offset - t.offset for tensor in (t, u, v)] == [0, 32, 96]
    assert t.offset % 32 == 0


def test_reads_what_gguf_writes(path):
    """Metadata, shapes, and where the bytes are, of a file by gguf's own writer; against its own reader."""
    writer = gguf.GGUFWriter(path, "bitnet")
    writer.add_block_count(3)
    writer.add_rope_freq_base(10000.0)
    writer.add_token_list(["a", "bc"])
    writer.add_tensor("x", np.arange(6, dtype=np.float32).reshape(2, 3))
    packed = gguf.quants.quantize(np.ones((2, 512), np.float32), GGMLQuantizationType.TQ1_0)
    writer.add_tensor("y", packed, raw_dtype=GGMLQuantizationType.TQ1_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    header = read_gguf(path)
    assert header.metadata == {"general.architecture": "bitnet", "bitnet.block_count": 3,
                               "bitnet.rope.freq_base": 10000.0, "tokenizer.ggml.tokens": None}
    for theirs in gguf.GGUFReader(path).tensors:
        ours = header.tensors[theirs.name]
        assert ours.shape == tuple(reversed(theirs.shape.tolist()))
        assert (ours.type, ours.offset, ours.size) == (theirs.tensor_type, theirs.data_offset, theirs.n_bytes)


@pytest.mark.parametrize("alignment", [1, 8, 64])
def test_alignment(path, alignment):
    content = encode({"general.alignment": (UINT32, alignment)}, {"t": (F32, (1,), bytes(4))})
    head = len(content) - 4
    path.write_bytes(content + bytes(64))
    assert read_gguf(path).tensors["t"].offset in range(head - 31, head + 64)
    assert read_gguf(path).tensors["t"].offset % alignment == 0


def test_no_file(tmp_path):
    with pytest.raises(ValueError, match=r"x.gguf: No such file"):
        read_gguf(tmp_path / "x.gguf")


def test_every_truncation(path):
    entries = {"a": (STRING, "text"), "g": (ARRAY, (STRING, ["x", ""])), "h": (ARRAY, (UINT8, [1, 2, 3]))}
    content = encode(entries, {"t": (F16, (2, 3), bytes(12))})
    for keep in range(len(content)):
        refused(path, content[:keep], "not a (whole )?GGUF file")


def replaced(old, new):
    content = encode({"key": (UINT32, 77)}, {"tensor": (F32, (3, 5), bytes(60)), "other": (F32, (1,), bytes(4))})
    assert old in content
    return content.replace(old, new, 1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"GGUF", b"GGML", "not a GGUF file"),
        (b"GGUF\3\0\0\0", b"GGUF\1\0\0\0", "GGUF version must be 2 or 3, not 1"),
        (b"GGUF\3\0\0\0", b"GGUF\0\0\0\3", "a big-endian GGUF file, which is not read"),
        (struct.pack("<Q", 2), struct.pack("<Q", 2**60), "1152921504606846976 tensors and 1 metadata entries; at most"),
        (struct.pack("<QQ", 2, 1), struct.pack("<QQ", 2, 2**40), "1099511627776 metadata entries; at most 100000"),
        (struct.pack("<Q", 3) + b"key", struct.pack("<Q", 2**63) + b"key", "a string of 9223372036854775808 bytes"),
        (b"key", b"k\xff\xff", "a string in the header is not UTF-8"),
        (b"key" + struct.pack("<I", 4), b"key" + struct.pack("<I", 13), "key is of the unknown value type 13"),
        (struct.pack("<II", 4, 77), struct.pack("<II", 9, 9), "key is an array of the unknown value type 9"),
        (b"tensor" + struct.pack("<I", 2), b"tensor" + struct.pack("<I", 5), "must have 1 to 4 dimensions, not 5"),
        (b"tensor" + struct.pack("<I", 2), b"tensor" + struct.pack("<I", 0), "must have 1 to 4 dimensions, not 0"),
        (struct.pack("<QQ", 5, 3), struct.pack("<QQ", 5, 0), r"tensor is empty: \(0, 5\)"),
        (struct.pack("<QQ", 5, 3), struct.pack("<QQ", 2**63, 2**63), "other overlaps tensor"),
        (struct.pack("<QQI", 5, 3, 0), struct.pack("<QQI", 5, 3, 99), "tensor is of the unknown tensor type 99"),
        (struct.pack("<QQI", 5, 3, 0), struct.pack("<QQI", 5, 3, 4), "tensor is of the unknown tensor type 4"),
        (struct.pack("<QQI", 5, 3, 0), struct.pack("<QQI", 5, 3, 35), "has rows of 5, no whole number of blocks"),
        (struct.pack("<IQ", 0, 64), struct.pack("<IQ", 0, 32), "other overlaps tensor"),
        (struct.pack("<IQ", 0, 64), struct.pack("<IQ", 0, 96), "not a whole GGUF file .* but other ends at"),
        (struct.pack("<IQ", 0, 64), struct.pack("<IQ", 0, 2**64 - 1), "not a whole GGUF file .* but other ends at"),
        (b"\5\0\0\0\0\0\0\0other", b"\6\0\0\0\0\0\0\0tensor", "the tensor tensor stands twice"),
    ],
)  # fmt: skip
def test_wrong(path, old, new, message):
    refused(path, replaced(old, new), message)


def test_key_twice(path):
    content = encode({"key": (UINT32, 1), "kez": (UINT32, 2)}, {}).replace(b"kez", b"key")
    refused(path, content, "the key key stands twice")


@pytest.mark.parametrize(("kind", "number"), [(UINT32, 0), (UINT32, 2**17), (STRING, "32"), (BOOL, 1)])
def test_wrong_alignment(path, kind, number):
    refused(path, encode({"general.alignment": (kind, number)}, {}), "general.alignment must be 1 to 65536, not ")


def test_names_are_printed_on_one_line(path):
    refused(path, encode({}, {"a\nb": (F32, (0,), b"")}), r"'a\\nb' is empty")


def test_array_that_ends_nowhere(path):
    for kind in (STRING, UINT8):
        content = encode({"key": (ARRAY, (kind, []))}, {})
        content = content.replace(struct.pack("<IQ", kind, 0), struct.pack("<IQ", kind, 2**62))
        refused(path, content, "it ends within its header")


def test_header_too_long(path, monkeypatch):
    monkeypatch.setattr(gguf_file, "LARGEST_HEADER", 200)
    content = encode({"key": (ARRAY, (UINT8, [1] * 200))}, {})
    refused(path, content, "a header of more than 200 bytes")


def test_i2s_size():
    assert i2s.count_bytes(128) == 36
