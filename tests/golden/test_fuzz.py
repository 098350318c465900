"""Malformed models end in one line: those that are kept, and a few new ones in every run.

A longer search, which keeps what it finds: `python -m tests.golden.fuzz --seconds 600 --seed 1`.
"""

import pytest

from tests.golden.fuzz import CORPUS, GGUF, INDEX, complaint, load, run, seeds
from tests.golden.hostile import files
from trine.golden import tensors

KEPT = sorted(CORPUS.iterdir())


def test_corpus_is_as_described():
    described = {path.name: path.read_bytes() for path in KEPT if not path.name.startswith("found-")}
    assert described == files(), "write it anew: python -m tests.golden.hostile"
    assert all(path.stat().st_size < 4096 for path in KEPT)


@pytest.mark.parametrize("name", list(seeds()))
def test_seeds_are_valid(tmp_path, name):
    assert complaint(seeds()[name], tmp_path) is None
    load(seeds()[name], tmp_path)


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.name)
def test_corpus(tmp_path, path):
    file = path.name.partition("--")[2]
    model = {**seeds()[{GGUF: "i2s", INDEX: "sharded"}.get(file, "packed")], file: path.read_bytes()}
    assert complaint(model, tmp_path) is None
    with pytest.raises(ValueError, match=f"^{tmp_path}/"):
        load(model, tmp_path)


def test_mutants():
    assert [mutant for mutant in run(seconds=60, count=600, seed=0) if mutant[3] is not None] == []


def test_complaints(tmp_path, monkeypatch):
    """What the search takes for wrong, it finds: another exception, a text of two lines, a path that is missing."""
    model = seeds()["packed"]
    for error, found in [
        (IndexError("x"), "IndexError: x"),
        (ValueError("no path"), "not one line"),
        (ValueError(f"{tmp_path}: two\nlines"), "not one line"),
        (UserWarning("look"), "UserWarning: look"),
    ]:
        def fail(*_, error=error):
            raise error

        monkeypatch.setattr(tensors, "read_chunks", fail)
        assert str(complaint(model, tmp_path)).startswith(found)
