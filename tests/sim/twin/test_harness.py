"""What can be simulated as a USB device, and what is refused."""

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from trine.sim.errors import UnsupportedDesign
from trine.sim.twin.harness import DRIVEN, SEEN, UTMI
from trine.sim.verilog import simulation_verilog


class Transceiver(wiring.Component):
    """UTMI's members, with changes; None leaves one out."""

    def __init__(self, **changes):
        members = {name: In(width) for name, width in DRIVEN.items()} | {name: Out(w) for name, w in SEEN.items()}
        super().__init__({name: member for name, member in (members | changes).items() if member is not None})

    def elaborate(self, platform):
        m = Module()
        m.d.usb += self.tx_data.eq(self.rx_data)
        m.d.sync += self.waiting.eq(~self.waiting)
        return m


def test_ports_are_connected_by_name():
    text = simulation_verilog(Transceiver(session_end=In(1), spare=Out(3)), UTMI)
    for port in (r"\rx_data (rx_data)", r"\tx_data (tx_data)", r"\usb_clk (usb_clk)", r"\clk (clk)", r"\spare ()"):
        assert f".{port}" in text
    assert r".\session_end (1'b0)" in text


@pytest.mark.parametrize(("changes", "message"), [
    ({"rx_valid": None}, "Transceiver has no rx_valid: In"),
    ({"tx_data": Out(16)}, "Transceiver has no tx_data: Out"),
    ({"line_state": Out(2)}, "Transceiver has no line_state: In"),
])
def test_no_transceiver(changes, message):
    with pytest.raises(UnsupportedDesign, match=message):
        UTMI.check(Transceiver(**changes))


def test_inputs_that_nothing_drives_are_refused():
    component = Transceiver(switch=In(1))
    component.elaborate = lambda platform: switched(component)
    with pytest.raises(UnsupportedDesign, match="port 'switch'"):
        simulation_verilog(component, UTMI)


def switched(component):
    m = Module()
    m.d.comb += component.tx_valid.eq(component.switch)
    m.d.usb += component.tx_data.eq(component.rx_data)
    m.d.sync += component.waiting.eq(1)
    return m
