"""iCEBreaker V1.0: an iCE40UP5K with an FT2232H, whose second channel is a UART (1BitSquared).

The oscillator is on the pin of the PLL, which therefore takes it from the pad: no other use of pin 35 is possible then.
"""

from amaranth_boards.icebreaker import ICEBreakerPlatform

from trine.firmware.configuration import Configuration
from trine.hw.boards.board import Board, Link, Programmer
from trine.hw.boards.ice40_clocks import Ice40Clocks
from trine.hw.boards.uart_link import UartLink

BAUD = 6_000_000


def _clocks(mhz: float) -> Ice40Clocks:
    return Ice40Clocks("clk12", 12, "sync", mhz, pad=True)


def _streams(configuration: Configuration, clock_hz: float) -> UartLink:
    return UartLink(clock_hz, BAUD, 2 * configuration.maximum_payload)


BOARD = Board("iCEBreaker", "hw.boards.icebreaker", "iCE40UP5K-sg48", ICEBreakerPlatform,
              {"uart": Link(_clocks, _streams)},
              Programmer(("iceprog", "{file}"), "it comes with Project IceStorm: apt install fpga-icestorm, or "
                                                "https://github.com/YosysHQ/oss-cad-suite-build"))
