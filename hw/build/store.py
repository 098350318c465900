"""Keeps what took long to compute, so that a report that was stopped goes on where it was.

The folder is outside of any checkout and may be deleted at any time. An entry's name is a hash of everything that it
depends on, so entries are never out of date; one that is damaged counts as absent.
"""

import gzip
import hashlib
import os
import tempfile
import zlib
from pathlib import Path


def default_folder() -> Path:
    """`routed` in $TRINE_CACHE, or else in `trine` in the XDG cache folder (~/.cache)."""
    if chosen := os.environ.get("TRINE_CACHE"):
        return Path(chosen).expanduser() / "routed"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser() / "trine" / "routed"


class Store:
    """Texts under keys, in a folder that is made when it is first needed."""

    def __init__(self, folder: Path):
        self.folder = folder

    def get(self, *key: object) -> str | None:
        """The text kept under a key, None if there is none."""
        try:
            data = self._path(key).read_bytes()
            return gzip.decompress(data).decode() if data else None
        except (OSError, EOFError, zlib.error, UnicodeDecodeError):
            return None

    def put(self, text: str, *key: object) -> None:
        """Keeps a text; another process sees it whole or not at all."""
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(gzip.compress(text.encode(), compresslevel=6))
        os.replace(file.name, path)

    def _path(self, key: tuple[object, ...]) -> Path:
        return self.folder / f"{hashlib.sha256(repr(key).encode()).hexdigest()}.gz"
