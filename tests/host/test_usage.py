from dataclasses import replace

from trine.firmware.presets import PRESETS
from trine.host.compiled import compile_for
from trine.host.routed import Clock
from trine.host.shipped import find_model, load_model
from trine.host.usage import fit, image_use, largest_resident, model_rates


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


def test_streamed():
    found = fit(load_model(find_model("austen-small")), PRESETS["tinyfpga_bx"], "austen-small")
    assert found.words == 19_800
    assert found.reason is None
    assert not found.resident
    assert found.loads is not None
    assert found.loads > 19_800 / 512
    assert found.link_use is not None
    assert found.link_use.to_device > 19_800 * 8, "every word crosses the link"
    assert found.rates is not None
    assert found.rates.offload_s_per_token is not None
    assert found.rates.offload_s_per_token > 0.2, "at a megabyte a second"


def test_reports_count_what_is_resident():
    """austen-small streams through an LFE5U-25F; what a report says of that board is of models that fit it."""
    array, offload = model_rates(PRESETS["ulx3s_25f"], 75.0)
    assert set(array) == set(offload) == {"austen-tiny"}
    largest = largest_resident(PRESETS["ulx3s_25f"], Clock(75.0, "estimated", "a guess"))
    assert largest is not None
    assert largest[0] == "austen-tiny"


def test_unsuitable():
    narrow = replace(PRESETS["ulx3s_25f"], program_words=1)
    found = fit(load_model(find_model("austen-tiny")), narrow, "austen-tiny")
    assert found.reason is not None
    assert "a program has 2 instructions" in found.reason
    assert found.cycles is None
