from dataclasses import replace

import pytest

from trine.firmware.presets import PRESETS
from trine.host import gateware
from trine.host.errors import UsageError
from trine.host.gateware import export_verilog, routed_report
from trine.hw.build.errors import DoesNotFit


def test_export(small):
    text = export_verilog(replace(small, name="tiny"))
    assert "module tiny(" in text
    bare = export_verilog(replace(small, name="bare-2", bare=True, link=None))
    assert "module bare_2(" in bare


def quiet(line: str) -> None:
    """Progress that nobody reads."""


def test_report_of_an_unknown_part(small, tmp_path):
    with pytest.raises(UsageError, match=r"none"):
        routed_report(small, [1], 1, tmp_path, quiet)


def test_report_wrong_seeds(tmp_path):
    with pytest.raises(UsageError, match=r"seeds must be one or more different numbers"):
        routed_report(PRESETS["array_25f_384"], [], 1, tmp_path, quiet)


def test_report_too_big(monkeypatch, tmp_path):
    def make(*arguments, **options):
        raise DoesNotFit("mine needs 9 ebr, 1 more than the 8 of nothing")

    monkeypatch.setattr(gateware, "make_report", make)
    with pytest.raises(UsageError, match=r"1 more than the 8"):
        routed_report(replace(PRESETS["array_25f_384"], name="mine"), [1], 1, tmp_path, quiet)
