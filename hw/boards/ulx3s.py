"""ULX3S: an LFE5U with an FT231X as its UART, and a second USB socket, US2, on pins of the FPGA (Radiona).

amaranth-boards' platform wants openFPGALoader for a bitstream already; here nothing but its pins is used. 48 MHz for
USB is no simple fraction of 25 MHz: the PLL of `sync` gives 60 MHz to a second one.
"""

from amaranth_boards.ulx3s import ULX3S_25F_Platform, ULX3S_85F_Platform

from trine.hw.boards.board import Board, Link, Programmer
from trine.hw.boards.ecp5_clocks import Ecp5Clocks
from trine.hw.boards.uart_link import UartLink
from trine.hw.boards.usb_link import UsbLink

OSCILLATOR = "clk25", 25


def _uart_clocks(mhz: float) -> Ecp5Clocks:
    return Ecp5Clocks(*OSCILLATOR, {"sync": mhz})


def _usb_clocks(mhz: float) -> Ecp5Clocks:
    return Ecp5Clocks(*OSCILLATOR, {"sync": mhz, "cascade": 60}, {"usb_io": 48, "usb": 12})


def _board(part: str, platform: type) -> Board:
    return Board(f"ULX3S {part[6:9]}", "hw.boards.ulx3s", part, platform,
                 {"uart": Link(_uart_clocks, UartLink), "usb-full-speed": Link(_usb_clocks, UsbLink)},
                 Programmer(("openFPGALoader", "--board", "ulx3s", "--write-flash", "{file}"),
                            "apt install openfpgaloader, or https://github.com/trabucayre/openFPGALoader"),
                 pack=("--compress",))


BOARD_25F = _board("LFE5U-25F-6-CABGA381", ULX3S_25F_Platform)
BOARD_85F = _board("LFE5U-85F-6-CABGA381", ULX3S_85F_Platform)
