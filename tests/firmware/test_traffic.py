"""The requests that load and execute: exact payloads, pieces that fit, and results put together again."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.firmware import traffic
from trine.firmware.compiler import compile_classifier, compile_layer
from trine.firmware.link import Region, Request
from trine.firmware.machine import Machine
from trine.firmware.plan import Output, RequestPlan, Tile
from trine.firmware.traffic import (
    TrafficError,
    exchanges,
    load_messages,
    region_words,
    request_messages,
    request_results,
    word_bytes,
    write_messages,
)

PLAN = RequestPlan(("q", "k"), 9, (5, 3), (
    Tile(3, 3, 0, 6, 1, 6, (Output(0, 0, 5, 1), Output(1, 0, 3, 5))),
    Tile(6, 2, 6, 3, 0, 2, (Output(0, 4, 1, 0),)),
))


def test_regions(small):
    assert [(word_bytes(region, small), region_words(region, small)) for region in Region] == [
        (8, 40), (16, 16), (6, 6), (8, 16)]


@given(st.integers(0, 40), st.integers(0, 9), st.sampled_from([Region.WEIGHTS, Region.PROGRAM, Region.ACTIVATIONS]))
def test_writes_are_whole_words_and_fit(small, words, address, region):
    size = word_bytes(region, small)
    data = bytes(index % 251 for index in range(words * size))
    joined = b""
    for request, payload in write_messages(region, address, data, small):
        found_region, found_address = struct.unpack_from("<BxxxI", payload)
        assert (request, found_region) == (Request.WRITE, region)
        assert found_address == address + len(joined) // size
        assert len(payload) <= 64
        assert len(payload) > 8
        assert (len(payload) - 8) % size == 0
        joined += payload[8:]
    assert joined == data


def test_load(made, small):
    image = compile_layer("layer", made.ternary(10, 20), small)
    messages = list(load_messages(image, small))
    regions = [payload[0] for request, payload in messages if request is Request.WRITE]
    assert regions == [Region.WEIGHTS, Region.WEIGHTS, Region.PROGRAM]
    assert messages[-1] == (Request.COMMIT, struct.pack("<I", image.image_id))
    machine = Machine(small)
    made.execute(machine, messages)
    assert machine.image_id == image.image_id


def test_load_of_a_streamed_image(made, configure):
    """A load is written where it begins, and its COMMIT says which one it is."""
    configuration = configure(weight_words=30)
    image = compile_classifier(made.classifier(sizes=(30, 20, 9)), configuration)
    assert len(image.loads) > 2
    assert image.loads[1].first_word > 0
    for index, load in enumerate(image.loads):
        messages = list(load_messages(image, configuration, index))
        writes = [(payload[0], int.from_bytes(payload[4:8], "little"), payload[8:]) for _, payload in messages[:-1]]
        weights = [write for write in writes if write[0] == Region.WEIGHTS]
        program = [write for write in writes if write[0] == Region.PROGRAM]
        assert weights[0][1] == load.first_word
        assert b"".join(data for *_, data in weights) == image.weights[index]
        assert program[0][1] == load.first_instruction
        assert b"".join(data for *_, data in program) == load.program
        assert messages[-1] == (Request.COMMIT, struct.pack("<I", image.load_id(index)))


def test_exchanges(made, configure, monkeypatch):
    """Load 0 by itself, then whole loads: as many as there is room for, or one that has more."""
    configuration = configure(weight_words=30, activation_chunks=1)
    image = compile_classifier(made.classifier(sizes=(30, 40)), configuration)
    (request,) = image.requests
    count = len(image.loads)
    assert count > 4
    assert image.loads[0].words
    most = max(load.words for load in image.loads[1:]) * configuration.weight_word_bytes

    def loads(size):
        monkeypatch.setattr(traffic, "EXCHANGE_BYTES", size)
        parts = exchanges(request, image.loads, configuration)
        assert [tile for part in parts for tile in part] == list(request.tiles)
        return [sorted({tile.load for tile in part}) for part in parts]

    assert loads(1) == loads(most) == [[load] for load in range(count)]
    assert loads(1 << 22) == [[0], list(range(1, count))]
    assert loads(2 * most)[:2] == [[0], [1, 2]]


def test_request(small):
    codes = np.arange(1, 10, dtype=np.int8)
    assert request_messages(PLAN, codes, small) == [
        (Request.WRITE, struct.pack("<BxxxI", 2, 0) + bytes([1, 2, 3, 4, 5, 6])),
        (Request.RUN, struct.pack("<I", 3)),
        (Request.READ, struct.pack("<BxxxII", 3, 1, 6)),
        (Request.WRITE, struct.pack("<BxxxI", 2, 0) + bytes([7, 8, 9, 0, 0, 0])),
        (Request.RUN, struct.pack("<I", 6)),
        (Request.READ, struct.pack("<BxxxII", 3, 0, 2)),
    ]


def test_results(small):
    """Two values a beat. Layer 0 has rows 0..4 in beats 1..4 and row 4 again in the second tile; layer 1 in 5..6."""
    first = np.array([10, 11, 12, 13, 14, 99, 99, 99, 20, 21, 22, 99], "<i4").tobytes()
    second = np.array([-1000, 99, 99, 99], "<i4").tobytes()
    results = request_results(PLAN, [b"", bytes(8), first, b"", bytes(8), second], small)
    assert [result.tolist() for result in results] == [[10, 11, 12, 13, -986], [20, 21, 22]]
    assert all(result.dtype == np.int32 for result in results)


def test_pieces(configure):
    """A payload that holds two chunks, and a response that holds 8191 of 8200 beats."""
    configuration = configure(activation_chunks=9, result_beats=8200, maximum_payload=64, depth=25, lanes=2)
    plan = RequestPlan(("a",), 120, (8200,), (Tile(0, 2, 0, 120, 0, 8200, (Output(0, 0, 8200, 0),)),))
    messages = request_messages(plan, np.ones(120, np.int8), configuration)
    assert [(request, len(payload)) for request, payload in messages] == [
        (Request.WRITE, 58), (Request.WRITE, 58), (Request.WRITE, 33), (Request.RUN, 4),
        (Request.READ, 12), (Request.READ, 12)]
    assert [struct.unpack("<BxxxII", payload) for _, payload in messages[-2:]] == [(3, 0, 8191), (3, 8191, 9)]
    values = np.arange(2 * 8200, dtype="<i4").tobytes()
    (result,) = request_results(plan, [b"", b"", b"", bytes(8), values[: 8 * 8191], values[8 * 8191 :]], configuration)
    assert np.array_equal(result, np.arange(8200))


@pytest.mark.parametrize(("codes", "said"), [
    (np.zeros(8, np.int8), r"q, k: codes must be int8 \(9,\), not int8 \(8,\)"),
    (np.zeros((1, 9), np.int8), r"not int8 \(1, 9\)"),
    (np.zeros(9, np.int32), r"not int32 \(9,\)"),
])
def test_wrong_codes(small, codes, said):
    with pytest.raises(TrafficError, match=said):
        request_messages(PLAN, codes, small)


def test_codes_outside_the_mode(configure):
    codes = np.array([0, 7, -7, 8, 0, 0, 0, 0, 0], np.int8)
    with pytest.raises(TrafficError, match=r"q, k: codes must be -7 to 7, but codes\[3\] is 8"):
        request_messages(PLAN, codes, configure(activation_bits=4))
    codes[3] = -128
    assert request_messages(PLAN, codes, configure())
    with pytest.raises(TrafficError, match=r"codes must be -127 to 127, but codes\[3\] is -128"):
        request_messages(PLAN, codes, configure(group=6, group_accumulator_bits=12))


@pytest.mark.parametrize(("responses", "said"), [
    ([b"", bytes(8), bytes(47), b"", bytes(8), bytes(16)], "q, k: 47 bytes of results came, not 48"),
    ([b"", bytes(8), bytes(48), b"", bytes(8), bytes(17)], "17 bytes of results came, not 16"),
    ([b"", bytes(8), bytes(48)], "0 bytes of results came, not 16"),
    ([b"", bytes(8), bytes(48), b"", bytes(8), bytes(16), b""], "1 responses are too many"),
])
def test_wrong_responses(small, responses, said):
    with pytest.raises(TrafficError, match=said):
        request_results(PLAN, responses, small)
