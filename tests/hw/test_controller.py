"""hw.link.controller: each request's arguments, effects, response and errors, between simulated neighbours."""

import functools
import itertools
import random
import struct

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring

from tests.hw.configurations import small
from tests.hw.simulation import CYCLE_LIMIT, Record, Simulation
from trine.firmware.counters import COUNTER_NAMES, COUNTERS_FORMAT
from trine.firmware.link import (
    ERROR,
    INFO_FORMAT,
    PROTOCOL_VERSION,
    READ_FORMAT,
    WRITE_FORMAT,
    Error,
    Frame,
    Region,
    Request,
)
from trine.hw.link.controller import Controller
from trine.hw.memory.loader import Loader

CONFIGURATION = small(lanes=3, depth=3, result_width=3, result_beats=10, weight_words=5, activation_chunks=4,
                      program_words=6)
BUILD_ID = 0x0123456789ABCDEF
WORDS = {Region.WEIGHTS: (5, 3), Region.PROGRAM: (6, 16), Region.ACTIVATIONS: (4, 3)}
"""Words of a region, and bytes to a word."""
RESULTS = [[chance.randrange(1 << 32) for _ in range(3)] for chance in (random.Random(n) for n in range(10))]
COUNTERS = [(1 << 60) + 3, *range(7)]


class Loaded(wiring.Component):
    """The controller with a loader at each of its load ports."""

    def __init__(self):
        self.controller = Controller(CONFIGURATION, BUILD_ID)
        self.loaders = {region: Loader(words, 1, size) for region, (words, size) in WORDS.items()}
        super().__init__({})

    def elaborate(self, platform):
        m = Module()
        m.submodules.controller = controller = self.controller
        ports = (controller.weights, controller.program, controller.activations)
        for port, (region, loader) in zip(ports, self.loaders.items(), strict=True):
            m.submodules[region.name] = loader
            m.d.comb += [loader.start.eq(port.start), loader.address.eq(port.address),
                         port.partial.eq(loader.partial), port.overflow.eq(loader.overflow)]
            wiring.connect(m, port.bytes, loader.bytes)
        return m


@functools.cache
def simulation():
    return Simulation(Loaded(), slots=7)


class Served:
    """What a controller, fresh from reset, does with requests (Frame, or (Frame, Error of the receiver))."""

    def __init__(self, *requests, pauses=(0, 0), run_cycles=5, faults=(), seed=0):
        dut = simulation().dut
        self.controller = controller = dut.controller
        self.responses, self.entries, self.held = [], [], []
        self._chance = random.Random(seed)
        self._writes = {region: Record(loader.write_bank, loader.write_address, loader.write_data)
                        for region, loader in dut.loaders.items()}
        self.active = Record(controller.active)

        async def serve(ctx):
            for request in requests:
                frame, error = request if isinstance(request, tuple) else (request, 0)
                await self._exchange(ctx, frame, error, pauses)
                await ctx.tick().repeat(2)

        async def results(ctx):
            while True:
                _, _, address, value = await ctx.tick().sample(controller.result_address, controller.result_value)
                beat = RESULTS[address] if address < len(RESULTS) else [0] * 3
                ctx.set(controller.result_data, beat[value] - (beat[value] >> 31 << 32))

        async def runs(ctx):
            ctx.set(controller.runs.ready, 1)
            ctx.set(controller.cycles, COUNTERS[0])
            while True:
                _, _, valid, entry = await ctx.tick().sample(controller.runs.valid, controller.runs.payload)
                if valid:
                    self.entries.append(entry)
                    ctx.set(controller.runs.ready, 0)
                    for _ in range(run_cycles):
                        await ctx.tick()
                    ctx.set(controller.cycles, 999)
                    ctx.set(controller.done, 1)
                    ctx.set(controller.fault, len(self.entries) - 1 in faults)
                    await ctx.tick()
                    ctx.set(controller.done, 0)
                    ctx.set(controller.fault, 0)
                    ctx.set(controller.cycles, COUNTERS[0])
                    ctx.set(controller.runs.ready, 1)

        async def counters(ctx):
            stored = struct.pack(COUNTERS_FORMAT, *COUNTERS)
            waited = 0
            while True:
                _, _, hold, wanted, address = await ctx.tick().sample(
                    controller.hold, controller.counter_read, controller.counter_address)
                waited = waited + 1 if hold else 0
                ctx.set(controller.settled, waited > 7)
                if wanted:
                    ctx.set(controller.counter_byte, stored[address] if waited > 8 else 0xA5)

        simulation().run(serve, monitors=[results, runs, counters, self.active, *self._writes.values()])

    async def _exchange(self, ctx, frame, error, pauses):
        """Plays receiver and transmitter for one request, until it is released."""
        controller = self.controller
        ctx.set(controller.request, {"opcode": frame.opcode, "sequence": frame.sequence, "error": error,
                                     "length": len(frame.payload)})
        ctx.set(controller.valid, 1)
        ctx.set(controller.sent, 1)
        left, reply, got, held = list(frame.payload), None, [], []
        offered = False
        for _ in range(CYCLE_LIMIT):
            offered = bool(left) and (offered or self._chance.random() >= pauses[0])
            wanted = reply is not None and len(got) < reply.length and self._chance.random() >= pauses[1]
            ctx.set(controller.payload.valid, offered)
            ctx.set(controller.payload.payload, left[0] if offered else 0xA5)
            ctx.set(controller.reply_payload.ready, wanted)
            _, _, start, header, taken, valid, byte, release, hold = await ctx.tick().sample(
                controller.start, controller.reply, controller.payload.ready, controller.reply_payload.valid,
                controller.reply_payload.payload, controller.release, controller.hold)
            held.append(hold)
            if release:
                break
            if reply is not None:
                assert header == reply, "the reply changed while it was sent"
            if offered and taken:
                left.pop(0)
                offered = False
            if wanted and valid:
                got.append(byte)
            if start:
                assert reply is None, "two responses"
                reply = header
            ctx.set(controller.sent, not start and (reply is None or len(got) == reply.length))
        else:
            raise TimeoutError("no response")
        assert reply is not None, "no response"
        ctx.set(controller.valid, 0)
        ctx.set(controller.payload.valid, 0)
        ctx.set(controller.reply_payload.ready, 0)
        self.held.append(held)
        self.responses.append(Frame(reply.opcode, reply.sequence, bytes(got)))

    def writes(self, region):
        """(address, word) of each write."""
        size = WORDS[region][1]
        return [(address, data.to_bytes(size, "little")) for enabled, address, data in self._writes[region].values
                if enabled]


def write(region, address, data, sequence=0):
    return Frame(Request.WRITE, sequence, struct.pack(WRITE_FORMAT, region, address) + data)


def read(address, count, region=Region.RESULTS, sequence=0):
    return Frame(Request.READ, sequence, struct.pack(READ_FORMAT, region, address, count))


def run(entry=0, sequence=0):
    return Frame(Request.RUN, sequence, struct.pack("<I", entry))


def commit(image_id=1, sequence=0):
    return Frame(Request.COMMIT, sequence, struct.pack("<I", image_id))


def refused(frame, error):
    return Frame(ERROR, frame.sequence, bytes([error, frame.opcode]))


def done(frame, payload=b""):
    return Frame(frame.opcode | 0x80, frame.sequence, payload)


pauses = pytest.mark.parametrize("pauses", [(0, 0), (0.5, 0), (0, 0.5), (0.5, 0.5)])


@pauses
def test_answers(pauses):
    """HELLO, INFO, COUNTERS and ECHO, with the request's sequence."""
    echoes = [Frame(Request.ECHO, 100 + size, bytes(range(size))) for size in (0, 1, 2, 128)]
    hello, info, counters = Frame(Request.HELLO, 1), Frame(Request.INFO, 255), Frame(Request.COUNTERS, 3)
    served = Served(hello, info, commit(0xDEADBEEF), info, counters, *echoes, pauses=pauses)
    known = PROTOCOL_VERSION, 128, 3, 3, CONFIGURATION.configuration_hash, BUILD_ID
    infos = [struct.pack(INFO_FORMAT, *known, image, 1000) for image in (0, 0xDEADBEEF)]
    assert served.responses == [
        done(hello, struct.pack("<HH", PROTOCOL_VERSION, 128)), done(info, infos[0]), done(commit()),
        done(info, infos[1]), done(counters, struct.pack(COUNTERS_FORMAT, *COUNTERS)),
        *(done(echo, echo.payload) for echo in echoes)]


def test_hold():
    """Only while COUNTERS is answered, and from its first cycle to its last."""
    served = Served(Frame(Request.COUNTERS, 1), Frame(Request.INFO, 2), Frame(Request.COUNTERS, 3, b"?"),
                    (Frame(Request.COUNTERS, 4), Error.BAD_CRC))
    assert [set(held) for held in served.held] == [{1}, {0}, {0}, {0}]
    assert len(served.held[0]) > 8 * len(COUNTER_NAMES)


@pauses
@pytest.mark.parametrize("region", WORDS)
def test_write(region, pauses):
    """Every word, at its address, to its region and no other; what comes after is served."""
    words, size = WORDS[region]
    data = random.Random(region).randbytes(size * words)
    request, again = write(region, 0, data, 9), write(region, words - 1, data[:size], 10)
    served = Served(request, again, pauses=pauses)
    assert served.responses == [done(request), done(again)]
    assert served.writes(region) == [*((n, data[n * size : (n + 1) * size]) for n in range(words)),
                                     (words - 1, data[:size])]
    assert all(served.writes(other) == [] for other in WORDS if other != region)


@pytest.mark.parametrize("region", WORDS)
def test_write_beyond(region):
    """Words before the end are written, the first one beyond it is an error; that comes before a partial word."""
    words, size = WORDS[region]
    data = bytes(range(1, 3 * size + 1))
    requests = [write(region, words - 2, data, 1), write(region, words - 1, data[: size + 1], 2),
                write(region, words, data[:1], 3), write(region, 0xFFFFFFFF, data, 4)]
    served = Served(*requests)
    assert served.responses == [refused(request, Error.BAD_ADDRESS) for request in requests]
    assert served.writes(region) == [(words - 2, data[:size]), (words - 1, data[size : 2 * size]),
                                     (words - 1, data[:size])]


@pytest.mark.parametrize("region", WORDS)
def test_write_partial_word(region):
    size = WORDS[region][1]
    requests = [write(region, 0, bytes(length), length) for length in (1, size - 1, size + 1, 2 * size - 1)]
    served = Served(*requests, write(region, 1, bytes(size)))
    assert served.responses == [*(refused(request, Error.BAD_LENGTH) for request in requests),
                                done(write(region, 1, b""))]
    assert [address for address, _ in served.writes(region)] == [0, 0, 1]


@pytest.mark.parametrize("region", [3, 4, 0x80, 0xFF])
def test_write_wrong_region(region):
    request = write(region, 0, bytes(48))
    served = Served(commit(), request, run())
    assert served.responses[1] == refused(request, Error.BAD_REGION)
    assert served.responses[2].opcode == Request.RUN | 0x80  # the image is still committed
    assert not any(served.writes(other) for other in WORDS)


@pytest.mark.parametrize(("request_", "lengths"), [
    (Request.HELLO, [1, 2]), (Request.INFO, [1, 128]), (Request.COUNTERS, [1, 64]), (Request.COMMIT, [0, 3, 5]),
    (Request.RUN, [0, 3, 5]), (Request.READ, [0, 11, 13]), (Request.WRITE, [0, 4, 8]),
], ids=lambda value: getattr(value, "name", None))
def test_wrong_length(request_, lengths):
    frames = [Frame(request_, length, bytes(length)) for length in lengths]
    served = Served(commit(), *frames)
    assert served.responses[1:] == [refused(frame, Error.BAD_LENGTH) for frame in frames]
    assert served.entries == []


def test_unknown_opcode():
    frames = [Frame(opcode, 5, bytes(4)) for opcode in (0, 9, 0x7F, 0x81, 0x85, 0xFF)]
    assert Served(*frames).responses == [refused(frame, Error.UNKNOWN_OPCODE) for frame in frames]


def test_receiver_errors():
    """They are passed on, with what is known of the request, and nothing is done."""
    errors = (Error.NO_SYNC, Error.OVERSIZED, Error.BAD_CRC, Error.TIMEOUT)
    requests = [(write(Region.WEIGHTS, 0, bytes(3), 7), error) for error in errors]
    served = Served(commit(), *requests, run())
    assert served.responses[1:-1] == [refused(frame, error) for frame, error in requests]
    assert served.writes(Region.WEIGHTS) == []
    assert served.entries == [0]


def test_run():
    """The entry is passed on, and the answer is the cycle counter when the run was done."""
    served = Served(commit(), run(5, 1), run(0, 2), run(6, 3), run(0xFFFFFFFF, 4), run(0x10000, 5), faults=[1])
    assert served.responses[1:] == [
        done(run(sequence=1), struct.pack("<Q", 999)), refused(run(sequence=2), Error.FAULT),
        *(refused(run(sequence=n), Error.BAD_ADDRESS) for n in (3, 4, 5))]
    assert served.entries == [5, 0]


@pytest.mark.parametrize("cycles", [0, 1, 300])
def test_run_waits(cycles):
    """However long it takes, one answer."""
    served = Served(commit(), run(), run_cycles=cycles)
    assert served.responses[1] == done(run(), struct.pack("<Q", 999))
    assert served.entries == [0]


def test_commit():
    """A RUN needs an image; writing weights or programs takes it back, however the WRITE ends, activations do not."""
    ways_out = [write(Region.WEIGHTS, 0, bytes(3)), write(Region.PROGRAM, 0, bytes(16)), write(Region.WEIGHTS, 0, b"?"),
                write(Region.PROGRAM, 77, bytes(16)), commit(0)]
    requests = [run(1)]
    for way_out in ways_out:
        requests += [commit(0x80000000), write(Region.ACTIVATIONS, 0, bytes(3)), write(Region.RESULTS, 0, bytes(9)),
                     write(Region.WEIGHTS, 0, b""), run(2), way_out, run(3)]
    served = Served(*requests)
    found = [response.payload[:1] for request, response in zip(requests, served.responses, strict=True)
             if request.opcode == Request.RUN and response.opcode == ERROR]
    assert found == [bytes([Error.NOT_COMMITTED])] * (1 + len(ways_out))
    assert served.entries == [2] * len(ways_out)


def test_run_order_of_checks():
    """NOT_COMMITTED before BAD_ADDRESS."""
    assert Served(run(99)).responses == [refused(run(), Error.NOT_COMMITTED)]


@pauses
@pytest.mark.parametrize(("address", "count"), [(0, 1), (0, 10), (9, 1), (3, 4)])
def test_read(address, count, pauses):
    requests = [read(address, count, sequence=1), read(0, 2, sequence=2)]
    data = [b"".join(struct.pack("<3I", *beat) for beat in beats)
            for beats in (RESULTS[address : address + count], RESULTS[:2])]
    assert Served(*requests, pauses=pauses).responses == [done(*pair) for pair in zip(requests, data, strict=True)]


@pytest.mark.parametrize(("address", "count", "region", "error"), [
    (0, 0, Region.RESULTS, Error.BAD_LENGTH), (99, 0, Region.WEIGHTS, Error.BAD_LENGTH),
    (0, 5461 + 1, Region.RESULTS, Error.BAD_LENGTH), (0, 0xFFFFFFFF, Region.RESULTS, Error.BAD_LENGTH),
    (0, 1 + (1 << 16), Region.RESULTS, Error.BAD_LENGTH), (0, 1 + (1 << 31), Region.RESULTS, Error.BAD_LENGTH),
    (0, 5461, Region.RESULTS, Error.BAD_ADDRESS), (0, 11, Region.RESULTS, Error.BAD_ADDRESS),
    (10, 1, Region.RESULTS, Error.BAD_ADDRESS), (9, 2, Region.RESULTS, Error.BAD_ADDRESS),
    (0xFFFFFFFF, 1, Region.RESULTS, Error.BAD_ADDRESS), (0xFFFFFFFF, 2, Region.RESULTS, Error.BAD_ADDRESS),
    (0, 1, Region.WEIGHTS, Error.BAD_REGION), (0, 1, Region.ACTIVATIONS, Error.BAD_REGION),
    (0, 1, 4, Error.BAD_REGION), (99, 1, 0xFF, Error.BAD_REGION),
])
def test_read_refused(address, count, region, error):
    """Length, then region, then address, as in firmware.machine; none is truncated."""
    frame = read(address, count, region, 77)
    assert Served(frame, read(0, 1)).responses == [refused(frame, error),
                                                   done(read(0, 1), struct.pack("<3I", *RESULTS[0]))]


def test_reserved_bytes_are_ignored():
    """The three bytes behind the region."""
    frames = [write(Region.ACTIVATIONS, 1, b"abc"), read(2, 1)]
    frames = [Frame(frame.opcode, frame.sequence, frame.payload[:1] + b"\xFF\xFF\xFF" + frame.payload[4:])
              for frame in frames]
    served = Served(*frames)
    assert served.responses == [done(frames[0]), done(frames[1], struct.pack("<3I", *RESULTS[2]))]
    assert served.writes(Region.ACTIVATIONS) == [(1, b"abc")]


def test_active():
    """Off before the first request and between two."""
    values = Served(Frame(Request.ECHO, 1, b"a"), Frame(Request.HELLO, 1)).active.values
    edges = sum(now != before for before, now in itertools.pairwise(values))
    assert values[0] == values[-1] == 0
    assert edges == 4
