"""An image in a file, which is written as a stream and read where it is needed.

    header     magic, version u16, 0 u16, configuration_hash u64, bytes of contents and of index u64, checksum u32
    contents   instructions of all loads; weight words of all loads; float32 tensors: one after another
    index      JSON: what the contents are, and the CRC-32 of each part of them

All little-endian. The checksum is the CRC-32 of the header's other bytes and of the index, so that what is damaged is
found: there at once, elsewhere when it is read, and always before it is used. The index is

    model      what was compiled (trine.firmware.models), and the name of the configuration
    requests   how its layers are executed (trine.firmware.plan)
    loads      {first_word, words, first_instruction, instructions, checksum} of each
    tensors    {name, shape, checksum} of each
    program    checksum of the instructions

A single checksum of the whole file, the alternative, takes seconds for each opening of a model of billions of weights,
of which one token needs every word once and a look at the index none. The index comes last because what it says of the
contents is known last, and its JSON has no offsets that could disagree with the sizes. What is not understood is
refused.
"""

import json
import math
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, overload

import numpy as np

from trine.firmware.assembler import AssemblerError, read_program
from trine.firmware.configuration import Configuration
from trine.firmware.image import Image, ImageError, Outline, tile_parts
from trine.firmware.instructions import INSTRUCTION_BYTES
from trine.firmware.layout import LayoutError
from trine.firmware.plan import Load, Plan, PlanError, RequestPlan, Tile, plans_from_json, plans_to_json
from trine.firmware.plan_check import check_plan
from trine.firmware.whole_file import whole_file
from trine.golden.arrays import Float32
from trine.golden.lazy import LazyMapping

MAGIC = b"trine\r\n\x1a"
VERSION = 2
PIECE_BYTES = 1 << 24
"""Of a tensor that are written and read at once."""

_HEADER = struct.Struct("<8sHHQQQ")
_CHECKSUM = struct.Struct("<I")
_START = _HEADER.size + _CHECKSUM.size


def write_image(path: str | Path, outline: Outline, tensors: Iterable[tuple[str, Float32]], weights: Iterable[bytes],
                progress: Callable[[int], None] | None = None) -> None:
    """Writes a file, whole or not at all.

    tensors, weights: as in Image; each is asked for when the one before it is written, tensors after all weights, and
    none is kept. progress: told how many bytes of contents were written. Raises ImageError if the file cannot be
    written, and what `tensors` and `weights` raise.
    """
    path = Path(path)
    try:
        with whole_file(path) as file:
            _write(_Output(file, progress or (lambda written: None)), outline, tensors, weights)
    except OSError as error:
        raise ImageError(f"{path}: cannot write the image: {error.strerror}") from None


def save_image(path: str | Path, image: Image) -> None:
    """Writes an image that is in memory. Raises ImageError as `write_image`."""
    write_image(path, image, ((name, image.tensors[name]) for name in sorted(image.tensors)), image.weights)


class _Output:
    """The file as it grows, and how much was written."""

    def __init__(self, file: BinaryIO, progress: Callable[[int], None]) -> None:
        self.file = file
        self._progress = progress
        self.written = 0

    def add(self, data: memoryview) -> int:
        """Writes `data` piece by piece; returns its CRC-32."""
        checksum = 0
        for start in range(0, len(data), PIECE_BYTES):
            piece = data[start : start + PIECE_BYTES]
            checksum = zlib.crc32(piece, checksum)
            self.file.write(piece)
            self.written += len(piece)
            self._progress(self.written)
        return checksum


def _write(output: _Output, outline: Outline, tensors: Iterable[tuple[str, Float32]], weights: Iterable[bytes]) -> None:
    output.file.write(bytes(_START))
    program = output.add(memoryview(b"".join(load.program for load in outline.loads)))
    loads = [{"first_word": load.first_word, "words": load.words, "first_instruction": load.first_instruction,
              "instructions": len(load.operations), "checksum": output.add(memoryview(words))}
             for load, words in zip(outline.loads, weights, strict=True)]
    stored = []
    for name, values in tensors:
        data = np.ascontiguousarray(values, "<f4").reshape(-1).view(np.uint8).data
        stored.append({"name": name, "shape": list(values.shape), "checksum": output.add(data)})
        del values, data  # before the next one is made
    index = json.dumps({
        "model": {**outline.model, "configuration": outline.configuration_name}, "loads": loads, "tensors": stored,
        "program": program, "requests": plans_to_json(outline.requests),
    }, sort_keys=True, separators=(",", ":")).encode()
    output.file.write(index)
    head = _HEADER.pack(MAGIC, VERSION, 0, outline.configuration_hash, output.written, len(index))
    output.file.seek(0)
    output.file.write(head + _CHECKSUM.pack(zlib.crc32(index, zlib.crc32(head))))


def read_image(path: str | Path, configuration: Configuration) -> Image:
    """The image in a file, if a device of `configuration` can hold and execute it.

    Raises ImageError, beginning with the path, for: a file that cannot be read, is no image, of another version,
    truncated, or longer than it says; a wrong checksum; an index that is not one of the contents; another
    configuration; instructions that are none, leave a memory, or are not those of the requests. Of its tensors and
    weights as soon as they are read: a wrong checksum, and codes that are no weights.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            image = _read(file, path, configuration)
        check_plan(image, configuration)
    except OSError as error:
        raise ImageError(f"{path}: cannot read the image: {error.strerror}") from None
    except (ImageError, AssemblerError, PlanError) as error:
        raise ImageError(f"{path}: {error}") from None
    return image


def _read(file: BinaryIO, path: Path, configuration: Configuration) -> Image:
    size = os.fstat(file.fileno()).st_size
    head = file.read(_START)
    if head[: len(MAGIC)] != MAGIC:
        raise ImageError("not an image of trine")
    if len(head) < _START:
        raise ImageError(f"truncated: {len(head)} bytes are no whole header")
    _, version, zero, configuration_hash, length, index_length = _HEADER.unpack_from(head)
    if version != VERSION:
        raise ImageError(f"version {version} is unknown, this is version {VERSION}; compile the model again")
    expected = _START + length + index_length
    if size < expected:
        raise ImageError(f"truncated: it has {size} of {expected} bytes")
    if size > expected:
        raise ImageError(f"{size - expected} bytes follow its end")
    file.seek(_START + length)
    encoded = file.read(index_length)
    checksum = zlib.crc32(encoded, zlib.crc32(head[: _HEADER.size]))
    if zero or checksum != _CHECKSUM.unpack_from(head, _HEADER.size)[0]:
        raise ImageError("damaged: the checksum is wrong; copy or compile it again")
    try:
        index = json.loads(encoded)
    except (ValueError, RecursionError) as error:
        raise ImageError(f"the index is not JSON: {error}") from None
    index = _fields(index, "the index", model=dict, requests=list, loads=list, tensors=list, program=int)
    model = index["model"]
    name = model.pop("configuration", None)
    if not isinstance(name, str):
        raise ImageError("the model does not name a configuration")
    if configuration_hash != configuration.configuration_hash:
        raise ImageError(f"compiled for another configuration ({name}, {configuration_hash:016x}) than "
                         f"{configuration.name} ({configuration.configuration_hash:016x}); compile the model for it")
    parts = [_fields(part, f"load {number}", first_word=int, words=int, first_instruction=int, instructions=int,
                     checksum=int) for number, part in enumerate(index["loads"])]
    file.seek(_START)
    instructions = sum(part["instructions"] for part in parts)
    program = file.read(min(instructions * INSTRUCTION_BYTES, length))
    if zlib.crc32(program) != index["program"]:
        raise ImageError("damaged: the checksum of its programs is wrong; copy or compile it again")
    operations, start = read_program(program), _START + len(program)
    if len(operations) != instructions:
        raise ImageError("its contents are not as long as the index says")
    loads, places, first = [], [], 0
    for part in parts:
        end = first + part["instructions"]
        loads.append(Load(part["first_word"], part["words"], part["first_instruction"], tuple(operations[first:end])))
        places.append(_Place(path, start, part["words"] * configuration.weight_word_bytes, part["checksum"]))
        first, start = end, start + places[-1].length
    tensors: dict[str, tuple[tuple[int, ...], _Place]] = {}
    for entry in index["tensors"]:
        entry = _fields(entry, "a tensor", name=str, shape=list, checksum=int)
        shape = tuple(_count(count, f"tensor {entry['name']}: its shape") for count in entry["shape"])
        if entry["name"] in tensors:
            raise ImageError(f"tensor {entry['name']} is there twice")
        place = _Place(path, start, 4 * math.prod(shape), entry["checksum"])
        tensors[entry["name"]] = shape, place
        start += place.length
    if start != _START + length:
        raise ImageError("its contents are not as long as the index says")
    plan = Plan(plans_from_json(index["requests"]), tuple(loads))
    return Image(plan.requests, plan.loads, configuration_hash, name, model,
                 LazyMapping(tensors, lambda name: _read_tensor(name, *tensors[name])),
                 StoredWeights(plan, places, configuration), tuple(place.checksum for place in places))


@dataclass(frozen=True)
class _Place:
    """Bytes of a file, and their CRC-32."""

    path: Path
    start: int
    length: int
    checksum: int

    def read_into(self, data: memoryview, what: str) -> None:
        """Fills `data`, of that length, piece by piece; ImageError if that is not what was written."""
        checksum, done = 0, 0
        try:
            with open(self.path, "rb", buffering=0) as file:
                file.seek(self.start)
                while done < self.length and (count := file.readinto(data[done : done + PIECE_BYTES])):
                    checksum = zlib.crc32(data[done : done + count], checksum)
                    done += count
        except OSError as error:
            raise ImageError(f"{self.path}: cannot read the image: {error.strerror}") from None
        if done < self.length or checksum != self.checksum:
            raise ImageError(f"{self.path}: {what} is damaged: its checksum is wrong; copy or compile it again")


def _read_tensor(name: str, shape: tuple[int, ...], place: _Place) -> Float32:
    values = np.empty(shape, "<f4")
    place.read_into(values.reshape(-1).view(np.uint8).data, f"tensor {name}")
    return values


class StoredWeights(Sequence[bytes]):
    """The weight words of each load of an image in a file, read when they are asked for, their codes looked at once."""

    def __init__(self, plan: Plan, places: Sequence[_Place], configuration: Configuration) -> None:
        self._plan = plan
        self._places = places
        self._configuration = configuration
        self._unseen: dict[int, list[tuple[RequestPlan, Tile]]] = {index: [] for index in range(len(places))}
        for request in plan.requests:
            for tile in request.tiles:
                self._unseen.get(tile.load, []).append((request, tile))

    @overload
    def __getitem__(self, index: int) -> bytes: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[bytes]: ...

    def __getitem__(self, index: int | slice) -> bytes | Sequence[bytes]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        index = range(len(self))[index]
        place = self._places[index]
        data = bytearray(place.length)
        place.read_into(memoryview(data), f"load {index}")
        words = bytes(data)
        try:
            for request, tile in self._unseen.get(index, []):
                for _ in tile_parts(request, tile, self._plan, words, self._configuration):
                    pass
        except LayoutError as error:
            raise ImageError(f"{place.path}: load {index}: {error}") from None
        self._unseen.pop(index, None)
        return words

    def __len__(self) -> int:
        return len(self._places)


def _fields(value: Any, where: str, **kinds: type) -> dict[str, Any]:
    """`value`, an object of exactly these fields; integers are 0 to 2**32 - 1."""
    if not isinstance(value, dict) or value.keys() != kinds.keys():
        raise ImageError(f"{where} must have {', '.join(kinds)}")
    for name, kind in kinds.items():
        if kind is int:
            _count(value[name], f"{where}: {name}")
        elif not isinstance(value[name], kind):
            raise ImageError(f"{where}: {name} must be a {kind.__name__}, not {type(value[name]).__name__}")
    return value


def _count(value: Any, where: str) -> int:
    if type(value) is not int or not 0 <= value < 1 << 32:
        raise ImageError(f"{where} must be an integer of at most 32 bits, not {value!r:.40}")
    return value
