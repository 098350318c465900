"""What the cocotb tests build: small geometries, so that building is quick."""

from typing import Any

from amaranth.hdl import DomainRenamer, Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import Out, connect, flipped

from trine.firmware.configuration import Configuration
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


class Arrays(wiring.Component):
    """The arrays of ARRAYS side by side: one build for all. Each has a clock of its own, so that only one runs."""

    def __init__(self) -> None:
        self._arrays = {name: make_array(configuration) for name, configuration in ARRAYS.items()}
        super().__init__({name: Out(wiring.Signature(_members(array))) for name, array in self._arrays.items()})

    def elaborate(self, platform):
        m = Module()
        for name, array in self._arrays.items():
            m.submodules[f"array_{name}"] = DomainRenamer(name)(array)
            ports = flipped(getattr(self, name))
            for member, of in array.signature.members.items():
                if member == "results":
                    m.d.comb += [ports.results.valid.eq(array.results.valid),
                                 ports.results.payload.eq(array.results.payload)]
                elif of.is_signature:
                    connect(m, getattr(ports, member), getattr(array, member))
                elif of.flow is Out:
                    m.d.comb += getattr(ports, member).eq(getattr(array, member))
                else:
                    m.d.comb += getattr(array, member).eq(getattr(ports, member))
        return m


def _members(array):
    """An array's members, `ready` a signal at every stream; at the results it is not listened to."""
    members = dict(array.signature.members)
    members["results"] = Out(stream.Signature(members["results"].signature.members["payload"].shape))
    return members
