"""What can go wrong, by whose turn it is to act; the command turns each into one line and its exit code.

The library raises these too, so a program that drives a device catches `TrineError` and has everything.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar


class TrineError(Exception):
    """A failure that a user can understand: the message is one line that says what is wrong and what to do."""

    exit_code: ClassVar[int] = 1


class DeviceError(TrineError):
    """The device does not answer, answers wrongly, or refused a request."""

    exit_code = 1


class MismatchError(DeviceError):
    """An integer, or a count of cycles, of the device is not the one that golden or the cycle model says."""


class UsageError(TrineError):
    """Bad input: an unknown name, a file that is not what it should be, a wrong shape, a model that is too big."""

    exit_code = 2


class BuildError(TrineError):
    """A tool that builds a simulator, Verilog or a bitstream failed."""

    exit_code = 3


class SetupError(TrineError):
    """This machine lacks something: a compiler, a tool, a writable folder."""

    exit_code = 4


INTERRUPTED = 130
"""Exit code after Ctrl-C."""


@contextmanager
def bad_input() -> Iterator[None]:
    """Around code that reads what a user gave: its ValueError or OSError becomes a UsageError of the same message."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"{error.filename}: {error.strerror}" if error.filename else str(error)) from error
    except ValueError as error:
        raise UsageError(str(error)) from error


@contextmanager
def one_line_failures(program: str) -> Iterator[None]:
    """Around a script's work: a TrineError ends the script in one line, after the program's name, and its exit code.

    Ctrl-C ends it without a word. Everything else is raised.
    """
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except TrineError as error:
        print(f"{program}: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(error.exit_code)
