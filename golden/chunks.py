"""Reading parts of a file that are larger than one wants in memory at once."""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from trine.golden.arrays import Float32, require_finite


def read_chunks(path: Path, offset: int, size: int, step: int) -> Iterator[bytes]:
    """`size` bytes of a file from `offset` on, `step` at a time; the last chunk may be shorter.

    The file is opened for it and closed again, so that nothing of it stays. Raises ValueError, beginning with the path,
    for a file that cannot be read and one that ends too early.
    """
    try:
        with open(path, "rb") as file:
            file.seek(offset)
            for start in range(0, size, step):
                count = min(step, size - start)
                chunk = file.read(count)
                if len(chunk) < count:
                    raise ValueError(f"{path}: cut short while it was read")
                yield chunk
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from error


def join_finite(path: Path, name: str, shape: tuple[int, ...], pieces: Iterable[Float32]) -> Float32:
    """The tensor `name` of a file, whose values are those of `pieces`, one after another, in memory once.

    Raises ValueError, beginning with the path and naming the value, if one is not finite.
    """
    values = np.empty(math.prod(shape), np.float32)
    at, finite = 0, True
    for piece in pieces:
        values[at : at + piece.size] = piece.reshape(-1)
        at += piece.size
        finite = finite and bool(np.isfinite(piece).all())
    values = values.reshape(shape)
    if not finite:
        try:
            require_finite(name, values)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
    return values
