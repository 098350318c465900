"""Lines of the shell, as pages show them: held against the real command line, and run where that is quick.

A line is split as a shell would, at pipes too. `trine` is parsed by its own parser, with every option and argument;
`make` needs a target of the Makefile, `python -m` a module, `python FILE` a file of the checkout that knows the
options. Other programs are those of FOREIGN, which are not looked at.
"""

import importlib.util
import re
import shlex

import click
from click.core import ParameterSource

from tests.docs.pages import ROOT
from trine.host.cli import invoke, trine_command
from trine.host.open import BOARDS

FOREIGN = ("cd", "echo", "git", "openFPGALoader", "pip", "sudo", "tee")
"""Programs that are not ours."""

NOT_RUN = {
    "accuracy": "minutes",
    "build": "an hour of place and route",
    "doctor": "it fails or not as the machine is",
    "export": "ten seconds of elaboration",
    "flash": "a board",
    "report": "an hour of place and route",
    "selftest": "a board",
    "twin": "it serves until Ctrl-C",
}
"""Subcommands that are parsed and not run, and why."""


class WrongCommand(Exception):
    """A line that cannot be what a reader should type; the message says why."""


def split(line: str) -> list[list[str]]:
    """The commands of a line, each a list of words, without comments and settings of the environment."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    commands: list[list[str]] = [[]]
    for word in lexer:
        if word in ("|", "&&"):
            commands.append([])
        elif set(word) <= set("|&;<>"):
            raise WrongCommand(f"{word} is not understood here; one command a line")
        elif commands[-1] or not re.fullmatch(r"\w+=.*", word):
            commands[-1].append(word)
    return [command for command in commands if command]


def parse(words: list[str]) -> click.Context | None:
    """Hold one command against what exists; the context of a subcommand of trine, None for other programs.

    Raises WrongCommand.
    """
    program, *arguments = words
    program = program.removeprefix(".venv/bin/")
    if program == "trine":
        return parse_trine(arguments)
    if program == "make":
        targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
        missing = {word for word in arguments if "=" not in word} - targets
        if missing:
            raise WrongCommand(f"the Makefile has no target {', '.join(sorted(missing))}")
    elif program in ("python", "python3"):
        _parse_python(arguments)
    elif program == ".":
        if arguments != [".venv/bin/activate"]:
            raise WrongCommand(f"there is no {' '.join(arguments)} to be read")
    elif program not in FOREIGN:
        raise WrongCommand(f"{program}: no such program")
    return None


def parse_trine(arguments: list[str]) -> click.Context | None:
    """The context of a subcommand with its arguments; None for trine's own options."""
    if not arguments or arguments[0].startswith("-"):
        return None
    name, *rest = arguments
    command = trine_command.get_command(click.Context(trine_command), name)
    if command is None:
        raise WrongCommand(f"trine has no subcommand {name}")
    try:
        return command.make_context(name, list(rest))
    except click.exceptions.Exit:  # --help
        return None
    except click.UsageError as error:
        raise WrongCommand(f"trine {name}: {error.format_message()}") from error


def mentioned(span: str) -> None:
    """Hold words in a sentence against the command line: what begins as a command of ours has to be one.

    Less is asked than of a line to be typed: arguments may be missing, and words in capitals stand for the reader's
    own. Raises WrongCommand.
    """
    words = span.split()
    if words[:1] == ["make"] and len(words) > 1:
        parse(words)
    if words[:1] != ["trine"] or len(words) < 2 or words[1].startswith("-"):
        return
    command = trine_command.get_command(click.Context(trine_command), words[1])
    if command is None:
        raise WrongCommand(f"trine has no subcommand {words[1]}")
    options = {option for parameter in command.params for option in parameter.opts} | {"--help", "-h"}
    unknown = [word for word in words[2:] if word.startswith("-") and word not in options]
    if unknown:
        raise WrongCommand(f"trine {words[1]} has no option {unknown[0]}")


def run(words: list[str]) -> int:
    """Run a command that was parsed, in this process, if it is quick and needs no board; returns its exit code.

    A device that would have to be compiled first is replaced by the golden one, which answers the same.
    """
    if words[:2] in (["python", "-c"], ["python3", "-c"]):
        exec(words[2], {})
    context = parse(words)
    if context is None or context.info_name in NOT_RUN or context.params.get("trace") is not None:
        return 0
    if str(context.params.get("device")).partition(":")[0] in BOARDS:
        return 0
    return invoke([*words[1:], *_quickly(context)])


def _quickly(context: click.Context) -> list[str]:
    """What is added to a subcommand so that it takes a second."""
    device, config = context.params.get("device"), context.params.get("config")
    added = [] if device is None else ["--device", "golden" if config else golden(device)]
    if context.info_name == "demo":
        return [*added, "--characters", "4"]
    if context.info_name == "bench" and context.get_parameter_source("shapes") == ParameterSource.DEFAULT:
        return [*added, "--shapes", "64x64"]
    if context.info_name == "bench" and not re.match(r"\d+x\d+", context.params["shapes"]):
        return []  # a published model, which is not executed
    return added


def golden(device: str) -> str:
    """The golden device of the same configuration as a simulated one."""
    return re.sub(r"^(sim|twin)\b", "golden", device)


def _parse_python(arguments: list[str]) -> None:
    match arguments:
        case ["-c", code]:
            compile(code, "the command line", "exec")
        case ["-m", module, *_]:
            if module != "venv" and importlib.util.find_spec(module) is None:
                raise WrongCommand(f"there is no module {module}")
        case [file, *rest]:
            if not (ROOT / file).is_file():
                raise WrongCommand(f"there is no file {file}")
            unknown = [word for word in rest if word.startswith("--") and word not in (ROOT / file).read_text()]
            if unknown:
                raise WrongCommand(f"{file} has no option {unknown[0]}")
        case _:
            raise WrongCommand("python alone waits for input")
