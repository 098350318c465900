"""The accelerator alone, out of the netlist of a board's design.

A board's netlist has PLLs, pins and transceivers around the accelerator, which no simulator of ours has a model of. The
wires between link and accelerator have kept their names (hw.boards.board.Top), so what makes up the accelerator can be
found: all that its outputs depend on, up to its inputs. The cells are the very ones that are routed.
"""

import json
from collections.abc import Iterable

from trine.hw.boards.kept import PREFIX
from trine.hw.build.errors import ToolFailed
from trine.hw.build.netlist import Bit, Netlist
from trine.hw.build.synthesise import Synthesis

INPUTS = ("clk", "rst", "i__payload", "i__valid", "o__ready")
OUTPUTS = ("i__ready", "o__payload", "o__valid")


def extract_accelerator(synthesis: Synthesis) -> Synthesis:
    """A netlist whose ports are an Accelerator's; ToolFailed if one of its wires is missing in the board's."""
    netlist = Netlist(json.loads(synthesis.netlist))
    nets = {name: netlist.names.get(PREFIX + name, []) for name in (*INPUTS, *OUTPUTS)}
    for name, bits in nets.items():
        if not bits:
            raise ToolFailed(f"the netlist has lost the net {PREFIX}{name}, where its accelerator begins or ends")
    cells = _behind(netlist, [bit for name in OUTPUTS for bit in nets[name]],
                    {bit for name in INPUTS for bit in nets[name]})
    ports = {name: {"direction": "input" if name in INPUTS else "output", "bits": bits}
             for name, bits in nets.items()}
    kept = {name: netlist.cells[name] for name in sorted(cells)}
    alone = Netlist({"modules": {"top": {"attributes": {"top": "1"}, "ports": ports, "cells": kept, "netnames": {}}}})
    return Synthesis(json.dumps(alone.document, sort_keys=True), alone.counts())


def _behind(netlist: Netlist, outputs: Iterable[Bit], inputs: set[Bit]) -> set[str]:
    """The cells that drive `outputs`, those that drive these, and so on, up to `inputs`."""
    drivers: dict[Bit, str] = {}
    for name, cell in netlist.cells.items():
        for port, bits in cell["connections"].items():
            if cell["port_directions"][port] == "output":
                drivers.update(dict.fromkeys(bits, name))
    found: set[str] = set()
    left = list(outputs)
    while left:
        bit = left.pop()
        name = drivers.get(bit, "")
        if bit in inputs or not isinstance(bit, int) or not name or name in found:
            continue
        found.add(name)
        cell = netlist.cells[name]
        left += [other for port, bits in cell["connections"].items() if cell["port_directions"][port] != "output"
                 for other in bits]
    return found
