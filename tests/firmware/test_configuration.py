"""Configurations: derived sizes, every refusal by name and value, hashes, and files."""

import dataclasses
import re

import pytest

from trine.firmware.configuration import DATAFLOWS, USB_FULL_SPEED, ConfigurationError, Link, load_configuration
from trine.firmware.presets import PRESETS


@pytest.mark.parametrize(("packing", "depth", "bits", "size"), [
    ("bit1", 9, 9, 2), ("trit2", 9, 18, 3), ("trit3x5", 9, 15, 2), ("trit5x8", 15, 24, 3), ("trit2", 4, 8, 1)])
def test_slices(configure, packing, depth, bits, size):
    configuration = configure(packing=packing, depth=depth)
    assert (configuration.slice_bits, configuration.slice_bytes) == (bits, size)
    assert configuration.weight_word_bytes == 4 * size


def test_derived_sizes(small):
    assert (small.trits_per_cycle, small.weight_trits) == (24, 960)
    assert (small.beat_bytes, small.beats_per_row_block) == (8, 2)
    assert small.largest_word_bytes == 16
    assert small.codec.name == "trit2"


def test_accumulator_mode(configure):
    mode = configure(activation_bits=4, group=12, group_accumulator_bits=8).accumulator_mode
    assert (mode.activation_bits, mode.group, mode.group_accumulator_bits, mode.depth) == (4, 12, 8, 6)
    assert configure().accumulator_mode.exact


@pytest.mark.parametrize(("changes", "said"), [
    ({"lanes": 0}, "lanes must be a positive integer, not 0"),
    ({"depth": 2.0}, r"depth must be a positive integer, not 2\.0"),
    ({"weight_words": -1}, "weight_words must be a positive integer, not -1"),
    ({"activation_chunks": True}, "activation_chunks must be a positive integer, not True"),
    ({"result_beats": None}, "result_beats must be a positive integer, not None"),
    ({"result_width": 0}, "result_width must be a positive integer, not 0"),
    ({"program_words": 0}, "program_words must be a positive integer, not 0"),
    ({"timeout_cycles": 0}, "timeout_cycles must be a positive integer, not 0"),
    ({"packing": "trit4"}, "packing must be one of bit1, trit2, trit3x5, trit5x8, not 'trit4'"),
    ({"packing": "trit5x8"}, "depth must be a multiple of 5, the trits in a code of trit5x8, not 6"),
    ({"result_width": 3}, r"result_width must divide lanes \(4\), not 3"),
    ({"accumulator_bits": 20.5}, r"accumulator_bits must be a positive integer, not 20\.5"),
    ({"maximum_payload": "64"}, "maximum_payload must be a positive integer, not '64'"),
    ({"activation_bits": 8.0}, r"activation_bits must be a positive integer, not 8\.0"),
    ({"accumulator_bits": 7}, "accumulator_bits must be 8 to 32, not 7"),
    ({"accumulator_bits": 33}, "accumulator_bits must be 8 to 32, not 33"),
    ({"maximum_payload": 63}, "maximum_payload must be 64 to 32768 bytes, not 63"),
    ({"maximum_payload": 32769}, "maximum_payload must be 64 to 32768 bytes, not 32769"),
    ({"depth": 57}, "maximum_payload must hold one word of 60 bytes and its address, not 64"),
    ({"program_words": 65536}, "program_words must be at most 65535, not 65536"),
    ({"activation_chunks": 65536}, "activation_chunks must be at most 65535, not 65536"),
    ({"clock_mhz": 0}, "clock_mhz must be a positive number, not 0"),
    ({"activation_bits": 6}, "activation_bits must be 8 or 4, not 6"),
    ({"group": 12}, "group 12 needs group_accumulator_bits"),
    ({"group_accumulator_bits": 1}, "group_accumulator_bits must be 2 to 31, not 1"),
    ({"group": 8, "group_accumulator_bits": 8}, "group must be a positive multiple of the depth 6, not 8"),
    ({"dataflow": "table"}, "dataflow must be one of adders, tables, not 'table'"),
    ({"dataflow": "tables"}, "packing must be one of trit3x5, trit5x8 with dataflow tables, not 'trit2'"),
    ({"dataflow": "tables", "packing": "trit3x5"}, r"result_width must be lanes \(4\) with dataflow tables, not 2"),
    ({"dataflow": "tables", "packing": "trit3x5", "depth": 3}, "depth must be at least 6 with dataflow tables, not 3"),
    ({"dataflow": "tables", "packing": "trit3x5", "result_width": 4, "activation_bits": 4},
     "activation_bits must be 8 with dataflow tables, not 4"),
    ({"dataflow": "tables", "packing": "trit3x5", "result_width": 4, "group_accumulator_bits": 8},
     "group_accumulator_bits must be None with dataflow tables, not 8"),
    ({"weight_storage": "disk"}, "weight_storage must be one of block, single-port, not 'disk'"),
    ({"weight_storage": "single-port"}, r"takes words of whole 16 bits, not 4 slices of 12 bits \(lanes, depth\)"),
])
def test_wrong_value(configure, changes, said):
    with pytest.raises(ConfigurationError, match=said):
        configure(**changes)


def test_hash_is_of_the_contents(configure):
    """Whatever changes what an image means changes the hash; name, part, clock and link do not."""
    same = {"name": "other", "part": "else", "clock_mhz": 99, "link": None, "bare": True,
            "depth": 8, "weight_storage": "single-port"}
    base = configure(depth=8).configuration_hash
    assert 0 < base < 1 << 64
    assert configure(**same).configuration_hash == base
    different = {"lanes": 8, "depth": 12, "packing": "trit3x5", "weight_words": 41, "activation_chunks": 7,
                 "result_beats": 17, "result_width": 1, "program_words": 17, "accumulator_bits": 21,
                 "activation_bits": 4, "maximum_payload": 65, "timeout_cycles": 1001,
                 "group_accumulator_bits": 8}
    hashes = {configure(**{field: value}).configuration_hash for field, value in different.items()}
    assert len(hashes | {base}) == len(different) + 1
    adders, tables = (configure(packing="trit3x5", result_width=4, dataflow=dataflow) for dataflow in DATAFLOWS)
    assert adders.configuration_hash != tables.configuration_hash
    fields = {field.name for field in dataclasses.fields(configure())}
    assert fields == set(different) | set(same) | {"group", "dataflow"}


def test_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('base = "ulx3s_85f"\nweight_words = 999\nlink = "orangecrab_85f"\n')
    expected = dataclasses.replace(PRESETS["ulx3s_85f"], name="mine", weight_words=999, link=USB_FULL_SPEED)
    assert load_configuration(path) == expected
    path.write_text('base = "ulx3s_85f"\nname = "x"\n'
                    'link = { kind = "uart", bytes_per_second = 5.0, round_trip_seconds = 0.5 }\n')
    assert load_configuration(path) == dataclasses.replace(PRESETS["ulx3s_85f"], name="x", link=Link("uart", 5.0, 0.5))


def test_name_is_the_files_unless_it_says_so(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('part = "p"\nclock_mhz = 1\nlanes = 2\ndepth = 2\npacking = "trit2"\nweight_words = 3\n'
                    "activation_chunks = 4\nresult_beats = 5\nresult_width = 1\n")
    assert load_configuration(path).name == "mine"
    path.write_text('base = "icebreaker"\n')
    assert load_configuration(path).name == "mine"


@pytest.mark.parametrize(("text", "said"), [
    ("lanes = ", "not TOML"),
    ("lines = 3", "unknown key 'lines'; known are base, accumulator_bits, "),
    ('base = "ulx"', "unknown preset 'ulx'; presets are "),
    ("lanes = 3", "missing .* required"),
    ('base = "icebreaker"\nlanes = 0', "lanes must be a positive integer, not 0"),
    ('base = "icebreaker"\nlink = { kind = "uart" }', "link: missing 2 required"),
    ('base = "icebreaker"\nlink = "usb"', "unknown preset 'usb'"),
])
def test_wrong_file(tmp_path, text, said):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=rf"mine\.toml: .*{said}"):
        load_configuration(path)


def test_no_file(tmp_path):
    with pytest.raises(ConfigurationError, match=r"gone\.toml: cannot read the configuration: No such file"):
        load_configuration(tmp_path / "gone.toml")


def test_file_that_is_no_text(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="not TOML"):
        load_configuration(path)


@pytest.mark.parametrize(("field", "value"), [
    ("clock_mhz", "fast"), ("clock_mhz", float("nan")), ("clock_mhz", float("inf")), ("clock_mhz", -1),
    ("group", 4.0), ("group_accumulator_bits", "8"),
])
def test_wrong_numbers_are_named(field, value):
    with pytest.raises(ConfigurationError, match=f"{field} must be .* not {re.escape(repr(value))}"):
        dataclasses.replace(PRESETS["ulx3s_85f"], **{field: value})


@pytest.mark.parametrize(("arguments", "field"), [
    (("uart", 0, 1), "bytes_per_second"), (("uart", 1, "1"), "round_trip"), ((3, 1, 1), "kind"),
])
def test_wrong_link_is_named(arguments, field):
    with pytest.raises(ConfigurationError, match=f"link: {field}"):
        Link(*arguments)
