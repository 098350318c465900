"""Folders of files that took long to make, kept under a key.

An entry is a folder that appears at once, by renaming, with a manifest of its files' sizes and checksums. Whoever
wants an entry checks it against the manifest; a damaged one is removed and made again. Two processes that want the
same entry agree by a lock of the operating system, which ends with the process that holds it, so there are no stale
locks; who has waited too long goes ahead on its own, which costs time and nothing else.
"""

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from trine.sim.errors import CacheError

try:
    import fcntl
except ImportError:  # not a POSIX system: no locks, so two processes may do the same work
    fcntl = None  # type: ignore[assignment]

FORMAT = "1"
MANIFEST = "manifest.json"
ABANDONED = 24 * 3600
"""Seconds after which an unfinished entry belongs to nobody any more."""


def default_folder() -> Path:
    """$TRINE_CACHE, or `trine` in the XDG cache folder (~/.cache)."""
    if chosen := os.environ.get("TRINE_CACHE"):
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser() / "trine"


def key_of(*parts: str | bytes) -> str:
    """32 hexadecimal digits that differ when any part, or the number of parts, differs."""
    digest = hashlib.sha256(FORMAT.encode())
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()[:32]


class Cache:
    """Entries of several kinds below one folder; nothing is written before the first entry is made.

    folder: where; `default_folder()` if not given. patience: seconds to wait for another process that makes the same
    entry.
    """

    def __init__(self, folder: Path | None = None, patience: float = 600) -> None:
        self.folder = (folder or default_folder()) / "sim"
        self._patience = patience

    def find(self, kind: str, key: str) -> Path | None:
        """The entry's folder, or nothing if it does not exist; a damaged one is removed first."""
        entry = self.folder / kind / key
        if not entry.is_dir():
            return None
        if _intact(entry):
            return entry
        self.remove(kind, key)
        return None

    def obtain(self, kind: str, key: str, make: Callable[[Path], None]) -> Path:
        """The entry's folder; if there is none, `make` fills a new one first.

        Raises what `make` raises, and CacheError if the cache cannot be written.
        """
        if (found := self.find(kind, key)) is not None:
            return found
        self._prepare(kind)
        with self._lock(f"{kind}-{key}"):
            if (found := self.find(kind, key)) is not None:
                return found
            work = Path(tempfile.mkdtemp(prefix=f"{kind}-{key}-", dir=self.folder / "unfinished"))
            try:
                make(work)
                return self._publish(work, kind, key)
            except OSError as error:  # a full disk, most likely
                raise CacheError(_unusable(self.folder, error)) from error
            finally:
                shutil.rmtree(work, ignore_errors=True)

    def remove(self, kind: str, key: str) -> None:
        """Removes the entry, if it exists; who is using its files keeps them."""
        entry = self.folder / kind / key
        try:
            self._prepare(kind)
            grave = Path(tempfile.mkdtemp(prefix="removed-", dir=self.folder / "unfinished"))
            with contextlib.suppress(FileNotFoundError):
                entry.rename(grave / key)
            shutil.rmtree(grave, ignore_errors=True)
        except OSError as error:
            raise CacheError(_unusable(self.folder, error)) from error

    def _prepare(self, kind: str) -> None:
        try:
            for name in (kind, "unfinished", "locks"):
                (self.folder / name).mkdir(parents=True, exist_ok=True)
            for path in (self.folder / "unfinished").iterdir():
                with contextlib.suppress(OSError):
                    if time.time() - path.stat().st_mtime > ABANDONED:
                        shutil.rmtree(path, ignore_errors=True)
            # Permission bits do not say whether writing works (read-only file systems, quotas): try.
            with tempfile.TemporaryFile(dir=self.folder / "unfinished") as probe:
                probe.write(b"x")
        except OSError as error:
            raise CacheError(_unusable(self.folder, error)) from error

    def _publish(self, work: Path, kind: str, key: str) -> Path:
        entry = self.folder / kind / key
        files = {path.name: [path.stat().st_size, _checksum(path)] for path in sorted(work.iterdir())}
        (work / MANIFEST).write_text(json.dumps({"files": files}, indent=1), encoding="utf-8")
        work.chmod(0o755)
        try:
            work.rename(entry)
        except OSError:  # another process was quicker, without a lock: its entry is as good
            if self.find(kind, key) is None:
                work.rename(entry)
        return entry

    @contextlib.contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        """Holds the lock of that name, or nothing if it could not be had within the patience."""
        try:
            handle = os.open(self.folder / "locks" / name, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise CacheError(_unusable(self.folder, error)) from error
        try:
            deadline = time.monotonic() + self._patience
            while fcntl is not None:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= deadline:
                        break
                    time.sleep(0.05)
                except OSError:  # a file system without locks
                    break
            yield
        finally:
            os.close(handle)


def _intact(entry: Path) -> bool:
    try:
        files = json.loads((entry / MANIFEST).read_text(encoding="utf-8"))["files"]
        for name, (size, checksum) in files.items():
            path = entry / name
            if path.stat().st_size != size or _checksum(path) != checksum:
                return False
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    return True


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _unusable(folder: Path, error: OSError) -> str:
    reason = error.strerror or error
    return f"the cache folder {folder} cannot be used ({reason}): make it writable, or set TRINE_CACHE to one that is"
