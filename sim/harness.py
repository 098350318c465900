"""The module around a design in a native simulator.

Its registers drive the design's inputs, so that setting them from outside makes nothing to be computed before the
clock edge: the simulator evaluates every signal once a cycle, and its caller sees, between edges, what the coming edge
will transfer. The names of its ports are fixed, so one C++ file serves every design.

There are two harnesses: the one here, of a design in one clock domain between two byte streams, and the one of a USB
device (twin/harness.py).
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from trine.sim.errors import UnsupportedDesign
from trine.sim.library import STREAM_FUNCTIONS, Functions
from trine.sim.rtlil import Module

NAME = "harness"
"""The module's name; the design in it is `top`, so names in a waveform start with `sim.harness.top`."""

DRIVEN = ("clk", "rst", "i__valid", "i__payload", "o__ready")
SEEN = {"i__ready": "i_ready", "o__valid": "o_valid", "o__payload": "o_payload"}

TEXT = """\
module {name} (
  input logic clk, input logic next_rst, input logic next_valid, input logic [7:0] next_payload, input logic next_ready,
  output logic i_ready, output logic o_valid, output logic [7:0] o_payload
);
  logic rst = 0, valid = 0, ready = 0;
  logic [7:0] payload = 0;
  always_ff @(posedge clk) begin
    rst <= next_rst;
    valid <= next_valid;
    payload <= next_payload;
    ready <= next_ready;
  end
  {design} top ({ports});
endmodule
"""


@dataclass(frozen=True)
class Harness:
    """One way to drive designs.

    check: raises UnsupportedDesign for a component that is not of this kind. text: the SystemVerilog of the module
    around a design's top module; raises UnsupportedDesign for a port that it does not know. shim, functions: the C++
    file that drives that module, next to which is simulator.h, and the interface that it has.
    """

    check: Callable[[wiring.Component], None]
    text: Callable[[Module], str]
    shim: Path
    functions: Functions


def check_component(component: wiring.Component) -> None:
    """Raises UnsupportedDesign unless the component has byte streams `i` and `o`, In and Out."""
    members = component.signature.members
    for name, flow in (("i", In), ("o", Out)):
        if name not in members or members[name] != flow(stream.Signature(8)):
            raise UnsupportedDesign(
                f"{type(component).__name__} has no byte stream {name!r}; "
                "a simulated component has i: In(stream.Signature(8)) and o: Out(stream.Signature(8))"
            )


def harness(top: Module) -> str:
    """The SystemVerilog text of the harness; other outputs of the design stay open.

    Raises UnsupportedDesign if the design has inputs other than a clock, a reset and those of the streams.
    """
    ports = []
    for wire in top.wires.values():
        name = wire.name[1:]
        if wire.port == "input" and name in DRIVEN:
            ports.append(f".{wire.name} ({name.rpartition('__')[2]})")
        elif wire.port == "output":
            ports.append(f".{wire.name} ({SEEN.get(name, '')})")
        elif wire.port and wire.width:
            raise UnsupportedDesign(f"the design has a port {name!r}, which the simulator does not drive")
    return TEXT.format(name=NAME, design=f"{top.name} ", ports=", ".join(ports))


STREAMS = Harness(check_component, harness, Path(__file__).parent / "shim.cc", STREAM_FUNCTIONS)
