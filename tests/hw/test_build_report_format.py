"""hw.build.report_format: what is refused, and that the message names the key."""

import copy
import json
from typing import Any

import pytest

from trine.hw.build.errors import ReportError
from trine.hw.build.report_format import read_report, validate, worst_mhz, write_report

REPORT: dict[str, Any] = {
    "preset": "array_25f_384",
    "part": "LFE5U-25F-6-CABGA381",
    "source_hash": "0123456789abcdef" * 4,
    "tools": {"yosys": "0.70", "amaranth": "0.5.10", "nextpnr-ecp5": "0.11.1"},
    "lut4": 7680,
    "ff": 7000,
    "ebr": 36,
    "spram": 0,
    "dsp": 0,
    "trits_per_cycle": 384,
    "engine_lut": 7680,
    "lut_per_trit": 20.0,
    "seeds": [{"seed": 2, "fmax_mhz": {"sync": 150.0, "usb": 61}}, {"seed": 1, "fmax_mhz": {"usb": 60, "sync": 160.5}}],
    "required_mhz": {"sync": 100, "usb": 60},
    "critical_path": {"usb": "a -> b", "sync": "c -> d"},
    "gtrit_per_s": 57.6,
    "array_tokens_per_s": {"tiny": 1000.5},
    "offload_tokens_per_s": {},
    "evidence": {"area": "routed", "fmax_mhz": "routed", "gtrit_per_s": "derived", "array_tokens_per_s": "derived",
                 "offload_tokens_per_s": "derived"},
}

BARE = ("engine_lut", "lut_per_trit")


def changed(**changes):
    return copy.deepcopy(REPORT) | changes


def test_valid():
    validate(REPORT)
    validate({key: value for key, value in REPORT.items() if key not in BARE})


def test_worst_mhz():
    assert worst_mhz(REPORT["seeds"], "sync") == 150
    assert worst_mhz(REPORT["seeds"], "usb") == 60


@pytest.mark.parametrize("key", REPORT)
def test_missing(key):
    with pytest.raises(ReportError, match=rf"^{key} is missing$"):
        validate({name: value for name, value in REPORT.items() if name != key})


@pytest.mark.parametrize("key", REPORT)
@pytest.mark.parametrize("value", [None, [], True, -1, "", {"": None}, 1j])
def test_wrong(key, value):
    with pytest.raises(ReportError, match=rf"^{key} "):
        validate(changed(**{key: value}))


def test_unknown_key():
    with pytest.raises(ReportError, match=r"^colour is not a key of a report$"):
        validate(changed(colour="red"))


@pytest.mark.parametrize("value", [None, [REPORT], "report", 3])
def test_not_an_object(value):
    with pytest.raises(ReportError, match=r"^a report is an object, not "):
        validate(value)


@pytest.mark.parametrize(("changes", "message"), [
    ({"source_hash": "0123456789ABCDEF" * 4}, "^source_hash must be 64 hexadecimal digits, not '0123"),
    ({"source_hash": "0" * 63}, "^source_hash must be"),
    ({"lut4": 7680.0}, "^lut4 must be an integer from 0, not 7680.0$"),
    ({"tools": {"yosys": 0.7}}, "^tools must be an object of texts"),
    ({"seeds": [{"seed": 1, "fmax_mhz": {}}]}, "^seeds must be"),
    ({"seeds": [{"seed": 1, "fmax_mhz": {"sync": 0}}]}, "^seeds must be"),
    ({"seeds": [{"seed": 1, "fmax_mhz": {"sync": 9, "usb": 9}, "x": 1}]}, "^seeds must be"),
    ({"seeds": [{"seed": 1, "fmax_mhz": {"sync": 150, "usb": 9}}] * 2}, "^seeds must be"),
    ({"seeds": [{"seed": 4, "fmax_mhz": {"sync": 150}}]}, "^seeds: fmax_mhz of seed 4 has no domain 'usb'$"),
    ({"critical_path": {"sync": "a -> b"}}, "^critical_path has no domain 'usb', which required_mhz has$"),
    ({"required_mhz": {"usb": 60}}, "^required_mhz has no domain 'sync'$"),
    ({"gtrit_per_s": 61.6}, "^gtrit_per_s must be 57.6 by the report's other figures, not 61.6$"),
    ({"engine_lut": 7000}, "^engine_lut must be 7680 by"),
    ({"lut_per_trit": 19.5}, "^lut_per_trit must be 20 by"),
    ({"evidence": REPORT["evidence"] | {"gtrit_per_s": "measured"}}, "^evidence must be"),
    ({"array_tokens_per_s": {"tiny": float("nan")}}, "^array_tokens_per_s must be"),
    ({"offload_tokens_per_s": {"tiny": float("inf")}}, "^offload_tokens_per_s must be"),
])
def test_inconsistent(changes, message):
    with pytest.raises(ReportError, match=message):
        validate(changed(**changes))


def test_written_and_read(tmp_path):
    path = write_report(REPORT, tmp_path / "reports")
    assert path == tmp_path / "reports" / "array_25f_384.json"
    assert [entry.name for entry in path.parent.iterdir()] == ["array_25f_384.json"]
    report = read_report(path)
    assert report == changed(seeds=REPORT["seeds"][::-1])
    assert list(report) == list(REPORT)
    assert list(report["tools"]) == ["amaranth", "nextpnr-ecp5", "yosys"]
    assert path.read_text().endswith("}\n")
    assert len(path.read_text().splitlines()) > 40


def test_written_the_same_whatever_the_order(tmp_path):
    other = {key: value for key, value in reversed(changed(seeds=REPORT["seeds"][::-1]).items())}
    assert (write_report(REPORT, tmp_path / "a").read_bytes() == write_report(other, tmp_path / "b").read_bytes())


def test_invalid_is_not_written(tmp_path):
    write_report(REPORT, tmp_path)
    before = (tmp_path / "array_25f_384.json").read_bytes()
    with pytest.raises(ReportError, match=r"^ebr must be"):
        write_report(changed(ebr=-1), tmp_path)
    assert (tmp_path / "array_25f_384.json").read_bytes() == before


@pytest.mark.parametrize(("text", "message"), [
    ("", "not a routed report: "),
    ("[]", "not a routed report: a report is an object"),
    (json.dumps(changed(dsp="none")), "not a routed report: dsp must be"),
])
def test_read_wrong(tmp_path, text, message):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(ReportError, match=rf"^{path}: {message}") as error:
        read_report(path)
    assert error.value.exit_code == 2


def test_read_absent(tmp_path):
    with pytest.raises(ReportError, match=r"none\.json: cannot read the report: No such file"):
        read_report(tmp_path / "none.json")
