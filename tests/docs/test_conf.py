"""Docstrings as the site reads them: prose is left alone, code and parameters are recognised."""

from docs.conf import docstring, signature


def written(text):
    lines = text.split("\n")
    docstring(None, "function", "name", None, None, lines)
    return "\n".join(lines)


def test_prose():
    assert written("2**(bits - 1) codes of `W @ q`, |x| and a_b.") == (
        "2\\*\\*(bits - 1) codes of `W @ q`, \\|x\\| and a\\_b.\n")


def test_code():
    assert written("As in:\n\n    with a * b as c:\n        c.d_e()\n\nEnd.") == (
        "As in:\n\n::\n\n    with a * b as c:\n        c.d_e()\n\nEnd.\n")


def test_parameters():
    assert written("name: what it is.\ngroup, group_bits: of *sums*,\n    and more.") == (
        "* name: what it is.\n* group, group\\_bits: of \\*sums\\*,\n  and more.\n")


def test_what_only_looks_like_parameters():
    text = "progress: told what is done. trace: a file into\nwhich waveforms go."
    assert written(text) == text + "\n"
    assert written("Raises ValueError: if not.") == "Raises ValueError: if not.\n"


def test_arrays():
    array = "~numpy.ndarray[tuple[~typing.Any, ...], ~numpy.dtype[~numpy.int8]]"
    assert signature(None, "method", "name", None, None, f"(x: {array})", f"{array} | None") == (
        "(x: Int8)", "Int8 | None")
    assert signature(None, "class", "name", None, None, "(x: int)", None) == ("(x: int)", None)
