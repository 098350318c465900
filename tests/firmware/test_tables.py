"""The reference: complete, well formed, and checked against what it is made from."""

import dataclasses

import pytest

from trine.firmware.configuration import Configuration
from trine.firmware.counters import COUNTER_NAMES
from trine.firmware.instructions import FIELD_PURPOSE
from trine.firmware.presets import PRESETS
from trine.firmware.tables import PAGES, main, reference


def test_everything_is_there():
    text = reference()
    for name in [*COUNTER_NAMES, *FIELD_PURPOSE, *PRESETS]:
        assert f"| `{name}` |" in text
    for field in dataclasses.fields(Configuration):
        assert f"`{field.name}`" in text.split("## Configuration")[1]


def test_rows_by_hand():
    text = reference()
    assert "| 1 | MATVEC | results = weights @ activations, row block after row block. |" in text
    assert "| 63:48 | `activation_chunk` | `activations` | first chunk in the activation buffer |" in text
    assert "| `trit5x8` | 5 | 8 | 1.6 | 243 |" in text
    assert "| `tinyfpga_bx` | iCE40LP8K-cm81 | 16 | 4 x 8 | `trit2` | 16,384 | 512 x 8 | 512 | 128 | 20 |" in text


def test_tables_are_rectangular():
    for page in PAGES.values():
        for block in page().split("\n\n"):
            if block.startswith("|"):
                assert len({line.replace("\\|", "").count("|") for line in block.splitlines()}) == 1


def test_write_and_check(tmp_path, capsys):
    assert main([str(tmp_path)]) == 0
    for name, page in PAGES.items():
        assert (tmp_path / name).read_text() == page()
    assert main([str(tmp_path), "--check"]) == 0
    for name, page in PAGES.items():
        path = tmp_path / name
        path.write_text(page() + "more")
        assert main([str(tmp_path), "--check"]) == 1
        assert path.read_text() == page() + "more"
        assert capsys.readouterr().err == f"{path} is out of date; run python -m trine.firmware.tables\n"
        path.write_text(page())


@pytest.mark.parametrize("option", [[], ["--check"]])
def test_no_folder(tmp_path, capsys, option):
    path = tmp_path / "missing"
    assert main([str(path), *option]) == 2
    assert capsys.readouterr().err == f"{path / 'reference.md'}: No such file or directory; is this a checkout?\n"
