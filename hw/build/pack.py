"""A layout to a bitstream: Project IceStorm's icepack, Project Trellis' ecppack; and the suffix that dfu-util wants."""

import struct
import tempfile
import zlib
from pathlib import Path

from trine.hw.build import tools
from trine.hw.build.parts import Part

SECONDS = 900.0
"""Longest that packing may take."""

PACKERS = {"ecp5": "ecppack", "ice40": "icepack"}
"""Part family -> tool."""


def pack(layout: str, part: Part, options: tuple[str, ...], log: Path) -> bytes:
    """The bitstream of what nextpnr laid out; options are ecppack's. Raises ToolMissing, ToolFailed."""
    with tempfile.TemporaryDirectory(prefix="trine-") as name:
        folder = Path(name)
        (folder / "layout").write_text(layout, encoding="utf-8")
        arguments = [*options, "--input", "layout", "--bit", "top"] if part.family == "ecp5" else ["layout", "top"]
        tools.run(PACKERS[part.family], arguments, folder, log, SECONDS, writes="top")
        return (folder / "top").read_bytes()


def with_dfu_suffix(data: bytes, vendor: int, product: int) -> bytes:
    """A file as dfu-util takes it for one device only: the data and 16 bytes more (USB DFU 1.1, appendix B).

    Any release of the device (0xFFFF), DFU 1.0, "UFD", the suffix's length, and the CRC-32 of all before, not inverted.
    """
    data += struct.pack("<HHHH3sB", 0xFFFF, product, vendor, 0x0100, b"UFD", 16)
    return data + struct.pack("<I", zlib.crc32(data) ^ 0xFFFFFFFF)
