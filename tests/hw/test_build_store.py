"""hw.build.store: what is kept is found again."""

from pathlib import Path

from trine.hw.build.store import Store, default_folder


def test_kept(tmp_path):
    store = Store(tmp_path / "new" / "folder")
    assert store.get("route", "a", 1) is None
    store.put("naïve\n", "route", "a", 1)
    assert store.get("route", "a", 1) == "naïve\n"
    assert Store(store.folder).get("route", "a", 1) == "naïve\n"
    store.put("again", "route", "a", 1)
    assert store.get("route", "a", 1) == "again"


def test_keys_differ(tmp_path):
    store = Store(tmp_path)
    store.put("text", "route", "a", 1)
    assert store.get("route", "a", 2) is None
    assert store.get("route", "a", "1") is None
    assert store.get("route", "a1") is None


def test_damaged_is_absent(tmp_path):
    store = Store(tmp_path)
    store.put("text" * 100, "key")
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    for damaged in (b"", whole[:-9], b"x" + whole[1:], whole[:12] + b"\xff\xff\xff" + whole[15:]):
        path.write_bytes(damaged)
        assert store.get("key") is None


def test_default_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("TRINE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "trine" / "routed"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_folder() == Path.home() / ".cache" / "trine" / "routed"
    monkeypatch.setenv("TRINE_CACHE", str(tmp_path / "mine"))
    assert default_folder() == tmp_path / "mine" / "routed"
