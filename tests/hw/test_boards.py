"""hw.boards: every preset has its board, its clocks are those of PLLs, and the pins are where the boards have them."""

import dataclasses

import pytest

from trine.firmware.configuration import UART_3M, USB_FULL_SPEED
from trine.firmware.presets import PRESETS
from trine.hw.boards import usb_link
from trine.hw.boards.board import Top
from trine.hw.boards.butterstick import control_volts
from trine.hw.boards.table import BOARDS, find_board
from trine.hw.build.design import board_design, board_source_hash, current_hash
from trine.hw.build.parts import find_part
from trine.hw.usb.device import UsbDevice

CLOCKS = {
    "icebreaker": {"sync": 24},
    "tinyfpga_bx": {"usb_io": 48, "usb": 12, "sync": 16},
    "ulx3s_25f": {"sync": 75},
    "orangecrab_25f": {"usb_io": 48, "usb": 12, "sync": 75},
    "ulx3s_85f": {"sync": 75},
    "orangecrab_85f": {"usb_io": 48, "usb": 12, "sync": 75},
    "cynthion": {"usb": 60, "sync": 60},
    "butterstick": {"usb": 60, "sync": 75},
}


def small(preset):
    """The least accelerator on a preset's board."""
    return dataclasses.replace(
        PRESETS[preset], name="small", lanes=1, depth=2, packing="trit2", weight_words=16, activation_chunks=4,
        result_beats=4, result_width=1, program_words=4, maximum_payload=64, dataflow="adders", weight_storage="block")


def test_every_preset_has_a_board():
    assert set(BOARDS) == {name for name, preset in PRESETS.items() if not preset.bare}


@pytest.mark.parametrize("preset", BOARDS)
def test_part(preset):
    """The part of the preset is that of the board, in the words of amaranth-boards too."""
    board, platform = BOARDS[preset], BOARDS[preset].platform()
    assert board.part == PRESETS[preset].part
    device, *speed, package = board.part.split("-") if board.part.startswith("iCE40") else (
        board.part.rsplit("-", 2)[0], *board.part.rsplit("-", 2)[1:])
    assert platform.device == device
    assert [getattr(platform, "speed", None)][: len(speed)] == speed
    packages = {"CABGA381": "BG381", "CABGA256": "BG256", "CSFBGA285": "MG285"}
    assert platform.package == packages.get(package, package.upper())


@pytest.mark.parametrize("preset", BOARDS)
def test_clocks(preset):
    """The preset's clock, and those of USB, are exactly what the PLLs make."""
    assert Top(BOARDS[preset], PRESETS[preset]).mhz == pytest.approx(CLOCKS[preset], rel=1e-12)


def test_clock_that_is_not_exact():
    """What is nearest is what the device says that it has."""
    configuration = dataclasses.replace(small("ulx3s_25f"), clock_mhz=77)
    top = Top(BOARDS["ulx3s_25f"], configuration)
    assert top.mhz["sync"] == pytest.approx(77, rel=0.01)
    assert top.mhz["sync"] != 77


def test_clock_that_is_impossible():
    with pytest.raises(ValueError, match="clock_mhz must be 16, the oscillator's, on TinyFPGA BX, not 20"):
        Top(BOARDS["tinyfpga_bx"], dataclasses.replace(PRESETS["tinyfpga_bx"], clock_mhz=20))
    with pytest.raises(ValueError, match="clock_hz must be at least 4 times the baud rate"):
        Top(BOARDS["icebreaker"], dataclasses.replace(PRESETS["icebreaker"], clock_mhz=20))


def test_rate_is_the_configurations():
    """A clock that is too slow for the preset's UART does for one of half the rate."""
    slower = dataclasses.replace(PRESETS["icebreaker"], clock_mhz=20, link=UART_3M)
    assert Top(BOARDS["icebreaker"], slower).mhz["sync"] == pytest.approx(20, rel=0.01)


def test_another_board():
    with pytest.raises(ValueError, match="part must be iCE40UP5K-sg48 on iCEBreaker, not LFE5U-25F-6-CABGA381"):
        Top(BOARDS["icebreaker"], PRESETS["ulx3s_25f"])


def test_another_link():
    with pytest.raises(ValueError, match=r"link must be usb-full-speed on OrangeCrab r0\.2 25F, not uart"):
        Top(BOARDS["orangecrab_25f"], dataclasses.replace(PRESETS["orangecrab_25f"], link=UART_3M))
    with pytest.raises(ValueError, match="link must be uart on iCEBreaker, not none"):
        Top(BOARDS["icebreaker"], dataclasses.replace(PRESETS["icebreaker"], link=None))


def test_bare_array():
    with pytest.raises(ValueError, match="array_up5k_40 is a bare array, which no board has"):
        Top(BOARDS["icebreaker"], PRESETS["array_up5k_40"])


@pytest.mark.parametrize(("name", "message"), [
    ("array_25f_384", "'array_25f_384' is a bare array, which no board has; boards are icebreaker, "),
    ("arty", "'arty' is no board's preset; boards are icebreaker, "),
])
def test_find_board(name, message):
    with pytest.raises(ValueError, match=message):
        find_board(name)


@pytest.mark.parametrize(("preset", "lines"), [
    ("icebreaker", ["set_io clk12_0__io 35", "set_io uart_0__rx__io 6", "set_io uart_0__tx__io 9"]),
    ("orangecrab_25f", ['LOCATE COMP "clk_0__io" SITE "A9";', 'LOCATE COMP "usb_0__d_p__io" SITE "N1";',
                        'LOCATE COMP "usb_0__d_n__io" SITE "M2";', 'LOCATE COMP "usb_0__pullup__io" SITE "N2";',
                        'IOBUF PORT "usb_0__d_p__io" IO_TYPE=LVCMOS33;']),
    ("butterstick", ['LOCATE COMP "usb_0__data__io[7]" SITE "C7";', 'LOCATE COMP "usb_0__stp__io" SITE "C8";',
                     'IOBUF PORT "usb_0__stp__io" IO_TYPE=LVCMOS33;',
                     'LOCATE COMP "vccio_ctrl_0__en__io" SITE "E12";']),
])
def test_design(preset, lines):
    """A board's design: its pins, its clocks, and a build id that is the beginning of the source hash."""
    design = board_design(small(preset), BOARDS[preset])
    found = [line.strip() for line in design.pins.splitlines()]
    assert set(lines) <= set(found)
    assert sum(line.startswith(("set_io", "LOCATE")) for line in found) == {
        "icebreaker": 3, "orangecrab_25f": 4, "butterstick": 1 + 8 + 5 + 3 + 1}[preset]
    assert design.required_mhz == pytest.approx(CLOCKS[preset])
    assert f"{design.build_id:016x}" == design.source_hash[:16]
    assert "attribute \\keep_hierarchy 1\nmodule \\top.accelerator\n" in design.rtlil


def test_source_hash():
    """It is that of the board's own sources, of the configuration and of the kind of link; a report's is the same."""
    preset = PRESETS["ulx3s_25f"]
    board = BOARDS["ulx3s_25f"]
    hashes = {board_source_hash(preset, board), board_source_hash(preset, BOARDS["orangecrab_25f"]),
              board_source_hash(dataclasses.replace(preset, clock_mhz=74), board),
              board_source_hash(dataclasses.replace(preset, link=USB_FULL_SPEED), board)}
    assert len(hashes) == 4
    assert board_source_hash(dataclasses.replace(preset, name="mine"), board) == current_hash(preset)


def test_serial(monkeypatch):
    """The device has it, and if it was chosen, it is in the build id; a UART's chip has its own."""
    preset, board, seen = small("orangecrab_25f"), BOARDS["orangecrab_25f"], []
    monkeypatch.setattr(usb_link, "UsbDevice", lambda *arguments: seen.append(arguments[2]) or UsbDevice(*arguments))
    without, seven = (board_design(preset, board, serial) for serial in (None, "A7"))
    assert seen == ["1", "A7"]
    assert without.build_id != seven.build_id
    with pytest.raises(ValueError, match=r"serial must be 1 to 30 printable ASCII characters, not ''"):
        board_design(preset, board, "")
    with pytest.raises(ValueError, match=r"serial must not be given for a UART, whose chip has its own, not 'A7'"):
        board_design(small("icebreaker"), BOARDS["icebreaker"], "A7")


def test_parts_are_known():
    assert all(find_part(board.part).family in ("ecp5", "ice40") for board in BOARDS.values())


def test_suffixes():
    assert {name: board.suffix for name, board in BOARDS.items()} == {
        "icebreaker": ".bin", "tinyfpga_bx": ".bin", "ulx3s_25f": ".bit", "ulx3s_85f": ".bit", "cynthion": ".bit",
        "orangecrab_25f": ".dfu", "orangecrab_85f": ".dfu", "butterstick": ".dfu"}


def test_io_voltage():
    """0 V at the converter's control gives the most, 3.547 V; what is asked for is what the circuit's currents say."""
    assert control_volts(3.3) == pytest.approx(0.3131, abs=1e-3)
    assert (3.3 - 0.6) / 53.6e3 + (control_volts(3.3) - 0.6) / 68e3 == pytest.approx(0.6 / 13e3)
    with pytest.raises(ValueError, match=r"volts must be such that its control is within 0 to 3.3 V, not 3.6"):
        control_volts(3.6)


