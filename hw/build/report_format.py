"""The format of a routed report, reports/PRESET.json: its keys, what is in them, and how it is read and written.

| key | content |
|---|---|
| preset, part | the configuration's name, and the FPGA |
| source_hash | of the gateware and the configuration that it was made from |
| tools | tool -> version |
| lut4, ff, ebr, spram, dsp | what the whole design uses; lut4 with carry and distributed RAM (logic cells on iCE40) |
| trits_per_cycle | of the array |
| engine_lut, lut_per_trit | lut4, and lut4 a trit per cycle; of bare arrays only |
| seeds | for each placement seed what clock it reaches, by clock domain |
| required_mhz | clock domain -> what the board needs |
| critical_path | clock domain -> the slowest path of the slowest seed |
| gtrit_per_s | trits per cycle times the slowest seed's clock |
| array_tokens_per_s, offload_tokens_per_s | model -> tokens a second, of the array alone and over the board's link |
| evidence | figure -> what it rests on |
"""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from trine.firmware.whole_file import whole_file
from trine.hw.build.errors import ReportError

COUNTS = ("lut4", "ff", "ebr", "spram", "dsp")

EVIDENCE = {
    "area": "routed",
    "array_tokens_per_s": "derived",
    "fmax_mhz": "routed",
    "gtrit_per_s": "derived",
    "offload_tokens_per_s": "derived",
}

_TOLERANCE = 0.001
"""Relative; figures are rounded in the file."""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_hash(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def _table_of(is_value: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(map(is_value, value.values()))


def _is_seeds(value: Any) -> bool:
    return (isinstance(value, list) and bool(value)
            and all(isinstance(entry, dict) and set(entry) == {"seed", "fmax_mhz"} and _is_count(entry["seed"])
                    and _table_of(_is_number)(entry["fmax_mhz"]) and entry["fmax_mhz"] for entry in value)
            and len({entry["seed"] for entry in value}) == len(value))


_NUMBERS = _table_of(_is_number), "an object of positive numbers"
_TEXTS = _table_of(_is_text), "an object of texts"
_COUNT = _is_count, "an integer from 0"

_KEYS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "preset": (_is_text, "a text"),
    "part": (_is_text, "a text"),
    "source_hash": (_is_hash, "64 hexadecimal digits"),
    "tools": _TEXTS,
    **dict.fromkeys(COUNTS, _COUNT),
    "trits_per_cycle": _COUNT,
    "engine_lut": _COUNT,
    "lut_per_trit": (_is_number, "a positive number"),
    "seeds": (_is_seeds, "a list of one or more {seed, fmax_mhz}, each seed once"),
    "required_mhz": _NUMBERS,
    "critical_path": _TEXTS,
    "gtrit_per_s": (_is_number, "a positive number"),
    "array_tokens_per_s": _NUMBERS,
    "offload_tokens_per_s": _NUMBERS,
    "evidence": (lambda value: value == EVIDENCE, f"{EVIDENCE}"),
}

_BARE = ("engine_lut", "lut_per_trit")


def worst_mhz(seeds: Sequence[Mapping[str, Any]], domain: str) -> float:
    """The clock that every seed reaches; KeyError for a domain that a seed does not have."""
    return min(float(entry["fmax_mhz"][domain]) for entry in seeds)


def validate(report: Any) -> None:
    """Raises ReportError, naming the key, unless `report` has exactly the keys of a report, each as it should be.

    The figures that follow from others are computed again.
    """
    if not isinstance(report, dict):
        raise ReportError(f"a report is an object, not {type(report).__name__}")
    bare = any(key in report for key in _BARE)
    expected = [key for key in _KEYS if bare or key not in _BARE]
    for key in expected:
        if key not in report:
            raise ReportError(f"{key} is missing")
    for key, value in report.items():
        if key not in expected:
            raise ReportError(f"{key} is not a key of a report")
        is_right, description = _KEYS[key]
        if not is_right(value):
            raise ReportError(f"{key} must be {description}, not {value!r:.80}")
    for domain in report["required_mhz"]:
        if domain not in report["critical_path"]:
            raise ReportError(f"critical_path has no domain {domain!r}, which required_mhz has")
        for entry in report["seeds"]:
            if domain not in entry["fmax_mhz"]:
                raise ReportError(f"seeds: fmax_mhz of seed {entry['seed']} has no domain {domain!r}")
    if "sync" not in report["required_mhz"]:
        raise ReportError("required_mhz has no domain 'sync'")
    _follows(report, "gtrit_per_s", report["trits_per_cycle"] * worst_mhz(report["seeds"], "sync") / 1000)
    if bare:
        _follows(report, "engine_lut", report["lut4"])
        _follows(report, "lut_per_trit", report["lut4"] / report["trits_per_cycle"])


def _follows(report: Mapping[str, Any], key: str, figure: float) -> None:
    if abs(report[key] - figure) > _TOLERANCE * figure:
        raise ReportError(f"{key} must be {figure:g} by the report's other figures, not {report[key]!r}")


def read_report(path: Path) -> dict[str, Any]:
    """The report in a file; ReportError, naming the file, if it is not one."""
    try:
        report: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        validate(report)
    except OSError as error:
        raise ReportError(f"{path}: cannot read the report: {error.strerror}") from error
    except (ValueError, ReportError) as error:
        raise ReportError(f"{path}: not a routed report: {error}") from error
    return report


def write_report(report: Mapping[str, Any], directory: Path) -> Path:
    """Writes a report to DIRECTORY/PRESET.json, in one step, and returns the path; ReportError if it is not valid."""
    validate(report)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{report['preset']}.json"
    text = json.dumps({key: _in_order(report[key]) for key in _KEYS if key in report}, indent=2) + "\n"
    with whole_file(path) as file:
        file.write(text.encode())
    return path


def _in_order(value: Any) -> Any:
    """Objects by key, and seeds by number."""
    if isinstance(value, dict):
        return {key: value[key] for key in sorted(value)}
    return sorted(value, key=lambda entry: entry["seed"]) if isinstance(value, list) else value
