from dataclasses import replace

import pytest

from trine.firmware.presets import PRESETS
from trine.host.errors import UsageError
from trine.host.routed import REPORTS, clock_of, read_report

PRESET = PRESETS["ulx3s_85f"]


def test_no_report(tmp_path):
    assert read_report("ulx3s_85f", tmp_path) is None
    clock = clock_of(PRESET, tmp_path)
    assert (clock.mhz, clock.evidence) == (75, "estimated")
    assert clock.hz == 75e6


def test_worst_seed(reports):
    clock = clock_of(PRESET, reports())
    assert (clock.mhz, clock.evidence) == (60.0, "derived")
    assert "2 seeds" in clock.source


def test_capped_at_the_presets_clock(reports):
    seeds = [{"seed": 1, "fmax_mhz": {"sync": 99.0}}]
    clock = clock_of(PRESET, reports(seeds=seeds))
    assert (clock.mhz, clock.evidence) == (75, "derived")
    assert clock.source == "the preset's clock; a single seed routes at 99.0 MHz"


@pytest.mark.parametrize("changes", [{"part": "LFE5U-25F-6-CABGA381"}, {"trits_per_cycle": 384}])
def test_report_of_another_device(reports, changes):
    assert clock_of(PRESET, reports(**changes)).evidence == "estimated"


def test_report_is_for_its_name_only(reports):
    assert clock_of(replace(PRESET, name="mine"), reports()).evidence == "estimated"


@pytest.mark.parametrize("changes", [{"seeds": []}, {"seeds": [{"seed": 1}]}, {"seeds": None},
                                     {"seeds": [{"fmax_mhz": {"sync": "fast"}}]}])
def test_report_without_clocks(reports, changes):
    with pytest.raises(UsageError, match=r"ulx3s_85f\.json: no clocks in it"):
        clock_of(PRESET, reports(**changes))


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_report_damaged(tmp_path, text):
    (tmp_path / "ulx3s_85f.json").write_text(text)
    with pytest.raises(UsageError, match=r"ulx3s_85f\.json: not a routed report: .*trine report ulx3s_85f"):
        read_report("ulx3s_85f", tmp_path)


def test_reports_are_beside_the_package():
    assert REPORTS.is_dir()
