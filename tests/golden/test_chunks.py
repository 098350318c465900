import pytest

from trine.golden.chunks import read_chunks


@pytest.mark.parametrize(("size", "step", "sizes"), [(10, 4, [4, 4, 2]), (8, 4, [4, 4]), (3, 100, [3]), (0, 4, [])])
def test_read_chunks(tmp_path, size, step, sizes):
    path = tmp_path / "x"
    path.write_bytes(bytes(range(20)))
    chunks = list(read_chunks(path, 5, size, step))
    assert [len(chunk) for chunk in chunks] == sizes
    assert b"".join(chunks) == bytes(range(5, 5 + size))


def test_wrong(tmp_path):
    path = tmp_path / "x"
    with pytest.raises(ValueError, match="x: No such file"):
        list(read_chunks(path, 0, 1, 1))
    path.write_bytes(b"abc")
    with pytest.raises(ValueError, match="x: cut short while it was read"):
        list(read_chunks(path, 1, 3, 2))
    with pytest.raises(ValueError, match=r": Is a directory"):
        list(read_chunks(tmp_path, 0, 1, 1))
