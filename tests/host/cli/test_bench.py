import pytest

SHAPES = ("bench", "--device", "golden:ulx3s_25f", "--shapes", "24x16,30x20")


def test_table(trine):
    outcome = trine(*SHAPES)
    assert outcome.code == 0
    for word in ("24x16", "30x20", "busy share", "efficiency", "Gtrit/s", "All 54 integers equal"):
        assert word in outcome.out, word


def test_json(trine):
    figures = trine(*SHAPES, "--json").figures
    assert figures["preset"] == "ulx3s_25f"
    one, other = figures["layers"]
    assert one["cycles_by_cause"]["busy"] == 1
    assert one["efficiency"] == 1
    assert other["cycles_by_cause"]["busy"] == 4
    assert other["efficiency"] == 600 / (4 * 384)
    for layer in figures["layers"]:
        assert layer["cycles"] == sum(layer["cycles_by_cause"].values())
        assert layer["cycles_equal_model"] is layer["integers_equal"] is True
        assert 0 < layer["busy"] <= 1
        assert layer["offload_gtrit_per_s"] < layer["gtrit_per_s"]


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_plot(trine, tmp_path, suffix):
    assert trine(*SHAPES, "--plot", tmp_path / f"a.{suffix}").code == 0
    assert (tmp_path / f"a.{suffix}").stat().st_size > 5000


@pytest.mark.parametrize(("arguments", "message"), [
    (("--shapes", "160"), "a shape is ROWSxCOLUMNS"),
    (("--plot", "a.pdf"), "--plot takes a file that ends in .png or .svg, not a.pdf"),
    (("--device", "sim:array_25f_384"), "array_25f_384 is a bare array"),
    (("--device", "golden:tinyfpga_bx", "--shapes", "1x8192"), "1x8192: row 0 may reach"),
])
def test_bad_input(trine, arguments, message):
    outcome = trine("bench", *arguments)
    assert outcome.code == 2
    assert message in outcome.err
