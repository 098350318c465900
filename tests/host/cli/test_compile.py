import pytest

from trine.firmware.image_file import read_image
from trine.firmware.presets import PRESETS
from trine.host.shipped import MODELS


def test_compile(trine, tmp_path):
    path = tmp_path / "a.img"
    outcome = trine("compile", "austen-tiny", "--preset", "ulx3s_25f", "-o", path)
    assert outcome.code == 0
    assert "510 of 512 weight words" in outcome.out
    assert read_image(path, PRESETS["ulx3s_25f"]).name == "austen-tiny"


def test_larger_than_the_board(trine, tmp_path):
    path = tmp_path / "a.img"
    outcome = trine("compile", "austen-small", "--preset", "ulx3s_25f", "-o", path)
    assert "1,758 of 512 weight words" in outcome.out
    assert "24 loads, and 156,028 bytes on the link for a token" in outcome.out
    figures = trine("info", path, "--json").figures
    assert (figures["loads"], figures["link_bytes_per_token"]) == (24, 156_028)
    assert figures["offload_s_per_token"] > 156_028 / 300_000


def test_json_and_config(trine, tmp_path, small_toml):
    path = tmp_path / "a.img"
    figures = trine("compile", "austen-tiny", "--config", small_toml, "-o", path, "--json").figures
    assert figures["preset"] == "mine"
    assert figures["weight_words_available"] == 1024
    assert figures["bytes"] == path.stat().st_size


@pytest.mark.parametrize(("arguments", "message"), [
    (("austen-small", "--preset", "nothing"), "unknown preset 'nothing'"),
    (("austen-small",), "name one preset, or give a file with --config"),
    (("austen-small", "--preset", "ulx3s_85f", "--config", "a.toml"), "name one preset, or give a file with --config"),
    (("nothing", "--preset", "ulx3s_85f"), "no model 'nothing'"),
    ((MODELS / "digits" / "test.safetensors", "--preset", "ulx3s_85f"), "a file, but not a .gguf one"),
])
def test_bad_input(refused, tmp_path, arguments, message):
    path = tmp_path / "a.img"
    assert message in refused("compile", *arguments, "-o", path)
    assert not path.exists()


def test_no_zero_in_bit1(refused, trine, tmp_path):
    config = tmp_path / "binary.toml"
    config.write_text('base = "ulx3s_85f"\npacking = "bit1"\n')
    path = tmp_path / "a.img"
    message = refused("compile", "digits-ternary", "--config", config, "-o", path)
    assert "hidden: the weight at row 0, column 1 is 0, which bit1 of binary cannot hold" in message
    assert trine("compile", "digits-binary", "--config", config, "-o", path).code == 0
    assert trine("run", path, "--device", "golden", "--config", config, "--images", 20).code == 0


def test_cannot_be_written(refused, tmp_path):
    message = refused("compile", "digits-ternary", "--preset", "ulx3s_85f", "-o", tmp_path / "no" / "a.img")
    assert "cannot write the image: No such file or directory" in message
