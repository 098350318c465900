"""TinyFPGA BX: an iCE40LP8K with USB on pins of its own (tinyfpga.com).

The accelerator runs at the oscillator's 16 MHz; USB at full speed takes the PLL.
"""

from amaranth_boards.tinyfpga_bx import TinyFPGABXPlatform

from trine.hw.boards.board import Board, Link, Programmer
from trine.hw.boards.ice40_clocks import Ice40Clocks
from trine.hw.boards.usb_link import UsbLink

OSCILLATOR_MHZ = 16


def _clocks(mhz: float) -> Ice40Clocks:
    if mhz != OSCILLATOR_MHZ:
        raise ValueError(f"clock_mhz must be {OSCILLATOR_MHZ}, the oscillator's, on TinyFPGA BX, not {mhz:g}: its one "
                         f"usable PLL makes the clock of USB")
    return Ice40Clocks("clk16", OSCILLATOR_MHZ, "usb_io", 48, direct="sync", quarter="usb")


BOARD = Board("TinyFPGA BX", "hw.boards.tinyfpga_bx", "iCE40LP8K-cm81", TinyFPGABXPlatform,
              {"usb-full-speed": Link(_clocks, UsbLink)},
              Programmer(("tinyprog", "--program", "{file}"), "pip install tinyprog"))
