"""An image: one file with all that a device needs to execute layers, and all that a host needs to run the model.

    header     magic, version u16, sections u16, configuration_hash u64, bytes of all sections u64, checksum u32
    section    name (8 bytes, ASCII, zeros after it), length u64, contents
    ...

All little-endian. The checksum is the CRC-32 of the header's other bytes and of all that follows it. The sections, each
exactly once and in this order:

    model      JSON: what was compiled (trine.firmware.models), and the name of the configuration
    requests   JSON: how its layers are executed (trine.firmware.plan)
    tensors    safetensors: the tensors that stay with the host
    program    instruction words, from address 0 of the program memory on
    weights    weight words, from address 0 of the weight memory on

A file of a single length and checksum, rather than one of many: the host must never run half a model. What is not
understood is refused.
"""

import json
import os
import struct
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from trine.firmware.assembler import AssemblerError, Matvec, Operation, assemble, read_program
from trine.firmware.configuration import Configuration
from trine.firmware.layout import LayoutError, check_words, count_chunks, count_row_blocks, unpack_weights
from trine.firmware.plan import Load, Output, PlanError, RequestPlan, Tile, plans_from_json, plans_to_json
from trine.golden.arrays import Float32, Int8

__all__ = ["Image", "ImageError", "Output", "RequestPlan", "Tile", "decode_image", "layer_weights", "read_image"]

MAGIC = b"trine\r\n\x1a"
VERSION = 1
SECTIONS = ("model", "requests", "tensors", "program", "weights")

_HEADER = struct.Struct("<8sHHQQ")
_CHECKSUM = struct.Struct("<I")
_SECTION = struct.Struct("<8sQ")


class ImageError(ValueError):
    """A file that is no image, or not one for this device; the message says why and begins with the file's name."""


@dataclass(frozen=True, eq=False)
class Image:
    """A compiled model, or layer, for one configuration.

    configuration_hash, configuration_name: the device it is for.
    model: what was compiled; JSON.
    requests: how each layer is executed.
    tensors: float32 tensors that stay with the host, by name.
    program, weights: contents of the two memories from address 0 on, in whole words.
    """

    configuration_hash: int
    configuration_name: str
    model: dict[str, Any]
    requests: tuple[RequestPlan, ...]
    tensors: dict[str, Float32]
    program: bytes
    weights: bytes

    @property
    def name(self) -> str:
        """The model's name."""
        return str(self.model.get("name", ""))

    @cached_property
    def loads(self) -> tuple[Load, ...]:
        """What is written into the device: one load."""
        operations = read_program(self.program)
        words = sum(op.row_blocks * op.chunks for op in operations if isinstance(op, Matvec))
        return (Load(0, words, 0, tuple(operations)),)

    @property
    def image_id(self) -> int:
        """What the device is told to remember of it: its checksum, 1 to 2**32 - 1 (1 where that is 0)."""
        checksum: int = _CHECKSUM.unpack_from(self.encoded, _HEADER.size)[0]
        return checksum or 1

    @cached_property
    def encoded(self) -> bytes:
        """The file's contents; the same image always gives the same bytes."""
        contents = (
            _json({**self.model, "configuration": self.configuration_name}),
            _json(plans_to_json(self.requests)),
            save_tensors({name: self.tensors[name] for name in sorted(self.tensors)}),
            self.program,
            self.weights,
        )
        body = b"".join(_SECTION.pack(name.encode(), len(content)) + content
                        for name, content in zip(SECTIONS, contents, strict=True))
        head = _HEADER.pack(MAGIC, VERSION, len(SECTIONS), self.configuration_hash, len(body))
        return head + _CHECKSUM.pack(zlib.crc32(body, zlib.crc32(head))) + body

    def write(self, path: str | Path) -> None:
        """Writes the file, under another name until it is complete. Raises ImageError if that is not possible."""
        path = Path(path)
        temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        try:
            temporary.write_bytes(self.encoded)
            temporary.replace(path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise ImageError(f"{path}: cannot write the image: {error.strerror}") from None

    def request(self, layers: tuple[str, ...]) -> RequestPlan:
        """The request of these layers; ImageError, naming what there is, if there is none."""
        for plan in self.requests:
            if plan.layers == layers:
                return plan
        known = "; ".join(", ".join(plan.layers) for plan in self.requests)
        raise ImageError(f"{self.name}: no request of {', '.join(layers)}; there are {known}")


def read_image(path: str | Path, configuration: Configuration) -> Image:
    """The image in a file, checked as by `decode_image`; ImageError if it cannot be read."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ImageError(f"{path}: cannot read the image: {error.strerror}") from None
    return decode_image(data, configuration, str(path))


def decode_image(data: bytes, configuration: Configuration, source: str = "image") -> Image:
    """The image whose file has the contents `data`, if a device of `configuration` can hold and execute it.

    Raises ImageError, beginning with `source`, for: no image, another version, truncated, bytes after its end, a wrong
    checksum, unknown or missing sections, contents that are not what they should be, another configuration; codes that
    are no weights; instructions that are none, leave a memory, or are not those of the requests.
    """
    try:
        image = _decode(data, configuration)
        _check(image, configuration)
    except (ImageError, AssemblerError, LayoutError, PlanError) as error:
        raise ImageError(f"{source}: {error}") from None
    return image


def layer_weights(image: Image, configuration: Configuration) -> dict[str, Int8]:
    """The weights int8 (N, K) of each layer, from the weight words.

    Raises ImageError for a layer that the image does not hold once and whole.
    """
    found: dict[str, Int8] = {}
    for plan in image.requests:
        held = [np.zeros((rows, plan.columns), np.int8) for rows in plan.rows]
        times = [np.zeros((rows, plan.columns), np.uint8) for rows in plan.rows]
        for tile in plan.tiles:
            operations = read_program(image.program)[tile.entry : tile.entry + tile.instructions]
            for output, operation in zip(tile.outputs, operations[:-1], strict=True):
                place = (slice(output.first_row, output.first_row + output.rows),
                         slice(tile.first_column, tile.first_column + tile.columns))
                held[output.layer_index][place] = _part(image, tile, output, operation, configuration)
                times[output.layer_index][place] += 1
        for name, weights, count in zip(plan.layers, held, times, strict=True):
            if name in found or (count != 1).any():
                raise ImageError(f"{image.name}: {name} is not in the image once and whole")
            found[name] = weights
    return found


def _decode(data: bytes, configuration: Configuration) -> Image:
    if data[: len(MAGIC)] != MAGIC:
        raise ImageError("not an image of trine")
    start = _HEADER.size + _CHECKSUM.size
    if len(data) < start:
        raise ImageError(f"truncated: {len(data)} bytes are no whole header")
    _, version, count, configuration_hash, length = _HEADER.unpack_from(data)
    if version != VERSION:
        raise ImageError(f"version {version} is unknown, this is version {VERSION}; compile the model again")
    if len(data) < start + length:
        raise ImageError(f"truncated: it has {len(data)} of {start + length} bytes")
    if len(data) > start + length:
        raise ImageError(f"{len(data) - start - length} bytes follow its end")
    if zlib.crc32(data[start:], zlib.crc32(data[: _HEADER.size])) != _CHECKSUM.unpack_from(data, _HEADER.size)[0]:
        raise ImageError("damaged: the checksum is wrong; copy or compile it again")
    sections = _sections(data[start:], count)
    model = _parse("model", sections["model"])
    name = model.pop("configuration", None) if isinstance(model, dict) else None
    if not isinstance(name, str):
        raise ImageError("section model does not name a configuration")
    if configuration_hash != configuration.configuration_hash:
        raise ImageError(f"compiled for another configuration ({name}, {configuration_hash:016x}) than "
                         f"{configuration.name} ({configuration.configuration_hash:016x}); compile the model for it")
    try:
        tensors = load_tensors(sections["tensors"])
    except (SafetensorError, KeyError, ValueError) as error:
        raise ImageError(f"section tensors cannot be read: {error}") from None
    for tensor, values in tensors.items():
        if values.dtype != np.float32:
            raise ImageError(f"tensor {tensor} must be float32, not {values.dtype}")
    requests = plans_from_json(_parse("requests", sections["requests"]))
    return Image(configuration_hash, name, model, requests, tensors, sections["program"], sections["weights"])


def _sections(body: bytes, count: int) -> dict[str, bytes]:
    sections: dict[str, bytes] = {}
    start = 0
    for _ in range(count):
        if len(body) < start + _SECTION.size:
            raise ImageError("its sections do not fill it")
        name, length = _SECTION.unpack_from(body, start)
        start += _SECTION.size
        text = name.rstrip(b"\0").decode("ascii", "replace")
        if text not in SECTIONS or text in sections:
            raise ImageError(f"section {text!r} is {'there twice' if text in sections else 'unknown'}")
        sections[text] = body[start : start + length]
        start += length
    missing = [name for name in SECTIONS if name not in sections]
    if missing:
        raise ImageError(f"section {missing[0]} is missing")
    if start != len(body):
        raise ImageError("its sections do not fill it")
    return sections


def _check(image: Image, configuration: Configuration) -> None:
    """Raises the module's errors unless a device of `configuration` executes what the requests say."""
    check_words(image.weights, configuration)
    words = len(image.weights) // configuration.weight_word_bytes
    if words > configuration.weight_words:
        raise ImageError(f"{words} weight words, {configuration.name} has {configuration.weight_words}")
    operations = read_program(image.program)
    assemble(operations, configuration)
    for index, plan in enumerate(image.requests):
        for number, tile in enumerate(plan.tiles):
            where = f"request {index}, tile {number}"
            program = operations[tile.entry : tile.entry + tile.instructions]
            if len(program) != tile.instructions or isinstance(program[-1], Matvec):
                raise ImageError(f"{where}: no program of {tile.instructions} instructions at {tile.entry}")
            if tile.first_column % configuration.depth or tile.first_beat + tile.beats > configuration.result_beats:
                raise ImageError(f"{where}: column {tile.first_column} or beat {tile.first_beat} cannot be its first")
            for output, operation in zip(tile.outputs, program[:-1], strict=True):
                _check_output(output, operation, tile, words, configuration, where)
                try:
                    _part(image, tile, output, operation, configuration)
                except LayoutError as error:
                    raise ImageError(f"{where}: {plan.layers[output.layer_index]}: {error}") from None


def _check_output(output: Output, operation: Operation, tile: Tile, words: int, configuration: Configuration,
                  where: str) -> None:
    """Raises ImageError unless `operation` computes `output` of `tile` and leaves it where the host will read."""
    row_blocks, chunks = count_row_blocks(output.rows, configuration), count_chunks(tile.columns, configuration)
    expected = Matvec(getattr(operation, "weight_word", 0), row_blocks, chunks, 0, output.first_beat)
    if operation != expected:
        raise ImageError(f"{where}: the instruction is `{operation}`, but its output needs `{expected}`")
    if expected.weight_word + row_blocks * chunks > words:
        raise ImageError(f"{where}: `{operation}` reads beyond the {words} weight words of the image")
    if output.first_beat + row_blocks * configuration.beats_per_row_block > tile.first_beat + tile.beats:
        raise ImageError(f"{where}: `{operation}` writes beyond the results that are read")


def _part(image: Image, tile: Tile, output: Output, operation: Operation, configuration: Configuration) -> Int8:
    """The weights int8 (output.rows, tile.columns) that an instruction reads."""
    assert isinstance(operation, Matvec)
    size = configuration.weight_word_bytes
    start = operation.weight_word * size
    words = image.weights[start : start + operation.row_blocks * operation.chunks * size]
    return unpack_weights(words, output.rows, tile.columns, configuration)


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _parse(name: str, content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ImageError(f"section {name} is not JSON: {error}") from None
