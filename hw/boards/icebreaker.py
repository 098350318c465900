"""iCEBreaker V1.0: an iCE40UP5K with an FT2232H, whose second channel is a UART (1BitSquared).

The oscillator is on the pin of the PLL, which therefore takes it from the pad: no other use of pin 35 is possible then.
"""

from amaranth_boards.icebreaker import ICEBreakerPlatform

from trine.hw.boards.board import Board, Link, Programmer
from trine.hw.boards.ice40_clocks import Ice40Clocks
from trine.hw.boards.uart_link import UartLink


def _clocks(mhz: float) -> Ice40Clocks:
    return Ice40Clocks("clk12", 12, "sync", mhz, pad=True)


BOARD = Board("iCEBreaker", "hw.boards.icebreaker", "iCE40UP5K-sg48", ICEBreakerPlatform,
              {"uart": Link(_clocks, UartLink)},
              Programmer(("iceprog", "{file}"), "it comes with Project IceStorm: apt install fpga-icestorm, or "
                                                "https://github.com/YosysHQ/oss-cad-suite-build"))
