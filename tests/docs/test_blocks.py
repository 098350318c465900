"""Every block of README.md and docs/ is what it says: Python runs, commands exist, configurations load.

The blocks of a page run in order, in one folder and one namespace. `sim` and `twin` devices are replaced by `golden`
ones, which answer the same without minutes of compilation. What takes long is not run, by commands.NOT_RUN, or
because a comment before the block says why: `<!-- not run: WHY -->`; it is still parsed.
"""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from tests.docs.commands import WrongCommand, golden, mentioned, parse, run, split
from tests.docs.pages import PAGES, ROOT, read_page
from trine.firmware.configuration import ConfigurationError, load_configuration

_DEVICE = re.compile(r'(?<=open_device\(")[^"]*(?=")')


def check(path, everything=False):
    """Execute or parse all that a page shows; WrongCommand, with where it is, or what a block of Python raises.

    everything: blocks that are marked as not run are run.
    """
    page = read_page(path)
    namespace = {"__name__": "page"}
    for block in page.blocks:
        check_block(replace(block, not_run=None) if everything else block, namespace)
    for line, span in page.spans:
        try:
            mentioned(span)
        except WrongCommand as error:
            raise WrongCommand(f"{path.name}:{line}: {error}") from error


def check_block(block, namespace):
    if block.language == "python":
        text = "\n" * block.line + _DEVICE.sub(lambda name: golden(name.group()), block.text)
        code = compile(text, str(block.page), "exec")
        if block.not_run is None:
            exec(code, namespace)
    elif block.language == "sh":
        for line in block.text.replace("\\\n", " ").splitlines():
            check_line(block, line)
    elif block.language == "toml":
        name = re.match(r"# ([\w.-]+\.toml)\b", block.text)
        path = Path(name[1] if name else "own.toml")
        path.write_text(block.text)
        load_configuration(path)
    elif block.language == "json":
        json.loads(block.text)
    elif block.language == "text":  # what a program prints, or what is drawn with characters
        commands = re.findall(r"^(?:\.venv/bin/)?(?:trine|make|python) .*", block.text, re.MULTILINE)
        if commands:
            raise WrongCommand(f"{block.place}: commands belong into a block of sh: {commands[0]}")
    elif not block.language.startswith("{"):  # which Sphinx executes
        raise WrongCommand(f"{block.place}: a block of {block.language or 'no language'} cannot be checked; it is one "
                           "of python, sh, toml, json and text")


def check_line(block, line):
    try:
        commands = split(line)
        for words in commands:
            parse(words)
        if block.not_run is None and len(commands) == 1:
            code = run(commands[0])
            if code:
                raise WrongCommand(f"exit code {code}")
    except WrongCommand as error:
        raise WrongCommand(f"{block.place}: {line}: {error}") from error


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_page(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check(path)


def written(folder, *blocks):
    path = folder / "page.md"
    path.write_text("\n\n".join(blocks))
    return path


@pytest.mark.parametrize(("text", "fault"), [
    ("```sh\ntrine frobnicate\n```", r"page\.md:1: trine frobnicate: trine has no subcommand frobnicate"),
    ("```sh\ntrine demo --loud\n```", r"page\.md:1: trine demo --loud: trine demo: No such option.*--loud"),
    ("```sh\ntrine compile austen-small\n```", "Missing option '-o'"),
    ("```sh\ntrine info nothing\n```", "trine info nothing: exit code 2"),
    ("```sh\ntrine demo --seed x | head\n```", "Invalid value for '--seed'"),
    ("<!-- not run: hours -->\n\n```sh\ntrine build --fast ulx3s_85f\n```", "No such option.*--fast"),
    ("```sh\nmake everything\n```", "the Makefile has no target everything"),
    ("```sh\nrm -r .\n```", "rm: no such program"),
    ("```sh\ntrine info > file\n```", "> is not understood here"),
    ("```sh\npython -m trine.nothing\n```", "there is no module trine.nothing"),
    ("```sh\npython examples/nothing.py\n```", "there is no file examples/nothing.py"),
    ("```sh\npython examples/zero_columns.py --nothing\n```", "examples/zero_columns.py has no option --nothing"),
    ("```\ntrine info\n```", "a block of no language cannot be checked"),
    ("```text\ntrine info\n```", "commands belong into a block of sh: trine info"),
    ("text\n\n    indented\n", "a block of no language cannot be checked"),
    ("`trine nothing`", r"page\.md:1: trine has no subcommand nothing"),
    ("`trine build PRESET --fast`", "trine build has no option --fast"),
    ("| a |\n|---|\n| `make everything` |", r"page\.md:3: the Makefile has no target everything"),
])
def test_wrong_command(tmp_path, monkeypatch, text, fault):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WrongCommand, match=fault):
        check(written(tmp_path, text))


@pytest.mark.parametrize(("text", "error"), [
    ("```python\nassert 1 == 2\n```", AssertionError),
    ("<!-- not run: no reason -->\n\n```python\nassert 1 ==\n```", SyntaxError),
    ('```toml\nbase = "ulx3s_85f"\nlanse = 8\n```', ConfigurationError),
    ("```json\n{1: 2}\n```", json.JSONDecodeError),
])
def test_wrong_block(tmp_path, monkeypatch, text, error):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error):
        check(written(tmp_path, text))


def test_blocks_build_on_each_other(tmp_path, monkeypatch):
    """Files, names and configurations of a page are there for its later blocks; a simulator is not compiled."""
    monkeypatch.chdir(tmp_path)
    check(written(
        tmp_path,
        "- a list\n\n  ```python\n  from trine.host.open import open_device\n  name = 'x'\n  ```",
        '```toml\n# mine.toml: twice as deep\nbase = "ulx3s_85f"\nweight_words = 4096\n```',
        '```python\nwith open_device("sim:mine.toml") as device:\n'
        "    assert device.configuration.weight_words == 4096\n"
        "    open(name, 'w').close()\n```",
        "```sh\ntrine demo --device sim --config mine.toml   # comment\ntrine build ulx3s_85f --config mine.toml\n```",
        "<!-- not run: it fails -->\n\n```python\nraise ValueError\n```",
    ))
    assert (tmp_path / "x").exists()
