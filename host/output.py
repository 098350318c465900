"""Files that a command writes: whole, or not at all, and what prevents it in one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from trine.firmware.whole_file import whole_file
from trine.host.errors import UsageError


@contextmanager
def output_file(path: Path) -> Iterator[BinaryIO]:
    """A file as of `whole_file`, of which an OSError, the block's included, is a UsageError that begins with `path`."""
    try:
        with whole_file(path) as file:
            yield file
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror or error}") from error
