"""A model of more weights than the memory that compiling it may take, and what is left of it when it is interrupted."""

import signal
import subprocess
import sys

from examples import large_model

SHAPE = ("--hidden", "512", "--inner", "1408", "--layers", "20", "--heads", "8", "--kv-heads", "8", "--vocabulary",
         "2000")
"""64 million ternary weights."""


def test_bounded_memory(tmp_path, capfd):
    """64 MiB of weights, a byte each, would not go into what 80 MiB leave beside the interpreter."""
    assert large_model.main([*SHAPE, "--limit", "80", "--folder", str(tmp_path)]) == 0
    said = capfd.readouterr()
    assert "64,225,280 ternary weights" in said.out
    assert "160 loads" in said.out
    assert list(tmp_path.iterdir()) == []


def test_the_limit_is_one(tmp_path, capfd):
    shape = ("--hidden", "64", "--inner", "64", "--layers", "1", "--heads", "4", "--kv-heads", "4", "--vocabulary", "8")
    assert large_model.main([*shape, "--limit", "10", "--folder", str(tmp_path)]) == 1
    assert "more than the 10 MiB it may have" in capfd.readouterr().err


def test_interrupted(tmp_path):
    large_model.write_checkpoint(tmp_path, large_model.parse(list(SHAPE)))
    out = tmp_path / "out"
    out.mkdir()
    with subprocess.Popen([sys.executable, "-c", large_model.COMPILER, "compile", str(tmp_path), "--preset",
                           "ulx3s_85f", "-o", str(out / "image")], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "compile: packing weights\n"
        assert [entry.suffix for entry in out.iterdir()] == [".tmp"]
        process.send_signal(signal.SIGINT)
        assert process.stderr.readlines() == ["trine: interrupted\n"]
        assert process.wait(30) == 130
    assert list(out.iterdir()) == []
