"""Cynthion r1.4: an LFE5U-12F with three USB3343 transceivers, of which the one behind AUX is the link (Great Scott
Gadgets).

amaranth-boards has no such platform, and the package `cynthion` pulls in a system-on-chip, so the pins that are needed
are named here, after Cynthion's hardware repository. CONTROL would take a handshake with the debug controller, which
owns that socket, before the FPGA may have it.
"""

import functools

from amaranth.build import Attrs, Clock, Pins, Resource
from amaranth.vendor import LatticeECP5Platform
from amaranth_boards.resources import ULPIResource

from trine.hw.boards.board import Board, Link, Programmer
from trine.hw.boards.ecp5_clocks import Ecp5Clocks
from trine.hw.boards.usb_link import UsbLink


class CynthionPlatform(LatticeECP5Platform):
    """Oscillator and AUX transceiver of a Cynthion r1.4."""

    device = "LFE5U-12F"
    package = "BG256"
    speed = "8"
    resources = (
        Resource("clk60", 0, Pins("A8", dir="i"), Clock(60e6), Attrs(IO_TYPE="LVCMOS33")),
        ULPIResource("aux_phy", 0, data="F16 G15 G16 H15 J15 J16 K15 K16", clk="D16", clk_dir="o", dir="E16", nxt="F15",
                     stp="E15", rst="J13", rst_invert=True, attrs=Attrs(IO_TYPE="LVCMOS33", SLEWRATE="FAST")),
    )
    connectors = ()
    ulpi_extra_registers = {0x39: 0b000110}  # noqa: RUF012  (LUNA's name)
    """USB3343: D+ and D- are swapped on the board, and the transceiver swaps them back."""


def _clocks(mhz: float) -> Ecp5Clocks:
    return Ecp5Clocks("clk60", 60, {"usb": 60, "sync": mhz})


BOARD = Board("Cynthion r1.4", "hw.boards.cynthion", "LFE5U-12F-8-CABGA256", CynthionPlatform,
              {"usb-high-speed": Link(_clocks, functools.partial(UsbLink, resource="aux_phy"))},
              Programmer(("apollo", "flash-program", "{file}"), "pip install apollo-fpga"),
              pack=("--compress", "--freq", "38.8"))
