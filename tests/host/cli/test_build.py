import json

import pytest

from trine.host import gateware
from trine.host.cli import build as build_module
from trine.host.errors import BuildError


def fake(preset, configuration, seeds, folder, progress, check, serial):
    """What a build of hw gives, without the minutes that it takes."""
    progress("synthesised")
    progress(f"seed {seeds[0]} routed" + (", checked" if check else "") + (f", number {serial}" if serial else ""))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{configuration.name}.bit"
    path.write_bytes(b"bits")
    return {"name": configuration.name, "board": "a board", "part": configuration.part, "link": "uart",
            "build_id": "0123456789abcdef", "clock_mhz": 70.0, "seed": seeds[0],
            "required_mhz": {"sync": 70.0}, "fmax_mhz": {"sync": 78.9}, "critical_path": {"sync": "a -> b"},
            "used": {"lut4": 5000, "ff": 4000, "ebr": 20, "spram": 0, "dsp": 0},
            "capacity": {"lut4": 24288, "ebr": 56, "spram": 0, "dsp": 28}}, path


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(gateware, "bitstream", fake)


def test_build(trine, tmp_path):
    outcome = trine("build", "ulx3s_25f", "-o", tmp_path)
    assert outcome.code == 0
    for text in ("ulx3s_25f on a board", "5,000 of 24,288", "78.90 MHz", "70 MHz needed", "austen-tiny",
                 "build id 0123456789abcdef", "array_tokens_per_s", "offload_tokens_per_s",
                 f"trine flash ulx3s_25f {tmp_path}"):
        assert text in outcome.out, text
    assert "ulx3s_25f: seed 1 routed, checked" in outcome.err


def test_serial(trine, tmp_path):
    assert "routed, checked, number A7" in trine("build", "orangecrab_25f", "--serial", "A7", "-o", tmp_path).err


def test_json(trine, tmp_path):
    figures = trine("build", "ulx3s_85f", "--seed", 7, "--no-check", "-o", tmp_path, "--json").figures
    assert figures["seed"] == 7
    assert figures["resident"]["model"] == "austen-small"
    assert figures["resident"]["offload_tokens_per_s"] < figures["resident"]["array_tokens_per_s"]
    assert figures["bytes"] == 4
    assert json.dumps(figures)


def test_a_classifier_is_a_model(trine, tmp_path):
    """Where no language model fits, digits do."""
    figures = trine("build", "tinyfpga_bx", "-o", tmp_path, "--json").figures
    assert figures["resident"]["model"].startswith("digits-")


def test_own_configuration(trine, tmp_path):
    own = tmp_path / "mine.toml"
    own.write_text('base = "ulx3s_25f"\nprogram_words = 32\n')
    assert trine("build", "ulx3s_25f", "--config", own, "-o", tmp_path, "--json").figures["name"] == "mine"


def test_default_folder(trine, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out = trine("build", "ulx3s_25f").out
    assert (tmp_path / build_module.FOLDER / "ulx3s_25f.bit").is_file()
    assert out.rstrip().endswith("trine flash ulx3s_25f")


@pytest.mark.parametrize(("arguments", "message"), [
    (["nothing"], "unknown preset 'nothing'"),
    (["ulx3s_25f", "--seed", "1", "--seeds", "1-5"], "leave one out"),
    (["ulx3s_25f", "--seeds", "0"], "--seeds takes"),
    (["ulx3s_25f", "--config", "missing.toml"], "cannot read the configuration"),
])
def test_refused(refused, arguments, message):
    assert message in refused("build", *arguments)


def test_timing_not_met(trine, monkeypatch, tmp_path):
    def fail(*arguments, **options):
        raise BuildError("ulx3s_25f: timing is not met by 5 seeds")

    monkeypatch.setattr(gateware, "bitstream", fail)
    outcome = trine("build", "ulx3s_25f", "-o", tmp_path)
    assert outcome.code == 3
    assert "timing is not met by 5 seeds" in outcome.err
