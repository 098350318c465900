"""OrangeCrab r0.2: an LFE5U with USB on pins of its own, and a bootloader that is written to by dfu-util.

amaranth-boards' platform calls dfu-suffix after every build; here the suffix is appended by hw.build.bitstream.
"""

from amaranth_boards.orangecrab_r0_2 import OrangeCrabR0_2_25FPlatform, OrangeCrabR0_2_85FPlatform

from trine.hw.boards.board import Board, Link, Programmer
from trine.hw.boards.ecp5_clocks import Ecp5Clocks
from trine.hw.boards.usb_link import UsbLink

DFU = 0x1209, 0x5AF0
"""The bootloader's USB ids."""


def _clocks(mhz: float) -> Ecp5Clocks:
    return Ecp5Clocks("clk", 48, {"usb_io": 48, "usb": 12}, {"sync": mhz})


def _board(part: str, platform: type) -> Board:
    return Board(f"OrangeCrab r0.2 {part[6:9]}", "hw.boards.orangecrab", part, platform,
                 {"usb-full-speed": Link(_clocks, UsbLink)},
                 Programmer(("dfu-util", "--alt", "0", "--download", "{file}"), "apt install dfu-util"),
                 pack=("--compress", "--freq", "38.8"), dfu=DFU)


BOARD_25F = _board("LFE5U-25F-8-CSFBGA285", OrangeCrabR0_2_25FPlatform)
BOARD_85F = _board("LFE5U-85F-8-CSFBGA285", OrangeCrabR0_2_85FPlatform)
