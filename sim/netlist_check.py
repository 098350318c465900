"""Proves by example that a netlist computes what golden does, before it is placed and routed.

The netlist that nextpnr is given is simulated (gate_level) and driven as a device is: its memories are loaded, products
run, and every integer that comes back is compared. The products are few and chosen for what they reach: the smallest,
random ones of several row blocks and chunks, one that comes as close to the accumulator's limit as the memories allow,
and places up to the last word of every memory. They are done twice, after power-up without a reset, and after a reset
with pauses in both streams.

It is an example, not a proof for all inputs; those of tests/formal are about the gateware, not about its netlist.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Const

from trine.firmware.assembler import End, Matvec, encode
from trine.firmware.configuration import Configuration
from trine.firmware.layout import count_chunks, count_row_blocks, pack_weights
from trine.firmware.link import (
    CRC_BYTES,
    ERROR,
    HEADER_BYTES,
    MAXIMUM_READ_BYTES,
    READ_FORMAT,
    RESPONSE_BIT,
    Error,
    Frame,
    LinkError,
    Region,
    Request,
    check_crc,
    decode_header,
)
from trine.firmware.traffic import Message, write_messages
from trine.golden.accumulate import accumulate
from trine.golden.arrays import Int8, Int32
from trine.hw.bare_array import Target
from trine.hw.build import tools
from trine.hw.build.source import configuration_text
from trine.hw.build.store import Store
from trine.hw.build.synthesise import Synthesis
from trine.sim.build import Progress, source_hash
from trine.sim.cache import Cache
from trine.sim.errors import NetlistMismatch
from trine.sim.gate_level import build_netlist, visit
from trine.sim.model import NativeModel

WEIGHTS, ACTIVATIONS, COMMAND, RESULTS = (Const.cast(target).value for target in (
    Target.WEIGHTS, Target.ACTIVATIONS, Target.COMMAND, Target.RESULTS))

PAUSES = 0.3
"""Chance of a pause in each stream and cycle, in the second round."""

IDLE_CYCLES = 20_000
"""Cycles without a byte after which a netlist counts as silent, beyond those that the longest product takes."""

WEIGHT_BYTES = 1 << 16
"""Most that a product loads: so many cycles, at 2 to 20 thousand a second."""


@dataclass(frozen=True)
class Product:
    """`weights` int8 (N, K) times `codes` int8 (K,), and where it is in the memories: words, chunks and beats."""

    configuration: Configuration
    weights: Int8
    codes: Int8
    weight_word: int = 0
    activation_chunk: int = 0
    result_beat: int = 0

    @property
    def row_blocks(self) -> int:
        """Row blocks that the rows take."""
        return count_row_blocks(len(self.weights), self.configuration)

    @property
    def chunks(self) -> int:
        """Chunks that the columns take."""
        return count_chunks(len(self.codes), self.configuration)

    @property
    def beats(self) -> int:
        """Beats that the results take."""
        return self.row_blocks * self.configuration.beats_per_row_block

    @property
    def code_bytes(self) -> bytes:
        """The codes, padded to whole chunks."""
        return self.codes.tobytes().ljust(self.chunks * self.configuration.depth, b"\0")

    @property
    def results(self) -> Int32:
        """What golden makes of it: int32 (row_blocks * lanes,), rows of the padding included."""
        configuration = self.configuration
        shape = self.row_blocks * configuration.lanes, self.chunks * configuration.depth
        weights = np.full(shape, 0 if configuration.codec.has_zero else 1, np.int8)
        weights[: len(self.weights), : len(self.codes)] = self.weights
        return accumulate(weights, np.frombuffer(self.code_bytes, np.int8), configuration.accumulator_mode)


@dataclass(frozen=True)
class Checked:
    """What was compared: products, integers, and the cycles that were simulated."""

    products: int
    integers: int
    cycles: int


def check_netlist(
    synthesis: Synthesis, family: str, configuration: Configuration, *, store: Store | None = None,
    cache: Cache | None = None, progress: Progress | None = None, jobs: int | None = None,
) -> Checked:
    """Simulates the netlist of a configuration's Accelerator or BareArray, and compares every integer with golden.

    family: of the part, "ecp5" or "ice40". store: where it is kept that a netlist passed, so that the same one is not
    simulated again; without, it is simulated every time. The rest is as in `build_netlist`.

    Raises NetlistMismatch for the first integer that is another one, and for a netlist that does not answer; and what
    `build_netlist` raises.
    """
    key = ("checked", synthesis.netlist_hash, family, configuration_text(configuration), tools.version("yosys"),
           source_hash("trine.sim", "trine.golden", "trine.firmware"))
    if store is not None and (kept := store.get(*key)) is not None:
        return Checked(*map(int, kept.split()))
    library = build_netlist(synthesis.netlist, family, cache=cache, progress=progress, jobs=jobs)
    with NativeModel(library) as model:
        checked = check_model(model, configuration)
    if store is not None:
        store.put(f"{checked.products} {checked.integers} {checked.cycles}", *key)
    return checked


def check_model(model: NativeModel, configuration: Configuration) -> Checked:
    """As `check_netlist`, with a model of the netlist as `build_netlist` makes it; one that was not used before."""
    products = integers = 0
    for seed in range(2):
        if seed:
            model.reset()
            model.stall(seed, PAUSES, PAUSES)
        chosen = choose_products(configuration, seed)
        found = _drive_bare_array(model, chosen) if configuration.bare else _drive_accelerator(model, chosen)
        for product, results in zip(chosen, found, strict=True):
            _compare(product, results)
            integers += len(results)
        products += len(chosen)
    return Checked(products, integers, model.cycles)


def choose_products(configuration: Configuration, seed: int) -> list[Product]:
    """Products that a device of the configuration can hold, each in its place; random, by the seed.

    An accelerator's are in the memories side by side, the last one at their ends. A bare array's are there one after
    the other; their weights and results always start at word and beat 0, and their codes end at the last chunk.
    """
    c, rng = configuration, np.random.default_rng(seed)
    least, greatest = c.accumulator_mode.code_range
    deepest = (2 ** (c.accumulator_bits - 1) - 1) // (-least * c.depth)
    shapes = _shapes(c, seed)
    products: list[Product] = []
    word = chunk = beat = 0
    for number, (blocks, chunks, extreme) in enumerate(shapes):
        words = min(c.weight_words - word, max(1, WEIGHT_BYTES // c.weight_word_bytes))
        chunks = min(chunks, c.activation_chunks - chunk, words, deepest)
        if chunks < 1:
            break
        beats = min(c.result_beats - beat, MAXIMUM_READ_BYTES // c.beat_bytes)
        blocks = min(blocks, words // chunks, beats // c.beats_per_row_block)
        if blocks < 1:
            break
        if number == len(shapes) - 1 and not c.bare:
            word, beat = c.weight_words - blocks * chunks, c.result_beats - blocks * c.beats_per_row_block
        if number == len(shapes) - 1 or c.bare:
            chunk = c.activation_chunks - chunks
        if extreme:
            weights = np.full((blocks * c.lanes, chunks * c.depth), -1, np.int8)
            codes = np.full(chunks * c.depth, least, np.int8)
        else:
            rows, columns = blocks * c.lanes - rng.integers(c.lanes), chunks * c.depth - rng.integers(c.depth)
            weights = rng.integers(-1, 2, (rows, columns), np.int8)
            codes = rng.integers(least, greatest + 1, columns, np.int8)
        if not c.codec.has_zero:
            weights[weights == 0] = 1
        products.append(Product(c, weights, codes, word, chunk, beat))
        if c.bare:
            chunk = 0
        else:
            word, chunk, beat = word + blocks * chunks, chunk + chunks, beat + blocks * c.beats_per_row_block
    return products


def _shapes(configuration: Configuration, seed: int) -> list[tuple[int, int, bool]]:
    """Row blocks and chunks, each at most, and whether every sum is to be as far from zero as it can be."""
    c = configuration
    most = c.result_beats // c.beats_per_row_block  # row blocks
    small, several, deep = (1, 1, False), (3, 4, False), (1, c.activation_chunks, True)
    tall = (most, max(1, c.weight_words // most), False)
    if c.bare:
        return [small, several, tall, deep]
    return [small, several, deep if seed else tall][: max(1, c.program_words - 1)]


def _compare(product: Product, results: Int32) -> None:
    expected = product.results
    wrong = np.flatnonzero(results != expected)
    if wrong.size:
        row = int(wrong[0])
        rows, columns = product.weights.shape
        raise NetlistMismatch(
            f"the netlist of {product.configuration.name} computes {results[row]} in row {row} of a {rows} x {columns} "
            f"product, golden {expected[row]}; {wrong.size} of {expected.size} rows differ"
        )


def _drive_bare_array(model: NativeModel, products: Sequence[Product]) -> Iterator[Int32]:
    for product in products:
        depth = product.configuration.depth
        chunk = product.activation_chunk
        loads = (
            (WEIGHTS, pack_weights(product.weights, product.configuration)),
            (ACTIVATIONS, bytes(chunk * depth) + product.code_bytes),
            (COMMAND, struct.pack("<HHH", product.row_blocks, product.chunks, chunk)),
        )
        data = b"".join(visit(target, len(content)) + content for target, content in loads)
        want = 4 * product.configuration.lanes * product.row_blocks
        output = _transfer(model, data + visit(RESULTS, want), want, products)
        if len(output) < want:
            raise NetlistMismatch(f"the netlist of {product.configuration.name} gives {len(output)} of {want} bytes of "
                                  "results, and then nothing")
        yield np.frombuffer(output, "<i4")


def _drive_accelerator(model: NativeModel, products: Sequence[Product]) -> Iterator[Int32]:
    configuration = products[0].configuration
    messages = list(_load_messages(products))
    answers = [(opcode, {Request.HELLO: 4, Request.RUN: 8}.get(opcode, 0)) for opcode, _ in messages]
    for product in products:
        beats = product.beats
        messages.append((Request.READ, struct.pack(READ_FORMAT, Region.RESULTS, product.result_beat, beats)))
        answers.append((Request.READ, beats * configuration.beat_bytes))
    data = b"".join(Frame(opcode, number % 256, payload).encode() for number, (opcode, payload) in enumerate(messages))
    want = sum(HEADER_BYTES + size + CRC_BYTES for _, size in answers)
    payloads = list(_responses(_transfer(model, data, want, products), answers, configuration))
    for payload in payloads[-len(products) :]:
        yield np.frombuffer(payload, "<i4")


def _load_messages(products: Sequence[Product]) -> Iterator[Message]:
    """HELLO, weights, a program at the program memory's end, COMMIT, activations, RUN."""
    c = products[0].configuration
    yield Request.HELLO, b""
    for product in products:
        yield from write_messages(Region.WEIGHTS, product.weight_word, pack_weights(product.weights, c), c)
    program: list[Matvec | End] = [Matvec(product.weight_word, product.row_blocks, product.chunks,
                                            product.activation_chunk, product.result_beat) for product in products]
    program.append(End())
    entry = c.program_words - len(program)
    words = b"".join(map(encode, program))
    yield from write_messages(Region.PROGRAM, entry, words, c)
    yield Request.COMMIT, struct.pack("<I", 1)
    for product in products:
        yield from write_messages(Region.ACTIVATIONS, product.activation_chunk, product.code_bytes, c)
    yield Request.RUN, struct.pack("<I", entry)


def _transfer(model: NativeModel, data: bytes, want: int, products: Sequence[Product]) -> bytes:
    longest = sum(product.row_blocks * (product.chunks + 4 * product.configuration.lanes) for product in products)
    return model.transfer(data, want, idle_cycles=IDLE_CYCLES + 4 * longest).output


def _responses(output: bytes, answers: Sequence[tuple[Request, int]], configuration: Configuration) -> Iterator[bytes]:
    """The payloads of the responses; `answers` are the requests and the payloads' sizes."""
    name, at = configuration.name, 0
    for request, size in answers:
        frame = output[at : at + HEADER_BYTES + size + CRC_BYTES]
        at += len(frame)
        try:
            if len(frame) < HEADER_BYTES:
                raise LinkError("nothing comes")
            opcode, _, length = decode_header(frame[:HEADER_BYTES])
            payload = frame[HEADER_BYTES : HEADER_BYTES + length]
            if opcode == ERROR and payload:
                names = {error.value: error.name for error in Error}
                raise LinkError(f"error {names.get(payload[0], payload[0])}")
            if (opcode, length) != (request | RESPONSE_BIT, size) or len(frame) < HEADER_BYTES + size + CRC_BYTES:
                raise LinkError(f"opcode {opcode:#04x} and {len(payload)} of {length} bytes")
            check_crc(frame[:HEADER_BYTES], payload, frame[-CRC_BYTES:])
        except LinkError as error:
            raise NetlistMismatch(f"the netlist of {name} answers {request.name} wrongly: {error}") from error
        yield payload
