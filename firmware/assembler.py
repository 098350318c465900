"""Programs as objects, as text and as the words of the program memory; each into the others.

In text an instruction is a line of a name and its fields; `#` starts a comment:

    matvec weights=12 rows=10 chunks=5 activations=0 results=0
    end

`rows` counts row blocks; the other fields are addresses in words of their memory. Words are made and read by the
layout of `instructions.Instruction`, the one definition that the gateware decodes by too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth.lib import data

from trine.firmware.configuration import Configuration
from trine.firmware.instructions import INSTRUCTION_BYTES, Instruction, Opcode

_LAYOUT = data.Layout.cast(Instruction)
_CODE = {name: int(getattr(Opcode, name).value) for name in ("END", "MATVEC")}

FIELD_OF_TEXT: dict[str, str] = {
    "weights": "weight_word",
    "rows": "row_blocks",
    "chunks": "chunks",
    "activations": "activation_chunk",
    "results": "result_beat",
}
"""Name of a field in a program's text -> its name in the instruction word, in the order of writing."""

_MATVEC_FIELDS = tuple(FIELD_OF_TEXT.values())


class AssemblerError(ValueError):
    """A program that cannot be assembled or read; the message names instruction, field, value and limit."""


@dataclass(frozen=True)
class Matvec:
    """results = weights @ activations; see instructions.Instruction.

    weight_word, activation_chunk, result_beat: where it starts in each memory (words, chunks, beats).
    row_blocks, chunks: its size, 1 to 65,535 each.
    """

    weight_word: int
    row_blocks: int
    chunks: int
    activation_chunk: int = 0
    result_beat: int = 0

    def __str__(self) -> str:
        return "matvec " + " ".join(f"{name}={getattr(self, field)}" for name, field in FIELD_OF_TEXT.items())


@dataclass(frozen=True)
class End:
    """End of a program."""

    def __str__(self) -> str:
        return "end"


Operation = Matvec | End


def encode(operation: Operation) -> bytes:
    """The instruction word of `operation`, INSTRUCTION_BYTES bytes; AssemblerError for a value beyond its field."""
    values = {"opcode": _CODE["END"]}
    if isinstance(operation, Matvec):
        values = {"opcode": _CODE["MATVEC"], **{field: getattr(operation, field) for field in _MATVEC_FIELDS}}
    word = 0
    for name, field in _LAYOUT:
        value = values.get(name, 0)
        least, most = 1 if name in ("row_blocks", "chunks") and name in values else 0, (1 << field.width) - 1
        if not isinstance(value, int) or not least <= value <= most:
            raise AssemblerError(f"{name} must be {least} to {most}, not {value!r}")
        word |= value << field.offset
    return word.to_bytes(INSTRUCTION_BYTES, "little")


def decode(word: bytes) -> Operation:
    """The operation in an instruction word of INSTRUCTION_BYTES bytes; AssemblerError for exactly what is a fault.

    That is an unknown opcode, reserved bits, and a MATVEC without row blocks or chunks. An END's other fields are
    ignored.
    """
    if len(word) != INSTRUCTION_BYTES:
        raise AssemblerError(f"an instruction word has {INSTRUCTION_BYTES} bytes, not {len(word)}")
    bits = int.from_bytes(word, "little")
    values = {name: bits >> field.offset & ((1 << field.width) - 1) for name, field in _LAYOUT}
    if values["reserved"]:
        raise AssemblerError(f"reserved must be 0, not {values['reserved']}")
    if values["opcode"] == _CODE["END"]:
        return End()
    if values["opcode"] != _CODE["MATVEC"]:
        raise AssemblerError(f"opcode {values['opcode']} is no instruction")
    for field in ("row_blocks", "chunks"):
        if not values[field]:
            raise AssemblerError(f"{field} must be 1 to 65535, not 0")
    return Matvec(**{field: values[field] for field in _MATVEC_FIELDS})


def assemble(operations: Sequence[Operation], configuration: Configuration) -> bytes:
    """The words of one or more programs, one after another from address 0, INSTRUCTION_BYTES each.

    Raises AssemblerError if they do not fit the program memory, do not end with END, or an instruction holds a value
    beyond its field or reads or writes beyond one of the configuration's memories.
    """
    if len(operations) > configuration.program_words:
        raise AssemblerError(f"{len(operations)} instructions are too many: {configuration.name} has room for "
                             f"{configuration.program_words}")
    if not operations or not isinstance(operations[-1], End):
        raise AssemblerError("a program must end with `end`")
    words = []
    for address, operation in enumerate(operations):
        try:
            words.append(encode(operation))
            if isinstance(operation, Matvec):
                _check_memories(operation, configuration)
        except AssemblerError as error:
            raise AssemblerError(f"instruction {address} ({operation}): {error}") from None
    return b"".join(words)


def parse(text: str) -> list[Operation]:
    """The operations in a program's text; AssemblerError naming the line for what is none."""
    operations: list[Operation] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#")[0].split()
        if words:
            try:
                operations.append(_parse_line(words))
            except AssemblerError as error:
                raise AssemblerError(f"line {number}: {error}") from None
    return operations


def read_program(words: bytes) -> list[Operation]:
    """The operations in whole instruction words; AssemblerError, naming the instruction, for what is a fault."""
    if len(words) % INSTRUCTION_BYTES:
        raise AssemblerError(f"{len(words)} bytes are no whole instructions of {INSTRUCTION_BYTES} bytes")
    operations = []
    for start in range(0, len(words), INSTRUCTION_BYTES):
        try:
            operations.append(decode(words[start : start + INSTRUCTION_BYTES]))
        except AssemblerError as error:
            raise AssemblerError(f"instruction {start // INSTRUCTION_BYTES}: {error}") from None
    return operations


def disassemble(words: bytes) -> str:
    """The text of whole instruction words, a line each; AssemblerError, naming the instruction, for what is a fault."""
    return "".join(f"{operation}\n" for operation in read_program(words))


def _check_memories(operation: Matvec, configuration: Configuration) -> None:
    """Raises AssemblerError, naming field, end and limit, if `operation` goes beyond a memory."""
    for field, start, count, limit, memory in (
        ("weight_word", operation.weight_word, operation.row_blocks * operation.chunks, configuration.weight_words,
         "words of the weight memory"),
        ("activation_chunk", operation.activation_chunk, operation.chunks, configuration.activation_chunks,
         "chunks of the activation buffer"),
        ("result_beat", operation.result_beat, operation.row_blocks * configuration.beats_per_row_block,
         configuration.result_beats, "beats of the result buffer"),
    ):
        if start + count > limit:
            raise AssemblerError(f"{field} {start} and {count} from there end at {start + count}, beyond the {limit} "
                                 f"{memory} of {configuration.name}")


def _parse_line(words: list[str]) -> Operation:
    name, *fields = words
    if name == "end":
        if fields:
            raise AssemblerError(f"`end` has no fields, but {fields[0]!r} follows")
        return End()
    if name != "matvec":
        raise AssemblerError(f"{name!r} is no instruction; there are matvec and end")
    values: dict[str, int] = {}
    for text in fields:
        key, _, value = text.partition("=")
        if key not in FIELD_OF_TEXT or not value.isascii() or not value.isdigit():
            raise AssemblerError(f"{text!r} is not one of {', '.join(FIELD_OF_TEXT)}, an equals sign and a number")
        if FIELD_OF_TEXT[key] in values:
            raise AssemblerError(f"{key} is given twice")
        values[FIELD_OF_TEXT[key]] = int(value)
    missing = [key for key, field in FIELD_OF_TEXT.items() if field not in values]
    if missing:
        raise AssemblerError(f"matvec needs {', '.join(missing)} too")
    return Matvec(**values)
