"""The presets: buildable, told apart, and as large as the models that they are named with."""

import pytest

from trine.firmware.configuration import ConfigurationError
from trine.firmware.presets import PRESETS, find_preset

BOARDS = ("icebreaker", "tinyfpga_bx", "ulx3s_25f", "orangecrab_25f", "ulx3s_85f", "orangecrab_85f", "cynthion",
          "butterstick")
ARRAYS = ("array_25f_384", "array_25f_768", "array_85f_2048", "array_up5k_40")


def test_names():
    assert tuple(PRESETS) == BOARDS + ARRAYS
    for name, preset in PRESETS.items():
        assert preset.name == name
        assert find_preset(name) is preset


def test_unknown_name():
    with pytest.raises(ConfigurationError, match=r"unknown preset 'icebraker'; presets are icebreaker, tinyfpga_bx, "):
        find_preset("icebraker")


@pytest.mark.parametrize("name", BOARDS)
def test_boards_have_a_link(name):
    assert PRESETS[name].link is not None
    assert not PRESETS[name].bare


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_are_bare_and_named_by_their_trits(name):
    preset = PRESETS[name]
    assert preset.bare
    assert preset.link is None
    named = int(name.split("_")[-1])
    assert named <= preset.trits_per_cycle < 1.01 * named  # codes of three trits cannot make 2,048
    assert preset.weight_trits >= 131072


@pytest.mark.parametrize(("one", "other"), [("ulx3s_25f", "orangecrab_25f"), ("ulx3s_85f", "orangecrab_85f"),
                                            ("ulx3s_85f", "butterstick")])
def test_same_device_on_other_boards(one, other):
    """An image for one runs on the other."""
    assert PRESETS[one].configuration_hash == PRESETS[other].configuration_hash


def test_other_devices_have_other_hashes():
    assert len({PRESETS[name].configuration_hash for name in PRESETS}) == len(BOARDS + ARRAYS) - 3
