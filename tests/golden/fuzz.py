"""Malformed models: mutations of small valid ones, each of which must load, or be refused in one line.

    python -m tests.golden.fuzz --seconds 600 --seed 1        writes what goes wrong into tests/golden/corpus/

A model is {file name: bytes}. One mutation changes one file in one to three places: bits, bytes, integers that are at
the edge of something, ranges that vanish, repeat, move or come from elsewhere, and, in JSON, whole numbers and names.
"""

import argparse
import json
import random
import re
import struct
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from gguf.constants import GGMLQuantizationType

from tests.golden.conftest import huggingface_fields, random_checkpoint, stored_tensors
from tests.golden.gguf_builder import encode, metadata, tensors_of
from trine.golden.checkpoint import load_checkpoint, load_classifier
from trine.golden.config import ModelConfig

CORPUS = Path(__file__).with_name("corpus")
INDEX = "model.safetensors.index.json"
GGUF = "model.gguf"
SLOW = 10.0  # seconds: beyond it a file counts as one that hangs the reader

# Small enough for files below 4 kB, and with matrices of 256, which are whole blocks of I2_S.
CONFIG = ModelConfig(
    vocab_size=3,
    hidden_size=16,
    intermediate_size=16,
    num_hidden_layers=1,
    num_attention_heads=2,
    num_key_value_heads=2,
    max_position_embeddings=8,
    rms_norm_eps=1e-5,
    rope_theta=10000.0,
    tie_word_embeddings=True,
)
_EDGES = sorted({0, 1, *(base + near for base in (2**7, 2**8, 2**15, 2**16, 2**31, 2**32, 2**63, 2**64 - 1)
                         for near in (-1, 0))})
_TOKENS = ["-1", "0", "1e999", "NaN", "null", "true", "[]", "{}", '""', "2", "1.5", "9" * 30, '"BF16"', '"U8"', '"F16"']

Model = dict[str, bytes]


def seeds() -> dict[str, Model]:
    """Valid models, one of each kind that is read."""
    checkpoint = random_checkpoint(CONFIG)
    stored, fields = stored_tensors(checkpoint), huggingface_fields(CONFIG)
    online = fields | {"quantization_config": {"quant_method": "bitnet", "linear_class": "autobitlinear",
                                               "quantization_mode": "online"}}
    rng = np.random.default_rng(0)
    masters = {name: rng.normal(0, 0.1, (16, 16)).astype(np.float16) if "_proj.weight" in name else tensor
               for name, tensor in stored.items() if not name.endswith("_scale")}
    names = list(stored)
    halves = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    weight_map = {name: file for file, held in halves.items() for name in held}
    classifier = {
        "architectures": ["BitLinearMLP"], "quantiser": "b1.58", "activation": "relu", "activation_bits": 8,
        "classes": 2,
        "layers": [{"name": "a", "inputs": 3, "outputs": 2}, {"name": "b", "inputs": 2, "outputs": 2}],
    }  # fmt: skip
    layers: dict[str, Any] = {"a.weight": np.ones((2, 3), np.int8), "a.weight_scale": np.ones(1, np.float32),
                              "b.weight": np.eye(2, dtype=np.int8), "b.weight_scale": np.ones(1, np.float32)}
    float16, brain = GGMLQuantizationType.F16, GGMLQuantizationType.BF16
    bare = {name: tensor for name, tensor in tensors_of(checkpoint, float16, brain).items() if "sub_norm" not in name}
    return {
        "packed": {"config.json": dump(fields), "model.safetensors": safetensors.numpy.save(stored)},
        "online": {"config.json": dump(online), "model.safetensors": safetensors.numpy.save(masters)},
        "sharded": {
            "config.json": dump(fields),
            INDEX: dump({"metadata": {"total_size": 1}, "weight_map": weight_map}),
            **{file: safetensors.numpy.save({name: stored[name] for name in held}) for file, held in halves.items()},
        },
        "classifier": {"config.json": dump(classifier), "model.safetensors": safetensors.numpy.save(layers)},
        "i2s": {GGUF: encode(metadata(CONFIG, "bitnet-b1.58"), tensors_of(checkpoint, "x86", float16))},
        "llama": {GGUF: encode(metadata(CONFIG, "llama"), bare)},
    }


def dump(value: Any) -> bytes:
    return json.dumps(value).encode()


def mutants(model: Model, rng: random.Random) -> Iterator[tuple[str, Model]]:
    """(the name of the file that was changed, the model), without an end."""
    while True:
        name = rng.choice(list(model))
        content = model[name]
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            textual = content[:1] == b"{" or (name.endswith("safetensors") and rng.random() < 0.7)
            content = _mutate_text(content, rng) if textual and rng.random() < 0.6 else _mutate(content, rng)
        yield name, {**model, name: content}


def complaint(model: Model, folder: Path) -> str | None:
    """What is wrong with the way a model is treated; None if it loads, or ends in ValueError of one line with a path.

    A warning is wrong too: NumPy prints it over whatever the user is reading.
    """
    for path in folder.iterdir():
        path.unlink()
    for name, content in model.items():
        (folder / name).write_bytes(content)
    started = time.monotonic()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            load(model, folder)
    except ValueError as error:
        text = str(error)
        if not text.startswith(str(folder)) or not text.isprintable() or len(text) > len(str(folder)) + 500:
            return f"not one line that begins with the path: {text!r:.300}"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return f"{type(error).__name__}: {error!s:.300}"
    seconds = time.monotonic() - started
    return f"{seconds:.1f} s" if seconds > SLOW else None


def load(model: Model, folder: Path) -> None:
    """Read all of a model that is in a folder."""
    if GGUF in model:
        load_checkpoint(folder / GGUF, "x86" if b"bitnet-b1.58" in model[GGUF] else None).in_memory()
    elif b"BitLinearMLP" in model["config.json"]:
        load_classifier(folder)
    else:
        load_checkpoint(folder).in_memory()


def _mutate(content: bytes, rng: random.Random) -> bytes:
    """One change of bytes; half of the time in the first two thousand, where headers are."""
    if not content:
        return rng.randbytes(8)
    reach = min(len(content), 2000) if rng.random() < 0.7 else len(content)
    at = rng.randrange(reach)
    until = min(len(content), at + rng.choice((1, 2, 4, 8, 16, 64)))
    kind = rng.randrange(7)
    if kind == 0:
        return content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :]
    if kind == 1:
        return content[:at] + rng.choice((b"\0", b"\xff", b"\x7f", rng.randbytes(1))) + content[at + 1 :]
    if kind == 2:
        width = rng.choice("IQ")
        number = struct.pack(f"<{width}", rng.choice(_EDGES) & (2**32 - 1 if width == "I" else 2**64 - 1))
        return content[:at] + number + content[at + len(number) :]
    if kind == 3:
        return content[:at]
    if kind == 4:
        return content[:at] + content[until:]
    if kind == 5:
        return content[:until] + content[at:]
    other = rng.randrange(reach)
    return content[:at] + content[other : other + until - at] + content[until:]


def _mutate_text(content: bytes, rng: random.Random) -> bytes:
    """A number or a quoted text of a JSON file, or of a header, made into another one."""
    tokens = list(re.finditer(rb'-?\d+(?:\.\d+)?|"[^"]{1,80}"', content[:4000]))
    if not tokens:
        return _mutate(content, rng)
    token = rng.choice(tokens)
    replacement = rng.choice(tokens).group() if rng.random() < 0.4 else rng.choice(_TOKENS).encode()
    changed = content[: token.start()] + replacement + content[token.end() :]
    grown = len(changed) - len(content)
    if content[:1] != b"{" and len(content) > 8 and rng.random() < 0.8:  # the length of the header goes along
        (length,) = struct.unpack("<Q", content[:8])
        changed = struct.pack("<Q", (length + grown) & (2**64 - 1)) + changed[8:]
    return changed


def run(seconds: float, count: int, seed: int) -> Iterator[tuple[str, str, bytes, str | None]]:
    """(seed model, file, its bytes, complaint) of every mutant, for `seconds` or until there were `count`."""
    rng = random.Random(seed)
    streams = {name: mutants(model, rng) for name, model in seeds().items()}
    started, done = time.monotonic(), 0
    with tempfile.TemporaryDirectory() as temporary:
        while done < count and time.monotonic() - started < seconds:
            for name, stream in streams.items():
                file, model = next(stream)
                yield name, file, model[file], complaint(model, Path(temporary))
                done += 1


def main() -> int:
    """Fuzz for a time; 1 if anything went wrong."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    seen: set[str] = set()
    tried = 0
    for name, file, content, wrong in run(arguments.seconds, sys.maxsize, arguments.seed):
        tried += 1
        if wrong is not None and wrong[:60] not in seen:
            seen.add(wrong[:60])
            kept = CORPUS / f"found-{name}-{arguments.seed}-{len(seen)}--{file}"
            kept.write_bytes(content)
            print(f"{kept}: {wrong}", flush=True)
    print(f"{tried:,} models tried, {len(seen)} kinds of complaint")
    return 1 if seen else 0


if __name__ == "__main__":
    sys.exit(main())
