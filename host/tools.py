"""Errors of the tools that sim and hw run, in host's terms."""

from collections.abc import Iterator
from contextlib import contextmanager

from trine.host.errors import BuildError, MismatchError, SetupError, TrineError, UsageError

_BY_EXIT_CODE: dict[int, type[TrineError]] = {
    error.exit_code: error for error in (MismatchError, UsageError, BuildError, SetupError)}


@contextmanager
def tools_run(*errors: type[Exception]) -> Iterator[None]:
    """Around work of tools: `errors`, each with an `exit_code` of 1 to 4, become host's error of that code.

    The message becomes one line, without the indented tail of a log that may follow it.
    """
    try:
        yield
    except errors as error:
        message = " ".join(str(error).partition("\n    ")[0].split())
        raise _BY_EXIT_CODE[getattr(error, "exit_code", BuildError.exit_code)](message) from error
