"""The FPGAs that a design can be placed on: what nextpnr calls them, and what they hold.

A part is named DEVICE-SPEED-PACKAGE for ECP5 ("LFE5U-25F-6-CABGA381") and DEVICE-PACKAGE for iCE40 ("iCE40UP5K-sg48").
Any speed and package may be asked for; nextpnr refuses those that do not exist. A table of devices and a rule for the
rest was chosen over a table of parts, because a user's board need not be one of ours.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Capacity:
    """What a design may use: 4-input LUTs (logic cells on iCE40), block RAMs, single-port RAMs, multipliers.

    It is the device's data sheet, not the die: an LFE5U-12F is a 25F of which half is sold, and counts as half.
    """

    lut4: int
    ebr: int
    spram: int
    dsp: int


@dataclass(frozen=True)
class Part:
    """One part.

    family: "ecp5" or "ice40". synthesis: options of yosys' synth_FAMILY. options: of nextpnr-FAMILY, device, speed and
    package. capacity: what a design may use of it.
    """

    name: str
    family: str
    synthesis: tuple[str, ...]
    options: tuple[str, ...]
    capacity: Capacity


_ECP5_CAPACITY = {
    "12": Capacity(12_000, 32, 0, 28),
    "25": Capacity(24_288, 56, 0, 28),
    "45": Capacity(43_848, 108, 0, 72),
    "85": Capacity(83_640, 208, 0, 156),
}

_ECP5_DEVICES = {
    "LFE5U": ("", "12 25 45 85"),
    "LFE5UM": ("um-", "25 45 85"),
    "LFE5UM5G": ("um5g-", "25 45 85"),
}
"""Prefix of nextpnr's device option, and the sizes that exist."""

_ICE40_DEVICES = {
    "UP5K": ("u", Capacity(5_280, 30, 4, 8)),
    "LP1K": ("lp", Capacity(1_280, 16, 0, 0)),
    "LP4K": ("lp", Capacity(3_520, 20, 0, 0)),
    "LP8K": ("lp", Capacity(7_680, 32, 0, 0)),
    "HX1K": ("hx", Capacity(1_280, 16, 0, 0)),
    "HX4K": ("hx", Capacity(3_520, 20, 0, 0)),
    "HX8K": ("hx", Capacity(7_680, 32, 0, 0)),
}
"""What yosys' timing model is called, and the capacity."""


def find_part(name: str) -> Part:
    """The part of that name; ValueError, with how names are formed, if there is none."""
    ecp5 = re.fullmatch(r"(LFE5U|LFE5UM|LFE5UM5G)-(\d\d)F-([678])-([A-Z]+\d+)", name)
    if ecp5 and ecp5[2] in _ECP5_DEVICES[ecp5[1]][1].split():
        prefix = _ECP5_DEVICES[ecp5[1]][0]
        ecp5_options = (f"--{prefix}{ecp5[2]}k", "--speed", ecp5[3], "--package", ecp5[4])
        return Part(name, "ecp5", (), ecp5_options, _ECP5_CAPACITY[ecp5[2]])
    ice40 = re.fullmatch(r"iCE40(\w+)-([a-z]+\d+)", name)
    if ice40 and ice40[1] in _ICE40_DEVICES:
        model, capacity = _ICE40_DEVICES[ice40[1]]
        options = (f"--{ice40[1].lower()}", "--package", ice40[2])
        return Part(name, "ice40", ("-device", model), options, capacity)
    raise ValueError(f"part must be like LFE5U-25F-6-CABGA381 or iCE40UP5K-sg48, not {name!r}; devices are "
                     + ", ".join(f"{device}-{size}F" for device, (_, sizes) in _ECP5_DEVICES.items()
                                 for size in sizes.split())
                     + ", " + ", ".join(f"iCE40{device}" for device in _ICE40_DEVICES))
