"""Requests to a device: those that a product takes, and random ones of every kind."""

import random
import struct
from collections.abc import Iterator, Sequence

import numpy as np

from tests.hw.products import Product, make_product
from tests.hw.streams import SILENCE, Segment, damaged_segments, oversized
from trine.firmware.assembler import End, Matvec, encode
from trine.firmware.configuration import Configuration
from trine.firmware.link import READ_FORMAT, WRITE_FORMAT, Frame, Region, Request
from trine.firmware.traffic import region_words, word_bytes, write_messages

Message = tuple[int, bytes]
"""A request's opcode and payload."""


def load_products(products: Sequence[Product]) -> Iterator[Message]:
    """Weights, activations and a program of one MATVEC a product, one behind the other in each memory."""
    configuration = products[0].configuration
    word, chunk, beat = 0, 0, 0
    program = []
    for product in products:
        yield from write_messages(Region.WEIGHTS, word, product.weight_bytes, configuration)
        program.append(Matvec(word, product.row_blocks, product.chunks, chunk, beat))
        word, chunk, beat = word + len(product.words), chunk + product.chunks, beat + product.beats
    words = b"".join(map(encode, program)) + encode(End())
    yield from write_messages(Region.PROGRAM, 0, words, configuration)
    yield Request.COMMIT, struct.pack("<I", 1)
    codes = b"".join(product.code_bytes for product in products)
    yield from write_messages(Region.ACTIVATIONS, 0, codes, configuration)


def run(entry: int = 0) -> Message:
    return Request.RUN, struct.pack("<I", entry)


def read(first_beat: int, beats: int) -> Message:
    return Request.READ, struct.pack(READ_FORMAT, Region.RESULTS, first_beat, beats)


def frames(messages: Sequence[Message], first_sequence: int = 0) -> list[bytes]:
    """The messages, framed and numbered."""
    return [Frame(opcode, (first_sequence + number) % 256, payload).encode()
            for number, (opcode, payload) in enumerate(messages)]


class RandomRequests:
    """Requests of every kind, good and bad, that leave nothing undefined (firmware.machine says what would be)."""

    def __init__(self, configuration: Configuration, seed: int) -> None:
        self._configuration = configuration
        self._chance = random.Random(seed)

    def segments(self, count: int, damage: float) -> list[Segment]:
        """A stream of `count` requests and more, damaged with that probability each; `fill` must have come before."""
        messages: list[Message] = []
        while len(messages) < count:
            messages += self._messages()
        stream: list[Segment] = []
        for number, frame in enumerate(frames(messages)):
            if self._chance.random() >= damage:
                stream.append(frame)
            elif self._chance.random() < 0.2:
                stream.append(oversized(number % 256, self._configuration.maximum_payload, self._chance.randint(1, 50)))
            else:
                stream += damaged_segments(self._chance, frame)
        return [*stream, SILENCE, *frames([(Request.HELLO, b"")])]

    def fill(self) -> list[Segment]:
        """A stream that leaves nothing undefined in any memory, whatever was in it before."""
        configuration = self._configuration
        words = {region: self._words(region, region_words(region, configuration))
                 for region in (Region.WEIGHTS, Region.ACTIVATIONS)}
        per_block = configuration.beats_per_row_block
        blocks = configuration.result_beats // per_block
        program: list[Matvec | End] = [Matvec(0, blocks, 1, 0, beat)
                                       for beat in {0, configuration.result_beats - blocks * per_block}]
        program += [End()] * (configuration.program_words - len(program))
        words[Region.PROGRAM] = b"".join(map(encode, program))
        messages = [message for region, data in words.items()
                    for message in write_messages(region, 0, data, configuration)]
        return [*frames([*messages, (Request.COMMIT, struct.pack("<I", 1)), run()])]

    def _messages(self) -> list[Message]:
        chance = self._chance
        kind = chance.choice(("write", "program", "program", "program", "run", "read", "simple", "wrong"))
        if kind == "write":
            return self._write(chance.choice((Region.WEIGHTS, Region.ACTIVATIONS)))
        if kind == "program":
            return self._program()
        if kind == "run":
            beat = chance.randrange(self._configuration.result_beats)
            return [run(chance.choice((0, 0, 0, 1, 2, chance.randrange(1 << 32)))), read(beat, 1)]
        if kind == "read":
            beats = self._configuration.result_beats
            return [read(chance.choice((0, 1, beats - 1, beats, beats + 1, chance.randrange(1 << 32))),
                         chance.choice((0, 1, 2, beats, chance.randrange(1 << 32))))]
        if kind == "simple":
            return [(chance.choice((Request.HELLO, Request.INFO, Request.COUNTERS)), b""),
                    (Request.ECHO, chance.randbytes(chance.randint(0, self._configuration.maximum_payload)))]
        return [(chance.randrange(256) if chance.random() < 0.5 else chance.choice(list(Request)),
                 chance.randbytes(chance.choice((0, 1, 4, 8, 9, 12, 13))))] if chance.random() < 0.7 else [
            (Request.COMMIT, struct.pack("<I", chance.choice((0, 1, 0xFFFFFFFF))))]

    def _write(self, region: Region) -> list[Message]:
        """Some words somewhere, perhaps beyond the end, perhaps with a part of one more, which is then made whole."""
        chance, size = self._chance, word_bytes(region, self._configuration)
        limit = region_words(region, self._configuration)
        room = (self._configuration.maximum_payload - 8) // size
        count = chance.randint(0, min(room - 1, limit))
        address = chance.choice((0, chance.randrange(limit), limit - 1, limit, limit - count))
        part = chance.choice((0, 0, chance.randrange(size)))
        data = self._words(region, count) + self._words(region, 1)[:part]
        messages: list[Message] = [(Request.WRITE, struct.pack(WRITE_FORMAT, region, address) + data)]
        if part and address + count < limit:
            head = struct.pack(WRITE_FORMAT, region, address + count)
            messages.append((Request.WRITE, head + self._words(region, 1)))
        return [*messages, (Request.COMMIT, struct.pack("<I", chance.choice((1, 1, 1, 2, 0))))]

    def _words(self, region: Region, count: int) -> bytes:
        if count == 0:
            return b""
        configuration, seed = self._configuration, self._chance.randrange(1 << 32)
        if region == Region.WEIGHTS:  # a row block of `count` chunks
            return make_product(configuration, configuration.lanes, count * configuration.depth, seed).weight_bytes
        least, greatest = configuration.accumulator_mode.code_range
        codes = np.random.default_rng(seed).integers(least, greatest + 1, count * configuration.depth, np.int8)
        return codes.tobytes()

    def _program(self) -> list[Message]:
        """Products within the memories; sometimes a word that is no instruction, or no end before the memory's."""
        chance, configuration = self._chance, self._configuration
        operations = [self._matvec() for _ in range(chance.randint(0, 4))]
        words = b"".join(map(encode, operations)) + encode(End())
        if chance.random() < 0.2:
            words = words[:-16] + bytes([chance.choice((2, 0x81, 0xFF))]) + words[-15:]
        if chance.random() < 0.2:
            words = words[:-16] + b"\0\x01" + words[-14:]
        address = 0
        if chance.random() < 0.2:
            words = words[: len(words) - 16 * chance.randrange(2)] if operations else words
            address = configuration.program_words - len(words) // 16
        return [(Request.WRITE, struct.pack(WRITE_FORMAT, Region.PROGRAM, address) + words),
                (Request.COMMIT, struct.pack("<I", 7)), run(address), (Request.COUNTERS, b""),
                *(read(operation.result_beat, operation.row_blocks * configuration.beats_per_row_block)
                  for operation in operations)]

    def _matvec(self) -> Matvec:
        chance, configuration = self._chance, self._configuration
        row_blocks = chance.randint(1, min(4, configuration.result_beats // configuration.beats_per_row_block))
        chunks = chance.randint(1, min(configuration.activation_chunks, configuration.weight_words // row_blocks))
        chunks = min(chunks, chance.choice((1, 2, 5, 99)))
        return Matvec(
            chance.randint(0, configuration.weight_words - row_blocks * chunks), row_blocks, chunks,
            chance.randint(0, configuration.activation_chunks - chunks),
            chance.randint(0, configuration.result_beats - row_blocks * configuration.beats_per_row_block))
