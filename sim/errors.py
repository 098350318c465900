"""What can go wrong here, each a class of its own; the message is one line that says what is wrong and what to do.

`exit_code` is the code with which a command should end: 1 for wrong integers, 3 for a build that failed, 4 for a
machine that lacks something.
"""

from typing import ClassVar


class SimulatorError(Exception):
    """Base of everything that this package raises on purpose, except TimeoutError and ValueError."""

    exit_code: ClassVar[int] = 3


class UnsupportedDesign(SimulatorError):
    """The design contains something that has no simulation model, or ports that nothing drives."""


class ToolFailed(SimulatorError):
    """A tool ended with an error, or took too long; the message ends with the tool's last lines."""


class ToolMissing(SimulatorError):
    """A tool is not installed; the message says what to install."""

    exit_code = 4


class NetlistMismatch(SimulatorError):
    """A netlist computes another integer than golden, or does not answer as it should."""

    exit_code = 1


class CacheError(SimulatorError):
    """The folder of compiled simulators cannot be used."""

    exit_code = 4
