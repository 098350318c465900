"""hw.build.parts: names of FPGAs."""

import pytest

from trine.firmware.presets import PRESETS
from trine.hw.build.parts import Capacity, find_part


@pytest.mark.parametrize(("name", "family", "options", "lut4", "ebr"), [
    ("LFE5U-12F-6-CABGA381", "ecp5", "--12k --speed 6 --package CABGA381", 12_000, 32),
    ("LFE5U-12F-8-CABGA256", "ecp5", "--12k --speed 8 --package CABGA256", 12_000, 32),
    ("LFE5U-25F-6-CABGA381", "ecp5", "--25k --speed 6 --package CABGA381", 24_288, 56),
    ("LFE5U-25F-8-CSFBGA285", "ecp5", "--25k --speed 8 --package CSFBGA285", 24_288, 56),
    ("LFE5U-45F-6-CABGA381", "ecp5", "--45k --speed 6 --package CABGA381", 43_848, 108),
    ("LFE5U-85F-6-CABGA381", "ecp5", "--85k --speed 6 --package CABGA381", 83_640, 208),
    ("LFE5UM-85F-7-CABGA381", "ecp5", "--um-85k --speed 7 --package CABGA381", 83_640, 208),
    ("LFE5UM5G-85F-8-CABGA381", "ecp5", "--um5g-85k --speed 8 --package CABGA381", 83_640, 208),
    ("iCE40UP5K-sg48", "ice40", "--up5k --package sg48", 5_280, 30),
    ("iCE40LP8K-cm81", "ice40", "--lp8k --package cm81", 7_680, 32),
    ("iCE40HX8K-ct256", "ice40", "--hx8k --package ct256", 7_680, 32),
])
def test_part(name, family, options, lut4, ebr):
    part = find_part(name)
    assert (part.name, part.family, part.options) == (name, family, tuple(options.split()))
    assert (part.capacity.lut4, part.capacity.ebr) == (lut4, ebr)


def test_up5k():
    part = find_part("iCE40UP5K-sg48")
    assert part.synthesis == ("-device", "u")
    assert part.capacity == Capacity(5_280, 30, 4, 8)


@pytest.mark.parametrize("name", [
    "", "LFE5U-25F", "LFE5U-13F-6-CABGA381", "LFE5UM-12F-6-CABGA381", "LFE5U-25F-5-CABGA381", "LFE5U-25F-6-",
    "iCE40UP5K", "iCE40UP9K-sg48", "XC7A35T-1CPG236", "LFE5U-25F-6-CABGA381\n",
])
def test_unknown_part(name):
    with pytest.raises(ValueError, match=r"^part must be like LFE5U-25F-6-CABGA381 or iCE40UP5K-sg48, not ") as error:
        find_part(name)
    assert repr(name) in str(error.value)
    assert "LFE5U-12F, LFE5U-25F" in str(error.value)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets(preset):
    assert find_part(PRESETS[preset].part).name == PRESETS[preset].part
