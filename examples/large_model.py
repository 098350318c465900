"""How much memory and time it takes to compile a model of billions of weights: a random one of such a shape.

Writes a checkpoint in Hugging Face's packed layout (weights at random, embeddings in BF16), compiles it with `trine
compile` in a process of its own, which asks the operating system in the end what it had in memory at the most. The
default shape is that of microsoft/bitnet-b1.58-2B-4T; the checkpoint takes 1.2 GB of disk, the image 1.8 GB, and both
are deleted in the end.

    python examples/large_model.py [--preset ulx3s_85f] [--limit 2048] [--folder FOLDER] [--hidden 2560 ...]

Exit code 1 if the compiler fails or had more in memory than the limit. Linux only.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from trine.golden.checkpoint import linear_shapes, tensor_shapes
from trine.golden.config import ModelConfig

PIECE = 1 << 20
"""Bytes that are made at random at once."""
COMPILER = "from trine.host.cli import main; main()"
MEASURED = f"""
import atexit, pathlib, re, sys
report = pathlib.Path(sys.argv.pop(1))
atexit.register(lambda: report.write_text(re.search("VmHWM:(.*)kB", pathlib.Path("/proc/self/status").read_text())[1]))
{COMPILER}
"""
"""The compiler, and how many KiB it had at the most in the file that its first argument names. What the kernel keeps of
a child (getrusage) would not do: it begins with the memory of the process that started it."""


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--preset", default="ulx3s_85f", help="the board to compile for (default: %(default)s)")
    parser.add_argument("--limit", type=int, default=2048, help="MiB of memory (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="where the files go meanwhile (default: a temporary folder)")
    for name, default in (("hidden", 2560), ("inner", 6912), ("layers", 30), ("heads", 20), ("kv-heads", 5),
                          ("vocabulary", 128256)):
        parser.add_argument(f"--{name}", type=int, default=default, help="of the shape (default: %(default)s)")
    return parser.parse_args(arguments)


def write_checkpoint(folder: Path, shape: argparse.Namespace) -> int:
    """A random decoder of that shape in `folder`, written in pieces; returns how many ternary weights it has."""
    fields = {
        "architectures": ["BitNetForCausalLM"], "model_type": "bitnet", "hidden_size": shape.hidden,
        "intermediate_size": shape.inner, "num_hidden_layers": shape.layers, "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads, "vocab_size": shape.vocabulary, "max_position_embeddings": 4096,
        "rms_norm_eps": 1e-05, "rope_theta": 500000.0, "hidden_act": "relu2", "tie_word_embeddings": True,
        "quantization_config": {"quant_method": "bitnet", "linear_class": "autobitlinear",
                                "quantization_mode": "offline"},
    }
    (folder / "config.json").write_text(json.dumps(fields))
    config = ModelConfig.from_huggingface(fields)
    tensors: dict[str, tuple[str, tuple[int, ...]]] = {}
    for name, (n, k) in linear_shapes(config).items():
        tensors[f"{name}.weight"] = "U8", (n // 4, k)
        tensors[f"{name}.weight_scale"] = "BF16", (1,)
    tensors |= {name: ("BF16", size) for name, size in tensor_shapes(config).items()}
    header, end = {}, 0
    for name, (kind, size) in tensors.items():
        start, end = end, end + int(np.prod(size)) * (1 if kind == "U8" else 2)
        header[name] = {"dtype": kind, "shape": size, "data_offsets": [start, end]}
    encoded = json.dumps(header).encode()
    random = np.random.default_rng(0)
    with open(folder / "model.safetensors", "wb") as file:
        file.write(len(encoded).to_bytes(8, "little") + encoded)
        for kind, size in tensors.values():
            for data in random_bytes(kind, int(np.prod(size)), random):
                file.write(data)
    return sum(n * k for n, k in linear_shapes(config).values())


def random_bytes(kind: str, count: int, random: np.random.Generator) -> Iterator[bytes]:
    """`count` elements: U8 of four weights, each as often as the others; BF16 from 0.5 to 2."""
    for start in range(0, count, PIECE):
        size = min(PIECE, count - start)
        if kind == "U8":
            quarters = random.integers(0, 3, (4, size), np.uint8)
            yield (quarters[0] | quarters[1] << 2 | quarters[2] << 4 | quarters[3] << 6).tobytes()
        else:
            yield random.integers(0x3F00, 0x4000, size, np.uint16).astype("<u2").tobytes()


def main(arguments: list[str] | None = None) -> int:
    shape = parse(arguments)
    with tempfile.TemporaryDirectory(dir=shape.folder) as name:
        folder = Path(name)
        model = folder / "model"
        model.mkdir()
        weights = write_checkpoint(model, shape)
        print(f"{weights:,} ternary weights, {(model / 'model.safetensors').stat().st_size:,} bytes of checkpoint",
              flush=True)
        image, report, started = folder / "model.trine", folder / "peak", time.monotonic()
        code = subprocess.run([sys.executable, "-c", MEASURED, str(report), "compile", str(model), "--preset",
                               shape.preset, "-o", str(image)], check=False).returncode
        seconds = time.monotonic() - started
        if code:
            print(f"trine compile ended with {code}", file=sys.stderr)
            return 1
        peak = int(report.read_text()) // 1024
        print(f"{image.stat().st_size:,} bytes of image in {seconds:.1f} s (timed), at most {peak:,} MiB in memory")
        if peak > shape.limit:
            print(f"more than the {shape.limit:,} MiB it may have", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
