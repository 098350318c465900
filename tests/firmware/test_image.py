"""Images: their names and identities, and the weights that are unpacked from them."""

import dataclasses
import zlib

import numpy as np
import pytest

from trine.firmware.compiler import compile_classifier, compile_layer
from trine.firmware.image import ImageError, layer_weights
from trine.firmware.layout import LayoutError
from trine.firmware.machine import Machine
from trine.firmware.traffic import load_messages


@pytest.fixture(scope="module")
def image(small, made):
    return compile_classifier(made.classifier(), small, "digits")


@pytest.fixture(scope="module")
def streamed(configure, made):
    return compile_classifier(made.classifier(), configure(weight_words=3), "digits")


def with_words(image, words):
    """`image` with other weights."""
    return dataclasses.replace(image, weights=words, checksums=tuple(map(zlib.crc32, words)))


def test_name_and_request(image):
    assert image.name == "digits"
    assert image.request(("layer1",)) is image.requests[1]
    with pytest.raises(ImageError, match=r"^digits: no request of layer1, layer0; there are layer0; layer1$"):
        image.request(("layer1", "layer0"))


def test_checksums(image, streamed):
    for made in (image, streamed):
        assert made.checksums == tuple(map(zlib.crc32, made.weights))


def test_every_load_has_an_id(streamed):
    ids = [streamed.load_id(index) for index in range(len(streamed.loads))]
    assert len(set(ids)) == len(ids) == 4
    assert all(0 < load_id < 1 << 32 for load_id in ids)
    assert [streamed.load_of(load_id) for load_id in ids] == [0, 1, 2, 3]
    assert streamed.image_id == ids[0]
    assert streamed.load_of(0) is None
    assert streamed.load_of(max(ids) + 1) is None


@pytest.mark.parametrize("checksum", [0, 0xFFFF_FFFD, 0xFFFF_FFFE, 0xFFFF_FFFF])
def test_ids_are_never_zero(streamed, checksum, monkeypatch):
    other = dataclasses.replace(streamed)
    monkeypatch.setattr(zlib, "crc32", lambda data, start=0: checksum)
    ids = [other.load_id(index) for index in range(4)]
    assert len(set(ids)) == 4
    assert all(0 < load_id < 1 << 32 for load_id in ids)
    assert [other.load_of(load_id) for load_id in ids] == [0, 1, 2, 3]


def test_ids_tell_images_apart(image):
    other = with_words(image, [bytes(len(image.weights[0]))])
    assert other.image_id != image.image_id == dataclasses.replace(image).image_id
    assert image.load_of(other.image_id) is None


def test_the_device_is_told_which_load_it_holds(made, streamed, configure):
    configuration = configure(weight_words=3)
    machine = Machine(configuration)
    for index in (0, 2, 1):
        made.execute(machine, load_messages(streamed, configuration, index))
        assert streamed.load_of(machine.image_id) == index


@pytest.mark.parametrize("weight_words", [40, 4, 2])
def test_layer_weights(made, configure, weight_words):
    configuration = configure(weight_words=weight_words)
    weights = layer_weights(compile_layer("layer", made.ternary(12, 12), configuration), configuration)
    assert list(weights) == ["layer"]
    assert np.array_equal(weights["layer"], made.ternary(12, 12))
    with pytest.raises(KeyError):
        weights["more"]


def test_layer_weights_that_are_none(image, small):
    with pytest.raises(LayoutError, match=r"^layer0: weight word 0, lane 0: code 0 is 0b10, which trit2 does not use"):
        layer_weights(with_words(image, [b"\2" + image.weights[0][1:]]), small)["layer0"]
