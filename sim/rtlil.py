"""Reads the RTLIL text that Amaranth writes, into plain records.

Only what Amaranth's own backend emits is understood (see `amaranth.back.rtlil`); anything else raises
UnsupportedDesign, so that a design is never simulated half understood.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from trine.sim.errors import UnsupportedDesign

Chunk = tuple[str, int, int] | str
"""A slice of a wire as (name, highest bit, lowest bit), or the bits of a constant as text, highest first."""

Signal = list[Chunk]
"""Chunks side by side, highest first; the empty list is a signal of no bits."""


@dataclass
class Wire:
    """One wire; `port` is "input", "output" or nothing, `init` the register's initial bits or nothing."""

    name: str
    width: int
    port: str = ""
    signed: bool = False
    init: str = ""


@dataclass
class Cell:
    """One cell; parameters are texts as written (bits of a constant, an integer, or a string without its quotes)."""

    kind: str
    name: str
    parameters: dict[str, str] = field(default_factory=dict)
    ports: dict[str, Signal] = field(default_factory=dict)

    def number(self, parameter: str) -> int:
        """The parameter as an unsigned number; RTLIL writes small ones in decimal and others as bits."""
        text = self.parameters[parameter]
        return int(text.partition("'")[2], 2) if "'" in text else int(text)


@dataclass
class Switch:
    """`cases` are pairs of patterns (bits, with "-" for either; none at all: the default) and a body."""

    value: Signal
    cases: list[tuple[list[str], "Body"]] = field(default_factory=list)


Body = list["tuple[Signal, Signal] | Switch"]
"""What happens in order: assignments (left, right) and switches."""


@dataclass
class Module:
    """One module: what it contains, in the order of the text.

    memories: pairs of width and depth. zeroed: those of which it is relied on that they start with zeros.
    """

    name: str
    top: bool = False
    wires: dict[str, Wire] = field(default_factory=dict)
    memories: dict[str, tuple[int, int]] = field(default_factory=dict)
    zeroed: set[str] = field(default_factory=set)
    cells: list[Cell] = field(default_factory=list)
    processes: list[Body] = field(default_factory=list)
    connections: list[tuple[Signal, Signal]] = field(default_factory=list)


def parse(text: str) -> list[Module]:
    """The modules of an RTLIL text; raises UnsupportedDesign for a line that Amaranth would not write."""
    modules = []
    lines = _lines(text)
    top = False
    for words in lines:
        if words[0] == "attribute":
            top = top or words[1] == "\\top"
        elif words[0] == "module":
            modules.append(_Reader(Module(words[1], top), lines).read())
            top = False
        else:
            raise UnsupportedDesign(f"cannot read this netlist: {' '.join(words)[:80]!r}")
    return modules


def _lines(text: str) -> Iterator[list[str]]:
    for line in text.splitlines():
        words = line.split()
        if words and not words[0].startswith("#"):
            yield words


class _Reader:
    """Reads one module from behind its first line to its `end`."""

    def __init__(self, module: Module, lines: Iterator[list[str]]) -> None:
        self._module = module
        self._lines = lines

    def read(self) -> Module:
        module = self._module
        init, zeroed = "", False
        for words in self._lines:
            match words[0]:
                case "end":
                    return module
                case "attribute":
                    init = _bits(words[2]) if words[1] == "\\init" else init
                    zeroed = zeroed or words[1] == "\\starts_with_zeros"
                case "wire":
                    self._wire(words, init)
                    init = ""
                case "memory":
                    module.memories[words[5]] = (int(words[2]), int(words[4]))
                    module.zeroed |= {words[5]} if zeroed else set()
                    zeroed = False
                case "cell":
                    module.cells.append(self._cell(words))
                case "process":
                    module.processes.append(self._body("end")[0])
                case "connect":
                    left, right = self._signals(words[1:])
                    module.connections.append((left, right))
                case _:
                    raise UnsupportedDesign(f"cannot read this netlist: {' '.join(words)[:80]!r}")
        raise UnsupportedDesign("cannot read this netlist: it stops in the middle of a module")

    def _wire(self, words: list[str], init: str) -> None:
        wire = Wire(words[-1], int(words[2]), signed="signed" in words[3:-1], init=init)
        for direction in ("input", "output", "inout"):
            if direction in words[3:-1]:
                wire.port = direction
        self._module.wires[wire.name] = wire

    def _cell(self, words: list[str]) -> Cell:
        cell = Cell(words[1], words[2])
        for line in self._lines:
            if line[0] == "end":
                return cell
            if line[0] == "parameter":
                name, *value = line[2:] if line[1] in ("signed", "real") else line[1:]
                cell.parameters[name[1:]] = " ".join(value).strip('"')
            else:
                (cell.ports[line[1][1:]],) = self._signals(line[2:])
        raise UnsupportedDesign("cannot read this netlist: it stops in the middle of a cell")

    def _body(self, *stops: str) -> tuple[Body, list[str]]:
        """Everything up to a line that starts with one of `stops`, and that line."""
        body: Body = []
        for words in self._lines:
            if words[0] in stops:
                return body, words
            if words[0] == "assign":
                left, right = self._signals(words[1:])
                body.append((left, right))
            elif words[0] == "switch":
                body.append(self._switch(words))
            else:
                raise UnsupportedDesign(f"cannot read this netlist: {' '.join(words)[:80]!r}")
        raise UnsupportedDesign("cannot read this netlist: it stops in the middle of a process")

    def _switch(self, words: list[str]) -> Switch:
        (value,) = self._signals(words[1:])
        switch = Switch(value)
        _, line = self._body("case", "end")
        while line[0] == "case":
            patterns = [_bits(word.rstrip(",")) for word in line[1:]]
            body, line = self._body("case", "end")
            switch.cases.append((patterns, body))
        return switch

    def _signals(self, words: list[str]) -> list[Signal]:
        """The signals that stand one behind the other in `words`."""
        signals: list[Signal] = []
        group: Signal | None = None
        position = 0
        while position < len(words):
            word = words[position]
            position += 1
            if word == "{}":
                signals.append([])
                continue
            if word == "{":
                group = []
                continue
            if word == "}":
                signals.append(group or [])
                group = None
                continue
            if word[0] in "\\$":
                high, low = self._module.wires[word].width - 1, 0
                if position < len(words) and words[position][0] == "[":
                    bounds = words[position][1:-1].split(":")
                    high, low = int(bounds[0]), int(bounds[-1])
                    position += 1
                chunk: Chunk = (word, high, low)
            else:
                chunk = _bits(word)
            if group is None:
                signals.append([chunk])
            else:
                group.append(chunk)
        return signals


def _bits(text: str) -> str:
    """The bits of a constant such as 4'1010."""
    _, quote, bits = text.partition("'")
    if not quote:
        raise UnsupportedDesign(f"cannot read this netlist: {text[:80]!r} is no constant")
    return bits


def width(signal: Signal) -> int:
    """How many bits the signal has."""
    return sum(len(chunk) if isinstance(chunk, str) else chunk[1] - chunk[2] + 1 for chunk in signal)


def bits(signal: Signal) -> list[Chunk]:
    """One chunk per bit, lowest first."""
    result: list[Chunk] = []
    for chunk in reversed(signal):
        if isinstance(chunk, str):
            result += reversed(chunk)
        else:
            name, high, low = chunk
            result += [(name, bit, bit) for bit in range(low, high + 1)]
    return result


def part(signal: Signal, high: int, low: int) -> Signal:
    """Bits `high` to `low` of the signal."""
    if low == 0 and high == width(signal) - 1:
        return signal
    result: Signal = []
    for bit in bits(signal)[low : high + 1]:
        above = result[0] if result else ""
        if isinstance(bit, tuple) and isinstance(above, tuple) and (above[0], above[1] + 1) == bit[:2]:
            result[0] = (bit[0], bit[1], above[2])
        elif isinstance(bit, str) and isinstance(above, str) and above:
            result[0] = bit + above
        else:
            result.insert(0, bit)
    return result


def runs(signal: Signal) -> list[tuple[int, int, Chunk]]:
    """Equal bits that stand side by side, as (highest, lowest, the bit), lowest first; constant zeros are left out."""
    found: list[tuple[int, int, Chunk]] = []
    for position, bit in enumerate(bits(signal)):
        if found and found[-1][2] == bit:
            found[-1] = (position, found[-1][1], bit)
        else:
            found.append((position, position, bit))
    return [run for run in found if run[2] != "0"]
