"""Programs: exact words, text and words there and back, and refusal of what the device would not do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.firmware.assembler import AssemblerError, End, Matvec, assemble, decode, disassemble, encode, parse
from trine.firmware.instructions import INSTRUCTION_BYTES, Instruction

operations = st.one_of(
    st.just(End()),
    st.builds(Matvec, st.integers(0, 2**32 - 1), st.integers(1, 65535), st.integers(1, 65535), st.integers(0, 65535),
              st.integers(0, 2**32 - 1)),
)


def test_word_byte_by_byte():
    """opcode, reserved, chunks, row_blocks, activation_chunk, weight_word, result_beat, lowest byte first."""
    word = encode(Matvec(weight_word=0x01020304, row_blocks=0x0506, chunks=0x0708, activation_chunk=0x090A,
                         result_beat=0x0B0C0D0E))
    assert word.hex() == "0100" "0807" "0605" "0a09" "04030201" "0e0d0c0b"
    assert encode(End()) == bytes(16)


def test_gateware_reads_the_same_fields():
    word = encode(Matvec(weight_word=70000, row_blocks=3, chunks=2, activation_chunk=5, result_beat=80000))
    fields = Instruction.from_bits(int.from_bytes(word, "little"))
    assert (fields.weight_word, fields.row_blocks, fields.chunks) == (70000, 3, 2)
    assert (fields.activation_chunk, fields.result_beat, fields.reserved) == (5, 80000, 0)


@given(st.lists(operations))
def test_text_and_words_there_and_back(program):
    words = b"".join(map(encode, program))
    assert parse(disassemble(words)) == program
    assert [decode(words[at : at + 16]) for at in range(0, len(words), 16)] == program


@given(st.binary(min_size=INSTRUCTION_BYTES, max_size=INSTRUCTION_BYTES))
def test_any_word_is_an_operation_or_refused(word):
    try:
        operation = decode(word)
    except AssemblerError:
        assert word[0] > 1 or word[1] or not any(word[2:4]) or not any(word[4:6])
    else:
        assert word[0] == 0 or encode(operation) == word


def test_text():
    assert parse("# a comment\n\n  matvec results=4 weights=12 rows=10 chunks=5 activations=0 # another\nend\n") == [
        Matvec(weight_word=12, row_blocks=10, chunks=5, activation_chunk=0, result_beat=4), End()]
    assert str(Matvec(12, 10, 5, 1, 2)) == "matvec weights=12 rows=10 chunks=5 activations=1 results=2"


@pytest.mark.parametrize(("text", "said"), [
    ("end\njump 3", "line 2: 'jump' is no instruction; there are matvec and end"),
    ("end now", "line 1: `end` has no fields, but 'now' follows"),
    ("matvec weights=1", "line 1: matvec needs rows, chunks, activations, results too"),
    ("matvec rows=1 rows=2", "rows is given twice"),
    ("matvec rows=-1", "'rows=-1' is not one of weights, rows"),
    ("matvec rows", "'rows' is not one of"),
    ("matvec row_blocks=1", "'row_blocks=1' is not one of"),
    ("matvec rows=\u00b2", "is not one of"),
])
def test_wrong_text(text, said):
    with pytest.raises(AssemblerError, match=said):
        parse(text)


@pytest.mark.parametrize(("changes", "said"), [
    ({"row_blocks": 0}, "row_blocks must be 1 to 65535, not 0"),
    ({"chunks": 0}, "chunks must be 1 to 65535, not 0"),
    ({"chunks": 65536}, "chunks must be 1 to 65535, not 65536"),
    ({"weight_word": -1}, "weight_word must be 0 to 4294967295, not -1"),
    ({"result_beat": 2**32}, "result_beat must be 0 to 4294967295, not 4294967296"),
    ({"activation_chunk": 1.0}, "activation_chunk must be 0 to 65535, not 1.0"),
])
def test_encode_wrong_field(changes, said):
    with pytest.raises(AssemblerError, match=said):
        encode(Matvec(**({"weight_word": 0, "row_blocks": 1, "chunks": 1} | changes)))


def test_assemble_to_the_last_word_of_each_memory(small):
    """40 weight words, 6 chunks, 16 beats of which a row block takes 2."""
    step = Matvec(32, 4, 2, 4, 8)
    assert assemble([step, End()], small) == encode(step) + bytes(16)


@pytest.mark.parametrize(("operation", "said"), [
    (Matvec(33, 4, 2, 4, 8), "weight_word 33 and 8 from there end at 41, beyond the 40 words of the weight memory of"),
    (Matvec(32, 4, 2, 5, 8), "activation_chunk 5 and 2 from there end at 7, beyond the 6 chunks of the activation"),
    (Matvec(32, 4, 2, 4, 9), "result_beat 9 and 8 from there end at 17, beyond the 16 beats of the result buffer of"),
])
def test_assemble_beyond_a_memory(small, operation, said):
    with pytest.raises(AssemblerError, match=r"instruction 1 \(matvec .*\): " + said):
        assemble([End(), operation, End()], small)


def test_assemble_wrong_program(small):
    assert assemble([End()] * 16, small) == bytes(256)
    with pytest.raises(AssemblerError, match="17 instructions are too many: small has room for 16"):
        assemble([End()] * 17, small)
    for program in ([], [Matvec(0, 1, 1)]):
        with pytest.raises(AssemblerError, match="must end with `end`"):
            assemble(program, small)


@pytest.mark.parametrize(("words", "said"), [
    (bytes(17), "17 bytes are no whole instructions of 16 bytes"),
    (bytes(16) + bytes([2]) + bytes(15), "instruction 1: opcode 2 is no instruction"),
    (bytes([0, 1]) + bytes(14), "instruction 0: reserved must be 0, not 1"),
    (bytes([1, 0, 0, 0, 1]) + bytes(11), "instruction 0: chunks must be 1 to 65535, not 0"),
    (bytes([1, 0, 1]) + bytes(13), "instruction 0: row_blocks must be 1 to 65535, not 0"),
])
def test_disassemble_wrong_words(words, said):
    with pytest.raises(AssemblerError, match=said):
        disassemble(words)


def test_end_ignores_its_other_fields():
    assert decode(bytes([0, 0]) + bytes(14 * [0xFF])) == End()


def test_decode_wrong_length():
    with pytest.raises(AssemblerError, match="has 16 bytes, not 15"):
        decode(bytes(15))
