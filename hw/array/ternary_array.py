"""The array of a configuration: one interface, two dataflows behind it."""

from trine.firmware.configuration import Configuration
from trine.hw.array.adder_array import AdderArray
from trine.hw.array.table_array import TableArray


def make_array(configuration: Configuration) -> AdderArray | TableArray:
    """The array that `configuration.dataflow` names."""
    return TableArray(configuration) if configuration.dataflow == "tables" else AdderArray(configuration)
