"""Reading parts of a file that are larger than one wants in memory at once."""

from collections.abc import Iterator
from pathlib import Path


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
