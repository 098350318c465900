"""Files that are there whole or not at all, whatever ends their writing."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to be written, under another name in the same folder until the block has ended.

    Whatever ends it before, nothing is left, and what had the name still has it. Raises OSError, and what the block
    raises. Two threads of a process must not write the same file at once.
    """
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with open(unfinished, "wb") as file:
            yield file
        unfinished.replace(path)
    finally:
        with suppress(OSError):  # of a file system that cannot be written, missing or not
            unfinished.unlink(missing_ok=True)
