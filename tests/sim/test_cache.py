"""Entries appear whole, are checked, and are made again when they are damaged."""

import fcntl
import os
import time
from pathlib import Path

import pytest

from trine.sim.cache import ABANDONED, MANIFEST, Cache, default_folder, key_of
from trine.sim.errors import CacheError


class Maker:
    """Fills an entry with one file, and counts how often it had to."""

    def __init__(self, content: bytes = b"content") -> None:
        self.calls = 0
        self._content = content

    def __call__(self, folder: Path) -> None:
        self.calls += 1
        (folder / "file").write_bytes(self._content)


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache", patience=0.2)


def test_default_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    monkeypatch.delenv("TRINE_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert default_folder() == Path("/home/somebody/.cache/trine")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/caches")
    assert default_folder() == Path("/var/caches/trine")
    monkeypatch.setenv("TRINE_CACHE", "~/own")
    assert default_folder() == Path("/home/somebody/own")


def test_keys_tell_parts_apart():
    assert len({key_of("ab", "c"), key_of("a", "bc"), key_of("abc"), key_of("abc", "")}) == 4
    assert key_of("a", b"b") == key_of("a", "b")


def test_an_entry_is_made_once(cache):
    make = Maker()
    entry = cache.obtain("kind", "key", make)
    assert (entry / "file").read_bytes() == b"content"
    assert cache.obtain("kind", "key", make) == entry == cache.find("kind", "key")
    assert make.calls == 1
    assert cache.find("kind", "other") is None


@pytest.mark.parametrize("damage", [
    lambda entry: (entry / "file").write_bytes(b"cont"),
    lambda entry: (entry / "file").write_bytes(b"c0ntent"),
    lambda entry: (entry / "file").unlink(),
    lambda entry: (entry / MANIFEST).unlink(),
    lambda entry: (entry / MANIFEST).write_text("{"),
    lambda entry: (entry / MANIFEST).write_text('{"files": []}'),
])
def test_a_damaged_entry_is_made_again(cache, damage):
    make = Maker()
    entry = cache.obtain("kind", "key", make)
    damage(entry)
    assert (cache.obtain("kind", "key", make) / "file").read_bytes() == b"content"
    assert make.calls == 2
    damage(entry)
    assert cache.find("kind", "key") is None
    assert not entry.exists()


def test_a_failed_entry_leaves_nothing(cache):
    def fail(folder: Path) -> None:
        (folder / "file").write_bytes(b"half")
        raise RuntimeError("no luck")

    with pytest.raises(RuntimeError, match="no luck"):
        cache.obtain("kind", "key", fail)
    assert cache.find("kind", "key") is None
    assert list((cache.folder / "unfinished").iterdir()) == []


def test_abandoned_work_is_cleared_away(cache):
    cache.obtain("kind", "key", Maker())
    old, new = cache.folder / "unfinished" / "old", cache.folder / "unfinished" / "new"
    for path in (old, new):
        path.mkdir()
    os.utime(old, (0, time.time() - ABANDONED - 10))
    cache.obtain("kind", "other", Maker())
    assert not old.exists()
    assert new.exists()


def test_a_lock_that_is_held_for_ever_does_not_hang(cache):
    cache.obtain("kind", "other", Maker())
    handle = os.open(cache.folder / "locks" / "kind-key", os.O_RDWR | os.O_CREAT)
    fcntl.flock(handle, fcntl.LOCK_EX)
    try:
        started = time.monotonic()
        make = Maker()
        cache.obtain("kind", "key", make)
        assert time.monotonic() - started >= 0.2
        assert make.calls == 1
    finally:
        os.close(handle)


def test_who_waited_takes_what_was_made_meanwhile(tmp_path):
    patient = Cache(tmp_path / "cache", patience=60)
    inner = Maker(b"inner")

    def make(folder: Path) -> None:
        # As if another process, without locks, had been quicker.
        entry = patient.folder / "kind" / "key"
        entry.mkdir()
        inner(entry)
        (entry / MANIFEST).write_text('{"files": {}}')
        (folder / "file").write_bytes(b"outer")

    assert (patient.obtain("kind", "key", make) / "file").read_bytes() == b"inner"


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CacheError, match=r"cannot be used .*set TRINE_CACHE") as error:
        Cache(tmp_path / "file").obtain("kind", "key", Maker())
    assert error.value.exit_code == 4


def test_a_full_disk(cache):
    def fail(folder: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(CacheError, match="No space left"):
        cache.obtain("kind", "key", fail)
