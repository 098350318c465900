import pytest

from trine.golden.json_object import one_line, parse_object


def test_parse_object():
    assert parse_object(b'{"a": {"b": 1}, "b": [{"b": null}]}') == {"a": {"b": 1}, "b": [{"b": None}]}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "not JSON"),
        (b"{]", "not JSON"),
        (b"\x80", "not JSON"),
        (b"[1]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"1" * 5000, "not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a": {"b": 1, "b": 2}}', "b stands twice in one object"),
    ],
)
def test_parse_object_wrong(text, message):
    with pytest.raises(ValueError, match=message) as error:
        parse_object(text)
    assert "\n" not in str(error.value)


def test_one_line():
    assert one_line("model.norm.weight") == "model.norm.weight"
    assert one_line("a\nb\ud800") == r"'a\nb\ud800'"
    assert len(one_line("a" * 100)) == len(one_line("\n" * 100)) == 80
