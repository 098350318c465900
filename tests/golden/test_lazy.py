import pytest

from trine.golden.lazy import LazyMapping


def test_reads_each_time_and_only_when_indexed():
    asked = []

    def read(name):
        asked.append(name)
        return name.upper()

    mapping = LazyMapping(["b", "a"], read)
    assert list(mapping) == ["b", "a"]
    assert len(mapping) == 2
    assert "a" in mapping
    assert "c" not in mapping
    assert mapping.keys() == {"a", "b"}
    assert asked == []
    assert mapping["a"] == mapping["a"] == "A"
    assert asked == ["a", "a"]
    assert dict(mapping) == {"b": "B", "a": "A"}
    with pytest.raises(KeyError):
        mapping["c"]
    assert mapping.get("c") is None
    assert asked == ["a", "a", "b", "a"]
