"""The functional device: bytes in, bytes out, exactly as the gateware answers them.

It is the executable specification of the requests (receiver.py: of the frames), and what the `golden` device runs. To
every sequence of bytes the gateware gives the same answers, but for the cycles in them, which depend on the link, and
the contents of memories that were never written: zeros here, anything there.

A request is checked in this order, and the first thing wrong is the answer: OVERSIZED, BAD_CRC, UNKNOWN_OPCODE,
BAD_LENGTH, BAD_REGION, NOT_COMMITTED, BAD_ADDRESS, FAULT. What each request does:

HELLO, INFO, COUNTERS, ECHO: answer. All but ECHO: BAD_LENGTH unless the payload is empty.
WRITE: BAD_LENGTH without a byte of data after region and address. BAD_REGION for RESULTS and any that is none. Once
    the region is accepted, a WRITE to WEIGHTS or PROGRAM uncommits the image. Words are then written one by one; a
    byte beyond the region: BAD_ADDRESS, after the words before it are written. Otherwise, bytes after the last whole
    word: BAD_LENGTH; the word that they begin is undefined then (untouched here).
READ: BAD_LENGTH unless the payload has 12 bytes, count is at least 1 and the response at most 65,535 bytes.
    BAD_REGION unless it is RESULTS. BAD_ADDRESS unless all of the beats exist.
COMMIT: BAD_LENGTH unless the payload has 4 bytes.
RUN: BAD_LENGTH unless the payload has 4 bytes; NOT_COMMITTED; BAD_ADDRESS for an entry beyond the program memory.
    FAULT ends the run at a word that is no instruction (assembler.decode) or lies beyond the program memory; what was
    executed before it stays.

The three bytes after `region` are ignored. Sums wrap to accumulator_bits, two's complement, which no image that the
compiler passes ever sees. Undefined, and harmless here: instructions that leave a memory (beyond it there are zeros,
and results are dropped), codes of weights that are not in use (zeros), the activation code -128 in a group mode (-127).
"""

import dataclasses
import struct
from collections.abc import Callable

import numpy as np

from trine.firmware.assembler import AssemblerError, Matvec, Operation, decode
from trine.firmware.configuration import Configuration
from trine.firmware.counters import COUNTER_NAMES, COUNTERS_FORMAT, Counters
from trine.firmware.cycles import program_cycles
from trine.firmware.instructions import INSTRUCTION_BYTES
from trine.firmware.layout import decode_words, word_number
from trine.firmware.link import (
    ERROR,
    INFO_FORMAT,
    MAXIMUM_READ_BYTES,
    PROTOCOL_VERSION,
    READ_FORMAT,
    RESPONSE_BIT,
    WRITE_FORMAT,
    Error,
    Frame,
    Region,
    Request,
)
from trine.firmware.receiver import Received, Receiver
from trine.firmware.traffic import region_words, word_bytes
from trine.golden.accumulate import accumulate
from trine.golden.arrays import Int8, Int32

_LENGTHS = {Request.HELLO: 0, Request.INFO: 0, Request.COUNTERS: 0, Request.RUN: 4, Request.COMMIT: 4,
            Request.READ: struct.calcsize(READ_FORMAT)}
"""Payloads of one length only."""
_REQUESTS = frozenset(Request)


class _Refusal(Exception):
    """A request that is answered with an error."""

    def __init__(self, error: Error) -> None:
        super().__init__(error)
        self.error = error


class Machine:
    """A device of `configuration`, just after power-up: nothing loaded, counters at zero.

    build_id: what INFO says of the bitstream, 64 bits.
    """

    def __init__(self, configuration: Configuration, build_id: int = 0) -> None:
        self._configuration = configuration
        self._build_id = build_id
        self._receiver = Receiver(configuration.maximum_payload)
        self._memories = {region: bytearray(region_words(region, configuration) * word_bytes(region, configuration))
                          for region in Region}
        self._trits: Int8 | None = None  # of the whole weight memory, once they are needed
        self._image_id = 0
        self._counters = Counters()
        low = struct.pack("<HH", PROTOCOL_VERSION, configuration.maximum_payload)
        self._serve: dict[Request, Callable[[bytes], bytes]] = {
            Request.HELLO: lambda payload: low,
            Request.INFO: self._info,
            Request.WRITE: self._write,
            Request.READ: self._read,
            Request.RUN: self._run,
            Request.COUNTERS: self._read_counters,
            Request.COMMIT: self._commit,
            Request.ECHO: lambda payload: payload,
        }

    @property
    def configuration(self) -> Configuration:
        """What the device is."""
        return self._configuration

    @property
    def image_id(self) -> int:
        """The image that is committed, 0 if none is."""
        return self._image_id

    @property
    def counters(self) -> Counters:
        """The counters now; by the cycle model, so that no cycle passes between runs."""
        return self._counters

    def feed(self, data: bytes) -> bytes:
        """The responses to the next bytes of the stream; a response comes with the last byte of its request."""
        return b"".join(self._respond(received) for received in self._receiver.feed(data))

    def timeout(self) -> bytes:
        """The response to silence in the middle of a frame, which is dropped; nothing if none is pending."""
        received = self._receiver.timeout()
        return b"" if received is None else self._respond(received)

    def _respond(self, received: Received) -> bytes:
        try:
            if received.error is not None:
                raise _Refusal(received.error)
            if received.opcode not in _REQUESTS:
                raise _Refusal(Error.UNKNOWN_OPCODE)
            request = Request(received.opcode)
            if _LENGTHS.get(request, len(received.payload)) != len(received.payload):
                raise _Refusal(Error.BAD_LENGTH)
            answer = self._serve[request](received.payload)
        except _Refusal as refusal:
            return Frame(ERROR, received.sequence, bytes([refusal.error, received.opcode])).encode()
        return Frame(received.opcode | RESPONSE_BIT, received.sequence, answer).encode()

    def _info(self, payload: bytes) -> bytes:
        configuration = self._configuration
        return struct.pack(
            INFO_FORMAT, PROTOCOL_VERSION, configuration.maximum_payload, configuration.lanes, configuration.depth,
            configuration.configuration_hash, self._build_id, self._image_id, configuration.clock_khz)

    def _write(self, payload: bytes) -> bytes:
        head = struct.calcsize(WRITE_FORMAT)
        if len(payload) <= head:
            raise _Refusal(Error.BAD_LENGTH)
        region, address = struct.unpack_from(WRITE_FORMAT, payload)
        if region not in (Region.WEIGHTS, Region.PROGRAM, Region.ACTIVATIONS):
            raise _Refusal(Error.BAD_REGION)
        if region in (Region.WEIGHTS, Region.PROGRAM):
            self._image_id = 0
        if region == Region.WEIGHTS:
            self._trits = None
        size, words = word_bytes(region, self._configuration), region_words(region, self._configuration)
        whole, partial = divmod(len(payload) - head, size)
        room = max(0, words - address)
        written = min(whole, room)
        self._memories[region][address * size : (address + written) * size] = payload[head : head + written * size]
        if whole + (partial > 0) > room:
            raise _Refusal(Error.BAD_ADDRESS)
        if partial:
            raise _Refusal(Error.BAD_LENGTH)
        return b""

    def _read(self, payload: bytes) -> bytes:
        region, address, count = struct.unpack(READ_FORMAT, payload)
        size = self._configuration.beat_bytes
        if count == 0 or count * size > MAXIMUM_READ_BYTES:
            raise _Refusal(Error.BAD_LENGTH)
        if region != Region.RESULTS:
            raise _Refusal(Error.BAD_REGION)
        if address + count > self._configuration.result_beats:
            raise _Refusal(Error.BAD_ADDRESS)
        return bytes(self._memories[Region.RESULTS][address * size : (address + count) * size])

    def _commit(self, payload: bytes) -> bytes:
        (self._image_id,) = struct.unpack("<I", payload)
        return b""

    def _read_counters(self, payload: bytes) -> bytes:
        return struct.pack(COUNTERS_FORMAT, *(getattr(self._counters, name) for name in COUNTER_NAMES))

    def _run(self, payload: bytes) -> bytes:
        (address,) = struct.unpack("<I", payload)
        if self._image_id == 0:
            raise _Refusal(Error.NOT_COMMITTED)
        if address >= self._configuration.program_words:
            raise _Refusal(Error.BAD_ADDRESS)
        executed: list[Operation] = []
        fault = False
        while not executed or isinstance(executed[-1], Matvec):
            try:
                operation = decode(self._instruction(address))
            except AssemblerError:
                fault = True
                break
            if isinstance(operation, Matvec):
                self._multiply(operation)
            executed.append(operation)
            address += 1
        self._counters += program_cycles(executed, self._configuration)
        if fault:
            raise _Refusal(Error.FAULT)
        return struct.pack("<Q", self._counters.cycles)

    def _instruction(self, address: int) -> bytes:
        """The instruction word at `address`, nothing beyond the memory."""
        start = address * INSTRUCTION_BYTES
        return bytes(self._memories[Region.PROGRAM][start : start + INSTRUCTION_BYTES])

    def _multiply(self, operation: Matvec) -> None:
        """Executes one MATVEC."""
        configuration = self._configuration
        # What lies beyond a memory is zeros or is dropped, so that it needs no computing.
        room = configuration.result_beats - operation.result_beat
        row_blocks = min(operation.row_blocks, max(0, -(-room // configuration.beats_per_row_block)))
        chunks = min(operation.chunks, max(0, configuration.activation_chunks - operation.activation_chunk))
        results = np.frombuffer(self._memories[Region.RESULTS], "<i4")
        start = operation.result_beat * configuration.result_width
        if not row_blocks:
            return
        if not chunks:
            results[start : start + row_blocks * configuration.lanes] = 0
            return
        sums = self._sums(operation, row_blocks, chunks)
        part = results[start : start + sums.size]
        part[:] = sums[: part.size]

    def _sums(self, operation: Matvec, row_blocks: int, chunks: int) -> Int32:
        """The sums int32 (row_blocks * lanes,) of the first blocks and chunks of `operation`."""
        configuration = self._configuration
        if self._trits is None:
            self._trits = decode_words(bytes(self._memories[Region.WEIGHTS]), configuration)
        mode = dataclasses.replace(configuration.accumulator_mode, activation_bits=8)
        start = operation.activation_chunk * configuration.depth
        stored = np.frombuffer(self._memories[Region.ACTIVATIONS], np.int8)
        codes = stored[start : start + chunks * configuration.depth]
        if configuration.activation_bits == 4:
            codes = (codes << 4) >> 4  # the low bits, sign extended
        codes = np.maximum(codes, np.int8(mode.code_range[0]))
        index = operation.weight_word + word_number(np.arange(row_blocks)[:, np.newaxis], np.arange(chunks),
                                                    operation.row_blocks, operation.chunks, configuration)
        words = self._trits[np.minimum(index, configuration.weight_words - 1)]
        words[index >= configuration.weight_words] = 0
        matrix = words.swapaxes(1, 2).reshape(row_blocks * configuration.lanes, -1)
        return _wrap(accumulate(matrix, codes, mode), configuration.accumulator_bits)


def _wrap(sums: Int32, bits: int) -> Int32:
    """The low `bits` bits of `sums`, sign extended."""
    shift = np.int32(32 - bits)
    return (sums << shift) >> shift
