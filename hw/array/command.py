"""What an array is told to compute."""

from amaranth.hdl import unsigned
from amaranth.lib import data

from trine.firmware.configuration import Configuration


def command_layout(configuration: Configuration) -> data.StructLayout:
    """One matrix-vector product: row_blocks * chunks weight words; both >= 1.

    The counts have as many bits as a product needs whose input and results fit into their buffers; of a greater one,
    which no image has, the low bits are taken, by all units alike. activation_chunk is where the input begins in the
    activation buffer.
    """
    return data.StructLayout({
        "row_blocks": unsigned(row_block_bits(configuration)),
        "chunks": unsigned(chunk_bits(configuration)),
        "activation_chunk": unsigned(configuration.activation_chunk_bits),
    })


def row_block_bits(configuration: Configuration) -> int:
    """Bits of a product's number of row blocks."""
    return max(1, (configuration.result_beats // configuration.beats_per_row_block).bit_length())


def chunk_bits(configuration: Configuration) -> int:
    """Bits of a product's number of chunks."""
    return configuration.activation_chunks.bit_length()
