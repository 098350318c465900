"""hw.build.source: what changes the source hash, and what does not."""

import ast
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import trine.hw
from trine.firmware.presets import PRESETS
from trine.hw.build.source import SHARED, configuration_text, source_hash

PACKAGE = Path(trine.hw.__file__).parents[1]

CODE = '''"""What a file is about."""

from amaranth.hdl import Signal  # all that is needed


class Lane:
    """A lane."""

    WIDTH = 8
    """of a code"""

    def name(self):
        """Its name."""
        return "lane # 1"

    def empty(self):
        """Nothing."""
'''


@pytest.fixture
def package(tmp_path):
    for name in (*SHARED, "hw/lane.py", "hw/build/report.py", "golden/transformer.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(CODE)
    return tmp_path


def test_independent_of_the_folder(package, tmp_path):
    other = tmp_path / "elsewhere"
    for folder in ("hw", "golden", "firmware"):
        shutil.copytree(package / folder, other / folder)
    assert source_hash("{}", other) == source_hash("{}", package)
    assert re.fullmatch("[0-9a-f]{64}", source_hash("{}", package))


@pytest.mark.parametrize("name", ["hw/lane.py", *SHARED])
def test_code_counts(package, name):
    before = source_hash("{}", package)
    (package / name).write_text(CODE.replace("WIDTH = 8", "WIDTH = 9"))
    assert source_hash("{}", package) != before


def test_file_names_count(package):
    before = source_hash("{}", package)
    (package / "hw/lane.py").rename(package / "hw/line.py")
    assert source_hash("{}", package) != before


def test_new_file_counts(package):
    before = source_hash("{}", package)
    (package / "hw/array").mkdir()
    (package / "hw/array/new.py").write_text("")
    assert source_hash("{}", package) != before


def test_text_and_file_are_told_apart(package):
    (package / "hw/lane.py").write_text("x = 1")
    one = source_hash("\ny = 2", package)
    (package / "hw/lane.py").write_text("x = 1\ny = 2")
    assert source_hash("", package) != one


def test_configuration_counts(package):
    assert source_hash("{}", package) != source_hash("{} ", package)


@pytest.mark.parametrize("name", ["hw/build/report.py", "golden/transformer.py"])
def test_other_files_do_not_count(package, name):
    before = source_hash("{}", package)
    (package / name).write_text("changed = True\n")
    assert source_hash("{}", package) == before


@pytest.mark.parametrize(("old", "new"), [
    ("# all that is needed", "# nothing else"),
    ("  # all that is needed", ""),
    ('"""A lane."""', '"""A lane,\n    described better: é.\n    """'),
    ('"""of a code"""', '# of a code'),
    ('"""Its name."""', '"""Its name"""  # short'),
    ("\n\n\n", "\n\n"),
    ("WIDTH = 8", "WIDTH = 8   "),
])
def test_words_do_not_count(package, old, new):
    before = source_hash("{}", package)
    (package / "hw/lane.py").write_text(CODE.replace(old, new))
    assert (package / "hw/lane.py").read_text() != CODE
    assert source_hash("{}", package) == before


@pytest.mark.parametrize(("one", "other"), [
    ('x = "lane # 1"', 'x = "lane # 2"'),
    ('def f():\n    return "a"', 'def f():\n    "a"'),
    ("class A:\n    x = 1\n    y = 2", "class A:\n    x = 1\ny = 2"),
    ('"""doc"""; x = 1', '"""doc"""; x = 2'),
])
def test_strings_and_indentation_count(package, one, other):
    (package / "hw/lane.py").write_text(one)
    before = source_hash("{}", package)
    (package / "hw/lane.py").write_text(other)
    assert source_hash("{}", package) != before


def test_everything_that_hw_imports_counts():
    """No module of ours that the gateware imports is left out."""
    for path in (PACKAGE / "hw").rglob("*.py"):
        if "build" in path.relative_to(PACKAGE).parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("trine."):
                name = node.module.removeprefix("trine.").replace(".", "/") + ".py"
                assert name.startswith("hw/") or name in SHARED, f"{path} imports {node.module}"


def test_configuration_text():
    configuration = PRESETS["ulx3s_25f"]
    text = configuration_text(configuration)
    assert configuration_text(replace(configuration, name="mine", link=None)) == text
    for changes in ({"clock_mhz": 80}, {"part": "LFE5U-45F-6-CABGA381"}, {"lanes": 16}, {"bare": True},
                    {"maximum_payload": 1024}):
        assert configuration_text(replace(configuration, **changes)) != text
