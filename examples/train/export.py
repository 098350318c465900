"""Write a trained checkpoint as a Hugging Face model folder, and check that a folder is worth what it says.

    python export.py austen-small.pt ../../host/models/austen-small --twin austen-small-float.pt
    python export.py --check ../../host/models/austen-small

The folder holds config.json and model.safetensors as transformers has them for an offline-quantised BitNetForCausalLM
(`linear_class: bitlinear`: packed ternary weights, and `weight_scale` = 1 / mean|W| to divide by), and training.json:
where the model comes from, and its bits per character, measured on the written files by the golden model: NumPy, and
integers from activation codes to accumulators. --check measures them again.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

try:
    import torch
except ImportError as missing:
    print(f"export.py: it needs PyTorch ({missing}): pip install '.[torch]'", file=sys.stderr)
    sys.exit(4)

import corpus
import numpy as np
import numpy.typing as npt
from model import PRESETS, BitNetForCausalLM, ternary, weight_scale
from safetensors.numpy import save
from train import bits_per_character

from trine.golden.checkpoint import load_checkpoint
from trine.golden.huggingface import pack_hf
from trine.golden.transformer import Transformer

AGREE = 0.0005  # bits per character by which two machines' float32 may differ in a check

PROTOCOL = (
    "the last 5 % of each novel, concatenated; consecutive windows of 128 characters, the shorter tail included; each "
    "window starts without context and predicts the character after each of its own, so every held-out character but "
    "the first is predicted exactly once"
)


class ExportError(Exception):
    """A checkpoint cannot be exported as asked."""


def read_checkpoint(path: Path, mode: str) -> dict[str, Any]:
    """A checkpoint of train.py; ExportError if it cannot be read or was not trained in `mode`."""
    try:
        saved: dict[str, Any] = torch.load(path, weights_only=True)
    except OSError as error:
        raise ExportError(f"cannot read {path}: {error.strerror}") from error
    if saved["recipe"]["mode"] != mode:
        raise ExportError(f"{path} was trained in mode {saved['recipe']['mode']!r}, not {mode!r}")
    return saved


def tensors(saved: dict[str, Any]) -> dict[str, npt.NDArray[Any]]:
    """The tensors of model.safetensors: packed uint8 projections, each with its float32 scale, the others float32."""
    found: dict[str, npt.NDArray[Any]] = {}
    for name, value in saved["state"].items():
        if "_proj." in name:
            found[name] = pack_hf(ternary(value).numpy().astype(np.int8))
            found[name.removesuffix("weight") + "weight_scale"] = weight_scale(value).reshape(1).numpy()
        else:
            found[name] = value.numpy()
    return found


def twin_figure(path: Path, saved: dict[str, Any], held_out: corpus.Tokens) -> dict[str, Any]:
    """What training.json says of the float32 twin at `path`; ExportError if it is not the twin of `saved`."""
    twin = read_checkpoint(path, "float")
    if twin["name"] != saved["name"]:
        raise ExportError(f"{path} is a {twin['name']}, not a {saved['name']}")
    config = PRESETS[twin["name"]]
    model = BitNetForCausalLM(config, quantised=False)
    model.load_state_dict(twin["state"])
    ids = torch.from_numpy(held_out.astype(np.int64))
    bits, _ = bits_per_character(model, ids, config.max_position_embeddings)
    return {"float32_twin_bits_per_character": round(bits, 4), "float32_twin_steps": twin["step"]}


def write(saved: dict[str, Any], folder: Path, held_out: corpus.Tokens, twin: Path | None) -> dict[str, Any]:
    """Write the three files into `folder` and return the contents of training.json."""
    folder.mkdir(parents=True, exist_ok=True)
    config = PRESETS[saved["name"]].huggingface()
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "model.safetensors").write_bytes(save(tensors(saved), metadata={"format": "pt"}))
    written = load_checkpoint(folder).in_memory()
    bits = Transformer(written).bits_per_character(held_out)
    facts: dict[str, Any] = {
        "model": saved["name"],
        "provisional": saved["step"] < saved["recipe"]["steps"],
        "ternary_weights": sum(linear.weights.size for linear in written.linears.values()),
        "steps": saved["step"],
        "seed": saved["recipe"]["seed"],
        "recipe": {
            **saved["recipe"],
            "optimiser": "AdamW",
            "characters_per_window": config["max_position_embeddings"],
        },
        "training_seconds": round(saved["seconds"]),
        "bits_per_character": round(bits, 4),
        "float32_twin_bits_per_character": None,
        "float32_twin_steps": None,
        "characters": held_out.size - 1,
        "evaluation": f"{PROTOCOL}; by trine.golden on the exported files",
        "corpus": {
            "package": "r-cran-janeaustenr 1.0.0-1 (Debian main)",
            "deb_sha256": corpus.DEB_SHA256,
            "text_sha256": corpus.TEXT_SHA256,
            "held_out_fraction": corpus.HELD_OUT,
        },
        "versions": {"torch": str(torch.__version__), "numpy": np.__version__},
    }
    if twin is not None:
        facts |= twin_figure(twin, saved, held_out)
    (folder / "training.json").write_text(json.dumps(facts, indent=2) + "\n")
    return facts


def check(folder: Path, held_out: corpus.Tokens) -> bool:
    """Whether the files in `folder` reach the bits per character they state; prints both."""
    facts: dict[str, Any] = json.loads((folder / "training.json").read_text())
    bits = Transformer(load_checkpoint(folder)).bits_per_character(held_out)
    print(f"{folder.name}: {bits:.4f} bits/char over {held_out.size - 1}; stated {facts['bits_per_character']:.4f}")
    return bool(abs(bits - facts["bits_per_character"]) <= AGREE)


def main() -> int:
    """Export a checkpoint, or check exported folders; exit code 1 if a folder is not what it states."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("paths", nargs="+", type=Path, help="CHECKPOINT FOLDER, or with --check: FOLDER ...")
    parser.add_argument("--check", action="store_true", help="measure the files in the folders again")
    parser.add_argument("--twin", type=Path, help="the checkpoint of the float32 twin, to state its figure too")
    corpus.add_arguments(parser)
    options = parser.parse_args()
    if not options.check and len(options.paths) != 2:
        parser.error("give one checkpoint and one folder, or --check and folders")
    torch.set_num_threads(1)
    try:
        _, held_out = corpus.split(corpus.load(options))
        if options.check:
            return 0 if all([check(folder, held_out) for folder in options.paths]) else 1
        checkpoint, folder = options.paths
        facts = write(read_checkpoint(checkpoint, "ternary"), folder, held_out, options.twin)
    except (corpus.CorpusError, ExportError, OSError, ValueError) as error:
        print(f"export: {error}", file=sys.stderr)
        return 2
    print(json.dumps(facts, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
