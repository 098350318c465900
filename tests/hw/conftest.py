"""What all tests of the gateware share."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """A component that is only constructed, to look at it, is no mistake here; LUNA uses what Amaranth will drop."""
    config.addinivalue_line("filterwarnings", "ignore::amaranth.hdl.UnusedElaboratable")
    config.addinivalue_line("filterwarnings", "ignore:.*amaranth.(hdl|lib.coding):DeprecationWarning")
