"""The instruction set, defined once: gateware, assembler, disassembler and documentation read this file.

An instruction is one 128-bit word of the program memory, little-endian on the link. A program is a run of
instructions that ends with END; its *entry* is the address of its first. Programs neither branch nor nest.
"""

# mypy: disable-error-code="call-arg,misc,valid-type"
from amaranth.hdl import unsigned
from amaranth.lib import data, enum


class Opcode(enum.Enum, shape=8):
    """What an instruction does; any other code is a fault."""

    END = 0
    """Wait until every result is in the result buffer, then end the program."""
    MATVEC = 1
    """results = weights @ activations, row block after row block."""


class Instruction(data.Struct):
    """One instruction word, lowest bits first.

    MATVEC reads row_blocks * chunks weight words from `weight_word` on, in the order of firmware.layout; uses the
    activation chunks from `activation_chunk` on, the same for every row block; and writes
    row_blocks * lanes / result_width result beats from `result_beat` on. row_blocks = 0 or chunks = 0 is a fault.
    Addresses beyond a memory are refused when a program is assembled for a configuration; the device does not check.
    """

    opcode: Opcode
    reserved: unsigned(8)
    chunks: unsigned(16)
    row_blocks: unsigned(16)
    activation_chunk: unsigned(16)
    weight_word: unsigned(32)
    result_beat: unsigned(32)


INSTRUCTION_BYTES = 16
"""Bytes of one instruction word."""

FIELD_PURPOSE: dict[str, str] = {
    "opcode": "what to do",
    "reserved": "0; anything else is a fault",
    "chunks": "chunks of columns in a row block, 1 to 65,535",
    "row_blocks": "blocks of `lanes` rows, 1 to 65,535",
    "activation_chunk": "first chunk in the activation buffer",
    "weight_word": "first word in the weight memory",
    "result_beat": "first beat in the result buffer",
}
"""A line for each field, for the documentation table."""
