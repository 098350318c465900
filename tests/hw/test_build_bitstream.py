"""hw.build.bitstream and pack: from a board's pins and PLLs to files, with an echo in the accelerator's place."""

import dataclasses
import hashlib
import json
import re
import struct
import zlib

import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from trine.firmware.presets import PRESETS
from trine.hw.boards import board as board_module
from trine.hw.boards.table import BOARDS
from trine.hw.build.bitstream import make_bitstream, write_bitstream
from trine.hw.build.design import board_design
from trine.hw.build.errors import DoesNotFit, TimingNotMet, ToolFailed
from trine.hw.build.pack import pack, with_dfu_suffix
from trine.hw.build.parts import find_part


class Echo(wiring.Component):
    """Sends back what comes, a byte at a time: the accelerator's members, and none of its size."""

    i: In(stream.Signature(8))
    o: Out(stream.Signature(8))

    def __init__(self, configuration, build_id):
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.i.ready.eq(~self.o.valid)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += [self.o.payload.eq(self.i.payload), self.o.valid.eq(1)]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        return m


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def echo(monkeypatch):
    """The design of a preset's board with an echo for the accelerator."""
    monkeypatch.setattr(board_module, "Accelerator", Echo)

    def design(preset, **change):
        return board_design(dataclasses.replace(PRESETS[preset], **change), BOARDS[preset])

    return design


PREAMBLES = {
    "icebreaker": b"\xff\x00\x00\xff\x7e\xaa\x99\x7e",  # behind an empty comment (Project IceStorm's documentation)
    "ulx3s_25f": b"\xff\xff\xbd\xb3",  # behind a comment (Lattice FPGA-TN-02039)
    "orangecrab_25f": b"\xff\xff\xbd\xb3",
}


@pytest.mark.parametrize("preset", PREAMBLES)
def test_bitstream(echo, folder, tmp_path, preset):
    """The bitstream begins as the format says, is not a blank one, and is described beside it."""
    design, lines = echo(preset), []
    made = make_bitstream(design, BOARDS[preset], [1], folder=folder, progress=lines.append)
    assert made.data.startswith(b"\xff\x00")
    assert PREAMBLES[preset] in made.data[:200]
    assert len(made.data) > 50_000
    path = write_bitstream(made, tmp_path / "new")
    assert path.read_bytes() == made.data
    assert path.name == preset + BOARDS[preset].suffix
    assert sorted(entry.name for entry in path.parent.iterdir()) == sorted([path.name, f"{preset}.json"])
    description = json.loads(path.with_suffix(".json").read_text())
    assert description["sha256"] == hashlib.sha256(made.data).hexdigest()
    assert description["build_id"] == design.source_hash[:16]
    assert description["configuration_hash"] == f"{PRESETS[preset].configuration_hash:016x}"
    assert description["seed"] == 1
    assert set(description["fmax_mhz"]) == set(description["critical_path"]) == set(description["required_mhz"])
    assert all(description["fmax_mhz"][domain] >= mhz for domain, mhz in description["required_mhz"].items())
    assert 0 < description["used"]["lut4"] < description["capacity"]["lut4"]
    assert re.fullmatch(r"seed 1 routed: .*sync \d+\.\d\d of \d+ MHz.*", lines[1])
    assert lines[2] == f"packed: {len(made.data):,} bytes"
    if BOARDS[preset].dfu:
        assert made.data[-16:-4] == struct.pack("<HHHH3sB", 0xFFFF, 0x5AF0, 0x1209, 0x0100, b"UFD", 16)


def test_identity_of_the_part(echo, folder):
    """An ECP5 checks the id that is in its bitstream: 0x41111043, an LFE5U-25F's."""
    made = make_bitstream(echo("ulx3s_25f"), BOARDS["ulx3s_25f"], [1], folder=folder)
    assert b"\xe2\x00\x00\x00\x41\x11\x10\x43" in made.data


def test_timing_that_is_not_met(echo, folder, tmp_path):
    """Every seed is tried; the nearest one's slowest path is told, and there is no bitstream."""
    design = dataclasses.replace(echo("icebreaker"), required_mhz={"sync": 1000})
    lines = []
    message = (r"^icebreaker: timing is not met by 2 seeds; nearest is seed [12]: sync reaches \d+\.\d\d of 1000 MHz "
               r"\(.* -> .* ns\); try other --seeds, or a lower clock_mhz$")
    with pytest.raises(TimingNotMet, match=message):
        make_bitstream(design, BOARDS["icebreaker"], [1, 2], folder=folder, progress=lines.append)
    assert [line.split(":")[0] for line in lines[1:]] == ["seed 1 routed", "seed 2 routed"]
    assert TimingNotMet.exit_code == 3


def test_check_comes_first(echo, folder):
    def refuse(synthesis):
        raise ToolFailed("not this one")

    with pytest.raises(ToolFailed, match=r"^not this one$"):
        make_bitstream(echo("icebreaker"), BOARDS["icebreaker"], [7], check=refuse, folder=folder)


@pytest.mark.parametrize("seeds", [[], [0], [3, -1]])
def test_wrong_seeds(echo, folder, seeds):
    with pytest.raises(ValueError, match=r"^seeds must be one or more numbers from 1, not "):
        make_bitstream(echo("icebreaker"), BOARDS["icebreaker"], seeds, folder=folder)


def test_does_not_fit(echo, folder, monkeypatch):
    part = find_part("iCE40UP5K-sg48")
    small = dataclasses.replace(part, capacity=dataclasses.replace(part.capacity, lut4=20))
    monkeypatch.setattr("trine.hw.build.bitstream.find_part", lambda name: small)
    with pytest.raises(DoesNotFit, match=r"^icebreaker needs \d+ lut4, \d+ more than the 20 of iCE40UP5K-sg48$"):
        make_bitstream(echo("icebreaker"), BOARDS["icebreaker"], [1], folder=folder)


@pytest.mark.parametrize("part", ["LFE5U-25F-6-CABGA381", "iCE40UP5K-sg48"])
def test_layout_that_is_none(part, tmp_path):
    with pytest.raises(ToolFailed, match=r"^(ecp|ice)pack ended with code "):
        pack("nothing\n", find_part(part), (), tmp_path / "log")


def test_dfu_suffix():
    """Its length and ids are at its end, and dfu-util's CRC over everything but itself is right."""
    data = with_dfu_suffix(b"bits", 0x1209, 0x5AF0)
    assert len(data) == 4 + 16
    assert data[4:16] == b"\xff\xff\xf0\x5a\x09\x12\x00\x01UFD\x10"
    assert zlib.crc32(data[:-4]) ^ 0xFFFFFFFF == int.from_bytes(data[-4:], "little")
