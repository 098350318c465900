"""JSON from files that strangers wrote: one object, no name twice, nothing that Python's parser would choke on."""

import json
from typing import Any


def parse_object(data: bytes) -> dict[str, Any]:
    """The JSON object in `data`.

    Raises ValueError, in one line without a path: for what is no JSON, no object or nested too deeply, and for a name
    that stands twice in one object, of which JSON parsers take either.
    """
    try:
        fields = json.loads(data, object_pairs_hook=_once_each)
    except RecursionError:
        raise ValueError("not JSON that can be read (nested too deeply)") from None
    except _Twice:
        raise
    except ValueError as error:
        raise ValueError(f"not JSON ({error})") from error
    if not isinstance(fields, dict):
        raise ValueError("not a JSON object")
    return fields


def one_line(name: str) -> str:
    """A name from a file, fit for the one line of an error: cut at 80 characters, escaped if it does not print."""
    return name[:80] if name.isprintable() else ascii(name)[:80]


class _Twice(ValueError):
    """A name that stands twice in an object."""


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names: set[str] = set()
        for name, _ in pairs:
            if name in names:
                raise _Twice(f"{one_line(name)} stands twice in one object")
            names.add(name)
    return fields
