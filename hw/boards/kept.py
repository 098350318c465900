"""Nets that are found again in a netlist: synthesis keeps them, under names that nothing else has."""

from amaranth.hdl import Signal, Value

PREFIX = "kept__"
"""What the names of kept nets begin with."""


def kept(m, name: str, value) -> Signal:
    """A signal with that value, in the module `m`, whose net is called PREFIX + name in the netlist."""
    wire = Signal(len(Value.cast(value)), name=PREFIX + name, attrs={"keep": 1})
    m.d.comb += wire.eq(value)
    return wire


def clock_name(domain: str) -> str:
    """The name that Amaranth gives to the clock of a domain."""
    return "clk" if domain == "sync" else f"{domain}_clk"
