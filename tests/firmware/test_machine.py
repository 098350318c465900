"""The functional device: every request and every refusal, arithmetic against golden, and any bytes at all."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trine.firmware.assembler import End, Matvec, assemble, encode
from trine.firmware.counters import COUNTER_NAMES, decode_counters
from trine.firmware.cycles import program_cycles
from trine.firmware.layout import pack_weights
from trine.firmware.link import ERROR, INFO_FORMAT, RESPONSE_BIT, Error, Frame, Region, Request, decode_header
from trine.firmware.machine import Machine
from trine.golden.accumulate import accumulate


def split(data):
    """The frames of a stream of responses, each checked by encoding it again."""
    frames = []
    while data:
        opcode, sequence, length = decode_header(data[:8])
        frame = Frame(opcode, sequence, data[8 : 8 + length])
        assert data[: 12 + length] == frame.encode()
        frames.append(frame)
        data = data[12 + length :]
    return frames


class Host:
    """One request at a time, each answered by exactly one response with its sequence number."""

    def __init__(self, configuration, **options):
        self.machine = Machine(configuration, **options)
        self._sequence = 0

    def ask(self, request, payload=b""):
        """The response's payload, or the Error."""
        self._sequence = (self._sequence + 77) % 256
        (answer,) = split(self.machine.feed(Frame(request, self._sequence, payload).encode()))
        assert answer.sequence == self._sequence
        if answer.opcode == ERROR:
            assert answer.payload[1:] == bytes([request])
            return Error(answer.payload[0])
        assert answer.opcode == request | RESPONSE_BIT
        return answer.payload

    def write(self, region, address, data):
        return self.ask(Request.WRITE, struct.pack("<BxxxI", region, address) + data)

    def read(self, address, count, region=Region.RESULTS):
        return self.ask(Request.READ, struct.pack("<BxxxII", region, address, count))

    def run(self, entry=0):
        return self.ask(Request.RUN, struct.pack("<I", entry))

    def load(self, weights, program, codes):
        configuration = self.machine.configuration
        if len(weights):
            assert self.write(Region.WEIGHTS, 0, pack_weights(weights, configuration)) == b""
        assert self.write(Region.PROGRAM, 0, b"".join(map(encode, program))) == b""
        if len(codes):
            assert self.write(Region.ACTIVATIONS, 0, codes.tobytes()) == b""
        assert self.ask(Request.COMMIT, struct.pack("<I", 5)) == b""


@pytest.fixture
def host(small):
    return Host(small)


@pytest.fixture
def roomy(configure):
    """The same device with room for whole layers in a payload."""
    return configure(maximum_payload=2048)


def test_hello_and_info(configure):
    configuration = configure(clock_mhz=33.3335)
    host = Host(configuration, build_id=2**64 - 2)
    assert host.ask(Request.HELLO) == struct.pack("<HH", 1, 64)
    assert struct.unpack(INFO_FORMAT, host.ask(Request.INFO)) == (
        1, 64, 4, 6, configuration.configuration_hash, 2**64 - 2, 0, 33334)
    host.ask(Request.COMMIT, struct.pack("<I", 0xDEADBEEF))
    assert struct.unpack(INFO_FORMAT, host.ask(Request.INFO))[6] == 0xDEADBEEF == host.machine.image_id


def test_echo(host):
    for length in (0, 1, 63, 64):
        assert host.ask(Request.ECHO, bytes(range(length))) == bytes(range(length))


def test_oversized(host):
    assert host.ask(Request.ECHO, bytes(65)) is Error.OVERSIZED
    assert host.ask(Request.ECHO, bytes(65535)) is Error.OVERSIZED
    assert host.ask(Request.ECHO, b"x") == b"x"


@pytest.mark.parametrize("opcode", [0, 9, 0x7F, 0x81, 0xFF])
def test_unknown_opcode(host, opcode):
    assert host.ask(opcode, b"abc") is Error.UNKNOWN_OPCODE


@pytest.mark.parametrize(("request_", "lengths"), [
    (Request.HELLO, (1, 4)), (Request.INFO, (1,)), (Request.COUNTERS, (1,)), (Request.RUN, (0, 3, 5)),
    (Request.COMMIT, (0, 3, 5)), (Request.READ, (0, 11, 13)), (Request.WRITE, (0, 7, 8)),
])
def test_bad_length(host, request_, lengths):
    for length in lengths:
        assert host.ask(request_, bytes([9]) * length) is Error.BAD_LENGTH


def test_wrong_crc_has_no_effect(host):
    host.ask(Request.COMMIT, b"\1\0\0\0")
    data = bytearray(Frame(Request.COMMIT, 3, b"\2\0\0\0").encode())
    data[8] ^= 3
    assert split(host.machine.feed(bytes(data))) == [Frame(ERROR, 3, bytes([Error.BAD_CRC, Request.COMMIT]))]
    assert host.machine.image_id == 1


@pytest.mark.parametrize("region", [Region.RESULTS, 4, 255])
def test_write_bad_region(host, region):
    assert host.write(region, 0, bytes(16)) is Error.BAD_REGION


@pytest.mark.parametrize(("region", "words", "size"), [
    (Region.WEIGHTS, 40, 8), (Region.PROGRAM, 16, 16), (Region.ACTIVATIONS, 6, 6)])
def test_write_to_the_end_of_a_region(host, region, words, size):
    assert host.write(region, words - 2, bytes(2 * size)) == b""
    assert host.write(region, words - 1, bytes(2 * size)) is Error.BAD_ADDRESS
    assert host.write(region, words, bytes(size)) is Error.BAD_ADDRESS
    assert host.write(region, 2**32 - 1, bytes(2 * size)) is Error.BAD_ADDRESS
    assert host.write(region, 0, bytes(size + 1)) is Error.BAD_LENGTH
    assert host.write(region, 0, bytes(size - 1)) is Error.BAD_LENGTH
    assert host.write(region, words - 2, bytes(size + 1)) is Error.BAD_LENGTH
    assert host.write(region, words - 1, bytes(size + 1)) is Error.BAD_ADDRESS
    assert host.write(region, words, b"x") is Error.BAD_ADDRESS
    assert host.write(region, 2**32 - 1, b"x") is Error.BAD_ADDRESS
    assert host.write(region, words - 1, bytes(2 * size + 1)) is Error.BAD_ADDRESS


def test_words_before_a_refusal_are_written(host):
    """One weight word of four rows; of the codes, those of chunk 5 are written, those beyond the buffer are not."""
    host.load(np.ones((4, 6), np.int8), [Matvec(0, 1, 1, 5, 0), End()], np.zeros(0, np.int8))
    assert host.write(Region.ACTIVATIONS, 5, bytes([1] * 6 + [7] * 6)) is Error.BAD_ADDRESS
    host.run()
    assert np.frombuffer(host.read(0, 2), "<i4").tolist() == [6] * 4
    assert host.write(Region.ACTIVATIONS, 5, bytes([2] * 6 + [7] * 5)) is Error.BAD_ADDRESS
    host.run()
    assert np.frombuffer(host.read(0, 2), "<i4").tolist() == [12] * 4


@pytest.mark.parametrize(("region", "keeps"), [(Region.WEIGHTS, False), (Region.PROGRAM, False),
                                               (Region.ACTIVATIONS, True)])
def test_write_uncommits(host, region, keeps):
    host.load(np.zeros((4, 6), np.int8), [End()], np.zeros(6, np.int8))
    size = {Region.WEIGHTS: 8, Region.PROGRAM: 16, Region.ACTIVATIONS: 6}[region]
    for write, result in ((bytes(2 * size), b""), (b"\0", Error.BAD_LENGTH)):
        host.ask(Request.COMMIT, b"\5\0\0\0")
        assert host.write(region, 0, write) == result
        assert host.machine.image_id == (5 if keeps else 0)
    host.ask(Request.COMMIT, b"\5\0\0\0")
    assert host.write(region, 99, bytes(48)) is Error.BAD_ADDRESS
    assert host.machine.image_id == (5 if keeps else 0)


def test_refused_writes_keep_the_image(host):
    host.ask(Request.COMMIT, b"\5\0\0\0")
    assert host.write(Region.WEIGHTS, 0, b"") is Error.BAD_LENGTH
    assert host.write(Region.RESULTS, 0, bytes(8)) is Error.BAD_REGION
    assert host.machine.image_id == 5


@pytest.mark.parametrize(("address", "count", "region", "answer"), [
    (0, 0, Region.RESULTS, Error.BAD_LENGTH),
    (0, 0, Region.WEIGHTS, Error.BAD_LENGTH),
    (0, 8192, Region.RESULTS, Error.BAD_LENGTH),
    (0, 2**32 - 1, 9, Error.BAD_LENGTH),
    (0, 8191, Region.RESULTS, Error.BAD_ADDRESS),
    (0, 1, Region.WEIGHTS, Error.BAD_REGION),
    (0, 8191, Region.ACTIVATIONS, Error.BAD_REGION),
    (99, 1, 4, Error.BAD_REGION),
    (0, 17, Region.RESULTS, Error.BAD_ADDRESS),
    (16, 1, Region.RESULTS, Error.BAD_ADDRESS),
    (2**32 - 1, 1, Region.RESULTS, Error.BAD_ADDRESS),
    (2**32 - 1, 2, Region.RESULTS, Error.BAD_ADDRESS),
    (15, 1, Region.RESULTS, bytes(8)),
    (0, 16, Region.RESULTS, bytes(128)),
])
def test_read(host, address, count, region, answer):
    """8191 beats of 8 bytes are the most that a response holds."""
    assert host.read(address, count, region) == answer


def test_read_bytes_after_the_region_are_ignored(host):
    assert host.ask(Request.READ, b"\3\xff\xff\xff" + struct.pack("<II", 0, 1)) == bytes(8)
    assert host.ask(Request.WRITE, b"\2\xff\xff\xff" + struct.pack("<I", 0) + bytes(6)) == b""


def test_run_refusals_in_order(host):
    assert host.run(16) is Error.NOT_COMMITTED
    host.ask(Request.COMMIT, b"\1\0\0\0")
    assert host.run(16) is Error.BAD_ADDRESS
    assert host.run(2**32 - 1) is Error.BAD_ADDRESS
    assert isinstance(host.run(15), bytes)
    host.ask(Request.COMMIT, bytes(4))
    assert host.run(15) is Error.NOT_COMMITTED


@pytest.mark.parametrize("start", [(2,), (0, 1), (1, 0, 0, 0, 1), (1, 0, 1)])
def test_fault_keeps_what_was_executed(host, start):
    codes = np.ones(6, np.int8)
    host.load(np.ones((4, 6), np.int8), [Matvec(0, 1, 1, 0, 2)], codes)
    host.write(Region.PROGRAM, 1, bytes(start).ljust(16, b"\0"))
    host.ask(Request.COMMIT, b"\1\0\0\0")
    assert host.run() is Error.FAULT
    assert np.frombuffer(host.read(2, 2), "<i4").tolist() == [6] * 4
    assert host.machine.counters == program_cycles([Matvec(0, 1, 1, 0, 2)], host.machine.configuration)


def test_fault_beyond_the_program_memory(host):
    host.load(np.ones((4, 6), np.int8), [End()], np.ones(6, np.int8))
    host.write(Region.PROGRAM, 15, encode(Matvec(0, 1, 1)))
    host.ask(Request.COMMIT, b"\1\0\0\0")
    assert host.run(15) is Error.FAULT
    assert np.frombuffer(host.read(0, 2), "<i4").tolist() == [6] * 4


def test_run_from_retained_inputs(host):
    host.load(np.ones((4, 6), np.int8), [Matvec(0, 1, 1), End()], np.arange(6, dtype=np.int8))
    first, second = host.run(), host.run()
    assert np.frombuffer(host.read(0, 2), "<i4").tolist() == [15] * 4
    cycles = program_cycles([Matvec(0, 1, 1)], host.machine.configuration).cycles
    assert (int.from_bytes(first, "little"), int.from_bytes(second, "little")) == (cycles, 2 * cycles)


def test_counters(host):
    program = (Matvec(0, 3, 2), Matvec(6, 1, 5, 0, 6), End())
    host.load(np.ones((4, 6), np.int8), program, np.zeros(30, np.int8))
    assert decode_counters(host.ask(Request.COUNTERS)).cycles == 0
    host.run()
    counters = decode_counters(host.ask(Request.COUNTERS))
    assert counters == program_cycles(program, host.machine.configuration) == host.machine.counters
    assert counters.busy == 11
    assert sum(getattr(counters, name) for name in COUNTER_NAMES[1:]) == counters.cycles


@settings(max_examples=60, deadline=None)
@given(data=st.data(), rows=st.integers(1, 16), columns=st.integers(1, 36), first_chunk=st.integers(0, 3))
@pytest.mark.parametrize("mode", [
    {}, {"activation_bits": 4}, {"group": 12, "group_accumulator_bits": 8}, {"group_accumulator_bits": 6},
    {"activation_bits": 4, "group": 6, "group_accumulator_bits": 4}, {"packing": "trit3x5"}, {"packing": "bit1"},
])
def test_equals_golden(configure, mode, data, rows, columns, first_chunk):
    configuration = configure(maximum_payload=2048, **mode)
    chunks = -(-columns // 6)
    first_chunk = min(first_chunk, 6 - chunks)
    low, high = configuration.accumulator_mode.code_range
    seed = data.draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    weights = random.integers(-1, 2, (rows, columns), np.int8)
    if mode.get("packing") == "bit1":
        weights[weights == 0] = 1
    codes = random.choice(np.array([low, low // 2, 0, 1, high], np.int8), columns)
    stored = np.zeros(36, np.int8)
    stored[first_chunk * 6 : first_chunk * 6 + columns] = codes
    host = Host(configuration)
    blocks = -(-rows // 4)
    host.load(weights, [Matvec(0, blocks, chunks, first_chunk, 16 - 2 * blocks), End()], stored)
    host.run()
    results = np.frombuffer(host.read(16 - 2 * blocks, 2 * blocks), "<i4")[:rows]
    assert np.array_equal(results, accumulate(weights, codes, configuration.accumulator_mode))


def test_sums_wrap_to_the_accumulator(configure):
    configuration = configure(accumulator_bits=8)
    host = Host(configuration)
    weights = np.array([[1, 1, 0, 0, 0, 0], [-1, -1, -1, 0, 0, 0], [1, 0, 0, 0, 0, 0], [0, 0, 1, 1, 0, 0]], np.int8)
    host.load(weights, [Matvec(0, 1, 1), End()], np.array([100, 100, 28, 100, 0, 0], np.int8))
    host.run()
    assert np.frombuffer(host.read(0, 2), "<i4").tolist() == [200 - 256, -228 + 256, 100, 128 - 256]


def test_narrow_codes_are_the_low_bits(configure):
    host = Host(configure(activation_bits=4))
    codes = np.array([0x17, 0x2F, 0x08, 0, 0, 0], np.uint8).view(np.int8)  # 7, -1, -8
    host.load(np.ones((4, 6), np.int8), [Matvec(0, 1, 1), End()], codes)
    host.run()
    assert np.frombuffer(host.read(0, 2), "<i4").tolist() == [-2] * 4


def test_programs_beyond_the_memories_end(roomy):
    """What they give is undefined, but the device lives on, and other results are untouched."""
    host = Host(roomy)
    host.load(np.ones((160, 6), np.int8), [Matvec(0, 1, 1), End()], np.ones(36, np.int8))
    host.run()
    for operation in (Matvec(39, 65535, 65535, 1, 2), Matvec(2**32 - 1, 2, 2, 0, 14), Matvec(0, 1, 1, 65535, 3),
                      Matvec(0, 65535, 1, 0, 15), Matvec(0, 1, 1, 0, 2**32 - 1)):
        host.write(Region.PROGRAM, 0, encode(operation) + encode(End()))
        host.ask(Request.COMMIT, b"\1\0\0\0")
        assert len(host.run()) == 8
        assert np.frombuffer(host.read(0, 2), "<i4").tolist() == [6] * 4


def test_beyond_the_memories_are_zeros(roomy):
    """There are 40 weight words and 6 activation chunks."""
    host = Host(roomy)
    host.load(np.ones((160, 6), np.int8), [Matvec(36, 2, 2, 4, 0), Matvec(36, 2, 2, 5, 4), End()], np.ones(36, np.int8))
    host.run()
    assert np.frombuffer(host.read(0, 8), "<i4").tolist() == [12] * 8 + [6] * 8
    host.write(Region.PROGRAM, 0, encode(Matvec(38, 2, 2, 4, 0)) + encode(Matvec(39, 2, 2, 4, 4)) + encode(End()))
    host.ask(Request.COMMIT, b"\1\0\0\0")
    host.run()
    assert np.frombuffer(host.read(0, 8), "<i4").tolist() == [12] * 4 + [0] * 4 + [6] * 4 + [0] * 4


def test_codes_that_are_not_in_use_count_as_zero(host):
    host.load(np.ones((4, 6), np.int8), [Matvec(0, 1, 1), End()], np.ones(6, np.int8))
    host.write(Region.WEIGHTS, 0, bytes([0b10101010, 0xFA]) + bytes(6))
    host.ask(Request.COMMIT, b"\1\0\0\0")
    host.run()
    assert np.frombuffer(host.read(0, 2), "<i4").tolist() == [0] * 4


def test_new_weights_are_used(host):
    host.load(np.ones((4, 6), np.int8), [Matvec(0, 1, 1), End()], np.ones(6, np.int8))
    host.run()
    host.load(-np.ones((4, 6), np.int8), [Matvec(0, 1, 1), End()], np.ones(6, np.int8))
    host.run()
    assert np.frombuffer(host.read(0, 2), "<i4").tolist() == [-6] * 4


def test_pipelined_requests_are_answered_in_order(host):
    requests = [Frame(Request.ECHO, index, bytes([index])) for index in range(20)]
    answers = split(host.machine.feed(b"".join(map(Frame.encode, requests))))
    assert answers == [Frame(Request.ECHO | RESPONSE_BIT, index, bytes([index])) for index in range(20)]


def test_repeated_requests_do_the_same_again(host, small):
    host.load(np.ones((4, 6), np.int8), [Matvec(0, 1, 1), End()], np.ones(6, np.int8))
    for request, payload in ((Request.RUN, bytes(4)), (Request.READ, struct.pack("<BxxxII", 3, 0, 2)),
                             (Request.WRITE, struct.pack("<BxxxI", 2, 0) + bytes(6)), (Request.HELLO, b"")):
        once, twice = host.ask(request, payload), host.ask(request, payload)
        assert request is Request.RUN or once == twice


def test_timeout(host):
    assert host.machine.timeout() == b""
    assert host.machine.feed(Frame(Request.ECHO, 9, b"abc").encode()[:-1]) == b""
    assert split(host.machine.timeout()) == [Frame(ERROR, 9, bytes([Error.TIMEOUT, Request.ECHO]))]
    assert host.machine.feed(b"\xb1") == b""
    assert split(host.machine.timeout()) == [Frame(ERROR, 0, bytes([Error.TIMEOUT, 0]))]
    assert host.ask(Request.ECHO, b"abc") == b"abc"


def test_no_sync(host):
    assert split(host.machine.feed(bytes(20))) == [Frame(ERROR, 0, bytes([Error.NO_SYNC, 0]))]
    assert host.ask(Request.ECHO, b"abc") == b"abc"


requests = st.one_of(
    st.builds(lambda region, address, data: struct.pack("<BxxxI", region, address) + data, st.integers(0, 4),
              st.one_of(st.integers(0, 41), st.integers(0, 2**32 - 1)), st.binary(max_size=56)).map(
        lambda payload: (Request.WRITE, payload)),
    st.builds(lambda region, address, count: struct.pack("<BxxxII", region, address, count), st.integers(2, 4),
              st.integers(0, 18), st.integers(0, 18)).map(lambda payload: (Request.READ, payload)),
    st.integers(0, 17).map(lambda entry: (Request.RUN, struct.pack("<I", entry))),
    st.integers(0, 1).map(lambda image: (Request.COMMIT, struct.pack("<I", image))),
    st.tuples(st.integers(0, 255), st.binary(max_size=80)),
)


@settings(max_examples=80, deadline=None)
@given(st.lists(requests, max_size=20), st.data())
def test_every_request_gets_one_response(small, sent, data):
    """And none depends on how the stream was cut into pieces."""
    frames = [Frame(opcode, index, payload) for index, (opcode, payload) in enumerate(sent)]
    stream = b"".join(map(Frame.encode, frames))
    answers = split(Machine(small).feed(stream))
    assert [answer.sequence for answer in answers] == [frame.sequence for frame in frames]
    for frame, answer in zip(frames, answers, strict=True):
        assert answer.opcode == frame.opcode | RESPONSE_BIT or (
            answer.opcode == ERROR and len(answer.payload) == 2 and answer.payload[1] == frame.opcode)
    size = data.draw(st.integers(1, 50))
    machine = Machine(small)
    pieces = b"".join(machine.feed(stream[at : at + size]) for at in range(0, len(stream), size))
    assert split(pieces) == answers


@settings(max_examples=80, deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=30),
                          requests.map(lambda request: Frame(request[0], 1, request[1]).encode()),
                          requests.map(lambda request: Frame(request[0], 1, request[1]).encode()[:-3])), max_size=12))
def test_any_bytes_and_the_device_lives_on(small, parts):
    machine = Machine(small)
    split(machine.feed(b"".join(parts)))
    split(machine.timeout())
    assert machine.timeout() == b""
    answers = split(machine.feed(Frame(Request.ECHO, 200, b"alive").encode()))
    assert answers == [Frame(Request.ECHO | RESPONSE_BIT, 200, b"alive")]


def test_program_from_the_assembler(host, small):
    weights = np.eye(4, 6, dtype=np.int8)
    host.write(Region.WEIGHTS, 3, pack_weights(weights, small))
    host.write(Region.PROGRAM, 4, assemble([Matvec(3, 1, 1, 2, 5), End()], small))
    host.write(Region.ACTIVATIONS, 2, bytes(range(6)))
    host.ask(Request.COMMIT, b"\1\0\0\0")
    host.run(4)
    assert np.frombuffer(host.read(5, 2), "<i4").tolist() == [0, 1, 2, 3]
