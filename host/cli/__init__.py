"""The `trine` command: one file a subcommand, each loaded only when it is called.

Every failure ends in one line on standard error and an exit code: 1 device or mismatch, 2 usage or bad input, 3 build,
4 environment, 130 Ctrl-C, 141 when the reader of standard output went away. TRINE_TRACEBACK=1 shows where an unexpected
one came from.
"""

import importlib
import os
import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

import click

import trine
from trine.host.errors import INTERRUPTED, TrineError

SUMMARIES: dict[str, str] = {
    "demo": "A trained language model speaks through the simulated array.",
    "run": "Run a model, or one layer of it, on a device.",
    "info": "What a model, an image or a preset is, and what it needs.",
    "bench": "Cycles of layers by cause, against the cycle model.",
    "accuracy": "What narrow accumulators and activations cost a language model.",
    "compile": "Make a model into an image for a configuration.",
    "export": "Write the Verilog of a preset.",
    "report": "Synthesise, place and route a preset.",
    "build": "Make the bitstream of a board.",
    "flash": "Write a bitstream into a board.",
    "twin": "Serve a simulated board by USB/IP to other programs.",
    "selftest": "Exercise a device, compare it with golden, and write a report.",
    "doctor": "What of all that trine needs is there.",
}
"""The subcommands in the order of the help, each in the module of its name."""

READER_GONE = 141


class Commands(click.Group):
    """Loads a subcommand's module when it is called: `trine --help` is fast, and nobody needs what they do not use."""

    def list_commands(self, context: click.Context) -> list[str]:
        """All subcommands, without loading any."""
        return list(SUMMARIES)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """The subcommand of that name, loaded; None if there is none."""
        if name not in SUMMARIES:
            return None
        command = getattr(importlib.import_module(f"trine.host.cli.{name}"), f"{name}_command")
        if not isinstance(command, click.Command):
            raise TypeError(f"{name}_command is no command")
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in `trine --help`, from SUMMARIES."""
        with formatter.section("Commands"):
            formatter.write_dl(list(SUMMARIES.items()))


@click.command(cls=Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(trine.__version__, prog_name="trine")
@click.pass_context
def trine_command(context: click.Context) -> None:
    """BitNet networks on small open FPGAs: simulated cycle by cycle, checked integer by integer."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def invoke(arguments: Sequence[str]) -> int:
    """Run the command line `arguments`; returns the exit code and never raises."""
    try:
        with trine_command.make_context("trine", list(arguments)) as context:
            trine_command.invoke(context)
        sys.stdout.flush()
        return 0
    except BrokenPipeError:
        # What is still buffered has nobody to go to; without this the interpreter complains when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE
    except (KeyboardInterrupt, click.Abort):
        return _fail("interrupted", INTERRUPTED)
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx is not None else "trine"
        return _fail(f"{error.format_message()} ({path} --help explains)", 2)
    except click.ClickException as error:
        return _fail(error.format_message(), 2)
    except TrineError as error:
        return _fail(str(error), error.exit_code)
    except Exception as error:  # whatever else it is, a user gets one line
        return _fail(f"unexpected {type(error).__name__}: {error} (TRINE_TRACEBACK=1 shows where)", 1)


def main() -> NoReturn:
    """The entry point of the `trine` command."""
    sys.exit(invoke(sys.argv[1:]))


def _fail(message: str, code: int) -> int:
    """Say `message` in one line on standard error, and what led to it if that was asked for; returns `code`."""
    if os.environ.get("TRINE_TRACEBACK") == "1":
        traceback.print_exc()
    print(f"trine: {' '.join(message.split())}", file=sys.stderr)
    return code
