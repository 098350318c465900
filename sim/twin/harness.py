"""The module around a USB device's gateware in a native simulator: UTMI and two clocks.

UTMI is where a device's core ends and its transceiver begins (USB 2.0 Transceiver Macrocell Interface 1.05): bytes of
packets, without the bits that only the wire has. The transceiver itself, the wire and the host at its other end are
the C++ file's and the host controller's (utmi_shim.cc, host_controller.py).
"""

import ctypes
from pathlib import Path

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from trine.sim.errors import UnsupportedDesign
from trine.sim.harness import NAME, Harness
from trine.sim.library import POINTER, SIZE, Functions
from trine.sim.rtlil import Module

DRIVEN = {"rx_data": 8, "rx_active": 1, "rx_valid": 1, "rx_error": 1, "tx_ready": 1, "line_state": 2}
SEEN = {"tx_data": 8, "tx_valid": 1, "op_mode": 2, "xcvr_select": 2, "term_select": 1, "waiting": 1}
"""Widths of UTMI's signals, by the names that they have everywhere, and of `waiting`: see UtmiAccelerator."""
FIXED = {"clk": "clk", "usb_clk": "usb_clk", "rst": "1'b0", "usb_rst": "1'b0", "session_end": "1'b0"}
"""Registers have their initial values, so nothing resets the device but the bus; a host powers it all the time."""

UTMI_FUNCTIONS: Functions = {
    "open": (POINTER, [ctypes.c_int64, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_uint32,
                       ctypes.c_uint32, ctypes.c_uint64]),
    "close": (None, [POINTER]),
    "error": (ctypes.c_char_p, [POINTER]),
    "cycles": (ctypes.c_uint64, [POINTER]),
    "stray": (ctypes.c_uint64, [POINTER]),
    "send": (ctypes.c_int64, [POINTER, ctypes.c_char_p, SIZE, ctypes.c_uint32]),
    "receive": (ctypes.c_int64, [POINTER, ctypes.c_char_p, SIZE, ctypes.c_uint64, ctypes.POINTER(SIZE)]),
    "idle": (ctypes.c_int64, [POINTER, ctypes.c_uint64, ctypes.c_uint32]),
    "outputs": (ctypes.c_uint32, [POINTER]),
}


def check_component(component: wiring.Component) -> None:
    """Raises UnsupportedDesign unless the component has a device's side of UTMI as its members."""
    members = component.signature.members
    for expected, flow in ((DRIVEN, In), (SEEN, Out)):
        for name, width in expected.items():
            if name not in members or members[name] != flow(width):
                raise UnsupportedDesign(
                    f"{type(component).__name__} has no {name}: {flow(width)}; a simulated USB device has the members "
                    f"{', '.join((*DRIVEN, *SEEN))}"
                )


def harness(top: Module) -> str:
    """The SystemVerilog text of the harness; other outputs of the design stay open.

    Raises UnsupportedDesign if the design has inputs other than two clocks, their resets and those of UTMI.
    """
    ports = []
    for wire in top.wires.values():
        name = wire.name[1:]
        if wire.port == "input" and (name in DRIVEN or name in FIXED):
            ports.append(f".{wire.name} ({FIXED.get(name, name)})")
        elif wire.port == "output":
            ports.append(f".{wire.name} ({name if name in SEEN else ''})")
        elif wire.port and wire.width:
            raise UnsupportedDesign(f"the design has a port {name!r}, which the simulator does not drive")
    inputs = [f"input logic {_range(width)}next_{name}" for name, width in DRIVEN.items()]
    outputs = [f"output logic {_range(width)}{name}" for name, width in SEEN.items()]
    registers = [f"  logic {_range(width)}{name} = 0;" for name, width in DRIVEN.items()]
    updates = [f"    {name} <= next_{name};" for name in DRIVEN]
    return "\n".join([
        f"module {NAME} (input logic clk, input logic usb_clk,", "  " + ", ".join(inputs) + ",",
        "  " + ", ".join(outputs) + ");", *registers, "  always_ff @(posedge usb_clk) begin", *updates, "  end",
        f"  {top.name}  top ({', '.join(ports)});", "endmodule", "",
    ])


def _range(width: int) -> str:
    return f"[{width - 1}:0] " if width > 1 else ""


UTMI = Harness(check_component, harness, Path(__file__).parent / "utmi_shim.cc", UTMI_FUNCTIONS)
