"""The instruction word: 128 bits, every field described."""

from typing import Any

from amaranth.lib import data

from trine.firmware.instructions import FIELD_PURPOSE, INSTRUCTION_BYTES, Instruction, Opcode


def test_word():
    layout = data.Layout.cast(Instruction)
    assert layout.size == 8 * INSTRUCTION_BYTES
    assert [(name, field.offset, field.width) for name, field in layout] == [
        ("opcode", 0, 8), ("reserved", 8, 8), ("chunks", 16, 16), ("row_blocks", 32, 16),
        ("activation_chunk", 48, 16), ("weight_word", 64, 32), ("result_beat", 96, 32)]


def test_every_field_is_described():
    assert list(FIELD_PURPOSE) == [name for name, _ in data.Layout.cast(Instruction)]


def test_opcodes():
    """END is 0, so that memory that reads as zeros ends a program."""
    opcodes: Any = Opcode
    assert {opcode.name: opcode.value for opcode in opcodes} == {"END": 0, "MATVEC": 1}
