"""Every parameter of a device, in one place.

A `Configuration` says what a device is: the geometry of its array, the sizes of its memories, its packing, its
accumulators, its clock and its link. Gateware, compiler, cycle model and host all read the same object, so an image
compiled for one configuration can never be mistaken for another's: `configuration_hash` is stored in both.

Geometry (architecture.md): each cycle the array takes one *weight word* of `lanes` rows x `depth` columns of trits and
`depth` activation codes that all lanes share. A *row block* is `lanes` output rows; a *chunk* is `depth` columns.
"""

import dataclasses
import hashlib
import json
import math
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trine.golden.accumulate import AccumulatorMode
from trine.golden.packing import PACKINGS, Packing

DATAFLOWS = ("adders", "tables")
WEIGHT_STORAGES = ("block", "single-port")


class ConfigurationError(ValueError):
    """A configuration that cannot be built; the message names the parameter and its value."""


@dataclass(frozen=True)
class Link:
    """What carries the byte streams on the board; used for derived figures only, never by the accelerator itself.

    kind: "uart", "usb-full-speed" or "usb-high-speed".
    bytes_per_second: payload rate that the link sustains in one direction, estimated or seen (toolchain.md).
    round_trip_seconds: one request and its response, without their bytes.
    """

    kind: str
    bytes_per_second: float
    round_trip_seconds: float

    def __post_init__(self) -> None:
        for field in ("bytes_per_second", "round_trip_seconds"):
            if not _positive(getattr(self, field)):
                raise ConfigurationError(f"link: {field} must be a positive number, not {getattr(self, field)!r}")
        if not isinstance(self.kind, str):
            raise ConfigurationError(f"link: kind must be a string, not {self.kind!r}")


def _positive(value: object) -> bool:
    """Whether `value` is a number above 0, and finite."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


UART_3M = Link("uart", 300_000, 0.001)
UART_6M = Link("uart", 600_000, 0.001)
USB_FULL_SPEED = Link("usb-full-speed", 1_000_000, 0.001)
USB_HIGH_SPEED = Link("usb-high-speed", 40_000_000, 0.000_25)


@dataclass(frozen=True)
class Configuration:
    """One device.

    name: the preset's name, or the user's.
    part: the FPGA, a key of `trine.hw.build.parts`.
    clock_mhz: clock of the accelerator, MHz; the clock that a routed design must meet.
    lanes: rows that one weight word holds (>= 1).
    depth: columns that one weight word holds (>= 1, a multiple of the packing's trits per code).
    packing: name of a golden packing; one code never spans two rows.
    weight_words: capacity of the weight memory, in weight words.
    activation_chunks: capacity of the activation buffer, in chunks of `depth` codes.
    result_beats: capacity of the result buffer, in beats of `result_width` int32 values.
    result_width: results that leave the array in one beat; divides lanes.
    program_words: capacity of the program memory, in instructions.
    accumulator_bits: width of the wide accumulator; a row whose static bound does not fit is refused at compile time.
    activation_bits, group, group_accumulator_bits: the accumulator mode of golden.accumulate; exact by default.
    maximum_payload: bytes of the longest request payload that the device buffers.
    timeout_cycles: a frame that pauses in the middle for longer is dropped with an error.
    dataflow: "adders", output-stationary, or "tables", activation-stationary; see hw.array.ternary_array. Tables take a
        packing with more than one trit a code, exact accumulators, and result_width = lanes.
    weight_storage: "block" RAM, or "single-port" RAM for whole words of 16 bits (iCE40UP5K's SPRAM).
    link: the board's link, None on a bare array.
    bare: array and weight memory only (`array_*` presets), for comparing arrays.

    Raises ConfigurationError for any value that cannot be built.
    """

    name: str
    part: str
    clock_mhz: float
    lanes: int
    depth: int
    packing: str
    weight_words: int
    activation_chunks: int
    result_beats: int
    result_width: int
    program_words: int = 256
    accumulator_bits: int = 24
    activation_bits: int = 8
    group: int | None = None
    group_accumulator_bits: int | None = None
    maximum_payload: int = 2048
    timeout_cycles: int = 1 << 20
    dataflow: str = "adders"
    weight_storage: str = "block"
    link: Link | None = None
    bare: bool = False

    def __post_init__(self) -> None:
        for field in ("lanes", "depth", "weight_words", "activation_chunks", "result_beats", "result_width",
                      "program_words", "timeout_cycles", "accumulator_bits", "activation_bits", "maximum_payload"):
            value = getattr(self, field)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ConfigurationError(f"{field} must be a positive integer, not {value!r}")
        if self.packing not in PACKINGS:
            raise ConfigurationError(f"packing must be one of {', '.join(PACKINGS)}, not {self.packing!r}")
        if self.depth % self.codec.trits_per_code:
            raise ConfigurationError(
                f"depth must be a multiple of {self.codec.trits_per_code}, the trits in a code of {self.packing}, "
                f"not {self.depth}")
        if self.lanes % self.result_width:
            raise ConfigurationError(f"result_width must divide lanes ({self.lanes}), not {self.result_width}")
        if not 8 <= self.accumulator_bits <= 32:
            raise ConfigurationError(f"accumulator_bits must be 8 to 32, not {self.accumulator_bits!r}")
        if not 64 <= self.maximum_payload <= 32768:
            raise ConfigurationError(f"maximum_payload must be 64 to 32768 bytes, not {self.maximum_payload!r}")
        if self.maximum_payload < 8 + self.largest_word_bytes:
            raise ConfigurationError(f"maximum_payload must hold one word of {self.largest_word_bytes} bytes and its "
                                     f"address, not {self.maximum_payload}")
        for field in ("lanes", "depth", "activation_chunks", "program_words"):
            if getattr(self, field) > 0xFFFF:
                raise ConfigurationError(f"{field} must be at most 65535, not {getattr(self, field)}")
        for field in ("group", "group_accumulator_bits"):
            value = getattr(self, field)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
                raise ConfigurationError(f"{field} must be an integer, not {value!r}")
        if not _positive(self.clock_mhz):
            raise ConfigurationError(f"clock_mhz must be a positive number, not {self.clock_mhz!r}")
        try:
            mode = self.accumulator_mode
        except ValueError as error:
            raise ConfigurationError(str(error)) from None
        if mode.group is not None and mode.group % self.depth:
            raise ConfigurationError(f"group must be a multiple of depth ({self.depth}), not {mode.group}")
        if self.dataflow not in DATAFLOWS:
            raise ConfigurationError(f"dataflow must be one of {', '.join(DATAFLOWS)}, not {self.dataflow!r}")
        if self.dataflow == "tables":
            self._check_tables()
        if self.weight_storage not in WEIGHT_STORAGES:
            raise ConfigurationError(
                f"weight_storage must be one of {', '.join(WEIGHT_STORAGES)}, not {self.weight_storage!r}")
        if self.weight_storage == "single-port" and (self.slice_bits % 8 or self.lanes * self.slice_bits % 16):
            raise ConfigurationError(f"weight_storage single-port takes words of whole 16 bits, not {self.lanes} "
                                     f"slices of {self.slice_bits} bits (lanes, depth)")

    def _check_tables(self) -> None:
        """Raises ConfigurationError for what a table array cannot do."""
        if self.codec.trits_per_code == 1:
            packings = ", ".join(name for name, codec in PACKINGS.items() if codec.trits_per_code > 1)
            raise ConfigurationError(f"packing must be one of {packings} with dataflow tables, not {self.packing!r}")
        if self.codes_per_slice < 2:
            raise ConfigurationError(f"depth must be at least {2 * self.codec.trits_per_code} with dataflow tables, "
                                     f"not {self.depth}")
        if self.result_width != self.lanes:
            raise ConfigurationError(f"result_width must be lanes ({self.lanes}) with dataflow tables, "
                                     f"not {self.result_width}")
        for field, only in (("activation_bits", 8), ("group", None), ("group_accumulator_bits", None)):
            if getattr(self, field) != only:
                raise ConfigurationError(f"{field} must be {only} with dataflow tables, not {getattr(self, field)}")

    @property
    def codec(self) -> Packing:
        """The packing itself."""
        return PACKINGS[self.packing]

    @property
    def accumulator_mode(self) -> AccumulatorMode:
        """The golden semantics that this device's array implements."""
        return AccumulatorMode(self.activation_bits, self.group, self.group_accumulator_bits, self.depth)

    @property
    def trits_per_cycle(self) -> int:
        """Ternary multiply-accumulates that one cycle performs at the most."""
        return self.lanes * self.depth

    @property
    def codes_per_slice(self) -> int:
        """Codes of one lane's share of a weight word."""
        return self.depth // self.codec.trits_per_code

    @property
    def slice_bits(self) -> int:
        """Bits of one lane's share of a weight word."""
        return self.codes_per_slice * self.codec.bits_per_code

    @property
    def table_banks(self) -> int:
        """Tables that a table array has of each group: 1 of distributed RAM, if 16 words hold it, or 2 of block RAM."""
        return 1 if self.codec.bits_per_code <= 5 else 2

    @property
    def activation_chunk_bits(self) -> int:
        """Bits of a chunk's number in the activation buffer."""
        return max(1, (self.activation_chunks - 1).bit_length())

    @property
    def slice_bytes(self) -> int:
        """Bytes that one lane's share of a weight word takes on the link, padded with zero bits at the top."""
        return -(-self.slice_bits // 8)

    @property
    def weight_word_bytes(self) -> int:
        """Bytes of one weight word on the link and in an image."""
        return self.lanes * self.slice_bytes

    @property
    def beat_bytes(self) -> int:
        """Bytes of one result beat on the link: int32 values, little-endian."""
        return 4 * self.result_width

    @property
    def beats_per_row_block(self) -> int:
        """Beats in which a row block's results leave the array."""
        return self.lanes // self.result_width

    @property
    def largest_word_bytes(self) -> int:
        """Bytes of the longest word that a WRITE must carry whole."""
        return max(self.weight_word_bytes, self.depth, 16)

    @property
    def clock_khz(self) -> int:
        """The clock as the device reports it."""
        return round(self.clock_mhz * 1000)

    @property
    def weight_trits(self) -> int:
        """Capacity of the weight memory in trits, before any padding."""
        return self.weight_words * self.trits_per_cycle

    def canonical(self) -> str:
        """Every parameter that the device's contents depend on, as JSON with sorted keys; name and clock are not."""
        fields = dataclasses.asdict(self)
        for field in ("name", "part", "clock_mhz", "weight_storage", "link", "bare"):
            del fields[field]
        return json.dumps(fields, sort_keys=True)

    @property
    def configuration_hash(self) -> int:
        """64 bits of SHA-256 over `canonical()`: does an image fit this device?"""
        return int.from_bytes(hashlib.sha256(self.canonical().encode()).digest()[:8], "little")


def load_configuration(path: Path) -> Configuration:
    """Reads a user's configuration from a TOML file.

    The file's keys are Configuration's fields; `base = "PRESET"` starts from a preset, so that a file may name only
    what differs. `link` is a table of Link's fields, or the name of a preset whose link to use.

    Raises ConfigurationError, naming the file and the key, for unreadable files, unknown keys and wrong values.
    """
    from trine.firmware.presets import find_preset

    try:
        with open(path, "rb") as file:
            table: dict[str, Any] = tomllib.load(file)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot read the configuration: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: not TOML: {error}") from None
    fields = {field.name for field in dataclasses.fields(Configuration)}
    unknown = sorted(set(table) - fields - {"base"})
    if unknown:
        raise ConfigurationError(f"{path}: unknown key {unknown[0]!r}; known are base, {', '.join(sorted(fields))}")
    try:
        values: dict[str, Any] = {"name": path.stem}
        if "base" in table:
            base = find_preset(table.pop("base"))
            values = {field: getattr(base, field) for field in fields} | values
        if isinstance(table.get("link"), dict):
            table["link"] = Link(**table["link"])
        elif "link" in table:
            table["link"] = find_preset(table["link"]).link
        return Configuration(**(values | table))
    except (ConfigurationError, TypeError) as error:
        text = str(error).replace("Configuration.__init__() ", "").replace("Link.__init__() ", "link: ")
        raise ConfigurationError(f"{path}: {text}") from None
