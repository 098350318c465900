"""Configurations small enough to be worked out by hand."""

from collections.abc import Callable
from typing import Any

import pytest

from trine.firmware.configuration import UART_3M, Configuration

MakeConfiguration = Callable[..., Configuration]


def small_configuration(**changes: Any) -> Configuration:
    """4 lanes x 6 columns of two-bit trits, memories of a few words; any field can be changed."""
    values: dict[str, Any] = {
        "name": "small", "part": "none", "clock_mhz": 1, "lanes": 4, "depth": 6, "packing": "trit2",
        "weight_words": 40, "activation_chunks": 6, "result_beats": 16, "result_width": 2, "program_words": 16,
        "accumulator_bits": 20, "maximum_payload": 64, "timeout_cycles": 1000, "link": UART_3M,
    }
    return Configuration(**(values | changes))


@pytest.fixture(name="configure", scope="session")
def _configure() -> MakeConfiguration:
    """`small_configuration`, for tests that choose their own geometry."""
    return small_configuration


@pytest.fixture(name="small", scope="session")
def _small() -> Configuration:
    """`small_configuration` as it is."""
    return small_configuration()
