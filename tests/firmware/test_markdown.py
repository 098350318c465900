from trine.firmware import recovery
from trine.firmware.markdown import attribute_docstrings, module_docstring, parameters, table


def test_table():
    assert table(("a", "b"), [(1, "x|y")]) == "| a | b |\n| --- | --- |\n| 1 | x\\|y |"


def test_attribute_docstrings():
    source = 'class A:\n    """no"""\n    x = 1\n    """first\n    line"""\n    y = 2\n    z = 3\n    """third"""\n'
    assert attribute_docstrings(source, "A") == {"x": "first line", "z": "third"}


def test_parameters():
    assert parameters("Head.\n\n    a: one\n    b, c: two\n        and more\n\n    Raises x: y") == {
        "a": "one", "b, c": "two and more"}


def test_docstrings_of_a_module():
    source = 'x, y = 1, 2\n"""both"""\nclass A:\n    z = 3\n    """inner"""\n'
    assert attribute_docstrings(source) == {"x": "both"}
    assert module_docstring(recovery, "ATTEMPTS") == "How often an exchange is tried before the link is given up."
