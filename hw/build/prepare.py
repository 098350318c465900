"""What yosys must be told, and spared, before it reads a design of Amaranth's: a pass over its RTLIL text.

Names. Amaranth calls the fields of an array `data[0]`, `data[1]`, ... beside the array itself, `data`; where yosys
takes that wire apart, it calls its bits by the same names, and then connects what is not the same: with yosys 0.70, two
block RAMs that drove one net. So brackets in names become dots.

Collisions. Amaranth's read ports give the old word if a word is read while it is written, and yosys makes it come out,
with a multiplexer and a flip-flop a bit behind every block RAM of two ports: 1,270 LUT4 of the 9,300 that
`array_25f_384` had. A memory whose users do not care says so with the attribute `no_rw_check`, yosys' own name for it.
yosys obeys it in Verilog only, where ports are yet to be found; in RTLIL, where they are cells, the same is said by
COLLISION_X_MASK: the word is undefined.

Content. Amaranth gives every memory a content, zeros if none is asked for, and an iCE40UP5K's single-port RAM has none
at power-up; so the content of a memory with `ram_style` "huge" goes. What an attribute `starts_with_zeros` promises is
kept by the FPGA's configuration, and is nothing that yosys would know.
"""

import re

_IDENTIFIER = re.compile(r"(?<!\S)\\\S+")
_HUGE = re.compile(r'attribute \\ram_style "huge"\n\s*(?:attribute .*\n\s*)*memory .*\\(\S+)\n')
_ZEROS = re.compile(r"^ *attribute \\starts_with_zeros 1\n", re.MULTILINE)
_CONTENT = re.compile(r"  cell \$meminit_v2 .*?\n  end\n", re.DOTALL)
_MEMORY = re.compile(r"attribute \\no_rw_check 1\n\s*(?:attribute .*\n\s*)*memory .*\\(\S+)\n")
_READ_PORT = re.compile(r"  cell \$memrd_v2 .*?\n  end\n", re.DOTALL)
_NAME = re.compile(r'parameter \\MEMID "\\\\(\S+)"')
_MASK = re.compile(r"(parameter \\COLLISION_X_MASK \d+')(0+)\n")


def prepare(design: str) -> str:
    """RTLIL text of Amaranth's as yosys should read it; the same function but for words that nobody may care for.

    Raises ValueError if two names of a module become one.
    """
    design = _ZEROS.sub("", design)
    return "\nmodule ".join(_without_content(_allow_collisions(_rename(module)))
                             for module in design.split("\nmodule "))


def _rename(module: str) -> str:
    names: dict[str, str] = {}  # new -> old
    for name in set(_IDENTIFIER.findall(module)):
        other = names.setdefault(_without_brackets(name), name)
        if other != name:
            bracketed, plain = sorted((name, other), key=lambda text: "[" not in text)
            raise ValueError(f"names {bracketed} and {plain} of a design cannot be told apart")
    return _IDENTIFIER.sub(lambda match: _without_brackets(match.group()), module)


def _without_brackets(name: str) -> str:
    return name.replace("[", ".").replace("]", "")


def _without_content(module: str) -> str:
    huge = set(_HUGE.findall(module))

    def keep(match: re.Match[str]) -> str:
        name = _NAME.search(match.group())
        return "" if name is not None and name.group(1) in huge else match.group()

    return _CONTENT.sub(keep, module) if huge else module


def _allow_collisions(module: str) -> str:
    """Only read ports with a clock change; a port without one gives the word that is stored, as before."""
    memories = set(_MEMORY.findall(module))

    def allow(match: re.Match[str]) -> str:
        cell = match.group()
        name = _NAME.search(cell)
        if name is None or name.group(1) not in memories or "parameter \\CLK_ENABLE 1" not in cell:
            return cell
        return _MASK.sub(lambda mask: mask.group(1) + "1" * len(mask.group(2)) + "\n", cell)

    return _READ_PORT.sub(allow, module)
