"""The reference: complete, well formed, and checked against what it is made from."""

import dataclasses

import pytest

from trine.firmware.configuration import Configuration
from trine.firmware.counters import COUNTER_NAMES
from trine.firmware.instructions import FIELD_PURPOSE
from trine.firmware.link import Error, Region, Request
from trine.firmware.presets import PRESETS
from trine.firmware.tables import attribute_docstrings, main, parameters, reference, table


def test_everything_is_there():
    text = reference()
    for name in [*COUNTER_NAMES, *FIELD_PURPOSE, *PRESETS]:
        assert f"| `{name}` |" in text
    for name in [*Error, *Region, *Request]:
        assert f"| {name.name} |" in text
    for field in dataclasses.fields(Configuration):
        assert f"`{field.name}`" in text.split("## Configuration")[1]


def test_rows_by_hand():
    text = reference()
    assert "| 1 | MATVEC | results = weights @ activations, row block after row block. |" in text
    assert "| 63:48 | `activation_chunk` | `activations` | first chunk in the activation buffer |" in text
    assert "| 0x05 | RUN | entry u32 | cycle u64 |" in text
    assert "| 10 | FAULT |" in text
    assert "| 2 | ACTIVATIONS | yes | no |" in text
    assert "| `trit5x8` | 5 | 8 | 1.6 | 243 |" in text
    assert "| `tinyfpga_bx` | iCE40LP8K-cm81 | 16 | 4 x 8 | `trit2` | 16,384 | 512 x 8 | 512 | 128 | 20 |" in text


def test_tables_are_rectangular():
    for block in reference().split("\n\n"):
        if block.startswith("|"):
            assert len({line.replace("\\|", "").count("|") for line in block.splitlines()}) == 1


def test_table():
    assert table(("a", "b"), [(1, "x|y")]) == "| a | b |\n| --- | --- |\n| 1 | x\\|y |"


def test_attribute_docstrings():
    source = 'class A:\n    """no"""\n    x = 1\n    """first\n    line"""\n    y = 2\n    z = 3\n    """third"""\n'
    assert attribute_docstrings(source, "A") == {"x": "first line", "z": "third"}


def test_parameters():
    assert parameters("Head.\n\n    a: one\n    b, c: two\n        and more\n\n    Raises x: y") == {
        "a": "one", "b, c": "two and more"}


def test_write_and_check(tmp_path, capsys):
    path = tmp_path / "reference.md"
    assert main([str(path)]) == 0
    assert path.read_text() == reference()
    assert main([str(path), "--check"]) == 0
    path.write_text(reference() + "more")
    assert main([str(path), "--check"]) == 1
    assert path.read_text() == reference() + "more"
    assert capsys.readouterr().err == f"{path} is out of date; run python -m trine.firmware.tables\n"


@pytest.mark.parametrize("option", [[], ["--check"]])
def test_no_file(tmp_path, capsys, option):
    path = tmp_path / "missing" / "reference.md"
    assert main([str(path), *option]) == 2
    assert capsys.readouterr().err == f"{path}: No such file or directory; is this a checkout?\n"
