"""From an Amaranth component to a netlist for nextpnr.

The component becomes RTLIL, which is prepared (prepare) and mapped by yosys to the cells of the part's family. For ECP5
four passes then improve the netlist: flip-flops go into block RAMs (memory_registers), 4 LUT4 of each adder go
(adder_ends), so does the logic in front of one operand (adder_operands), and, where the netlist is to be as fast as it
gets, what drives memories gets copies for them (driver_copies). A lane of 32 trits, a tree of pairs with carry inputs,
takes 24.4 LUT4 a trit as yosys leaves it, 20.4 without the ends, 15.6 with the operands absorbed too. iCE40's adders
need none of it: their carry is not in a cell of its own.
"""

import hashlib
import json
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import Elaboratable

from trine.hw.boards.kept import PREFIX
from trine.hw.build import tools
from trine.hw.build.adder_ends import trim_adder_ends
from trine.hw.build.adder_operands import absorb_operands
from trine.hw.build.driver_copies import copy_drivers
from trine.hw.build.errors import ToolFailed
from trine.hw.build.memory_registers import register_memory_outputs
from trine.hw.build.netlist import Netlist
from trine.hw.build.parts import Part
from trine.hw.build.prepare import prepare

SECONDS = 3600.0
"""Longest that yosys may take."""

REVISION = 11
"""Of the script and the passes below: a netlist that was kept from another one is not used again."""

LOGIC_SHARE = 0.4
"""Of a period, what abc may let logic take, by its own model of delays, and save cells elsewhere; the rest is for
routing. With 0.6, `icebreaker` misses its clock. Without a goal abc makes every path as short as it can: of an LFE5U
receiver, controller and transmitter then take 1,732 LUT4 instead of 1,382."""

KEEP_HIERARCHY = "attribute \\keep_hierarchy 1\n"
"""Before a module, in RTLIL: no logic crosses its bounds, until all is mapped."""

APART = "accelerator"
"""The component of a design that is kept apart from the rest, in its logic and in the cells it takes, so that it can be
taken out of the netlist again (hw.build.extract)."""

_FLATTEN = "setattr -mod -unset keep_hierarchy *; flatten; opt_clean;"

_CLOCK = re.compile(rf"(?:{PREFIX})?(?:([a-z]\w*)_)?clk")


@dataclass(frozen=True)
class Synthesis:
    """A netlist ready for nextpnr, as JSON text, its cells by type, and its clocks: name of a net -> clock domain.

    A clock's net is in `clocks` with all its names, since nextpnr may know it by any of them.
    """

    netlist: str
    cells: Mapping[str, int]
    clocks: Mapping[str, str] = field(default_factory=dict)

    @property
    def netlist_hash(self) -> str:
        """SHA-256 over the netlist: the same for the same design, part family and tools."""
        return hashlib.sha256(self.netlist.encode()).hexdigest()


def to_rtlil(top: Elaboratable) -> str:
    """The component as RTLIL text, its members (and clk and rst of its domains) as the ports of a module `top`."""
    return str(rtlil.convert(top, name="top", emit_src=False))


def domain_of(clock: str) -> str | None:
    """The domain whose clock has that name, as a port or a kept net; None if it is no clock's name."""
    match = _CLOCK.fullmatch(clock)
    return None if match is None else match[1] or "sync"


def synthesise(design: str, part: Part, log: Path, mhz: float | None = None, improve: bool = True,
               seconds: float = SECONDS) -> Synthesis:
    """Maps RTLIL text to the cells of a part.

    mhz: the clock that logic is made for, saving cells where there is time; None makes it as fast as it gets.
    improve: whether the passes over an ECP5 netlist are made; without, the netlist is what yosys wrote.
    log: the file that keeps what yosys printed, if it fails.

    Raises ToolMissing, or ToolFailed for a design that yosys refuses, or whose netlist has a bit with two drivers.
    """
    with tempfile.TemporaryDirectory(prefix="trine-") as name:
        folder = Path(name)
        (folder / "top.il").write_text(prepare(design), encoding="utf-8")
        command = " ".join([f"synth_{part.family}", *part.synthesis, "-top top"])
        command += f"; {_FLATTEN} write_json top.json" if KEEP_HIERARCHY in design else " -json top.json"
        goal = "" if mhz is None else f"scratchpad -set abc9.D {round(LOGIC_SHARE * 1e6 / mhz)}; "
        tools.run("yosys", ["-p", f"read_rtlil top.il; {goal}{command}"], folder, log, seconds, writes="top.json")
        netlist = Netlist(json.loads((folder / "top.json").read_text(encoding="utf-8")))
    if conflicts := netlist.conflicts():
        raise ToolFailed(f"yosys connected what is not the same: {conflicts[0]}")
    if improve and part.family == "ecp5":
        register_memory_outputs(netlist)
        absorb_operands(netlist)
        trim_adder_ends(netlist, apart=f"{APART}.")
        if mhz is None:
            copy_drivers(netlist)
    clocks = {alias: domain for name in netlist.names
              if name.startswith(PREFIX) and (domain := domain_of(name)) is not None
              for alias in netlist.aliases(name)}
    return Synthesis(json.dumps(netlist.document, sort_keys=True), netlist.counts(), clocks)
