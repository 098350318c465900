"""Models by name: the trained ones that trine ships, and a user's own by path; and the data that judges them."""

import json
import re
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from trine.golden.arrays import Float32, UInt8
from trine.golden.checkpoint import Checkpoint, load_checkpoint, load_classifier
from trine.golden.classifier import Classifier
from trine.golden.config import read_json
from trine.host.errors import SetupError, UsageError, bad_input

MODELS = Path(__file__).resolve().parent / "models"

Model = Checkpoint | Classifier

_WORD = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)*")


def shipped_models() -> list[str]:
    """Names of the models that came with trine, sorted."""
    return sorted(path.parent.name for path in MODELS.glob("*/config.json"))


def find_model(name: str) -> Path:
    """The folder of a shipped model, or a user's own folder or GGUF file; UsageError if there is none."""
    shipped = MODELS / name
    if "/" not in name and (shipped / "config.json").is_file():
        return shipped
    path = Path(name)
    if path.is_dir() or is_gguf(path):
        return path
    if path.exists():
        raise UsageError(f"{name}: a file, but not a .gguf one; a model is that, or the folder of config.json and "
                         "safetensors")
    raise UsageError(f"no model {name!r}: no folder or .gguf file of that name, and shipped are "
                     f"{', '.join(shipped_models())}")


def is_gguf(path: Path) -> bool:
    """Whether a path is a file whose name says that it is GGUF."""
    return path.suffix == ".gguf" and path.is_file()


def load_model(path: Path, i2s_layout: str | None = None) -> Model:
    """The language model or the classifier in a folder, or the language model in a GGUF file (`load_checkpoint`).

    i2s_layout: "x86" or "arm", if it is a GGUF file with I2_S tensors. A language model's tensors are read when they
    are asked for. UsageError naming the file and what in it is wrong.
    """
    with bad_input():
        if is_gguf(path) or i2s_layout is not None:
            return load_checkpoint(path, i2s_layout)
        if read_json(path / "config.json").get("architectures") == ["BitLinearMLP"]:
            return load_classifier(path)
        return load_checkpoint(path)


def training_facts(path: Path) -> dict[str, object]:
    """What training.json in a model's folder says of how it was made; empty if there is none."""
    try:
        facts = json.loads((path / "training.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def digits() -> tuple[Float32, UInt8]:
    """The test split of scikit-learn's 8x8 digits: images float32 (360, 64) from 0 to 16, labels uint8 (360,)."""
    path = MODELS / "digits" / "test.safetensors"
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise SetupError(f"{path}: {error}; install trine again") from error
    return tensors["images"].astype(np.float32), tensors["labels"]


def known_words() -> frozenset[str]:
    """Every word of the corpus that the shipped language models learned from, in lower case."""
    path = MODELS / "austen_words.txt"
    try:
        return frozenset(path.read_text(encoding="ascii").split())
    except OSError as error:
        raise SetupError(f"{path}: {error.strerror}; install trine again") from error


def held_out_text() -> str:
    """7,680 characters of the six novels that no shipped language model learned from; austen_held_out.json says which.

    The first 1,280 of each novel's held-out part: enough to compare one way of computing with another, too few for the
    figure of a model, which is measured on the whole of the held-out parts.
    """
    path = MODELS / "austen_held_out.txt"
    try:
        return path.read_text(encoding="ascii")
    except OSError as error:
        raise SetupError(f"{path}: {error.strerror}; install trine again") from error


def count_words(text: str, prompt: str = "") -> tuple[int, int]:
    """(words in `text`, those of them that occur in the corpus).

    A word is letters with apostrophes inside. One that `prompt`, which stands before the text, began is not counted,
    nor one that the text's end cuts off.
    """
    found = list(_WORD.finditer(text))
    if found and found[0].start() == 0 and prompt[-1:].isalpha():
        found = found[1:]
    if found and found[-1].end() == len(text):
        found = found[:-1]
    known = known_words()
    return len(found), sum(match.group().lower() in known for match in found)
