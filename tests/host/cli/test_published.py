"""`trine bench --shapes NAME`."""

import pytest

from trine.host.cli.common import digits
from trine.host.cli.published import is_name

SMALL = ("bench", "--shapes", "bitnet-0.7b", "--preset", "butterstick")


@pytest.mark.parametrize(("shapes", "name"), [
    ("160x160,280x160", False), ("160", False), (" 1x1 , 2x2", False), ("", False), ("bitnet-2b4t", True)])
def test_is_name(shapes, name):
    assert is_name(shapes) == name


@pytest.mark.parametrize(("value", "text"), [
    (0.000162, "0.000162"), (0.05, "0.0500"), (13.58, "13.6"), (99.96, "100"), (1796.8, "1,797")])
def test_digits(value, text):
    assert digits(value) == text


def test_tables(trine):
    outcome = trine(*SMALL, "--preset", "cynthion")
    assert outcome.code == 0
    for word in ("679,477,248 weights", "butterstick", "cynthion", "derived", "estimated", "weight memory",
                 "168 layers", "1,457.3 MB in float16", "timed on this machine", "ternary, zeros skipped", "45 nm, mJ"):
        assert word in outcome.out, word
    tables = [line for line in outcome.out.splitlines() if line.startswith(("│", "┃"))]
    assert max(map(len, tables)) <= 100


def test_json(trine):
    figures = trine(*SMALL, "--json").figures
    assert figures["model"] == "bitnet-0.7b"
    assert figures["source"] == "1bitLLM/bitnet_b1_58-large"
    assert figures["float16_bytes"] == 2 * (679_477_248 + 32_002 * 1536)
    (board,) = figures["boards"]
    assert board["preset"] == "butterstick"
    assert board["cycles"] == sum(board["cycles_by_cause"].values()) == sum(
        layer["cycles"] for layer in board["layers"].values())
    assert board["cycles"] > 679_477_248 / 512
    assert board["weight_link_bytes"] > board["packed_bytes"] >= 679_477_248 / 4
    assert board["offload_seconds"] == pytest.approx(
        board["array_seconds"] + board["activation_seconds"] + board["weight_seconds"])
    assert board["offload_tokens_per_s"] < board["array_tokens_per_s"]
    assert board["offload_layers_per_s"] == pytest.approx(168 * board["offload_tokens_per_s"])
    assert board["evidence"]["offload"] == "estimated"
    assert 0 < board["quantisation_share_of_offload"] < board["quantisation_share_of_array"] < 1
    assert figures["quantisation"]["evidence"] == "timed"
    assert figures["energy"]["evidence"] == "estimated"
    assert figures["energy"]["joules_per_token"]["float16"]["7 nm"] == pytest.approx(679_477_248 * 0.5e-12, rel=0.001)


def test_all_boards(trine):
    figures = trine("bench", "--shapes", "bitnet-0.7b", "--json").figures
    assert [board["preset"] for board in figures["boards"]] == [
        "icebreaker", "tinyfpga_bx", "ulx3s_25f", "orangecrab_25f", "ulx3s_85f", "orangecrab_85f", "cynthion",
        "butterstick"]


def test_a_device_names_the_board(trine, small_toml):
    shapes = ("bench", "--shapes", "bitnet-0.7b", "--json")
    (board,) = trine(*shapes, "--device", "golden:cynthion").figures["boards"]
    assert board["preset"] == "cynthion"
    (board,) = trine(*shapes, "--config", small_toml).figures["boards"]
    assert board["preset"] == "mine"
    assert board["evidence"]["array"] == "estimated"


def test_plot_into_a_file(trine, tmp_path):
    assert trine(*SMALL, "--preset", "cynthion", "--plot", tmp_path / "a.svg").code == 0
    text = (tmp_path / "a.svg").read_text()
    for word in ("butterstick: 512 trits a cycle", "cynthion: 180 trits a cycle", "usb-high-speed, 40 MB/s"):
        assert f"<!-- {word}" in text, word


def test_plot_into_a_folder(trine, tmp_path):
    assert trine(*SMALL, "--preset", "cynthion", "--plot", tmp_path).code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "bitnet-0.7b-butterstick.svg", "bitnet-0.7b-cynthion.svg"]


@pytest.mark.parametrize(("arguments", "message"), [
    (("--shapes", "bitnet-70b"), "no published model is called 'bitnet-70b'; there are bitnet-2b4t, "),
    (("--shapes", "24x16", "--preset", "cynthion"), "--preset is for published models; for layers, name a device"),
    (("--shapes", "bitnet-0.7b", "--seed", "1"), "--seed is for random weights"),
    (("--shapes", "bitnet-0.7b", "--preset", "nothing"), "unknown preset 'nothing'"),
    (("--shapes", "bitnet-0.7b", "--preset", "array_25f_384"), "array_25f_384 is a bare array"),
    (("--shapes", "bitnet-0.7b", "--preset", "cynthion", "--device", "golden"), "leave one out"),
    (("--shapes", "bitnet-0.7b", "--device", "usb"), "so usb is of no use; name a board with --preset"),
    (("--shapes", "bitnet-0.7b", "--plot", "no/folder"), ".png or .svg, or a folder that exists, not no/folder"),
])
def test_bad_input(refused, arguments, message):
    assert message in refused("bench", *arguments)
