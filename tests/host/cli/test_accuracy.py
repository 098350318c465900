import pytest

SMALL = ("accuracy", "austen-tiny", "--characters", "300")


def test_table(trine):
    outcome = trine(*SMALL)
    assert outcome.code == 0
    for word in ("16 columns a step", "8-bit sums over all of K", "Refused: 8-bit sums in groups of 2:",
                 "300 characters", "golden model, in NumPy"):
        assert word in outcome.out, word


def test_json(trine):
    figures = trine(*SMALL, "--preset", "ulx3s_85f", "--json").figures
    assert figures["depth"] == 32
    assert figures["characters_predicted"] == 299
    assert figures["modes"][0]["change"] == 0
    assert {mode["group"] for mode in figures["modes"]} == {None, 32, 64, 128}
    assert "4-bit activations, 8-bit sums in groups of 16" in [refused["mode"] for refused in figures["refused"]]


def test_text_of_a_user(trine, tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("It is a truth universally acknowledged")
    figures = trine("accuracy", "austen-tiny", "--depth", "64", "--text", path, "--json").figures
    assert figures["text"] == str(path)
    assert figures["characters"] == 38


@pytest.mark.parametrize(("arguments", "message"), [
    (("digits-ternary",), "digits-ternary is no language model"),
    (("no-such",), "no model 'no-such'"),
    (("--preset", "no-such"), "unknown preset 'no-such'"),
    (("--preset", "ulx3s_25f", "--depth", "4"), "--depth takes the place of --preset"),
    (("--text", "no-such.txt"), "no-such.txt: No such file"),
    (("--depth", "0"), "Invalid value for '--depth'"),
])
def test_bad_input(refused, arguments, message):
    assert message in refused("accuracy", *arguments)


def test_no_text(refused, tmp_path):
    path = tmp_path / "binary"
    path.write_bytes(b"ab\xff")
    assert "no text in UTF-8" in refused("accuracy", "--text", path)
