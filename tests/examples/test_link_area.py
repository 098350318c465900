from tests.examples.running import run_example


def test_help():
    """At once, and not after the minutes that the link takes to be synthesised."""
    assert run_example("link_area.py", "--help").startswith("usage: link_area.py [-h]")
