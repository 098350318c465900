"""hw.build.source: what changes the source hash, and what does not."""

import ast
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import trine.hw
from trine.firmware.presets import PRESETS
from trine.hw.build.source import _code, configuration_text, modules, source_hash, top_module

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


TOP = "hw.lane"
MADE_FROM = ("hw/lane.py", "hw/array/tree.py", "hw/array/half.py", "firmware/configuration.py", "golden/packing.py")
OTHERS = ("hw/usb.py", "hw/build/report.py", "golden/transformer.py", "firmware/presets.py", "__init__.py",
          "hw/__init__.py")


@pytest.fixture
def package(tmp_path):
    """hw.lane and, in each way in which one module can import another, what it is made from."""
    imports = {
        "hw/lane.py": "import trine.hw.array.tree\n",
        "hw/array/tree.py": "from trine.hw.array import half, no_module\n",
        "hw/array/half.py": "from trine.firmware.configuration import Configuration\nimport hw.usb, trine.absent\n",
        "firmware/configuration.py": "from trine.golden.packing import (\n    Packing,\n)\n\n"
                                     "def find():\n    from trine.firmware.presets import PRESETS\n",
        "golden/packing.py": "import trine.hw.lane as itself\n",
    }
    for name in (*MADE_FROM, *OTHERS):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(CODE + imports.get(name, ""))
    return tmp_path


def test_modules(package):
    assert modules(TOP, package) == {package / name for name in MADE_FROM}
    assert modules("golden.transformer", package) == {package / "golden/transformer.py"}


def test_independent_of_the_folder(package, tmp_path):
    other = tmp_path / "elsewhere"
    for folder in ("hw", "golden", "firmware"):
        shutil.copytree(package / folder, other / folder)
    assert source_hash(TOP, "{}", other) == source_hash(TOP, "{}", package)
    assert re.fullmatch("[0-9a-f]{64}", source_hash(TOP, "{}", package))


@pytest.mark.parametrize("name", MADE_FROM)
def test_code_counts(package, name):
    before = source_hash(TOP, "{}", package)
    (package / name).write_text((package / name).read_text().replace("WIDTH = 8", "WIDTH = 9"))
    assert source_hash(TOP, "{}", package) != before


def test_file_names_count(package):
    before = source_hash(TOP, "{}", package)
    (package / "hw/array/half.py").rename(package / "hw/array/part.py")
    tree = package / "hw/array/tree.py"
    tree.write_text(tree.read_text().replace("half", "part"))
    changed = source_hash(TOP, "{}", package)
    (package / "hw/array/part.py").rename(package / "hw/array/half.py")
    assert len({before, changed, source_hash(TOP, "{}", package)}) == 3


def test_new_import_counts(package):
    before = source_hash(TOP, "{}", package)
    (package / "hw/array/no_module.py").write_text("")
    assert source_hash(TOP, "{}", package) != before


def test_text_and_file_are_told_apart(package):
    (package / "hw/lane.py").write_text("x = 1")
    one = source_hash(TOP, "\ny = 2", package)
    (package / "hw/lane.py").write_text("x = 1\ny = 2")
    assert source_hash(TOP, "", package) != one


def test_configuration_counts(package):
    assert source_hash(TOP, "{}", package) != source_hash(TOP, "{} ", package)


@pytest.mark.parametrize("name", OTHERS)
def test_other_files_do_not_count(package, name):
    before = source_hash(TOP, "{}", package)
    (package / name).write_text("changed = True\n")
    assert source_hash(TOP, "{}", package) == before


def test_no_such_module(package):
    with pytest.raises(ValueError, match=r"has no module 'hw\.line'$"):
        source_hash("hw.line", "{}", package)


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
    before = source_hash(TOP, "{}", package)
    lane = package / "hw/lane.py"
    code = lane.read_text()
    lane.write_text(code.replace(old, new))
    assert lane.read_text() != code
    assert source_hash(TOP, "{}", package) == before


@pytest.mark.parametrize(("one", "other"), [
    ('x = "lane # 1"', 'x = "lane # 2"'),
    ('def f():\n    return "a"', 'def f():\n    "a"'),
    ("class A:\n    x = 1\n    y = 2", "class A:\n    x = 1\ny = 2"),
    ('"""doc"""; x = 1', '"""doc"""; x = 2'),
])
def test_strings_and_indentation_count(package, one, other):
    (package / "hw/lane.py").write_text(one)
    before = source_hash(TOP, "{}", package)
    (package / "hw/lane.py").write_text(other)
    assert source_hash(TOP, "{}", package) != before


def test_gateware_imports_outside_of_functions():
    """Where `modules` looks; what else a report's gateware loads would not count."""
    found = {path for preset in PRESETS.values() for path in modules(top_module(preset))}
    for path in (path for path in found if path.relative_to(PACKAGE).parts[0] == "hw"):
        tree = ast.parse(path.read_text())
        inner = {node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)} - set(tree.body)
        assert not inner, f"{path} imports something in its line {min(node.lineno for node in inner)}"


def test_folders_hold_no_code():
    """The __init__.py, which do not count."""
    for folder in ("hw", "golden", "firmware"):
        for path in (PACKAGE / folder).rglob("__init__.py"):
            assert _code(path.read_text()) == "", path


def test_top_module():
    bare, whole = PRESETS["array_25f_384"], PRESETS["ulx3s_25f"]
    names = {preset: {path.relative_to(PACKAGE).as_posix() for path in modules(top_module(preset))}
             for preset in (bare, whole)}
    assert {"hw/bare_array.py", "hw/array/table_array.py", "golden/packing.py"} <= names[bare]
    assert {"hw/accelerator.py", "hw/link/receiver.py", "firmware/link.py"} <= names[whole]
    assert not [name for name in names[bare] if "link" in name or "accelerator" in name]
    assert not [name for name in names[bare] | names[whole] if "usb" in name or "hw/build" in name]


def test_configuration_text():
    configuration = PRESETS["ulx3s_25f"]
    text = configuration_text(configuration)
    assert configuration_text(replace(configuration, name="mine", link=None)) == text
    for changes in ({"clock_mhz": 80}, {"part": "LFE5U-45F-6-CABGA381"}, {"lanes": 16}, {"bare": True},
                    {"maximum_payload": 1024}):
        assert configuration_text(replace(configuration, **changes)) != text
