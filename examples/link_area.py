"""What a link takes of a board's FPGA: USB device, its transceiver in gateware, receiver, controller, transmitter.

They are synthesised together, with everything that they drive or read as ports, and packed by nextpnr, which counts
logic cells (iCE40) or LUT4, carry and distributed RAM (ECP5). Evidence: packed; nothing is placed.

    python examples/link_area.py
"""

import argparse
import json
import tempfile
import warnings
from pathlib import Path
from types import SimpleNamespace

from amaranth.back import rtlil
from amaranth.hdl import ClockDomain, Module, Signal, UnusedElaboratable, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import connect, flipped

from trine.firmware.configuration import Configuration
from trine.firmware.presets import PRESETS
from trine.firmware.usb import FULL_SPEED_PACKET
from trine.hw.boards.table import BOARDS
from trine.hw.build import tools
from trine.hw.build.parts import find_part
from trine.hw.build.synthesise import synthesise
from trine.hw.link.controller import Controller
from trine.hw.link.receiver import Receiver
from trine.hw.link.transmitter import Transmitter
from trine.hw.usb.device import UsbDevice

BOARDS_SHOWN = ("tinyfpga_bx", "orangecrab_25f")
DOMAINS = ("sync", "usb", "usb_io")
INSIDE = ("request", "valid", "payload", "release", "reply", "start", "reply_payload", "sent")
"""The controller's members between it, receiver and transmitter; the others are ports."""
SECONDS = 600.0


class LinkAlone(wiring.Component):
    """USB pins on one side, the accelerator's memories, sequencer and counters on the other."""

    def __init__(self, configuration: Configuration, pins: SimpleNamespace) -> None:
        self._configuration, self._pins = configuration, pins
        self._controller = Controller(configuration)
        super().__init__({name: member for name, member in self._controller.signature.members.items()
                          if name not in INSIDE})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        c = self._configuration
        m.submodules.device = device = UsbDevice(self._pins, FULL_SPEED_PACKET)
        m.submodules.receiver = receiver = Receiver(c.maximum_payload, c.timeout_cycles)
        m.submodules.transmitter = transmitter = Transmitter()
        m.submodules.controller = controller = self._controller
        connect(m, device.o, receiver.i)
        connect(m, transmitter.o, device.i)
        connect(m, receiver.payload, controller.payload)
        connect(m, controller.reply_payload, transmitter.payload)
        m.d.comb += [
            controller.request.eq(receiver.request), controller.valid.eq(receiver.valid),
            receiver.release.eq(controller.release),
            transmitter.reply.eq(controller.reply), transmitter.start.eq(controller.start),
            controller.sent.eq(transmitter.idle),
        ]
        for name, member in self.signature.members.items():
            outer, inner = getattr(self, name), getattr(controller, name)
            if not member.is_port:
                connect(m, inner, flipped(outer))
            else:
                m.d.comb += inner.eq(outer) if member.flow is wiring.In else outer.eq(inner)
        return m


def usb_pins() -> tuple[SimpleNamespace, list[Signal]]:
    """D+, D- and pull-up as UsbDevice takes them, and their signals."""
    signals = {name: Signal(name=name) for name in ("dp_i", "dp_o", "dp_oe", "dn_i", "dn_o", "dn_oe", "pullup")}
    pair = {f"d_{p}": SimpleNamespace(**{end: signals[f"d{p}_{end}"] for end in ("i", "o", "oe")}) for p in "pn"}
    return SimpleNamespace(**pair, pullup=SimpleNamespace(o=signals["pullup"])), list(signals.values())


def cells(board: str) -> int:
    """Logic cells, or LUT4, of the link on a board."""
    configuration = PRESETS[board]
    part = find_part(configuration.part)
    pins, signals = usb_pins()
    m = Module()
    m.submodules.link = link = LinkAlone(configuration, pins)
    domains = [ClockDomain(name) for name in DOMAINS]
    m.domains += domains
    ports = [*(Value.cast(value) for _, _, value in link.signature.flatten(link)), *signals,
             *(signal for domain in domains for signal in (domain.clk, domain.rst))]
    design = str(rtlil.convert(m, name="top", ports=ports, emit_src=False))
    mhz = max(BOARDS[board].link(configuration).clocks(configuration.clock_mhz).mhz.values())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        netlist = synthesise(design, part, folder / "yosys.log", mhz).netlist
        (folder / "top.json").write_text(netlist, encoding="utf-8")
        pins_file = "lpf" if part.family == "ecp5" else "pcf"
        tools.run(f"nextpnr-{part.family}", [*part.options, f"--{pins_file}-allow-unconstrained", "--json", "top.json",
                                             "--pack-only", "--report", "report.json", "--write", "packed.json"],
                  folder, folder / "nextpnr.log", SECONDS, writes="packed.json")
        packed = json.loads((folder / "packed.json").read_text(encoding="utf-8"))
    counted = "TRELLIS_COMB" if part.family == "ecp5" else "ICESTORM_LC"
    return sum(cell["type"] == counted for cell in packed["modules"]["top"]["cells"].values())


def main() -> None:
    """Print a line a board."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    warnings.simplefilter("ignore", UnusedElaboratable)  # of a board's clocks only the frequencies are wanted
    for board in BOARDS_SHOWN:
        print(f"{board}, {PRESETS[board].part}: {cells(board):,}, packed")


if __name__ == "__main__":
    main()
