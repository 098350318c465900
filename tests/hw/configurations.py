"""Configurations that simulate quickly: a few lanes, memories of a few words."""

from typing import Any

import pytest

from trine.firmware.configuration import Configuration


def small(**changes: Any) -> Configuration:
    """4 lanes x 4 columns of two-bit trits, two results a beat; any field can be changed."""
    values: dict[str, Any] = {
        "name": "small", "part": "none", "clock_mhz": 1, "lanes": 4, "depth": 4, "packing": "trit2",
        "weight_words": 64, "activation_chunks": 16, "result_beats": 32, "result_width": 2, "program_words": 16,
        "accumulator_bits": 20, "maximum_payload": 128, "timeout_cycles": 200,
    }
    return Configuration(**(values | changes))


VARIANTS: dict[str, dict[str, Any]] = {
    "trit2": {"packing": "trit2", "depth": 4},
    "trit3x5": {"packing": "trit3x5", "depth": 6},
    "trit5x8": {"packing": "trit5x8", "depth": 5},
    "bit1": {"packing": "bit1", "depth": 3},
    "one lane": {"lanes": 1, "result_width": 1, "depth": 4},
    "depth 1": {"depth": 1, "lanes": 2, "result_width": 1},
    "all lanes a beat": {"lanes": 3, "result_width": 3, "depth": 2},
    "32 bits": {"accumulator_bits": 32, "depth": 7},
    "8 bits over all columns": {"group_accumulator_bits": 8, "depth": 2},
    "4-bit activations, 8 bits in groups of 16": {
        "activation_bits": 4, "group": 16, "group_accumulator_bits": 8, "depth": 4},
    "8 bits in groups of one step": {"group": 3, "group_accumulator_bits": 8, "depth": 3, "packing": "trit3x5"},
    "tables of three": {"dataflow": "tables", "packing": "trit3x5", "depth": 6, "lanes": 2, "result_width": 2},
    "tables of three, five codes": {"dataflow": "tables", "packing": "trit3x5", "depth": 15, "lanes": 3,
                                    "result_width": 3, "accumulator_bits": 24},
    "tables of five": {"dataflow": "tables", "packing": "trit5x8", "depth": 10, "lanes": 1, "result_width": 1},
    "tables of five, seven codes": {"dataflow": "tables", "packing": "trit5x8", "depth": 35, "lanes": 2,
                                    "result_width": 2, "maximum_payload": 256},
}
"""Every packing, every accumulator mode and the corners of the geometry, as changes to `small`."""

ADDER_VARIANTS = {name: changes for name, changes in VARIANTS.items() if "dataflow" not in changes}
TABLE_VARIANTS = {name: changes for name, changes in VARIANTS.items() if "dataflow" in changes}

every_variant = pytest.mark.parametrize("variant", VARIANTS)
