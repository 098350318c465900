"""How much faster the native simulator is than Amaranth's own, on the same stimulus, with the same answers.

    python -m trine.sim.bench [PRESET]

Both simulators run in this process, one after the other, several times; speeds are cycles per second of processor time,
medians over the repetitions. Every output byte and the number of cycles must be equal, or there is no result.
"""

import argparse
import json
import statistics
import struct
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from amaranth.lib import wiring
from amaranth.sim import Simulator

from trine.firmware.compiler import compile_layer
from trine.firmware.configuration import Configuration
from trine.firmware.link import CRC_BYTES, HEADER_BYTES, READ_FORMAT, Frame, Region, Request
from trine.firmware.presets import find_preset
from trine.firmware.traffic import load_messages, request_messages, word_bytes
from trine.hw.accelerator import Accelerator
from trine.sim.build import Factory, build
from trine.sim.errors import SimulatorError
from trine.sim.library import Library
from trine.sim.model import NativeModel

Transaction = tuple[bytes, int]
"""Bytes to send, and how many to wait for; with 0, until all are taken."""

CYCLE_LIMIT = 10_000_000


@dataclass(frozen=True)
class Comparison:
    """Cycles of one pass over the stimulus, and cycles per second of processor time (medians) of both simulators."""

    cycles: int
    native: float
    amaranth: float

    @property
    def ratio(self) -> float:
        """How many times as fast the native simulator is."""
        return self.native / self.amaranth


def simulate_amaranth(component: wiring.Component, stimulus: Sequence[Transaction]) -> tuple[list[bytes], int, float]:
    """The answers to the transactions by Amaranth's simulator, cycles, and seconds of processor time, without setup.

    The streams are driven as the native simulator's harness drives them, so the cycles can be compared: inputs change
    with the clock edge, and a byte is offered until it is taken. Raises TimeoutError after CYCLE_LIMIT cycles.
    """
    outputs: list[bytes] = []
    seconds, cycles = 0.0, 0
    dut: Any = component

    async def testbench(ctx: Any) -> None:
        nonlocal seconds, cycles
        started = time.process_time()
        queue, early = bytearray(), bytearray()
        offering = welcome = False
        for data, want in stimulus:
            queue += data
            output = early[:want]
            del early[:want]
            while len(output) < want if want else queue:
                _, _, ready, valid, payload = await ctx.tick().sample(dut.i.ready, dut.o.valid, dut.o.payload)
                cycles += 1
                if offering and ready:
                    del queue[0]
                if welcome and valid:
                    (output if len(output) < want else early).append(payload)
                offering, welcome = bool(queue), not want or len(output) < want
                ctx.set(dut.i.valid, offering)
                ctx.set(dut.i.payload, queue[0] if queue else 0)
                ctx.set(dut.o.ready, welcome)
                if cycles > CYCLE_LIMIT:
                    raise TimeoutError(f"the component did not answer within {CYCLE_LIMIT} cycles")
            outputs.append(bytes(output))
        seconds = time.process_time() - started

    simulator = Simulator(component)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return outputs, cycles, seconds


def simulate_native(
    library: Library, stimulus: Sequence[Transaction], passes: int = 1
) -> tuple[list[bytes], int, float]:
    """The same by the native simulator; the time is that of `passes` passes, each with a model of its own."""
    seconds = 0.0
    for _ in range(passes):
        with NativeModel(library, seed=None) as model:
            started = time.process_time()
            outputs = [model.transfer(data, want, CYCLE_LIMIT).output for data, want in stimulus]
            seconds += time.process_time() - started
            cycles = model.cycles
    return outputs, cycles, seconds


def compare(
    factory: Factory, stimulus: Sequence[Transaction], library: Library | None = None, *,
    repetitions: int = 3, passes: int = 100,
) -> Comparison:
    """Runs the stimulus on both simulators of the component that `factory` makes.

    library: its native simulator, built if not given. repetitions: how often each simulator gets its turn. passes: how
    often the native simulator repeats the stimulus in its turn. Raises SimulatorError if the simulators disagree.
    """
    library = library or build(factory)
    native, amaranth = [], []
    for _ in range(repetitions):
        expected, cycles, seconds = simulate_amaranth(factory(), stimulus)
        amaranth.append(cycles / seconds)
        found, native_cycles, seconds = simulate_native(library, stimulus, passes)
        native.append(native_cycles * passes / seconds)
        for index, (one, other) in enumerate(zip(expected, found, strict=True)):
            if one != other:
                raise SimulatorError(f"the simulators disagree about the answer to transaction {index}")
        if native_cycles != cycles:
            raise SimulatorError(f"Amaranth's simulator took {cycles} cycles, the native one {native_cycles}")
    return Comparison(cycles, statistics.median(native), statistics.median(amaranth))


def accelerator_stimulus(configuration: Configuration, rows: int, columns: int, inputs: int) -> list[Transaction]:
    """Requests that load one random layer and execute it for several inputs, with the sizes of their responses."""
    rng = np.random.default_rng(0)
    image = compile_layer("layer", rng.integers(-1, 2, (rows, columns), np.int8), configuration)
    messages = [(Request.HELLO, b""), *load_messages(image, configuration)]
    for _ in range(inputs):
        messages += request_messages(image.requests[0], rng.integers(-128, 128, columns, np.int8), configuration)
    answers = {Request.HELLO: 4, Request.RUN: 8}
    stimulus = []
    for number, (request, payload) in enumerate(messages):
        answer = answers.get(request, 0)
        if request == Request.READ:
            answer = struct.unpack(READ_FORMAT, payload)[2] * word_bytes(Region.RESULTS, configuration)
        stimulus.append((Frame(request, number % 256, payload).encode(), HEADER_BYTES + answer + CRC_BYTES))
    return stimulus


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m trine.sim.bench", description="native and Amaranth's simulation")
    parser.add_argument("preset", nargs="?", default="ulx3s_85f", help="configuration of the accelerator")
    parser.add_argument("--rows", type=int, default=64, help="rows of the layer that is executed")
    parser.add_argument("--columns", type=int, default=64, help="columns of the layer that is executed")
    parser.add_argument("--inputs", type=int, default=4, help="inputs for which it is executed")
    parser.add_argument("--repetitions", type=int, default=3, help="turns of each simulator")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args(arguments)
    try:
        configuration = find_preset(options.preset)
        stimulus = accelerator_stimulus(configuration, options.rows, options.columns, options.inputs)
        started = time.monotonic()
        library = build(lambda: Accelerator(configuration), key=repr(configuration),
                        sources=("trine.hw", "trine.firmware"))
        ready = time.monotonic() - started
        result = compare(lambda: Accelerator(configuration), stimulus, library, repetitions=options.repetitions)
    except (SimulatorError, TimeoutError) as error:
        print(error, file=sys.stderr)
        return error.exit_code if isinstance(error, SimulatorError) else 1
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps({"preset": configuration.name, "cycles": result.cycles, "ratio": result.ratio,
                          "native_cycles_per_s": result.native, "amaranth_cycles_per_s": result.amaranth}))
        return 0
    print(f"{configuration.name}: {configuration.lanes} lanes x {configuration.depth} columns, "
          f"{options.inputs} inputs to {options.rows} x {options.columns} weights; "
          f"{result.cycles} cycles, {sum(want for _, want in stimulus)} bytes of answers equal")
    print(f"{'simulator':<12}{'kcycles/s':>12}")
    print(f"{'Amaranth':<12}{result.amaranth / 1e3:>12.2f}")
    print(f"{'native':<12}{result.native / 1e3:>12.1f}")
    print(f"{'ratio':<12}{result.ratio:>12.0f}")
    print(f"simulator ready after {ready:.1f} s (median of {options.repetitions} turns each, processor time)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
