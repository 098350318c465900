import os

import pytest

from trine.host.errors import UsageError
from trine.host.output import output_file


def test_written(tmp_path):
    path = tmp_path / "a.txt"
    with output_file(path) as file:
        file.write(b"half")
        assert not path.exists()
        file.write(b" and half")
    assert path.read_bytes() == b"half and half"
    assert list(tmp_path.iterdir()) == [path]


def write(path, reason):
    with output_file(path) as file:
        file.write(b"new")
        raise reason


@pytest.mark.parametrize(("reason", "raised", "message"), [
    (KeyboardInterrupt(), KeyboardInterrupt, ""),
    (OSError(28, "No space left on device"), UsageError, r"a\.txt: cannot be written: No space left on device$"),
    (OSError("short"), UsageError, r"a\.txt: cannot be written: short$"),
])
def test_what_ends_it_leaves_the_old_file(tmp_path, reason, raised, message):
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    with pytest.raises(raised, match=message):
        write(path, reason)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("name", "reason"), [
    ("no/a.txt", "No such file or directory"), ("folder", "Is a directory"), ("file/a.txt", "Not a directory")])
def test_cannot_be_written(tmp_path, name, reason):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    path = tmp_path / name
    with pytest.raises(UsageError, match=f"^{path}: cannot be written: {reason}"), output_file(path) as file:
        file.write(b"new")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]
