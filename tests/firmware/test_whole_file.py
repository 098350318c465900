"""firmware.whole_file: what a file's name stands for is old or new, and never in between."""

import pytest

from trine.firmware.whole_file import whole_file


def test_written(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with whole_file(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("reason", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError("bad")])
def test_what_ends_it_leaves_the_old_file(tmp_path, reason):
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def write():
        with whole_file(path) as file:
            file.write(b"half")
            raise reason

    with pytest.raises(type(reason)) as raised:
        write()
    assert raised.value is reason
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
