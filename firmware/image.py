"""An image: all that a device needs to execute layers, and all that a host needs to run the model.

It is a plan (trine.firmware.plan) with what is written into the device, and what of the model stays with the host. In a
file (trine.firmware.image_file) it may be larger than the host's memory: its tensors and weights are then read when
they are asked for, checked each time.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from typing import Any

import numpy as np

from trine.firmware.assembler import Matvec
from trine.firmware.configuration import Configuration
from trine.firmware.layout import LayoutError, unpack_weights
from trine.firmware.plan import Output, Plan, RequestPlan, Tile
from trine.golden.arrays import Float32, Int8
from trine.golden.lazy import LazyMapping


class ImageError(ValueError):
    """A file that is no image, or not one for this device; the message says why and begins with the file's name."""


@dataclass(frozen=True, eq=False)
class Outline(Plan):
    """An image but for its tensors and weights.

    configuration_hash, configuration_name: the device it is for.
    model: what was compiled; JSON (trine.firmware.models).
    """

    configuration_hash: int
    configuration_name: str
    model: dict[str, Any]

    @property
    def name(self) -> str:
        """The model's name."""
        return str(self.model.get("name", ""))

    def request(self, layers: tuple[str, ...]) -> RequestPlan:
        """The request of these layers; ImageError, naming what there is, if there is none."""
        for plan in self.requests:
            if plan.layers == layers:
                return plan
        known = "; ".join(", ".join(plan.layers) for plan in self.requests)
        raise ImageError(f"{self.name}: no request of {', '.join(layers)}; there are {known}")


@dataclass(frozen=True, eq=False)
class Image(Outline):
    """A compiled model, or layer, for one configuration.

    tensors: float32 tensors that stay with the host, by name.
    weights: the weight words of each load, whole words; those of its tiles one after another.
    checksums: the CRC-32 of each of these.

    Of an image in a file, indexing `tensors` or `weights` reads it, and raises ImageError if it is damaged there.
    """

    tensors: Mapping[str, Float32] = field(repr=False)
    weights: Sequence[bytes] = field(repr=False)
    checksums: tuple[int, ...]

    def load_id(self, index: int) -> int:
        """What the device is told to remember when a load has been written: 1 to 2**32 - 1, other for each load.

        Only load 0's says that load 0 is there: a device that was reset while another was written has that one alone.
        """
        return 1 + (self._checksum + index) % 0xFFFF_FFFF

    def load_of(self, device_id: int) -> int | None:
        """The load of which a device says this (INFO); None for another image's, or that none is there (0)."""
        index = (device_id - 1 - self._checksum) % 0xFFFF_FFFF
        return index if device_id and index < len(self.loads) else None

    @property
    def image_id(self) -> int:
        """`load_id` of load 0, all of an image that is resident."""
        return self.load_id(0)

    @cached_property
    def _checksum(self) -> int:
        """The CRC-32 of everything that is written into the device."""
        sums = struct.pack(f"<{len(self.checksums)}I", *self.checksums)
        for load in self.loads:
            sums += struct.pack("<QQ", load.first_word, load.first_instruction) + load.program
        return zlib.crc32(sums)


def tile_parts(request: RequestPlan, tile: Tile, plan: Plan, words: bytes, configuration: Configuration,
               ) -> Iterator[tuple[Output, Int8]]:
    """Each output of `tile`, and its weights int8 (rows, columns) from the weight words of its load.

    Raises LayoutError, naming the layer, for codes that are no weights and padding that is none.
    """
    load, size = plan.loads[tile.load], configuration.weight_word_bytes
    start = tile.entry - load.first_instruction
    for output, operation in zip(tile.outputs, load.operations[start : start + len(tile.outputs)], strict=True):
        assert isinstance(operation, Matvec)
        first = operation.weight_word - load.first_word
        part = words[first * size : (first + operation.row_blocks * operation.chunks) * size]
        try:
            yield output, unpack_weights(part, output.rows, tile.columns, configuration)
        except LayoutError as error:
            raise LayoutError(f"{request.layers[output.layer_index]}: {error}") from None


def layer_weights(image: Image, configuration: Configuration) -> Mapping[str, Int8]:
    """The weights int8 (N, K) of each layer of an image, unpacked from its words whenever one is asked for.

    Raises LayoutError then for words that are no weights, ImageError for what cannot be read.
    """
    requests = {layer: request for request in image.requests for layer in request.layers}
    return LazyMapping(requests, lambda layer: _unpack(image, requests[layer], layer, configuration))


def _unpack(image: Image, request: RequestPlan, layer: str, configuration: Configuration) -> Int8:
    index = request.layers.index(layer)
    weights = np.zeros((request.rows[index], request.columns), np.int8)
    for load, tiles in groupby(request.tiles, lambda tile: tile.load):
        held = [tile for tile in tiles if any(output.layer_index == index for output in tile.outputs)]
        words = image.weights[load] if held else b""
        for tile in held:
            for output, part in tile_parts(request, tile, image, words, configuration):
                if output.layer_index == index:
                    weights[output.first_row : output.first_row + output.rows,
                            tile.first_column : tile.first_column + tile.columns] = part
    return weights
