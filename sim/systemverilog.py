"""Writes a netlist as SystemVerilog for the simulator to compile.

Weighed against Yosys, which writes the Verilog that leaves the project (see `verilog`): its WebAssembly build needs a
minute and more of compilation on a machine that runs it for the first time, for a translation that takes a second
here. And text written for one reader can be better for it: modules that are equal are written once, registers keep
their enable conditions, multiplexers in data paths are masks rather than branches that a processor mispredicts, and
intermediate results stay out of waveforms.

Memories whose content is all zeros count as not initialised: Amaranth gives `init=[]` the same netlist as zeros. What
they contain at the start is the simulator's choice, see `NativeModel`.
"""

from collections import Counter
from collections.abc import Iterator

from trine.sim.errors import UnsupportedDesign
from trine.sim.rtlil import Body, Cell, Module, Signal, Switch, part, runs, width

UNARY = {"$neg": "-", "$not": "~", "$reduce_bool": "|", "$reduce_or": "|", "$reduce_and": "&", "$reduce_xor": "^"}
BINARY = {
    "$add": "+", "$sub": "-", "$mul": "*", "$and": "&", "$or": "|", "$xor": "^",
    "$eq": "==", "$ne": "!=", "$lt": "<", "$le": "<=", "$gt": ">", "$ge": ">=",
    "$shl": "<<", "$shr": ">>", "$sshr": ">>>", "$divfloor": "/", "$modfloor": "%",
}
SHIFTS = ("$shl", "$shr", "$sshr", "$shift")
IGNORED = ("$meminit_v2", "$print", "$check")
RANDOM_MEMORIES = "random_memories"
"""Plusarg of the simulation that fills memories without content with random words, otherwise with zeros."""
WIDEST_MASK = 64
"""Wider multiplexers are written as choices: the processor has no masks of that width."""


def write(modules: list[Module]) -> str:
    """The SystemVerilog text of all modules; names are those of the RTLIL, escaped.

    `$print` and `$check` cells are left out: a native model neither prints nor asserts. Raises UnsupportedDesign for
    what has no model: instances of foreign modules, tristate buffers, signed division.
    """
    modules_known = {module.name for module in modules}
    aliases: dict[str, str] = {}
    written: dict[str, str] = {}
    for module in reversed(modules):  # children stand behind their parent, whose text names them
        text = _ModuleWriter(module, modules_known, aliases).write()
        aliases[module.name] = written.setdefault(text, module.name)
    return "\n".join(f"module {name} {text}" for text, name in written.items())


def _constant(bits: str) -> str:
    return f"{len(bits)}'h{int(bits.replace('x', '0'), 2):x}"


def _name(rtlil: str) -> str:
    """The escaped identifier, with the space that ends it; "\\$signal" is that of a Signal without a name."""
    if rtlil.startswith("\\"):
        return f"\\unnamed{rtlil[1:]} " if rtlil[1] == "$" else f"{rtlil} "
    return f"\\{rtlil} "


def _memory(cell: Cell) -> str:
    return _name(cell.parameters["MEMID"].replace("\\\\", "\\"))


def _declared(bits: int, name: str) -> str:
    return f"logic [{bits - 1}:0] {_name(name)}" if bits > 1 else f"logic {_name(name)}"


def _signals(body: Body) -> Iterator[Signal]:
    """Everything that a process reads."""
    for statement in body:
        if isinstance(statement, Switch):
            yield statement.value
            for _, inner in statement.cases:
                yield from _signals(inner)
        else:
            yield statement[1]


class _ModuleWriter:
    def __init__(self, module: Module, modules_known: set[str], aliases: dict[str, str]) -> None:
        self._module = module
        self._modules_known = modules_known
        self._aliases = aliases
        self._lines: list[str] = []
        registers = [cell for cell in module.cells if cell.kind in ("$dff", "$adff")]
        self._initialised = {
            chunk[0] for cell in registers for chunk in cell.ports["Q"] if not isinstance(chunk, str)
        }
        self._merged = self._registers_of_processes(registers)

    def _registers_of_processes(self, registers: list[Cell]) -> dict[str, Cell]:
        """Registers by the unnamed wire that a process computes for them and nothing else reads.

        Such a process is written as the register's own, with the conditions under which it keeps its value.
        """
        module = self._module
        read = [signal for cell in module.cells for signal in cell.ports.values()]
        read += [signal for body in module.processes for signal in _signals(body)]
        read += [signal for pair in module.connections for signal in pair]
        readers = Counter(chunk[0] for signal in read for chunk in signal if not isinstance(chunk, str))
        computed = {body[0][0][0][0] for body in module.processes if body and isinstance(body[0], tuple) and body[0][0]}
        merged = {}
        for cell in registers:
            d = cell.ports["D"]
            if cell.kind == "$dff" and len(d) == 1 and not isinstance(d[0], str):
                name, high, low = d[0]
                whole = high - low + 1 == module.wires[name].width
                if whole and name in computed and readers[name] == 1 and name.startswith("$"):
                    merged[name] = cell
        return merged

    def write(self) -> str:
        """The module's text from its ports on, without its name."""
        module = self._module
        ports = [
            f"{wire.port} {self._declaration(wire.name)}" for wire in module.wires.values() if wire.port and wire.width
        ]
        self._declarations()
        for cell in module.cells:
            self._cell(cell)
        for body in module.processes:
            self._process(body)
        for left, right in module.connections:
            if width(left):
                self._lines.append(f"assign {self._text(left)} = {self._text(right)};")
        return "(" + ", ".join(ports) + ");\n" + "\n".join(self._lines) + "\nendmodule\n"

    def _declaration(self, name: str) -> str:
        wire = self._module.wires[name]
        # Wires that are other names of a register have its attribute, and no value of their own.
        initial = f"= {_constant(wire.init)}" if wire.init and name in self._initialised else ""
        return _declared(wire.width, name) + initial

    def _declarations(self) -> None:
        wires = [w for w in self._module.wires.values() if not w.port and w.width and w.name not in self._merged]
        self._lines += [f"{self._declaration(wire.name)};" for wire in wires if wire.name.startswith("\\")]
        self._lines.append("/*verilator tracing_off*/")
        self._lines += [f"{self._declaration(wire.name)};" for wire in wires if not wire.name.startswith("\\")]
        self._lines.append("/*verilator tracing_on*/")
        contents = {_memory(cell): cell for cell in self._module.cells if cell.kind == "$meminit_v2"}
        for name, (bits, depth) in self._module.memories.items():
            content = self._content(contents.get(_name(name)), bits)
            self._lines.append(f"{_declared(bits, name)}[0:{depth - 1}]{content};")
            if name in self._module.zeroed:
                self._lines.append(f"initial for (int word = 0; word < {depth}; word++) {_name(name)}[word] = '0;")
            elif not content:
                self._lines.append(
                    f'initial if ($test$plusargs("{RANDOM_MEMORIES}")) for (int word = 0; word < {depth}; word++) '
                    f"{_name(name)}[word] = {bits}'({{{', '.join(['$urandom'] * -(-bits // 32))}}});"
                )

    def _content(self, cell: Cell | None, bits: int) -> str:
        """What a memory starts with, as an initialiser; nothing if that is nothing but zeros."""
        data = "".join(chunk for chunk in cell.ports["DATA"] if isinstance(chunk, str)) if cell else ""
        if "1" not in data:
            return ""
        words = [data[start : start + bits] for start in range(0, len(data), bits)]
        return " = '{" + ", ".join(_constant(word) for word in reversed(words)) + "}"

    def _text(self, signal: Signal) -> str:
        chunks = []
        for chunk in signal:
            if isinstance(chunk, str):
                if chunk:
                    chunks.append(_constant(chunk))
                continue
            name, high, low = chunk
            if high - low + 1 == self._module.wires[name].width:
                chunks.append(_name(name))
            else:
                chunks.append(_name(name) + (f"[{high}]" if high == low else f"[{high}:{low}]"))
        if len(chunks) == 1:
            return chunks[0]
        return "{" + ", ".join(chunks) + "}" if chunks else "1'h0"

    def _cell(self, cell: Cell) -> None:
        kind = cell.kind
        if kind in UNARY or kind in BINARY or kind in ("$mux", "$shift"):
            if width(cell.ports["Y"]):
                self._lines.append(f"assign {self._text(cell.ports['Y'])} = {self._expression(cell)};")
        elif kind in ("$dff", "$adff"):
            self._register(cell)
        elif kind == "$memrd_v2":
            self._read_port(cell)
        elif kind == "$memwr_v2":
            self._write_port(cell)
        elif kind in self._modules_known:
            ports = [
                f".{_name(name)}({self._text(signal)})"
                for name, signal in ((f"\\{name}", signal) for name, signal in cell.ports.items())
                if width(signal)
            ]
            self._lines.append(f"{self._aliases[kind]} {_name(cell.name)}({', '.join(ports)});")
        elif kind not in IGNORED:
            what = f"an instance of {kind[1:]}" if kind.startswith("\\") else f"a cell of kind {kind}"
            raise UnsupportedDesign(f"{self._module.name[1:]} contains {what}, which has no simulation model")

    def _expression(self, cell: Cell) -> str:
        kind, ports = cell.kind, cell.ports
        if kind == "$mux":
            return self._multiplexer(cell)
        signed = bool(cell.number("A_SIGNED"))
        a, b = self._text(ports["A"]), self._text(ports["B"]) if "B" in ports else ""
        if signed:
            a = f"$signed({a})"
        if kind in UNARY:
            return "1'h1" if kind == "$reduce_and" and not width(ports["A"]) else UNARY[kind] + a
        if kind in SHIFTS:
            return f"{a} {BINARY.get(kind) or ('>>>' if signed else '>>')} {b}"
        if signed and kind in ("$divfloor", "$modfloor"):
            raise UnsupportedDesign(f"{self._module.name[1:]} divides signed numbers, which has no simulation model")
        return f"{a} {BINARY[kind]} " + (f"$signed({b})" if signed else b)

    def _multiplexer(self, cell: Cell) -> str:
        bits = width(cell.ports["Y"])
        choice, zero, one = (self._text(cell.ports[port]) for port in "SAB")
        if bits > WIDEST_MASK or bits == 1:
            return f"{choice} ? {one} : {zero}"
        masked = [
            f"({text} & {{{bits}{{{mask}}}}})"
            for text, mask, port in ((one, choice, "B"), (zero, f"!{choice}", "A"))
            if any(not isinstance(chunk, str) or "1" in chunk for chunk in cell.ports[port])
        ]
        return " | ".join(masked) if masked else f"{bits}'h0"

    def _edge(self, cell: Cell) -> str:
        return f"{'posedge' if cell.number('CLK_POLARITY') else 'negedge'} {self._text(cell.ports['CLK'])}"

    def _register(self, cell: Cell) -> None:
        if not width(cell.ports["Q"]) or cell in self._merged.values():
            return
        edge, q, d = self._edge(cell), self._text(cell.ports["Q"]), self._text(cell.ports["D"])
        if cell.kind == "$dff":
            self._lines.append(f"always_ff @({edge}) {q} <= {d};")
        else:
            value = _constant(cell.parameters["ARST_VALUE"].partition("'")[2])
            reset = self._text(cell.ports["ARST"])
            self._lines.append(f"always_ff @({edge} or posedge {reset}) if ({reset}) {q} <= {value}; else {q} <= {d};")

    def _read_port(self, cell: Cell) -> None:
        address, data = self._text(cell.ports["ADDR"]), self._text(cell.ports["DATA"])
        if not cell.number("CLK_ENABLE"):
            self._lines.append(f"assign {data} = {_memory(cell)}[{address}];")
            return
        statements = [f"{data} <= {_memory(cell)}[{address}];"]
        transparent = int(cell.parameters["TRANSPARENCY_MASK"].partition("'")[2] or "0", 2)
        for write in self._module.cells:
            if write.kind != "$memwr_v2" or write.parameters["MEMID"] != cell.parameters["MEMID"]:
                continue
            if transparent >> write.number("PORTID") & 1:
                same = f"{self._text(write.ports['ADDR'])} == {address}"
                for high, low, enable in runs(write.ports["EN"]):
                    value = self._text(part(write.ports["DATA"], high, low))
                    statements.append(f"if ({self._text([enable])} && {same}) {data}[{high}:{low}] <= {value};")
        enabled = self._text(cell.ports["EN"])
        self._lines.append(f"always_ff @({self._edge(cell)}) if ({enabled}) begin {' '.join(statements)} end")

    def _write_port(self, cell: Cell) -> None:
        address, bits = self._text(cell.ports["ADDR"]), width(cell.ports["DATA"])
        for high, low, enable in runs(cell.ports["EN"]):
            target = f"{_memory(cell)}[{address}]" + ("" if high - low + 1 == bits else f"[{high}:{low}]")
            value = self._text(part(cell.ports["DATA"], high, low))
            self._lines.append(f"always_ff @({self._edge(cell)}) if ({self._text([enable])}) {target} <= {value};")

    def _process(self, body: Body) -> None:
        left, right = body[0] if isinstance(body[0], tuple) else ([], [])
        register = self._merged.get(left[0][0]) if left and not isinstance(left[0], str) else None
        if register is None:
            self._lines.append("always_comb begin")
            self._body(body, "=", None)
        else:
            self._lines.append(f"always_ff @({self._edge(register)}) begin")
            (q,) = register.ports["Q"]
            self._body(body[1:] if right == [q] else body, "<=", q[0])
        self._lines.append("end")

    def _body(self, body: Body, assign: str, target: str | None) -> None:
        """Assignments with the sign `assign`, to slices of `target` if that is given."""
        for statement in body:
            if isinstance(statement, Switch):
                self._switch(statement, assign, target)
            elif width(statement[0]):
                left = [chunk if target is None or isinstance(chunk, str) else (target, *chunk[1:])
                        for chunk in statement[0]]
                self._lines.append(f"{self._text(left)} {assign} {self._text(statement[1])};")

    def _switch(self, switch: Switch, assign: str, target: str | None) -> None:
        if not width(switch.value):
            if switch.cases:
                self._body(switch.cases[0][1], assign, target)
            return
        either = any("-" in pattern for patterns, _ in switch.cases for pattern in patterns)
        self._lines.append(f"{'casez' if either else 'case'} ({self._text(switch.value)})")
        for patterns, body in switch.cases:
            label = ", ".join(f"{len(bits)}'b{bits.replace('-', '?')}" for bits in patterns) or "default"
            self._lines.append(f"{label}: begin")
            self._body(body, assign, target)
            self._lines.append("end")
        self._lines.append("endcase")
