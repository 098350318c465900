"""ButterStick r1.0: an LFE5UM5G-85F with a USB3300 transceiver, and pins whose supply the FPGA itself has to set up.

Three buck converters make the I/O voltages. Each is set by a current into its feedback node, which the FPGA gives as a
filtered pulse train, and all are off until it enables them (amaranth-boards' butterstick.py has the circuit). The
transceiver is on the third, whose voltage amaranth-boards leaves to be chosen.
"""

from amaranth.hdl import ClockDomain, ClockSignal, Module, Signal
from amaranth.lib import io, wiring
from amaranth.lib.wiring import Out
from amaranth_boards.butterstick import ButterStickPlatform

from trine.hw.boards.board import Board, Link, Programmer
from trine.hw.boards.ecp5_clocks import Ecp5Clocks
from trine.hw.boards.usb_link import UsbLink

IO_VOLTS = 3.3
PULSE_BITS = 10
SETTLE_SECONDS = 0.175
"""Four times 2 pi time constants of the filter, 68 kOhm and 100 nF, and a millisecond for the converters to start."""


def control_volts(volts: float) -> float:
    """The mean of the pulse train that makes a converter give `volts`, in V.

    With 0.6 V at the feedback node, 13 kOhm to ground, 53.6 kOhm to the output and 68 kOhm to the FPGA:
    (volts - 0.6) / 53.6k + (control - 0.6) / 68k = 0.6 / 13k. Raises ValueError if that takes less than 0 V, or more
    than 3.3 V.
    """
    control = 0.6 + 68_000 * (0.6 / 13_000 - (volts - 0.6) / 53_600)
    if not 0 <= control <= 3.3:
        raise ValueError(f"volts must be such that its control is within 0 to 3.3 V, not {volts:g}")
    return control


class IoSupply(wiring.Component):
    """Sets the three I/O voltages of a ButterStick and enables them.

    Parameters
    ----------
    clock_hz: of `sync`; the clock is used, its reset is not.

    Members
    -------
    good: Out, 1 when the voltages are there.
    """

    good: Out(1)

    def __init__(self, clock_hz: float):
        self._settled = round(SETTLE_SECONDS * clock_hz)
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        pins = platform.request("vccio_ctrl", dir="-")
        m.submodules.pulses = pulses = io.Buffer("o", pins.pdm)
        m.submodules.enable = enable = io.Buffer("o", pins.en)
        m.domains.supply = supply = ClockDomain(reset_less=True, local=True)
        m.d.comb += supply.clk.eq(ClockSignal())
        count, pulse, elapsed = Signal(PULSE_BITS), Signal(), Signal(range(self._settled + 1))
        m.d.supply += [
            count.eq(count + 1), pulse.eq(count < round(control_volts(IO_VOLTS) / 3.3 * 2**PULSE_BITS)),
            self.good.eq(elapsed == self._settled),
        ]
        with m.If(elapsed != self._settled):
            m.d.supply += elapsed.eq(elapsed + 1)
        m.d.comb += [pulses.o.eq(pulse.replicate(3)), enable.o.eq(elapsed >= self._settled * 6 // 7)]
        return m


def _platform() -> ButterStickPlatform:
    return ButterStickPlatform(VCCIOA="3V3", VCCIOB="3V3", VCCIOC="3V3")


def _clocks(mhz: float) -> Ecp5Clocks:
    return Ecp5Clocks("clk30", 30, {"usb": 60, "sync": mhz})


BOARD = Board("ButterStick r1.0", "hw.boards.butterstick", "LFE5UM5G-85F-8-CABGA381", _platform,
              {"usb-high-speed": Link(_clocks, UsbLink)},
              Programmer(("dfu-util", "--device", "1209:5af1", "--alt", "0", "--download", "{file}"),
                         "apt install dfu-util"),
              supply=IoSupply, pack=("--compress", "--freq", "38.8"), dfu=(0x1209, 0x5AF1))
