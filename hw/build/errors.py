"""What can go wrong in a build, each a class of its own; the first line of a message says what, and what to do.

`exit_code` is the code with which a command should end: 2 for bad input, 3 for a build that failed, 4 for a machine
that lacks something.
"""

from typing import ClassVar


class BuildError(Exception):
    """Base of everything that this package raises on purpose, except ValueError for a wrong argument."""

    exit_code: ClassVar[int] = 3


class ToolFailed(BuildError):
    """A tool ended with an error, wrote nothing, or took too long; further lines are the last of its log."""


class DoesNotFit(BuildError):
    """The design needs more of something than the part may be used for."""


class TimingNotMet(BuildError):
    """No seed reaches the clocks that the board needs; the message gives the nearest one and its slowest paths."""


class ToolMissing(BuildError):
    """A tool is not installed; the message says what to install."""

    exit_code = 4


class ReportError(BuildError):
    """A file is not a routed report; the message names the file, if there is one, and the key."""

    exit_code = 2
