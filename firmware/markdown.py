"""Markdown made from definitions: tables, and the docstrings that explain names."""

import ast
import inspect
from collections.abc import Iterable, Sequence
from itertools import pairwise
from types import ModuleType


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; cells are shown by str, with their vertical bars escaped."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def attribute_docstrings(source: str, name: str | None = None) -> dict[str, str]:
    """{attribute: docstring} of class `name` in a module's source, or of the module, where a string follows one.

    An assignment to several is found under the first.
    """
    body = ast.parse(source).body
    if name is not None:
        body = next(node.body for node in body if isinstance(node, ast.ClassDef) and node.name == name)
    found: dict[str, str] = {}
    for before, after in pairwise(body):
        if isinstance(before, ast.Assign) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            target = before.targets[0]
            first = target.elts[0] if isinstance(target, ast.Tuple) else target
            assert isinstance(first, ast.Name)
            found[first.id] = " ".join(str(after.value.value).split())
    return found


def module_docstring(module: ModuleType, name: str) -> str:
    """The docstring of an attribute of a module, as one paragraph."""
    return attribute_docstrings(inspect.getsource(module))[name]


def parameters(docstring: str) -> dict[str, str]:
    """{name: description} of the lines `name: description` in a docstring; names may be several, with commas."""
    found: dict[str, str] = {}
    for line in inspect.cleandoc(docstring).split("\n\n")[1].splitlines():
        if line.startswith(" "):
            found[next(reversed(found))] += " " + line.strip()
        else:
            name, _, text = line.partition(": ")
            found[name] = text
    return found
