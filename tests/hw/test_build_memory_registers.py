"""hw.build.memory_registers: the same design with its flip-flops inside of block RAMs, proved on a model of them."""

import copy
import json

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from trine.hw.build import tools
from trine.hw.build.errors import ToolFailed
from trine.hw.build.memory_registers import register_memory_outputs
from trine.hw.build.netlist import Netlist
from trine.hw.build.parts import find_part
from trine.hw.build.synthesise import synthesise, to_rtlil

PART = find_part("LFE5U-25F-6-CABGA381")


class Memory(wiring.Component):
    """512 words of 36 bits; what is behind the read port is `kind`'s affair."""

    write_address: In(9)
    write_data: In(36)
    write: In(1)
    read_address: In(9)
    read: In(1)
    enable: In(1)
    q: Out(36)
    direct: Out(1)

    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = words = memory.Memory(shape=36, depth=512, init=[], attrs={"no_rw_check": 1})
        write, read = words.write_port(), words.read_port()
        m.d.comb += [write.addr.eq(self.write_address), write.data.eq(self.write_data), write.en.eq(self.write),
                     read.addr.eq(self.read_address), read.en.eq(self.read)]
        register = Signal(36, reset_less=self.kind != "reset")
        m.d.comb += self.q.eq(register)
        recent = Signal()  # so that of any two cycles, one is enabled, and what was there at power-up is forgotten
        if self.kind == "enabled":
            m.d.sync += recent.eq(self.enable | ~recent)
        for half in (slice(0, 18), slice(18, 36)):
            enables = {"enabled": self.enable | ~recent, "two_enables": self.enable ^ (half.start != 0)}
            with m.If(enables.get(self.kind, 1)):
                m.d.sync += register[half].eq(~read.data[half] if self.kind == "inverted" else read.data[half])
        if self.kind == "read_twice":
            m.d.comb += self.direct.eq(read.data[35])
        return m


def netlist(kind, folder):
    return json.loads(synthesise(to_rtlil(Memory(kind)), PART, folder / "yosys.log", improve=False).netlist)


MODEL = """
module DP16KD(input CLKA, CLKB, CEA, CEB, OCEA, OCEB, WEA, WEB, RSTA, RSTB, {inputs}, output {outputs});
  parameter REGMODE_A = "NOREG", REGMODE_B = "NOREG", DATA_WIDTH_A = 36, DATA_WIDTH_B = 36;
  parameter CLKAMUX = "", CLKBMUX = "", CSDECODE_A = "", CSDECODE_B = "", GSR = "", RESETMODE = "";
  parameter ASYNC_RESET_RELEASE = "", WRITEMODE_A = "", WRITEMODE_B = "", INIT_DATA = "", WID = 0;
  // A word that depends on its address and on nothing else stands for what is stored there.
  wire [8:0] address = {{{address}}};
  reg [35:0] word, held;
  always @(posedge CLKB) if (CEB) word <= {{4{{address}}}} ^ 36'h123456789;
  always @(posedge CLKB) begin
    if (OCEA) held[35:18] <= word[35:18];
    if (OCEB) held[17:0] <= word[17:0];
  end
  assign {{{high}}} = REGMODE_A == "OUTREG" ? held[35:18] : word[35:18];
  assign {{{low}}} = REGMODE_B == "OUTREG" ? held[17:0] : word[17:0];
endmodule
"""


def model():
    """A DP16KD that is read 36 bits wide: an address register with an enable, and the output registers."""
    def bus(name, size):
        return ", ".join(f"{name}{bit}" for bit in reversed(range(size)))

    inputs = ", ".join([bus("ADA", 14), bus("ADB", 14), bus("DIA", 18), bus("DIB", 18), bus("CSA", 3), bus("CSB", 3)])
    address = ", ".join(f"ADB{bit}" for bit in range(13, 4, -1))
    return MODEL.format(inputs=inputs, outputs=f"{bus('DOA', 18)}, {bus('DOB', 18)}", address=address,
                        high=bus("DOA", 18), low=bus("DOB", 18))


def prove_equal(gold, gate, folder):
    """Proves by induction that two netlists give the same, from their third cycle on, or raises."""
    for name, document in (("gold", gold), ("gate", gate)):
        modules = copy.deepcopy({name: document["modules"]["top"]})
        modules[name]["attributes"] = {}  # no top module: both are to stay
        for cell in modules[name]["cells"].values():  # the model has no initial content
            cell["parameters"] = {key: value for key, value in cell["parameters"].items() if "INITVAL" not in key}
        (folder / f"{name}.json").write_text(json.dumps({"modules": modules}))
    (folder / "model.v").write_text(model())
    script = ("read_json gold.json; read_json gate.json; read_verilog model.v; "
              "read_verilog -overwrite -DNO_INCLUDES +/lattice/common_sim.vh; hierarchy -check; proc; flatten gold; "
              "flatten gate; opt_clean; miter -equiv -make_assert -flatten gold gate miter; hierarchy -top miter; "
              "opt -full miter; sat -verify -tempinduct -seq 3 -prove-asserts miter; tee -o proved stat")
    tools.run("yosys", ["-p", script], folder, folder / "proof.log", 300, writes="proved")


@pytest.mark.parametrize("kind", ["plain", "enabled"])
def test_registers_move(kind, tmp_path):
    gold = netlist(kind, tmp_path)
    gate = json.loads(json.dumps(gold))
    document = Netlist(gate)
    others = document.counts()["TRELLIS_FF"] - 36
    assert register_memory_outputs(document) == 36
    assert document.counts().get("TRELLIS_FF", 0) == others == (kind == "enabled")
    assert not document.conflicts()
    prove_equal(gold, gate, tmp_path)


@pytest.mark.parametrize("kind", ["plain", "enabled"])
@pytest.mark.parametrize("wrong", ["REGMODE_A", "REGMODE_B", "OCEA"])
def test_proof_can_fail(kind, wrong, tmp_path):
    gold = netlist(kind, tmp_path)
    gate = json.loads(json.dumps(gold))
    document = Netlist(gate)
    register_memory_outputs(document)
    (ram,) = (cell for cell in document.cells.values() if cell["type"] == "DP16KD")
    if wrong == "OCEA":
        ram["connections"]["OCEA"] = ["0"]
    else:
        ram["parameters"][wrong] = "NOREG"
    with pytest.raises(ToolFailed, match="proof did fail"):
        prove_equal(gold, gate, tmp_path)


@pytest.mark.parametrize("kind", ["two_enables", "inverted", "read_twice", "reset"])
def test_registers_stay(kind, tmp_path):
    document = Netlist(netlist(kind, tmp_path))
    before = json.dumps(document.document)
    assert register_memory_outputs(document) == 0
    assert json.dumps(document.document) == before


@pytest.mark.parametrize(("key", "value"), [("CLKB", "other"), ("RSTB", "other"), ("REGMODE_B", "OUTREG"),
                                            ("CLKBMUX", "INV")])
def test_other_memories_stay(key, value, tmp_path):
    document = Netlist(netlist("plain", tmp_path))
    ram = next(cell for cell in document.cells.values() if cell["type"] == "DP16KD")
    if value == "other":
        ram["connections"][key] = [document.new_bit()]
    else:
        ram["parameters"][key] = value
    assert register_memory_outputs(document) == 0
