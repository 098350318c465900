"""Simulates a netlist as it is routed: the very cells and wires that nextpnr is given, each cell by a model of it.

A native simulator of the gateware's source says nothing about what synthesis and the passes after it made of it; this
one does. yosys puts its own simulation models in the place of the cells, and what is left are operations on bits, which
go the same way as any other design (build). For block RAMs, which yosys has as black boxes, the models are those in the
folder cells, each with the sources of its behaviour.

What is undefined in a netlist must not matter, so it does not stay what is convenient: an open input sees noise, and
memories and registers without initial content start with anything.

Weighed against it: yosys' CXXRTL, as good a proof, but a second engine beside the one that is here already.
"""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trine.hw.build import tools
from trine.hw.build.netlist import Bit, Cell, Netlist, wired
from trine.hw.build.store import default_folder
from trine.sim.build import Progress, build_verilog
from trine.sim.cache import Cache, key_of
from trine.sim.errors import UnsupportedDesign
from trine.sim.harness import harness
from trine.sim.library import Library
from trine.sim.rtlil import Module, Wire

FAMILIES = {"ecp5": "+/lattice/cells_sim_ecp5.v", "ice40": "+/ice40/cells_sim.v"}
"""Part family -> yosys' simulation models of its cells."""

CELLS = Path(__file__).parent / "cells"
"""Verilog models of ours, which come before those of yosys."""

SECONDS = 900.0
"""Longest that yosys may take."""

HEADER_BYTES = 5
"""Of a visit to a bare array: the target, and how many bytes follow, as u32."""

_SCRIPT = """
read_json netlist.json
read_verilog -defer {ours}
read_verilog -defer -nooverwrite -DNO_INCLUDES {theirs}
hierarchy -check -top netlist
proc
opt -full -purge
simplemap
opt -full -purge
splitnets
opt_clean -purge
memory_collect
flatten -noscopeinfo
opt_clean -purge
opt_expr
opt_merge
opt_clean -purge
write_verilog -noattr -sv netlist.sv
"""
"""Each kind of cell is simplified once, down to bits, before it is put in the place of all cells of that kind."""

_FIXED: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "DP16KD": (
        {"RSTA": "0", "RSTB": "0", **{f"CS{port}{bit}": "0" for port in "AB" for bit in range(3)}},
        {"CLKAMUX": "CLKA", "CLKBMUX": "CLKB", "CSDECODE_A": "0b000", "CSDECODE_B": "0b000"},
    ),
    "SB_SPRAM256KA": ({"STANDBY": "0", "SLEEP": "0", "POWEROFF": "1"}, {}),
}
"""Cell type -> what must be at its pins, and in its parameters, for our model to be one of it."""

_PORTS = {"clk": 1, "rst": 1, "i__payload": 8, "i__valid": 1, "o__ready": 1}, {
    "i__ready": 1, "o__payload": 8, "o__valid": 1}
"""Inputs and outputs of a component with two byte streams, and their bits."""

_BARE_PORTS = {"start": 1, "target": 2}, {"busy": 1}
"""What a bare array has besides."""

_STREAMS = """\
module top (
  input logic clk, input logic rst, input logic [7:0] i__payload, input logic i__valid, output logic i__ready,
  output logic [7:0] o__payload, output logic o__valid, input logic o__ready
);
  logic [14:0] noise = 1;
  always_ff @(posedge clk) noise <= {noise[13:0], noise[14] ^ noise[13]};
"""

_ACCELERATOR = """\
  netlist netlist (.noise(noise[0]), .*);
endmodule
"""

_BARE_ARRAY = """\
  typedef enum logic [1:0] {HEADER, START, PASS, BUSY} state_t;
  state_t state = HEADER;
  logic [2:0] taken = 0;
  logic [7:0] target = 0;
  logic [31:0] left = 0;
  logic ready, valid, busy;
  wire results = target == 3;
  netlist netlist (
    .clk, .rst, .noise(noise[0]), .target(target[1:0]), .start(state == START), .busy,
    .i__payload, .i__valid(state == PASS & !results & i__valid), .i__ready(ready),
    .o__payload, .o__valid(valid), .o__ready(state == PASS & results & o__ready)
  );
  assign i__ready = state == HEADER | (state == PASS & !results & ready);
  assign o__valid = state == PASS & results & valid;
  always_ff @(posedge clk) begin
    case (state)
      HEADER: if (i__valid) begin
        {left, target} <= {i__payload, left, target[7:0]} >> 8;
        taken <= taken == 4 ? 0 : taken + 1;
        if (taken == 4) state <= START;
      end
      START: state <= left == 0 ? HEADER : PASS;
      PASS: if ((i__valid & i__ready) | (o__valid & o__ready)) begin
        left <= left - 1;
        if (left == 1) state <= target == 2 ? BUSY : HEADER;
      end
      BUSY: if (!busy) state <= HEADER;
    endcase
    if (rst) begin
      state <= HEADER;
      taken <= 0;
    end
  end
endmodule
"""


def build_netlist(
    netlist: str, family: str, *, cache: Cache | None = None, progress: Progress | None = None, jobs: int | None = None
) -> Library:
    """The simulator of a netlist of an Accelerator or a BareArray, from the cache or newly built.

    netlist: JSON text, as a Synthesis has it. family: "ecp5" or "ice40". The rest is as in `build`.

    A model of an Accelerator's netlist has its byte streams. One of a BareArray has two byte streams for all of its
    targets: a visit begins with `visit(target, count)`, and then `count` bytes go to the target or come from RESULTS;
    the next header is taken when the array is no longer busy.

    It is compiled in a hurry, for thousands of cycles rather than millions.

    Raises UnsupportedDesign for a netlist that cannot be simulated, hw's ToolFailed with yosys' message for a cell that
    has no model, and what `build` raises.
    """
    return build_verilog(
        lambda: netlist_verilog(netlist, family), key=key_of(netlist, family, tools.version("yosys")),
        sources=("trine.sim",), quick=True, cache=cache, progress=progress, jobs=jobs,
    )


def visit(target: int, count: int) -> bytes:
    """The header with which `count` bytes to or from a target of a bare array begin."""
    return target.to_bytes(1, "little") + count.to_bytes(HEADER_BYTES - 1, "little")


def netlist_verilog(netlist: str, family: str) -> str:
    """SystemVerilog of a netlist with a model in the place of each cell, inside of the simulator's harness.

    Raises as `build_netlist`, and ValueError for an unknown family.
    """
    if family not in FAMILIES:
        raise ValueError(f"family must be one of {', '.join(FAMILIES)}, not {family!r}")
    document, bare = _prepared(json.loads(netlist))
    ours = sorted(CELLS.glob("*.v"))
    with tempfile.TemporaryDirectory(prefix="trine-") as name:
        folder = Path(name)
        (folder / "netlist.json").write_text(json.dumps(document), encoding="utf-8")
        for path in ours:
            (folder / path.name).write_bytes(path.read_bytes())
        script = _SCRIPT.format(ours=" ".join(path.name for path in ours), theirs=FAMILIES[family])
        (folder / "netlist.ys").write_text(script, encoding="utf-8")
        log = default_folder() / "logs" / f"gate-level-{folder.name}.log"  # of this run alone
        tools.run("yosys", ["-q", "-s", "netlist.ys"], folder, log, SECONDS, writes="netlist.sv")
        text = (folder / "netlist.sv").read_text(encoding="utf-8")
    inputs, outputs = _PORTS
    wires = [Wire(f"\\{name}", bits, port) for ports, port in ((inputs, "input"), (outputs, "output"))
             for name, bits in ports.items()]
    top = Module("\\top", top=True, wires={wire.name: wire for wire in wires})
    return "\n".join([text, _STREAMS + (_BARE_ARRAY if bare else _ACCELERATOR), harness(top)])


def _prepared(document: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """The top module alone, named `netlist`, for yosys to read, and whether it is a bare array's.

    Constants that are undefined become bits of an input `noise`, or bits that nobody reads.
    """
    netlist = Netlist(document)
    bare = _check_ports(netlist.ports)
    if conflicts := netlist.conflicts():
        raise UnsupportedDesign(f"the netlist has a bit with two drivers, {conflicts[0]}")
    cells = {name: cell for name, cell in netlist.cells.items() if not cell["type"].startswith("$")}
    driven: set[Bit] = {"0", "1", "x"}
    for bits in _driven(cells, netlist.ports):
        driven.update(bits)
    for bit, readers in netlist.readers().items():
        if bit not in driven:
            where = f"{readers[0].cell or 'output'}.{readers[0].port}"
            raise UnsupportedDesign(f"the netlist has a bit that nothing drives, at {where}")
    noise = netlist.new_bit()
    kept = {}
    for number, (name, cell) in enumerate(cells.items()):
        _check_cell(name, cell)
        connections = {}
        for port, bits in cell["connections"].items():
            output = cell["port_directions"][port] == "output"
            connections[port] = [bit if bit != "x" else netlist.new_bit() if output else noise for bit in bits]
        kept[f"c{number}"] = {**cell, "hide_name": 0, "attributes": {}, "connections": connections}
    ports = {**netlist.ports, "noise": {"direction": "input", "bits": [noise]}}
    module = {"attributes": {"top": "1"}, "ports": ports, "cells": kept, "netnames": {}}
    return {"modules": {"netlist": module}}, bare


def _driven(cells: dict[str, Cell], ports: dict[str, Any]) -> Iterator[list[Bit]]:
    for entry in ports.values():
        if entry["direction"] == "input":
            yield entry["bits"]
    for cell in cells.values():
        for port, bits in cell["connections"].items():
            if cell["port_directions"][port] == "output":
                yield bits


def _check_ports(ports: dict[str, Any]) -> bool:
    """Whether the ports are those of a bare array; UnsupportedDesign if they are not an accelerator's either."""
    bare = "target" in ports
    expected: dict[str, tuple[str, int]] = {}
    for inputs, outputs in (_PORTS, *([_BARE_PORTS] if bare else [])):
        expected |= {name: ("input", bits) for name, bits in inputs.items()}
        expected |= {name: ("output", bits) for name, bits in outputs.items()}
    found = {name: (entry["direction"], len(entry["bits"])) for name, entry in ports.items()}
    if found != expected:
        names = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
        raise UnsupportedDesign("the netlist is neither an accelerator's nor a bare array's; its ports differ in "
                                + ", ".join(names))
    return bare


def _check_cell(name: str, cell: Cell) -> None:
    pins, settings = _FIXED.get(cell["type"], ({}, {}))
    wrong = [f"{pin} at {wired(cell, pin)!r}" for pin, value in pins.items() if wired(cell, pin) != value]
    wrong += [f"{key} {cell['parameters'][key]}" for key, value in settings.items()
              if cell["parameters"].get(key, value) != value]
    clocks = {bit for bit in (wired(cell, "CLKA"), wired(cell, "CLKB")) if isinstance(bit, int)}
    if cell["type"] == "DP16KD" and len(clocks) > 1:
        wrong.append("two clocks")
    if wrong:
        raise UnsupportedDesign(f"the model of {cell['type']} has no {wrong[0]}, which {name} has")
