from dataclasses import replace

import pytest

from trine.firmware.presets import PRESETS
from trine.host import gateware
from trine.host.errors import MismatchError, UsageError
from trine.host.gateware import export_verilog, routed_report
from trine.hw.build.errors import DoesNotFit
from trine.hw.build.synthesise import Synthesis
from trine.sim.errors import NetlistMismatch
from trine.sim.netlist_check import Checked


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


def test_report_of_a_netlist_that_is_wrong(monkeypatch, tmp_path):
    """It is not written, and the command ends with 1."""
    def make(*arguments, check, **options):
        check(Synthesis("{}", {}))
        raise AssertionError("routed")

    def refuse(*arguments, **options):
        raise NetlistMismatch("computes 3 in row 1, golden 4")

    monkeypatch.setattr(gateware, "make_report", make)
    monkeypatch.setattr(gateware, "check_netlist", refuse)
    with pytest.raises(MismatchError, match=r"^computes 3 in row 1, golden 4$") as error:
        routed_report(PRESETS["array_25f_384"], [1], 1, tmp_path, quiet)
    assert error.value.exit_code == 1
    assert not list(tmp_path.iterdir())


def test_report_says_what_was_checked(monkeypatch, tmp_path):
    lines = []

    def make(*arguments, check, **options):
        lines.append(check(Synthesis("{}", {})))
        raise DoesNotFit("enough")

    def accept(synthesis, family, configuration, *, store):
        assert (synthesis.netlist, family, configuration.name) == ("{}", "ecp5", "array_25f_384")
        return Checked(8, 8400, 265252)

    monkeypatch.setattr(gateware, "make_report", make)
    monkeypatch.setattr(gateware, "check_netlist", accept)
    with pytest.raises(UsageError, match=r"enough"):
        routed_report(PRESETS["array_25f_384"], [1], 1, tmp_path, quiet)
    assert lines == ["netlist simulated: 8,400 integers of 8 products equal golden's, 265,252 cycles"]
