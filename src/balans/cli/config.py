"""``balans config``: what is configured, and from where."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from balans.cli.common import AsJson, new_app, print_json, settings_of

if TYPE_CHECKING:
    from balans.config import Settings

app = new_app("Show the configuration in force.")


@app.callback()
def group() -> None:
    """Show the configuration in force."""


@app.command(epilog="Example: balans --config balans.toml config show > effective.toml")
def show(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Print the settings in force as commented TOML. Secrets are masked."""
    settings = settings_of(ctx)
    if as_json:
        print_json({name: shown(name, value) for name, value in settings})
    else:
        print("\n".join(toml_lines(settings)))


def toml_lines(settings: "Settings") -> list[str]:
    """Return the settings as TOML, each with its description and its environment variable."""
    lines = ["# The configuration in force. Secrets are masked: *** is not their value."]
    for name, field in type(settings).model_fields.items():
        value = shown(name, getattr(settings, name))
        variable = f"BALANS_{name.upper()}"
        origin = "  (set by it)" if _in_environment(variable) else ""
        lines += ["", f"# {field.description}" if field.description else f"# {name}"]
        lines.append(f"# Environment: {variable}{origin}")
        lines.append(f"# {name} =" if value is None else f"{name} = {_toml(value)}")
    return lines


def shown(name: str, value: Any) -> Any:
    """Return `value` of setting `name` as it may be printed: addresses without password."""
    from pydantic import SecretStr

    if isinstance(value, SecretStr):
        return _masked_secret(name, value.get_secret_value())
    return str(value) if isinstance(value, Path) else value


def _masked_secret(name: str, secret: str) -> str:
    from balans.core.errors import InputError

    if name == "database_url":
        from balans.adapters.localpg.client import masked

        return masked(secret)
    if name == "mqtt_url":
        from balans.protocols.address import parse_broker_address

        try:
            return str(parse_broker_address(secret))
        except InputError:
            return "***"
    return "***"


def _in_environment(variable: str) -> bool:
    return variable in os.environ or f"{variable}_FILE" in os.environ


def _toml(value: Any) -> str:
    """Return `value` in TOML, whose strings, lists, numbers and booleans are those of JSON."""
    return json.dumps(value, ensure_ascii=False)
