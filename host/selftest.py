"""A device, exercised part by part and compared with golden, and a report of it for those who have no such board.

Parts: loopback of bytes in frames of every kind; every trit of the weight memory; the array with layers of many shapes
and at the extremes; a board's clock; and how fast all that goes. What is compared is never timed, and what is timed is
labelled as such.
"""

import importlib.metadata
import json
import platform
import random
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import trine
from trine.firmware.compiler import compile_layer
from trine.firmware.configuration import Configuration
from trine.firmware.link import Request
from trine.firmware.markdown import table
from trine.firmware.tiling import result_row_blocks
from trine.golden.arrays import Int8
from trine.host.bench import random_layer
from trine.host.clock import time_clock
from trine.host.device import Device
from trine.host.errors import DeviceError, MismatchError, UsageError, bad_input
from trine.host.info import Info
from trine.host.runner import Runner
from trine.host.weight_check import check_weight_memory

PACKAGES = ("numpy", "pyusb", "libusb-package", "pyserial")
TIMED = "timed"
"""Evidence of every rate here: wall time of this machine, and of a simulation if that is the device."""

CLOCK_SECONDS = 1.0
"""For how long a clock is timed."""

FACTS = ("trine", "python", "platform", "device", "preset", "configuration_hash", "build_id", "exchanges",
         "link_faults", "seconds")
"""What of the figures a reader wants first."""

Outcome = tuple[str, dict[str, Any]]
"""A part that passed: its detail and its figures."""
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Check:
    """One part. detail: one line that says what was found, or what is wrong. figures: the same for programs."""

    name: str
    passed: bool
    detail: str
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """A self-test. name: of the device. info: what it said of itself before."""

    name: str
    configuration: Configuration
    info: Info
    seed: int
    checks: tuple[Check, ...]
    exchanges: int
    faults: int
    seconds: float

    @property
    def failure(self) -> str | None:
        """The first thing that is wrong, in one line; None if nothing is."""
        return next((f"{check.name}: {check.detail}" for check in self.checks if not check.passed), None)

    def figures(self) -> dict[str, Any]:
        """The report for programs."""
        configuration, info = self.configuration, self.info
        return {
            "passed": self.failure is None,
            "trine": trine.__version__,
            "python": platform.python_version(),
            "platform": platform.platform(),
            "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
            "device": self.name,
            "preset": configuration.name,
            "configuration_hash": f"{info.configuration_hash:016x}",
            "build_id": f"{info.build_id:016x}",
            "clock_khz": info.clock_khz,
            "lanes": info.lanes,
            "depth": info.depth,
            "packing": configuration.packing,
            "dataflow": configuration.dataflow,
            "seed": self.seed,
            "checks": [{"name": check.name, "passed": check.passed, "detail": check.detail, **check.figures}
                       for check in self.checks],
            "exchanges": self.exchanges,
            "link_faults": self.faults,
            "seconds": round(self.seconds, 3),
        }

    def markdown(self) -> str:
        """The report for people, and after it the one for programs: to be pasted into an issue as it is."""
        figures = self.figures()
        facts = [(key, figures[key]) for key in FACTS]
        return "\n\n".join([
            f"# trine selftest of {self.name}: {'passed' if self.failure is None else 'FAILED'}",
            table(("part", "result", "detail"),
                  ((check.name, "ok" if check.passed else "FAILED", check.detail) for check in self.checks)),
            table(("what", "value"), facts),
            f"```json\n{json.dumps(figures, indent=2)}\n```",
        ]) + "\n"


def selftest(device: Device, name: str, seed: int, *, board: bool, progress: Progress) -> Report:
    """Exercise a device; its image is lost.

    name: of the device, for the report. board: whether its clock passes by itself. progress: told the part and how much
    of it is done, 0 to 1. A part in which an integer is wrong fails and the others still run; a device that does not
    answer ends it all. Raises nothing of either: the report says it.
    """
    started = time.monotonic()
    info = device.info()
    parts: dict[str, Callable[[], Outcome]] = {
        "loopback": lambda: _loopback(device, seed),
        "weight memory": lambda: _weight_memory(device, seed, lambda done: progress("weight memory", done)),
        "array": lambda: _array(device, seed, lambda done: progress("array", done)),
        "throughput": lambda: _throughput(device, seed),
    }
    if board:
        parts["clock"] = lambda: _clock(device, info)
    checks: list[Check] = []
    for part, check in parts.items():
        progress(part, 0.0)
        try:
            checks.append(Check(part, True, *check()))
        except MismatchError as error:
            checks.append(Check(part, False, str(error)))
        except (DeviceError, UsageError) as error:
            checks.append(Check(part, False, str(error)))
            break
    checks += [Check(part, False, "not run") for part in list(parts)[len(checks):]]
    return Report(name, device.configuration, info, seed, tuple(checks), device.exchanges, device.link_faults,
                  time.monotonic() - started)


def _loopback(device: Device, seed: int) -> Outcome:
    """Frames of up to three USB packets, of the longest, and of bytes that look like frames, in batches."""
    chance, longest = random.Random(seed), device.configuration.maximum_payload
    payloads = [chance.randbytes(length) for length in range(min(longest, 3 * 64) + 1)]
    payloads += [bytes([byte]) * longest for byte in (0x00, 0xFF, 0x55, 0xAA)]
    payloads += [(b"\xb1\x58" * longest)[:longest], *(chance.randbytes(longest) for _ in range(16))]
    for start in range(0, len(payloads), 32):
        batch = payloads[start : start + 32]
        answers = device.request([(Request.ECHO, payload) for payload in batch])
        for payload, answer in zip(batch, answers, strict=True):
            if payload != answer:
                at = next((i for i, (a, b) in enumerate(zip(payload, answer, strict=False)) if a != b), len(answer))
                raise MismatchError(f"{len(payload)} bytes were sent, {len(answer)} came back, wrong from byte {at} on")
    count = sum(map(len, payloads))
    return (f"{count:,} bytes in {len(payloads)} frames came back as they were",
            {"bytes": count, "frames": len(payloads)})


def _weight_memory(device: Device, seed: int, progress: Callable[[float], None]) -> Outcome:
    found = check_weight_memory(device, seed, progress)
    return (f"{found.trits:,} trits held {found.patterns} patterns each; {found.results:,} results equal golden's",
            {"trits": found.trits, "patterns": found.patterns, "results": found.results})


def _array(device: Device, seed: int, progress: Callable[[float], None]) -> Outcome:
    integers = cycles = 0
    layers = list(_layers(device.configuration, seed))
    for number, (name, weights, codes) in enumerate(layers):
        with bad_input():
            image = compile_layer(name, weights, device.configuration)
        runner = Runner(device, image, weights={name: weights})
        device.run_request(image.requests[0], codes)
        integers, cycles = integers + runner.tally.integers, cycles + runner.counters.engine.cycles
        progress((number + 1) / len(layers))
    return (f"{integers:,} integers of {len(layers)} layers equal golden's, {cycles:,} cycles the cycle model's",
            {"layers": len(layers), "integers": integers, "cycles": cycles})


def _layers(configuration: Configuration, seed: int) -> Iterator[tuple[str, Int8, Int8]]:
    """(name, weights, codes): from one weight to as many rows or columns as the buffers hold, and at the extremes."""
    lanes, depth, words = configuration.lanes, configuration.depth, configuration.weight_words
    rows = lanes * min(result_row_blocks(configuration), words)
    safe = ((1 << configuration.accumulator_bits - 1) - 1) // 128  # more columns could overflow, and would be refused
    chunks = max(1, min(configuration.activation_chunks, words, safe // depth))
    columns = chunks * depth
    full = lanes * max(1, min(result_row_blocks(configuration), words // chunks))
    chance = random.Random(seed)
    shapes = [(1, 1), (lanes, depth), (lanes + 1, depth + 1), (rows, depth), (full, columns)]
    shapes += [(chance.randint(1, min(rows, 8 * lanes)), chance.randint(1, min(columns, 8 * depth))) for _ in range(8)]
    for n, k in shapes:
        yield (f"random {n}x{k}", *random_layer(n, k, configuration, seed))
    least, most = configuration.accumulator_mode.code_range
    for trit in (-1, 1):
        for code in (least, most):
            matrix = np.full((lanes, columns), trit, np.int8)
            yield f"all {trit} times {code}, {lanes}x{columns}", matrix, np.full(columns, code, np.int8)


def _throughput(device: Device, seed: int) -> Outcome:
    """Round trips of the smallest request, and bytes of the largest in batches of 16 KB and more, looped back."""
    times = []
    for _ in range(50):
        started = time.perf_counter()
        device.request([(Request.ECHO, b"")])
        times.append(time.perf_counter() - started)
    round_trip = statistics.median(times)
    payload = random.Random(seed).randbytes(device.configuration.maximum_payload)
    batch = [(Request.ECHO, payload)] * max(1, -(-16384 // len(payload)))
    count, started = 0, time.perf_counter()
    while count == 0 or (count < 64 and time.perf_counter() - started < 1.0):
        device.request(batch)
        count += 1
    rate = count * len(batch) * len(payload) / (time.perf_counter() - started)
    return (f"{1e6 * round_trip:,.0f} us a round trip (median of {len(times)}), {rate / 1e6:.3f} MB/s there and back, "
            f"{TIMED}",
            {"round_trip_us": round(1e6 * round_trip, 1), "bytes_per_s": round(rate), "evidence": TIMED})


def _clock(device: Device, info: Info) -> Outcome:
    found, said = time_clock(device.counters, CLOCK_SECONDS), info.clock_khz / 1000
    if not found.agrees(said):
        raise MismatchError(f"{found} MHz by the host's time, the device says {said:g} MHz")
    return (f"{found} MHz, {TIMED}; the device says {said:g} MHz",
            {"mhz_at_least": round(found.low, 4), "mhz_at_most": round(found.high, 4), "evidence": TIMED})
