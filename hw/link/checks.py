"""The two checksums of a frame, as Amaranth's CRC generators (firmware.link says which)."""

from amaranth.lib.crc import Processor
from amaranth.lib.crc.catalog import CRC16_IBM_3740, CRC32_ISO_HDLC

HEADER_CRC_BYTES = 2
"""At the end of a header."""


def header_crc() -> Processor:
    """CRC-16 over a header's first six bytes, a byte a cycle."""
    return CRC16_IBM_3740(data_width=8).create()


def frame_crc() -> Processor:
    """CRC-32 over header and payload, a byte a cycle; zlib's."""
    return CRC32_ISO_HDLC(data_width=8).create()
