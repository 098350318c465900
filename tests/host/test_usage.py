from trine.firmware.presets import PRESETS
from trine.host.compiled import compile_for
from trine.host.shipped import find_model, load_model
from trine.host.usage import fit, image_use


def test_image_use(image, small):
    # 7 x 9: two row blocks of two chunks; 3 x 7: one of two. Each column tile is a MATVEC and an END.
    use = image_use(image, small)
    assert (use.words, use.words_available) == (6, 40)
    assert (use.instructions, use.instructions_available) == (8, 16)
    assert use.figures()["weight_words_available"] == 40


def test_fit():
    model = load_model(find_model("austen-small"))
    found = fit(model, PRESETS["icebreaker"], "austen-small")
    assert (found.words, found.words_available) == (15_840, 16_384)
    assert found.padding == 0
    assert found.reason is None
    assert found.cycles is not None
    assert found.cycles > 15_840
    assert found.rates is not None
    assert found.rates.offload_tokens_per_s is not None
    assert found.rates.offload_tokens_per_s < found.rates.array_tokens_per_s


def test_padding_counts():
    model = load_model(find_model("digits-ternary"))
    found = fit(model, PRESETS["ulx3s_85f"], "d")
    # 64 x 64: 4 row blocks of 2 chunks; 10 x 64: 1 of 2. 4,736 weights in 10 words of 512.
    assert found.words == 10
    assert found.padding == 1 - 4736 / 5120
    assert found.words == image_use(compile_for(model, PRESETS["ulx3s_85f"], "d"), PRESETS["ulx3s_85f"]).words


def test_too_big():
    found = fit(load_model(find_model("austen-small")), PRESETS["tinyfpga_bx"], "austen-small")
    assert found.words == 19_800
    assert found.reason is not None
    assert "19288 too many" in found.reason
    assert found.cycles is None
