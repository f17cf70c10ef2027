"""What the commands share: the global options, settings, and the way results are printed."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from balans.core.errors import InputError

if TYPE_CHECKING:
    from balans.config import Settings

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="DIR",
        help="Folder of the embedded database and broker; also BALANS_DATA_DIR.",
    ),
]
"""The option of every command that starts, or joins, embedded parts."""

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
"""The option of every command that prints results."""


@dataclass(frozen=True, slots=True)
class Globals:
    """Options given before the name of the command."""

    config: Path | None = None


def new_app(help_text: str, **options: Any) -> typer.Typer:
    """Return the Typer application of one command file, in the style of all of them."""
    return typer.Typer(
        help=help_text,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        **options,
    )


def settings_of(ctx: typer.Context, data_dir: Path | None = None) -> "Settings":
    """Return the settings in force: option before environment before file before default.

    Raises
    ------
    InputError
        Naming the file and field, or the variable, that is wrong.
    """
    from balans import config

    given = ctx.obj.config if isinstance(ctx.obj, Globals) else None
    settings = config.load(given)
    if data_dir is not None:
        settings = settings.model_copy(update={"data_dir": data_dir})
    return settings


def require_existing(settings: "Settings") -> None:
    """Refuse to make an empty database where an existing one was meant.

    Raises
    ------
    InputError
        Naming the folder and the command that makes a database there.
    """
    from balans.adapters.localpg import exists

    if settings.database_url is None and not exists(settings.data_dir):
        raise InputError(f"{settings.data_dir}: no database here; `balans db init` makes one")


def print_json(value: Any) -> None:
    """Print `value` as JSON on standard output."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))
