"""What the cocotb tests build: small geometries, so that building is quick."""

from typing import Any

from amaranth.hdl import DomainRenamer, Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import Out, connect, flipped

from trine.firmware.configuration import Configuration
from trine.hw.accelerator import Accelerator
from trine.hw.array.ternary_array import make_array

_COMMON: dict[str, Any] = {"part": "none", "clock_mhz": 1, "weight_words": 64, "result_beats": 1024}

ARRAYS: dict[str, Configuration] = {
    configuration.name: configuration
    for configuration in (
        Configuration("trit2", lanes=8, depth=4, packing="trit2", result_width=2, activation_chunks=128, **_COMMON),
        Configuration("trit3x5", lanes=4, depth=6, packing="trit3x5", result_width=4, activation_chunks=86,
                      activation_bits=4, group=12, group_accumulator_bits=8, **_COMMON),
        Configuration("trit5x8", lanes=5, depth=5, packing="trit5x8", result_width=1, activation_chunks=103, **_COMMON),
        Configuration("bit1", lanes=6, depth=4, packing="bit1", result_width=3, activation_chunks=128,
                      group_accumulator_bits=8, **_COMMON),
        Configuration("tables3", lanes=2, depth=12, packing="trit3x5", result_width=2, activation_chunks=128,
                      dataflow="tables", **_COMMON),
        Configuration("tables5", lanes=1, depth=15, packing="trit5x8", result_width=1, activation_chunks=64,
                      dataflow="tables", **_COMMON),
    )
}
"""Every packing and either dataflow; exact sums, int8 accumulators over all of K, and in groups."""

ACCELERATOR = Configuration(
    "accelerator", "none", clock_mhz=1, lanes=8, depth=5, packing="trit5x8", weight_words=4096, activation_chunks=128,
    result_beats=256, result_width=2, program_words=16, maximum_payload=512, timeout_cycles=300)
BUILD_ID = 0x1122334455667788


class Designs(wiring.Component):
    """The accelerator and the arrays of ARRAYS side by side: one build for all.

    Each has a clock of its own, of its name, so that only one runs. Beside every stream `<name>__<stream>` is, as
    `<name>__<stream>_seen`, what it was when that clock rose last: a test looks once a cycle, after it.
    """

    def __init__(self) -> None:
        self._designs = {name: make_array(configuration) for name, configuration in ARRAYS.items()}
        self._designs[ACCELERATOR.name] = Accelerator(ACCELERATOR, BUILD_ID)
        super().__init__({name: Out(wiring.Signature(_members(design))) for name, design in self._designs.items()})

    def elaborate(self, platform):
        m = Module()
        for name, design in self._designs.items():
            m.submodules[name] = DomainRenamer(name)(design)
            ports = flipped(getattr(self, name))
            for member, of in design.signature.members.items():
                port, inner = getattr(ports, member), getattr(design, member)
                if of.is_signature:
                    if member == "results":
                        m.d.comb += [port.valid.eq(inner.valid), port.payload.eq(inner.payload)]
                    else:
                        connect(m, port, inner)
                    seen = getattr(ports, f"{member}_seen")
                    m.d[name] += [seen.valid.eq(port.valid), seen.ready.eq(port.ready), seen.payload.eq(port.payload)]
                elif of.flow is Out:
                    m.d.comb += port.eq(inner)
                else:
                    m.d.comb += inner.eq(port)
        return m


def _members(design):
    """A design's members, `ready` a signal at every stream; at an array's results it is not listened to."""
    members = dict(design.signature.members)
    if "results" in members:
        members["results"] = Out(stream.Signature(members["results"].signature.members["payload"].shape))
    for name, of in list(members.items()):
        if of.is_signature:
            payload = of.signature.members["payload"].shape
            members[f"{name}_seen"] = Out(wiring.Signature({"valid": Out(1), "ready": Out(1), "payload": Out(payload)}))
    return members
