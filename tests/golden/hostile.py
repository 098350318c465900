"""Small files that somebody could have made on purpose, by name; tests/golden/corpus/ holds them as files.

    python -m tests.golden.hostile        writes them

A name says what is wrong and, after the two hyphens, which file of a model it takes the place of. What fuzzing finds
(`fuzz`) is kept beside them under names that begin with `found-`, and every file there must end in one line.
"""

import json
import struct
import sys
from typing import Any

from tests.golden.fuzz import CORPUS, INDEX, seeds
from tests.golden.gguf_builder import ARRAY, STRING, UINT8, UINT32, encode, string

MODEL = "model.safetensors"


def _safetensors(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def _tensor(**changes: Any) -> dict[str, Any]:
    return {"dtype": "U8", "shape": [4], "data_offsets": [0, 4], **changes}


def _one(**changes: Any) -> bytes:
    """A file of one tensor of four bytes, which is wrong."""
    return _safetensors({"x": _tensor(**changes)}, bytes(4))


def _config(**changes: Any) -> bytes:
    return json.dumps(json.loads(seeds()["packed"]["config.json"]) | changes).encode()


def _index(weight_map: Any) -> bytes:
    return json.dumps({"metadata": {}, "weight_map": weight_map}).encode()


def _gguf(rest: bytes, tensors: int = 0, entries: int = 0) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, tensors, entries) + rest


def _description(name: str, shape: tuple[int, ...], kind: int, offset: int) -> bytes:
    sizes = struct.pack(f"<{len(shape)}Q", *shape)
    return string(name) + struct.pack("<I", len(shape)) + sizes + struct.pack("<IQ", kind, offset)


def files() -> dict[str, bytes]:
    """{name: content}."""
    twice = b'{"x": %s, "x": %s}' % (json.dumps(_tensor()).encode(), json.dumps(_tensor(shape=[2, 2])).encode())
    overlap = {"x": _tensor(), "y": _tensor(data_offsets=[2, 6])}
    gap = {"x": _tensor(), "y": _tensor(data_offsets=[6, 10])}
    weight_map = json.loads(seeds()["sharded"][INDEX])["weight_map"]
    name = next(iter(weight_map))
    huge = 2**64 - 1
    contents = {
        f"empty--{MODEL}": b"",
        f"header-beyond-the-end--{MODEL}": struct.pack("<Q", 1000) + b"{}",
        f"header-of-exabytes--{MODEL}": struct.pack("<Q", huge) + b"{}",
        f"header-bomb--{MODEL}": _safetensors(b'{"a":' * 700),
        f"header-of-lists--{MODEL}": _safetensors(b"[" * 3500),
        f"header-no-text--{MODEL}": _safetensors(b"\xff\xfe{}"),
        f"header-of-digits--{MODEL}": _safetensors(b'{"x":%s}' % (b"9" * 3500)),
        f"name-twice--{MODEL}": _safetensors(twice, bytes(4)),
        f"name-that-does-not-print--{MODEL}": _safetensors({"a\n\ud800\x1b[2J": _tensor(shape=[5])}, bytes(4)),
        f"overlap--{MODEL}": _safetensors(overlap, bytes(6)),
        f"gap--{MODEL}": _safetensors(gap, bytes(10)),
        f"offsets-negative--{MODEL}": _one(data_offsets=[-4, 0]),
        f"offsets-reversed--{MODEL}": _one(data_offsets=[4, 0]),
        f"offsets-of-floats--{MODEL}": _one(data_offsets=[0.0, 4.0]),
        f"offsets-wrap-64-bits--{MODEL}": _one(data_offsets=[huge - 3, huge + 1]),
        f"offsets-beyond-the-end--{MODEL}": _one(data_offsets=[0, 2**40], shape=[2**40]),
        f"shape-wraps-64-bits--{MODEL}": _one(shape=[2**33, 2**33]),
        f"shape-wraps-to-4--{MODEL}": _one(shape=[2**62 + 1, 4]),
        f"shape-negative--{MODEL}": _one(shape=[-2, -2]),
        f"shape-of-100-dimensions--{MODEL}": _one(shape=[1] * 99 + [4]),
        f"shape-of-booleans--{MODEL}": _one(shape=[True, 4]),
        f"dtype-unknown--{MODEL}": _one(dtype="F4_E9"),
        f"dtype-is-a-list--{MODEL}": _one(dtype=["U8"]),
        f"metadata-is-nested--{MODEL}": _safetensors({"__metadata__": {"format": {"a": 1}}}),
        f"another-model--{MODEL}": _one(),
        f"escape-upwards--{INDEX}": _index(weight_map | {name: "../packed/model.safetensors"}),
        f"escape-absolute--{INDEX}": _index(weight_map | {name: "/etc/passwd.safetensors"}),
        f"escape-backwards--{INDEX}": _index(weight_map | {name: "..\\model.safetensors"}),
        f"file-is-a-number--{INDEX}": _index(weight_map | {name: 0}),
        f"file-is-missing--{INDEX}": _index(weight_map | {name: "c.safetensors"}),
        f"file-is-the-other--{INDEX}": _index(weight_map | {name: "b.safetensors"}),
        f"tensor-too-many--{INDEX}": _index(weight_map | {"lm_head.weight": "a.safetensors"}),
        f"map-is-a-list--{INDEX}": _index(list(weight_map)),
        f"map-is-empty--{INDEX}": _index({}),
        "deep--config.json": b'{"a":' * 700,
        "no-object--config.json": b'"config"',
        "name-twice--config.json": _config().replace(b'"hidden_size": 16', b'"hidden_size": 16, "hidden_size": 8'),
        "layers-without-end--config.json": _config(num_hidden_layers=2**31 - 1),
        "layers-of-a-googol--config.json": _config(num_hidden_layers=10**100),
        "heads-zero--config.json": _config(num_attention_heads=0),
        "epsilon-beyond-floats--config.json": _config(rms_norm_eps=10**400),
        "epsilon-infinite--config.json": _config().replace(b"1e-05", b"1e999"),
        "sizes-true--config.json": _config(vocab_size=True),
        "architectures-nested--config.json": _config(architectures=[[["BitNetForCausalLM"]]]),
        "quantization-a-string--config.json": _config(quantization_config="bitnet\nbitnet"),
        "magic-alone--model.gguf": b"GGUF",
        "tensors-without-end--model.gguf": _gguf(b"", tensors=huge),
        "entries-without-end--model.gguf": _gguf(b"", entries=huge),
        "key-of-exabytes--model.gguf": _gguf(struct.pack("<Q", huge), entries=1),
        "array-of-exabytes--model.gguf": _gguf(string("a") + struct.pack("<IIQ", ARRAY, UINT8, huge), entries=1),
        "strings-without-end--model.gguf": _gguf(string("a") + struct.pack("<IIQ", ARRAY, STRING, huge), entries=1),
        "array-of-arrays--model.gguf": _gguf(string("a") + struct.pack("<IIQ", ARRAY, ARRAY, 1) * 200, entries=1),
        "value-type-unknown--model.gguf": _gguf(string("a") + struct.pack("<I", 99), entries=1),
        "dimensions-many--model.gguf": _gguf(string("x") + struct.pack("<I", huge >> 32), tensors=1),
        "shape-wraps-64-bits--model.gguf": _gguf(_description("x", (2**33, 2**33), 0, 0) + bytes(64), tensors=1),
        "shape-zero--model.gguf": _gguf(_description("x", (0, 2**63), 0, 0), tensors=1),
        "offset-wraps-64-bits--model.gguf": _gguf(_description("x", (4,), 0, huge - 15) + bytes(64), tensors=1),
        "type-unknown--model.gguf": _gguf(_description("x", (4,), 2**32 - 1, 0) + bytes(64), tensors=1),
        "name-that-does-not-print--model.gguf": _gguf(_description("\n\x1b[2J", (4,), 77, 0) + bytes(64), tensors=1),
        "alignment-zero--model.gguf": encode({"general.alignment": (UINT32, 0)}, {}),
        "architecture-unknown--model.gguf": encode({"general.architecture": (STRING, "gemma\n" * 50)}, {}),
        "tensors-none--model.gguf": encode({"general.architecture": (STRING, "bitnet")}, {}),
    }
    return contents


def main() -> int:
    """Write the files."""
    CORPUS.mkdir(exist_ok=True)
    for name, content in files().items():
        (CORPUS / name).write_bytes(content)
    print(f"{CORPUS}: {len(files())} files")
    return 0


if __name__ == "__main__":
    sys.exit(main())
