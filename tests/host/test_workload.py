"""A workload is what a device does, not a model of its own: a real image of the same shapes is executed beside it."""

from dataclasses import replace

import numpy as np
import pytest

from trine.firmware.compiler import compile_model
from trine.firmware.configuration import Link
from trine.firmware.counters import Counters
from trine.firmware.cycles import LinkUse, request_bytes, request_cycles, token_bytes
from trine.firmware.link import CRC_BYTES, HEADER_BYTES, Request, decode_header
from trine.firmware.machine import Machine
from trine.firmware.planner import plan_model
from trine.firmware.presets import PRESETS
from trine.golden.bitlinear import BitLinear
from trine.golden.checkpoint import Checkpoint, linear_shapes, tensor_shapes
from trine.golden.config import ModelConfig
from trine.host.device import Device
from trine.host.errors import UsageError
from trine.host.published import Published, find_published
from trine.host.routed import Clock
from trine.host.transport import GoldenTransport
from trine.host.workload import Work, Workload, analyse

CLOCK = Clock(2, "estimated", "a guess")
FAKE = Published("fake", "nowhere", ModelConfig(8, 16, 24, 3, 2, 1, 8, 1e-5, 1e4, True))
"""5,760 weights in 21 layers."""


class CountingMachine(Machine):
    """Counts the frames that come and go, and the loads among them; not those that ask for counters and image."""

    def __init__(self, configuration):
        super().__init__(configuration)
        self.waiting, self.use, self.loads = b"", LinkUse(), 0

    def feed(self, data):
        self.waiting += data
        answers = b""
        while len(self.waiting) >= HEADER_BYTES:
            opcode, _, length = decode_header(self.waiting[:HEADER_BYTES])
            size = HEADER_BYTES + length + CRC_BYTES
            if len(self.waiting) < size:
                break
            answer = super().feed(self.waiting[:size])
            if opcode not in (Request.COUNTERS, Request.INFO):
                self.use += LinkUse(size, len(answer))
                self.loads += opcode == Request.COMMIT
            answers, self.waiting = answers + answer, self.waiting[size:]
        return answers


@pytest.fixture(scope="module")
def checkpoint():
    random = np.random.default_rng(3)
    linears = {name: BitLinear(random.integers(-1, 2, shape, np.int8), np.float32(1))
               for name, shape in linear_shapes(FAKE.config).items()}
    return Checkpoint(FAKE.config, linears,
                      {name: np.ones(shape, np.float32) for name, shape in tensor_shapes(FAKE.config).items()})


@pytest.mark.parametrize(("changes", "resident"), [
    ({"program_words": 3}, "none"), ({}, "some"), ({"weight_words": 400, "program_words": 256}, "all"),
    ({"dataflow": "tables", "packing": "trit3x5", "result_width": 4}, "some")])
def test_what_a_device_does(small, checkpoint, changes, resident):
    configuration = replace(small, **changes)
    workload = analyse(FAKE, configuration, CLOCK)
    machine = CountingMachine(configuration)
    device = Device(GoldenTransport(machine), configuration)
    device.load(compile_model(checkpoint, configuration, "fake"))
    counters, codes = Counters(), np.random.default_rng(0)
    for token in range(2):  # the second finds what the first left behind
        machine.use, machine.loads, counters = LinkUse(), 0, Counters()
        for request in device.image.requests:
            execution = device.execute(request, codes.integers(-127, 128, request.columns, np.int8))
            counters += execution.counters.engine
        assert workload.total.counters == counters, token
        assert workload.loads == machine.loads, token
        use = workload.total.link_use + workload.weight_use
        assert (use.to_device, use.from_device) == (machine.use.to_device, machine.use.from_device), token
        assert workload.link_bytes == use.total
    assert workload.total.weights == FAKE.ternary_weights
    assert {0: "none", workload.weight_words: "all"}.get(workload.resident_words, "some") == resident


def test_one_block_stands_for_all():
    """Three blocks of bitnet-0.7b on a board where nothing stays: planned whole, it is the same."""
    model = find_published("bitnet-0.7b")
    model = replace(model, config=replace(model.config, num_hidden_layers=3))
    configuration = PRESETS["cynthion"]
    workload, plan = analyse(model, configuration, CLOCK), plan_model(model.requests, model.shapes, configuration)
    use, whole = workload.total.link_use + workload.weight_use, token_bytes(plan, configuration)
    assert workload.resident_words == 0
    assert use == whole
    assert workload.loads == len(plan.loads) - 1
    assert workload.weight_words == plan.words
    assert workload.total.counters == sum((request_cycles(r, configuration) for r in plan.requests), Counters())
    assert workload.total.link_use == sum((request_bytes(r, configuration) for r in plan.requests), LinkUse())


def test_times_and_bounds(small):
    """A second of the array, two of inputs and results, and of weights from none to more than both."""
    link = Link("uart", 1000, 0.5)
    work = Work(5760, Counters(cycles=2_000_000), LinkUse(400, 600, 2))

    def made(weight_bytes: int, rate: float = 1000) -> Workload:
        return Workload(FAKE, small, replace(link, bytes_per_second=rate), CLOCK, {"q": work}, 300, 0, 1,
                        LinkUse(weight_bytes))

    assert made(0).array_seconds == 1
    assert made(0).activation_seconds == 2
    assert made(4000).weight_seconds == 4
    assert made(4000).resident_seconds == 3
    assert made(4000).offload_seconds == 7
    assert [made(size).bound for size in (0, 3000, 3001)] == ["link", "link", "weight memory"]
    assert made(0, rate=1e9).bound == "link"  # round trips
    assert made(0).padding == 1 - 5760 / (300 * 24)
    assert made(0).packed_bytes == 300 * 4 * 12 // 8


def test_array_bound(small):
    fast = replace(small, weight_words=400, program_words=256, link=Link("usb-high-speed", 1e12, 1e-12))
    workload = analyse(FAKE, fast, CLOCK)
    assert workload.bound == workload.resident_bound == "array"
    assert workload.loads == 0


def test_kinds_of_layers(small):
    workload = analyse(FAKE, small, CLOCK)
    assert {name: work.weights for name, work in workload.kinds.items()} == {
        "q_proj, k_proj, v_proj": 3 * 512, "o_proj": 3 * 256, "gate_proj, up_proj": 3 * 768, "down_proj": 3 * 384}


def test_no_link(small):
    with pytest.raises(UsageError, match=r"small has no link"):
        analyse(FAKE, replace(small, link=None), CLOCK)


def test_layers_that_cannot_be_cut(small):
    narrow = replace(small, group_accumulator_bits=8)
    with pytest.raises(UsageError, match=r"q_proj: .* cannot be cut"):
        analyse(FAKE, narrow, CLOCK)
