"""A board, and the top of the design that is in its bitstream: clocks, link and accelerator."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from amaranth.hdl import ClockSignal, Elaboratable, Module, ResetSignal
from amaranth.lib import wiring

from trine.firmware.configuration import Configuration
from trine.hw.accelerator import Accelerator
from trine.hw.boards.clocks import Clocks
from trine.hw.boards.kept import clock_name, kept


@dataclass(frozen=True)
class Link:
    """One way in which a board can be linked to the host.

    clocks: makes the clock domains, for a frequency of `sync` in MHz that is asked for.
    streams: makes the component with the byte streams i and o in `sync`, for a configuration, the frequency of `sync`
    in Hz, and the serial number that the host shall see, None if it was not chosen; ValueError for a wrong one.
    """

    clocks: Callable[[float], Clocks]
    streams: Callable[[Configuration, float, str | None], wiring.Component]


@dataclass(frozen=True)
class Programmer:
    """What puts a bitstream into a board for good.

    command: the program and its arguments; "{file}" stands for the file. install: how one gets the program.
    """

    command: tuple[str, ...]
    install: str


@dataclass(frozen=True)
class Board:
    """A board.

    title: what it is called. module: the module that describes it, below the package, for hw.build.source.
    part: the FPGA on it, as in a configuration. platform: makes its platform of Amaranth, with its pins.
    links: kind, as in a configuration's link -> the link. supply: makes what has to be done before pins have power, a
    component with an output `good`; None if nothing has. pack: options of ecppack. dfu: vendor and product id in the
    suffix of a file for dfu-util, None if the programmer is another one. programmer: what writes the bitstream.
    """

    title: str
    module: str
    part: str
    platform: Callable[[], Any]
    links: Mapping[str, Link]
    programmer: Programmer
    supply: Callable[[float], wiring.Component] | None = None
    pack: tuple[str, ...] = ()
    dfu: tuple[int, int] | None = None

    @property
    def suffix(self) -> str:
        """Of the name of a bitstream's file."""
        return ".dfu" if self.dfu else ".bit" if self.part.startswith("LFE5") else ".bin"

    def link(self, configuration: Configuration) -> Link:
        """The link that a configuration asks for; ValueError for one that the board does not have, or another part."""
        if configuration.bare:
            raise ValueError(f"{configuration.name} is a bare array, which no board has; choose a board's preset")
        if configuration.part != self.part:
            raise ValueError(f"part must be {self.part} on {self.title}, not {configuration.part}")
        kind = configuration.link.kind if configuration.link else "none"
        if kind not in self.links:
            raise ValueError(f"link must be {' or '.join(self.links)} on {self.title}, not {kind}")
        return self.links[kind]


class Top(Elaboratable):
    """The design of a board: its clocks, its link, and an accelerator between them.

    The clocks, the accelerator's reset and the wires between link and accelerator are kept in the netlist
    (hw.boards.kept) under the names that they would have as ports of the accelerator, so that it can be taken out of
    the netlist again and simulated (hw.build.extract).

    Parameters
    ----------
    board, configuration: what to build; ValueError for a configuration that is not for this board. build_id: as in
    Accelerator. serial: as in Link.

    Attributes
    ----------
    mhz: clock domain -> frequency as the board's PLLs give it; that of `sync` is what the device says its clock is.
    """

    def __init__(self, board: Board, configuration: Configuration, build_id: int = 0,
                 serial: str | None = None):
        link = board.link(configuration)
        self._clocks = link.clocks(configuration.clock_mhz)
        self.mhz = self._clocks.mhz
        self._link = link.streams(configuration, self.mhz["sync"] * 1e6, serial)
        self._accelerator = Accelerator(replace(configuration, clock_mhz=self.mhz["sync"]), build_id)
        self._supply = board.supply(self.mhz["sync"] * 1e6) if board.supply else None

    def elaborate(self, platform):
        m = Module()
        m.submodules.clocks = clocks = self._clocks
        m.submodules.link = link = self._link
        m.submodules.accelerator = accelerator = self._accelerator
        if self._supply is not None:
            m.submodules.supply = supply = self._supply
            m.d.comb += clocks.hold.eq(~supply.good)
        for domain in self.mhz:
            kept(m, clock_name(domain), ClockSignal(domain))
        kept(m, "rst", ResetSignal())
        for name, source, sink in (("i", link.o, accelerator.i), ("o", accelerator.o, link.i)):
            m.d.comb += [
                sink.payload.eq(kept(m, f"{name}__payload", source.payload)),
                sink.valid.eq(kept(m, f"{name}__valid", source.valid)),
                source.ready.eq(kept(m, f"{name}__ready", sink.ready)),
            ]
        return m
