"""The image file: there and back, and one line for everything that is no image, or not one for the device."""

import dataclasses
import json
import math
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trine.firmware.assembler import End, Matvec
from trine.firmware.compiler import compile_classifier, compile_layer
from trine.firmware.image import Image, ImageError, layer_weights
from trine.firmware.image_file import read_image, save_image, write_image

START = 40


@pytest.fixture(scope="module", params=[40, 3], ids=["resident", "streamed"])
def configuration(configure, request):
    return configure(weight_words=request.param)


@pytest.fixture(scope="module")
def image(configuration, made):
    return compile_classifier(made.classifier(), configuration, "digits")


@pytest.fixture(scope="module")
def data(image, tmp_path_factory):
    path = tmp_path_factory.mktemp("file") / "digits.trine"
    save_image(path, image)
    return path.read_bytes()


@pytest.fixture(scope="module")
def read(tmp_path_factory, configuration):
    """Writes bytes into a file and reads everything that is in it."""
    path = tmp_path_factory.mktemp("read") / "image"

    def run(contents, device=None) -> Image:
        path.write_bytes(contents)
        found = read_image(path, configuration if device is None else device)
        return dataclasses.replace(found, weights=list(found.weights), tensors=dict(found.tensors))

    return run


def split(data):
    """(header's fields, contents, index) of a file."""
    fields = struct.unpack_from("<8sHHQQQI", data)
    return fields, data[START : START + fields[4]], json.loads(data[START + fields[4] :])


def join(fields, contents, index):
    """The inverse, with a checksum that is right; `index` may be bytes."""
    encoded = index if isinstance(index, bytes) else json.dumps(index).encode()
    head = struct.pack("<8sHHQQQ", *fields[:4], len(contents), len(encoded))
    return head + struct.pack("<I", zlib.crc32(encoded, zlib.crc32(head))) + contents + encoded


def test_there_and_back(image, data, read, configuration):
    again = read(data)
    assert (again.model, again.requests, again.loads, again.checksums) == (
        image.model, image.requests, image.loads, image.checksums)
    assert (again.configuration_name, again.configuration_hash) == ("small", configuration.configuration_hash)
    assert again.weights == list(image.weights)
    assert {name: tensor.tolist() for name, tensor in again.tensors.items()} == {
        "layer0.weight_scale": [0.5], "layer1.weight_scale": [1.5]}
    assert again.image_id == image.image_id
    for name, weights in layer_weights(image, configuration).items():
        assert np.array_equal(layer_weights(again, configuration)[name], weights)


def test_layout_of_the_file(image, data, configuration):
    (magic, version, zero, configuration_hash, length, _, checksum), contents, index = split(data)
    assert (magic, version, zero, configuration_hash) == (b"trine\r\n\x1a", 2, 0, configuration.configuration_hash)
    assert checksum == zlib.crc32(data[: START - 4] + data[START + length :])
    program = b"".join(load.program for load in image.loads)
    scales = np.array([0.5, 1.5], "<f4").tobytes()
    assert contents == program + b"".join(image.weights) + scales
    assert index["program"] == zlib.crc32(program)
    assert [load["checksum"] for load in index["loads"]] == list(image.checksums)
    assert index["tensors"][0] == {"name": "layer0.weight_scale", "shape": [1], "checksum": zlib.crc32(scales[:4])}
    assert join(*split(data)) == join(*split(join(*split(data))))


def test_streamed_is_written_as_it_comes(image, tmp_path):
    """Each part is asked for when the one before it is in the file, which has its name when it is complete."""
    path, seen = tmp_path / "digits.trine", []

    def one_after_another(parts):
        for part in parts:
            assert not path.exists()
            seen.append(part)
            yield part

    write_image(path, image, one_after_another(image.tensors.items()), one_after_another(image.weights))
    assert seen == [*image.weights, *image.tensors.items()]
    assert [entry.name for entry in tmp_path.iterdir()] == ["digits.trine"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError("bad weights"), MemoryError])
@pytest.mark.parametrize("old", [None, b"the old image"])
def test_what_ends_it_leaves_nothing(image, tmp_path, error, old):
    path = tmp_path / "digits.trine"
    if old is not None:
        path.write_bytes(old)

    def interrupted():
        yield image.weights[0]
        raise error

    with pytest.raises(error if isinstance(error, type) else type(error)):
        write_image(path, image, image.tensors.items(), interrupted())
    assert [entry.read_bytes() for entry in tmp_path.iterdir()] == ([] if old is None else [old])


def test_write_to_nowhere(image, tmp_path):
    with pytest.raises(ImageError, match="cannot write the image: No such file or directory"):
        save_image(tmp_path / "missing" / "digits.trine", image)


def test_write_to_a_file_system_that_is_read_only(image, tmp_path, monkeypatch):
    """Which does not even say that what is to be removed is missing."""
    def refuse(self, missing_ok=False):
        raise OSError(30, "Read-only file system", str(self))

    monkeypatch.setattr("pathlib.Path.unlink", refuse)
    with pytest.raises(ImageError, match=r"digits\.trine: cannot write the image: No such file or directory"):
        save_image(tmp_path / "missing" / "digits.trine", image)


def test_a_failed_write_leaves_the_old_file(image, tmp_path):
    target = tmp_path / "digits.trine"
    target.mkdir()
    with pytest.raises(ImageError, match=r"digits\.trine: cannot write the image"):
        save_image(target, image)
    assert list(tmp_path.iterdir()) == [target]


def test_read_nothing(configuration, tmp_path):
    with pytest.raises(ImageError, match=r"gone\.trine: cannot read the image: No such file or directory"):
        read_image(tmp_path / "gone.trine", configuration)


def test_nothing_is_read_before_it_is_asked_for(data, configuration, tmp_path):
    path = tmp_path / "digits.trine"
    path.write_bytes(data)
    found = read_image(path, configuration)
    assert found.weights[0] == found.weights[-len(found.loads)]
    path.unlink()
    for ask in (lambda: found.weights[0], lambda: found.weights[:1], lambda: found.tensors["layer0.weight_scale"]):
        with pytest.raises(ImageError, match=r"digits\.trine: cannot read the image: No such file"):
            ask()
    with pytest.raises(IndexError):
        found.weights[len(found.loads)]


def test_a_file_that_changed(data, configuration, tmp_path):
    path = tmp_path / "digits.trine"
    path.write_bytes(data)
    found = read_image(path, configuration)
    path.write_bytes(data[: START + 40])
    for ask, what in ((lambda: found.weights[len(found.loads) - 1], f"load {len(found.loads) - 1}"),
                      (lambda: found.tensors["layer1.weight_scale"], "tensor layer1.weight_scale")):
        with pytest.raises(ImageError, match=rf"digits\.trine: {what} is damaged: its checksum is wrong"):
            ask()


def test_truncated_anywhere(data, read):
    for length in (*range(START + 4), *range(START + 4, len(data), 13), len(data) - 1):
        with pytest.raises(ImageError, match="not an image of trine" if length < 8 else "truncated: "):
            read(data[:length])


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.data())
def test_any_flipped_bits(data, read, draw):
    damaged = bytearray(data)
    for position in draw.draw(st.lists(st.integers(0, len(damaged) - 1), min_size=1, max_size=4, unique=True)):
        damaged[position] ^= draw.draw(st.integers(1, 255))
    with pytest.raises(ImageError):
        read(bytes(damaged))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.data())
def test_any_flipped_bits_with_a_right_checksum(data, read, configuration, draw):
    """Of the index; what is not refused then is the plan of an image whose weights can be unpacked."""
    fields, contents, _ = split(data)
    index = bytearray(data[START + len(contents) :])
    for position in draw.draw(st.lists(st.integers(0, len(index) - 1), min_size=1, max_size=4, unique=True)):
        index[position] ^= draw.draw(st.integers(1, 255))
    try:
        again = read(join(fields, contents, bytes(index)))
    except ImageError:
        return
    assert dict(layer_weights(again, configuration)).keys() == {name for plan in again.requests for name in plan.layers}


def test_other_files(read):
    for data in (b"", b"PK\3\4" + bytes(100), b"trine", bytes(100)):
        with pytest.raises(ImageError, match=r"image: not an image of trine$"):
            read(data)


def test_bytes_after_the_end(data, read):
    with pytest.raises(ImageError, match=r"image: 3 bytes follow its end$"):
        read(data + b"abc")


def test_old_version(data, read):
    with pytest.raises(ImageError, match="version 1 is unknown, this is version 2; compile the model again"):
        read(data[:8] + b"\1" + data[9:])


def test_other_configuration(image, data, read, configure):
    other = configure(name="wide", lanes=8)
    found, wanted = (f"{number:016x}" for number in (image.configuration_hash, other.configuration_hash))
    with pytest.raises(ImageError, match=rf"compiled for another configuration \(small, {found}\) than wide "
                                         rf"\({wanted}\); compile the model for it"):
        read(data, other)


def test_same_device_of_another_name(data, read, configuration):
    assert read(data, dataclasses.replace(configuration, name="mine", clock_mhz=99)).name == "digits"


def changed(index, *path, to):
    """A copy of `index` with one value changed."""
    index = json.loads(json.dumps(index))
    place = index
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    return index


@pytest.mark.parametrize(("change", "said"), [
    (lambda i: b"{", "the index is not JSON"),
    (lambda i: b"[" * 100000, "the index is not JSON"),
    (lambda i: [], "the index must have model, requests, loads, tensors, program"),
    (lambda i: {**i, "more": 1}, "the index must have model, requests, loads, tensors, program"),
    (lambda i: {**i, "model": []}, "the index: model must be a dict, not list"),
    (lambda i: {**i, "model": {}}, "the model does not name a configuration"),
    (lambda i: {**i, "requests": {}}, "the index: requests must be a list, not dict"),
    (lambda i: {**i, "requests": i["requests"][:1]}, r"load \d has \d words and \d instructions, its tiles"),
    (lambda i: {**i, "requests": i["requests"] * 2}, "no program of|load 1 after load 3"),
    (lambda i: {**i, "program": 3}, "the checksum of its programs is wrong"),
    (lambda i: {**i, "loads": []}, "damaged: the checksum of its programs|there is no load"),
    (lambda i: {**i, "loads": [1]}, "load 0 must have first_word, words"),
    (lambda i: changed(i, "loads", 0, "words", to=-1), "load 0: words must be an integer of at most 32 bits, not -1"),
    (lambda i: changed(i, "loads", 0, "words", to=True), "load 0: words must be an integer"),
    (lambda i: changed(i, "loads", 0, "words", to=2**31), "its contents are not as long as the index says"),
    (lambda i: changed(i, "loads", 0, "instructions", to=2**31), "not as long as the index says|checksum of its prog"),
    (lambda i: changed(i, "tensors", 0, "name", to="layer1.weight_scale"), "tensor layer1.weight_scale is there twice"),
    (lambda i: changed(i, "tensors", 0, "shape", to=[2**31, 2**31]), "its contents are not as long as the index says"),
    (lambda i: changed(i, "tensors", 0, "shape", to=["1"]), "its shape must be an integer of at most 32 bits"),
    (lambda i: changed(i, "tensors", 0, "checksum", to=5), "tensor layer0.weight_scale is damaged"),
    (lambda i: changed(i, "loads", -1, "checksum", to=5), r"load \d is damaged: its checksum is wrong"),
])
def test_wrong_index(data, read, change, said):
    fields, contents, index = split(data)
    with pytest.raises(ImageError, match=f"image: .*({said})"):
        read(join(fields, contents, change(index)))


def one_layer(made, small, **tile):
    """An image of a 4 x 12 layer: 2 words, 1 instruction and END, 2 beats; its only tile changed."""
    image = compile_layer("layer", made.ternary(4, 12), small)
    (plan,) = image.requests
    return dataclasses.replace(image, requests=(dataclasses.replace(
        plan, tiles=(dataclasses.replace(plan.tiles[0], **tile),)),))


@pytest.mark.parametrize(("tile", "said"), [
    ({}, None),
    ({"entry": 1}, "request 0, tile 0: no program of 2 instructions at 1"),
    ({"entry": 2**31}, "no program of 2 instructions"),
    ({"beats": 1}, "writes beyond the results that are read"),
    ({"beats": 17}, "column 0 or beat 0 cannot be its first"),
    ({"first_column": 3, "columns": 9}, "column 3 or beat 0 cannot be its first"),
    ({"columns": 6}, "the instruction is `matvec weights=0 rows=1 chunks=2 activations=0 results=0`, but its output "
                     "needs `matvec weights=0 rows=1 chunks=1 activations=0 results=0`"),
    ({"columns": 11}, "layer is not in the image once and whole"),
    ({"load": 1}, "request 0, tile 0: load 1 of 1"),
])
def test_tiles_that_are_not_their_programs(made, small, tile, said):
    image = one_layer(made, small, **tile)
    if said is None:
        assert made.stored(image, small).requests == image.requests
        return
    with pytest.raises(ImageError, match=said):
        made.stored(image, small)


@pytest.mark.parametrize("operations", [
    (Matvec(0, 1, 2, 1, 0), End()),
    (End(), End()),
    (Matvec(0, 1, 2), Matvec(0, 1, 2), End()),
    (Matvec(1, 1, 2), End()),
    (Matvec(0, 1, 2), Matvec(0, 1, 2)),
])
def test_program_that_is_another(made, small, operations):
    image = one_layer(made, small)
    loads = (dataclasses.replace(image.loads[0], operations=operations),)
    with pytest.raises(ImageError, match=r"request 0, tile 0: |load 0 has 2 words"):
        made.stored(dataclasses.replace(image, loads=loads), small)


def test_codes_that_are_no_weights(made, small):
    image = one_layer(made, small)
    words = b"\2" + image.weights[0][1:]
    found = made.stored(dataclasses.replace(image, weights=[words]), small)
    for _ in range(2):
        with pytest.raises(ImageError, match=r"load 0: layer: weight word 0, lane 0: code 0 is 0b10, which trit2 does"):
            found.weights[0]


def test_padding_that_is_none(made, small):
    image = compile_layer("layer", made.ternary(3, 11), small)
    words = bytearray(image.weights[0])
    words[8 + 1] |= 1 << 2  # word 1, lane 0, column 11
    found = made.stored(dataclasses.replace(image, weights=[bytes(words)]), small)
    with pytest.raises(ImageError, match="load 0: layer: padding at row 0, column 11 of a 3 x 11 matrix is not code 0"):
        found.weights[0]


def test_instructions_that_are_none(data, read):
    fields, contents, index = split(data)
    program = b"\2" + contents[1:]
    size = 16 * sum(load["instructions"] for load in index["loads"])
    with pytest.raises(ImageError, match="instruction 0: opcode 2 is no instruction"):
        read(join(fields, program, {**index, "program": zlib.crc32(program[:size])}))


def test_tensors_of_any_shape(image, tmp_path, configuration):
    tensors = {"matrix": np.arange(6, dtype=np.float32).reshape(2, 3).T, "none": np.zeros((0, 4), np.float32),
               "one": np.array(math.pi, np.float32)}
    save_image(tmp_path / "image", dataclasses.replace(image, tensors=tensors))
    found = read_image(tmp_path / "image", configuration).tensors
    assert list(found) == sorted(tensors)
    for name, tensor in tensors.items():
        assert found[name].shape == tensor.shape
        assert np.array_equal(found[name], tensor)
