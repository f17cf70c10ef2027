"""The command ``balans``: finds the command asked for and imports that one only.

To add a command, write ``cli/<name>.py`` with ``app = new_app("…")`` and add a line to `COMMANDS`.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typing_extensions import override

from balans import __version__
from balans.cli.common import Globals
from balans.core.errors import BalansError, InputError

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130


class Entry(NamedTuple):
    """Where a command lives (``module:attribute``) and what the list says about it."""

    target: str
    help: str


COMMANDS: dict[str, Entry] = {
    "demo": Entry("balans.cli.demo:app", "Run a small town: meters, hubs, load control, pages."),
    "serve": Entry("balans.cli.serve:app", "Serve the web pages."),
    "headend": Entry("balans.cli.headend:app", "Take readings from hubs into the database."),
    "worker": Entry("balans.cli.worker:app", "Do what is due in the database, and queued jobs."),
    "gateway": Entry("balans.cli.gateway:app", "Run a site: hub journal and load control."),
    "key": Entry("balans.cli.key:app", "Make and rotate the keys that gateways trust."),
    "label": Entry("balans.cli.label:app", "Make the label of a hub or a module."),
    "collect": Entry("balans.cli.collect:app", "Carry readings of a hub by hand, as a file."),
    "device": Entry("balans.cli.device:app", "Definitions of meters that speak for themselves."),
    "simulate": Entry("balans.cli.simulate:app", "Replay a site's profile, or play a town."),
    "balance": Entry("balans.cli.balance:app", "Print inflow against outflow of a node."),
    "import": Entry("balans.cli.import_:app", "Bring registries and readings in from files."),
    "export": Entry("balans.cli.export:app", "Write registry or readings to a file."),
    "bench": Entry("balans.cli.bench:app", "Measure control quality and speed."),
    "config": Entry("balans.cli.config:app", "Show the configuration in force."),
    "db": Entry("balans.cli.db:app", "Create, migrate, back up and restore the database."),
}


class LazyGroup(TyperGroup):
    """A group whose list of commands costs no import; a command is imported when it runs."""

    @override
    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    @override
    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        entry = COMMANDS.get(cmd_name)
        return entry and TyperCommand(cmd_name, help=entry.help)

    @override
    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        self.commands = {name: self.get_command(ctx, name) for name in COMMANDS}
        name, found, rest = super().resolve_command(ctx, args)
        return name, load_command(name) if name and found else None, rest


def load_command(name: str) -> Any:
    """Import the module of command `name` and return the command, ready to be invoked."""
    module, attribute = COMMANDS[name].target.split(":")
    command = typer.main.get_command(getattr(import_module(module), attribute))
    command.name = name
    return command


app = typer.Typer(cls=LazyGroup, no_args_is_help=True, add_completion=False, rich_markup_mode=None)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"balans {__version__}")
        raise typer.Exit


@app.callback(epilog="Example: balans demo --port 8080")
def root(
    ctx: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", envvar="BALANS_CONFIG", help="Settings in one TOML file."),
    ] = None,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print version."),
    ] = False,
) -> None:
    """Meter electricity, water, gas and heat, and keep load inside its limits."""
    ctx.obj = Globals(config=config)


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and leave with 0 done, 1 failed, 2 bad input, 130 interrupted."""
    try:
        typer.main.get_command(app).main(args=args, prog_name="balans")
    except InputError as error:
        _leave(error, BAD_INPUT)
    except BalansError as error:
        _leave(error, FAILED)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _leave(error: BalansError, code: int) -> None:
    print(f"balans: {error}", file=sys.stderr)
    sys.exit(code)
