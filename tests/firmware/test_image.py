"""The image file: there and back, and one line for everything that is no image, or not one for the device."""

import dataclasses
import json
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trine.firmware.assembler import End, Matvec, encode
from trine.firmware.compiler import compile_classifier, compile_layer
from trine.firmware.image import (
    MAGIC,
    SECTIONS,
    Image,
    ImageError,
    decode_image,
    layer_weights,
    read_image,
)
from trine.firmware.plan import Output, RequestPlan, Tile, plans_to_json

HEADER = 28
CHECKSUM_AT, BODY_AT = 28, 32


@pytest.fixture(scope="module")
def image(small, made):
    return compile_classifier(made.classifier(), small, "digits")


def sealed(data):
    """`data` with a checksum that is right."""
    data = bytearray(data)
    data[CHECKSUM_AT:BODY_AT] = struct.pack("<I", zlib.crc32(data[BODY_AT:], zlib.crc32(data[:CHECKSUM_AT])))
    return bytes(data)


def with_sections(sections):
    """A file of those (name, contents), sealed."""
    body = b"".join(struct.pack("<8sQ", name.encode(), len(content)) + content for name, content in sections)
    return lambda image: sealed(struct.pack("<8sHHQQI", MAGIC, 1, len(sections), image.configuration_hash, len(body), 0)
                                + body)


def sections_of(image):
    found, position, data = [], BODY_AT, image.encoded
    while position < len(data):
        name, length = struct.unpack_from("<8sQ", data, position)
        found.append((name.rstrip(b"\0").decode(), data[position + 16 : position + 16 + length]))
        position += 16 + length
    return found


def test_there_and_back(image, small, tmp_path):
    path = tmp_path / "digits.trine"
    image.write(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["digits.trine"]
    again = read_image(path, small)
    assert again.encoded == image.encoded == path.read_bytes()
    assert (again.model, again.requests, again.program, again.weights) == (
        image.model, image.requests, image.program, image.weights)
    assert {name: tensor.tolist() for name, tensor in again.tensors.items()} == {
        "layer0.weight_scale": [0.5], "layer1.weight_scale": [1.5]}
    assert again.name == "digits"


def test_layout_of_the_file(image, small):
    data = image.encoded
    magic, version, count, configuration_hash, length, checksum = struct.unpack_from("<8sHHQQI", data)
    assert (magic, version, count, configuration_hash) == (b"trine\r\n\x1a", 1, 5, small.configuration_hash)
    assert length == len(data) - BODY_AT
    assert checksum == zlib.crc32(data[:CHECKSUM_AT] + data[BODY_AT:]) == image.image_id
    assert [name for name, _ in sections_of(image)] == list(SECTIONS)
    contents = dict(sections_of(image))
    assert json.loads(contents["model"])["configuration"] == "small"
    assert (contents["program"], contents["weights"]) == (image.program, image.weights)


def test_image_id_is_never_zero(image, monkeypatch):
    monkeypatch.setattr(zlib, "crc32", lambda data, start=0: 0)
    assert dataclasses.replace(image).image_id == 1


def test_image_id_tells_images_apart(image):
    other = dataclasses.replace(image, weights=bytes(len(image.weights)))
    assert other.image_id != image.image_id == dataclasses.replace(image).image_id


def test_write_to_nowhere(image, tmp_path):
    with pytest.raises(ImageError, match="cannot write the image: No such file or directory"):
        image.write(tmp_path / "missing" / "digits.trine")


def test_a_failed_write_leaves_the_old_file(image, tmp_path):
    target = tmp_path / "digits.trine"
    target.mkdir()
    with pytest.raises(ImageError, match=r"digits\.trine: cannot write the image"):
        image.write(target)
    assert list(tmp_path.iterdir()) == [target]


def test_read_nothing(small, tmp_path):
    with pytest.raises(ImageError, match=r"gone\.trine: cannot read the image: No such file or directory"):
        read_image(tmp_path / "gone.trine", small)


def test_truncated_anywhere(image, small):
    for length in range(len(image.encoded)):
        with pytest.raises(ImageError, match="not an image of trine" if length < 8 else "truncated: "):
            decode_image(image.encoded[:length], small)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_flipped_bits(image, small, data):
    damaged = bytearray(image.encoded)
    for position in data.draw(st.lists(st.integers(0, len(damaged) - 1), min_size=1, max_size=4, unique=True)):
        damaged[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ImageError):
        decode_image(bytes(damaged), small)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_flipped_bits_with_a_right_checksum(image, small, data):
    """What is not refused then, and could only be meant so, can be encoded, decoded and unpacked again."""
    damaged = bytearray(image.encoded)
    for position in data.draw(st.lists(st.integers(0, len(damaged) - 1), min_size=1, max_size=4, unique=True)):
        damaged[position] ^= data.draw(st.integers(1, 255))
    try:
        again = decode_image(sealed(damaged), small)
    except ImageError:
        return
    assert decode_image(again.encoded, small).encoded == again.encoded


def test_other_files(small):
    for data in (b"", b"PK\3\4" + bytes(100), b"trine", bytes(100)):
        with pytest.raises(ImageError, match=r"^image: not an image of trine$"):
            decode_image(data, small)


def test_bytes_after_the_end(image, small):
    with pytest.raises(ImageError, match=r"^file: 3 bytes follow its end$"):
        decode_image(image.encoded + b"abc", small, "file")


def test_damaged(image, small):
    data = bytearray(image.encoded)
    data[-1] ^= 1
    with pytest.raises(ImageError, match="damaged: the checksum is wrong; copy or compile it again"):
        decode_image(bytes(data), small)


def test_other_version(image, small):
    data = bytearray(image.encoded)
    data[8] = 2
    with pytest.raises(ImageError, match="version 2 is unknown, this is version 1; compile the model again"):
        decode_image(sealed(data), small)


def test_other_configuration(image, configure):
    other = configure(name="wide", lanes=8)
    found, wanted = (f"{number:016x}" for number in (image.configuration_hash, other.configuration_hash))
    with pytest.raises(ImageError, match=rf"compiled for another configuration \(small, {found}\) than wide "
                                         rf"\({wanted}\); compile the model for it"):
        decode_image(image.encoded, other)


def test_same_device_of_another_name(image, configure):
    assert decode_image(image.encoded, configure(name="mine", clock_mhz=99)).name == "digits"


@pytest.mark.parametrize(("change", "said"), [
    (lambda s: [*s, ("more", b"")], "section 'more' is unknown"),
    (lambda s: [*s, s[0]], "section 'model' is there twice"),
    (lambda s: s[:-1], "section weights is missing"),
    (lambda s: s[1:], "section model is missing"),
    (lambda s: [("model", b"{"), *s[1:]], "section model is not JSON"),
    (lambda s: [("model", b"[]"), *s[1:]], "section model does not name a configuration"),
    (lambda s: [("model", b"{}"), *s[1:]], "section model does not name a configuration"),
    (lambda s: [s[0], ("requests", b"\xff"), *s[2:]], "section requests is not JSON"),
    (lambda s: [s[0], ("requests", b"[" * 100000), *s[2:]], "section requests is not JSON"),
    (lambda s: [s[0], ("requests", b"{}"), *s[2:]], "requests must be a list, not dict"),
    (lambda s: [*s[:2], ("tensors", b"no"), *s[3:]], "section tensors cannot be read"),
    (lambda s: [*s[:3], ("program", s[3][1][:-1]), s[4]], "bytes are no whole instructions of 16 bytes"),
    (lambda s: [*s[:3], ("program", s[3][1][:-16]), s[4]], "a program must end with `end`"),
    (lambda s: [*s[:3], ("program", bytes(16 * 17)), s[4]], "17 instructions are too many: small has room for 16"),
    (lambda s: [*s[:3], ("program", b"\2" + s[3][1][1:]), s[4]], "instruction 0: opcode 2 is no instruction"),
    (lambda s: [*s[:4], ("weights", s[4][1][:-1])], "bytes are no whole weight words of 8 bytes"),
    (lambda s: [*s[:4], ("weights", bytes(41 * 8))], "41 weight words, small has 40"),
    (lambda s: [*s[:4], ("weights", b"\2" + s[4][1][1:])], "weight word 0, lane 0: code 0 is 0b10, which trit2 does"),
    (lambda s: [*s[:4], ("weights", s[4][1][:-8])], "reads beyond the 5 weight words of the image"),
])
def test_wrong_sections(image, small, change, said):
    data = with_sections(change(sections_of(image)))(image)
    with pytest.raises(ImageError, match=f"^image: .*{said}"):
        decode_image(data, small)


def test_sections_that_do_not_fill_the_file(image, small):
    for extra in (b"abc", bytes(16)):
        data = bytearray(image.encoded + extra)
        data[20:28] = struct.pack("<Q", len(data) - BODY_AT)
        data[10] = 5
        with pytest.raises(ImageError, match="its sections do not fill it"):
            decode_image(sealed(data), small)
    data = bytearray(image.encoded)
    data[10] = 6
    with pytest.raises(ImageError, match="its sections do not fill it"):
        decode_image(sealed(data), small)
    data = bytearray(image.encoded)
    data[BODY_AT + 8 : BODY_AT + 16] = b"\xff" * 8
    with pytest.raises(ImageError):
        decode_image(sealed(data), small)


def test_tensors_of_another_type(image, small):
    other = dataclasses.replace(image, tensors={"t": np.zeros(3, np.float64)})
    with pytest.raises(ImageError, match="tensor t must be float32, not float64"):
        decode_image(other.encoded, small)


def one_layer(made, small, **tile):
    """An image of a 4 x 12 layer: 2 words, 1 instruction and END, 2 beats; its only tile changed."""
    (image,) = compile_layer("layer", made.ternary(4, 12), small)
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
    ({"columns": 11}, "layer: padding at row 1, column 11 of a 4 x 11 matrix is not code 0"),
])
def test_tiles_that_are_not_their_programs(made, small, tile, said):
    image = one_layer(made, small, **tile)
    if said is None:
        assert decode_image(image.encoded, small).requests == image.requests
        return
    with pytest.raises(ImageError, match=said):
        decode_image(image.encoded, small)


@pytest.mark.parametrize("operations", [
    (Matvec(0, 1, 2, 1, 0), End()),
    (End(), End()),
    (Matvec(0, 1, 2), Matvec(0, 1, 2), End()),
    (Matvec(1, 1, 2), End()),
])
def test_program_that_is_another(made, small, operations):
    other = dataclasses.replace(one_layer(made, small), program=b"".join(map(encode, operations)))
    with pytest.raises(ImageError, match="request 0, tile 0: "):
        decode_image(other.encoded, small)


def test_layer_weights(made, small):
    (image,) = compile_layer("layer", made.ternary(4, 12), small)
    assert np.array_equal(layer_weights(image, small)["layer"], made.ternary(4, 12))


def test_layer_weights_of_a_part(made, configure):
    configuration = configure(weight_words=4)
    images = compile_layer("layer", made.ternary(12, 12), configuration)
    assert len(images) == 2
    for image in images:
        with pytest.raises(ImageError, match=r"^layer: layer is not in the image once and whole$"):
            layer_weights(image, configuration)


def test_layer_weights_twice(made, small):
    (image,) = compile_layer("layer", made.ternary(4, 12), small)
    for requests in (image.requests * 2, (dataclasses.replace(image.requests[0], tiles=image.requests[0].tiles * 2),)):
        with pytest.raises(ImageError, match="is not in the image once and whole"):
            layer_weights(dataclasses.replace(image, requests=requests), small)


def test_request(image):
    assert image.request(("layer1",)) is image.requests[1]
    with pytest.raises(ImageError, match=r"^digits: no request of layer1, layer0; there are layer0; layer1$"):
        image.request(("layer1", "layer0"))


def test_requests_are_refused_by_their_contents(small):
    """An output of a tile that a program of no image computes."""
    plan = RequestPlan(("a",), 6, (4,), (Tile(0, 2, 0, 6, 0, 2, (Output(0, 0, 4, 0),)),))
    assert plans_to_json([plan])[0]["tiles"][0]["outputs"][0]["rows"] == 4
    image = Image(small.configuration_hash, "small", {"name": "a"}, (plan,), {}, encode(End()) * 2, bytes(8))
    with pytest.raises(ImageError, match="the instruction is `end`, but its output needs `matvec weights=0 rows=1"):
        decode_image(image.encoded, small)
