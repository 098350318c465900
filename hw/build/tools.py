"""Runs the tools: WebAssembly builds from PyPI, started as modules of this Python, in a folder of their own.

They see nothing outside their working folder, so every path given to them is a name in it. Runs may go on side by
side, but for the first run of a tool on a machine, which `prepare` makes.
"""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from trine.hw.build.errors import ToolFailed, ToolMissing

TAIL = 12
"""Lines of the log that an error message ends with."""

FIRST_RUN = 900.0
"""Longest that a tool's first run on a machine may take, or be waited for: half a minute on a quiet one."""

_POLL = 0.1
"""Seconds between two looks at a running tool."""

_START = "import sys, yowasp_{module} as tool; sys.exit(tool.run_{function}(sys.argv[1:]))"

_TOOLS = {
    "yosys": ("yosys", "yosys"),
    "nextpnr-ecp5": ("nextpnr_ecp5", "nextpnr_ecp5"),
    "nextpnr-ice40": ("nextpnr_ice40", "nextpnr_ice40"),
    "ecppack": ("nextpnr_ecp5", "ecppack"),
    "icepack": ("nextpnr_ice40", "icepack"),
}
"""Tool -> the module it is in, after "yowasp_", and what it is called there."""

_NO_VERSION = {"icepack": 1}
"""Exit code of a tool that does not know --version, and prints its usage."""


def version(tool: str) -> str:
    """The version of the package a tool is in, which says more than what the tool prints; ToolMissing without it."""
    package = f"yowasp-{_TOOLS[tool][0].replace('_', '-')}"
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        raise ToolMissing(f"{tool} is not installed: pip install {package}") from None


def versions(tools: Iterable[str]) -> dict[str, str]:
    """Tool -> its package's version; Amaranth is one of the tools, always."""
    return {"amaranth": metadata.version("amaranth")} | {tool: version(tool) for tool in tools}


def prepare(tool: str) -> None:
    """Makes a tool's first run on this machine, in which it is compiled, in one process while others wait for it.

    yowasp-runtime 1.96 writes the machine code to its final name, and maps it into memory from there: a second first
    run at the same time dies of a bus error (seen: code -7), or kills the other. Whoever starts a tool calls this
    before; `run` does. It returns at once where it was done; who has waited too long goes ahead. What is wrong with the
    tool is left to be told by its next run. Raises ToolMissing.
    """
    folder = Path(os.environ.get("YOWASP_CACHE_DIR") or platformdirs.user_cache_dir("YoWASP", appauthor=False))
    mark = folder / f"trine-{tool}-{version(tool)}-wasmtime-{metadata.version('wasmtime')}"
    if mark.exists():
        return
    with contextlib.suppress(Timeout, OSError, subprocess.TimeoutExpired):
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{mark}.lock", timeout=FIRST_RUN):
            if not mark.exists():
                done = subprocess.run(_command(tool, ["--version"]), stdin=subprocess.DEVNULL, capture_output=True,
                                      timeout=FIRST_RUN)
                if done.returncode == _NO_VERSION.get(tool, 0):
                    mark.touch()


def run(tool: str, arguments: Iterable[str], folder: Path, log: Path, seconds: float, writes: str,
        stop: threading.Event | None = None) -> None:
    """Runs a tool in `folder`, its output into the file `log`, and makes sure that it wrote the file `writes` there.

    A file of that name from before is removed first: after a crash it would look like a result. The log is removed
    after a success and kept after a failure. If another thread sets `stop`, the tool is killed.

    Raises ToolMissing without the tool; ToolFailed if it ends with an error, takes longer than `seconds`, is stopped,
    or does not write the file. The message gives the first error in the log and where the log is, then its last lines.
    """
    prepare(tool)
    (folder / writes).unlink(missing_ok=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "wb") as output, subprocess.Popen(_command(tool, arguments), cwd=folder, stdin=subprocess.DEVNULL,
                                                     stdout=output, stderr=subprocess.STDOUT) as process:
        try:
            failure = _wait(process, seconds, stop)
        finally:
            process.kill()
    if not failure and not (folder / writes).is_file():
        failure = f"did not write {writes}"
    if failure:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        cause = next((": " + line[line.index("ERROR"):] for line in lines if "ERROR" in line), "")
        tail = "".join(f"\n    {line}" for line in lines[-TAIL:])
        raise ToolFailed(f"{tool} {failure}{cause}; its log is {log}{tail}")
    log.unlink()


def _command(tool: str, arguments: Iterable[str]) -> list[str]:
    module, function = _TOOLS[tool]
    return [sys.executable, "-P", "-c", _START.format(module=module, function=function), *arguments]


def _wait(process: "subprocess.Popen[bytes]", seconds: float, stop: threading.Event | None) -> str:
    """Waits for a tool's end; returns what went wrong, in words, or nothing."""
    end = time.monotonic() + seconds
    while process.poll() is None:
        if stop is not None and stop.is_set():
            return "was stopped"
        if time.monotonic() > end:
            return f"took longer than {seconds:g} s"
        time.sleep(_POLL)
    return f"ended with code {process.returncode}" if process.returncode else ""
