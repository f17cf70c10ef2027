"""One typed settings object: TOML file, `BALANS_*` environment, secrets from `*_FILE`."""

import difflib
import os
import tomllib
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)
from typing_extensions import override

from balans.core.errors import InputError

PREFIX = "BALANS_"
SECRETS = ("database_url", "mqtt_url", "secret_key", "metrics_token")
"""Settings that are never shown, and that may come from the file named by `BALANS_…_FILE`."""
OTHER_VARIABLES = frozenset({"BALANS_CONFIG", "BALANS_DEMO"})


def default_data_dir() -> Path:
    """Return the place for embedded parts: ``$XDG_DATA_HOME/balans``."""
    home = os.environ.get("XDG_DATA_HOME")
    return (Path(home) if home else Path.home() / ".local" / "share") / "balans"


class Settings(BaseSettings):
    """What the server processes need to know. The description of a field is its documentation."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid")

    data_dir: Path = Field(
        default_factory=default_data_dir, description="Folder of the embedded database and broker."
    )
    database_url: SecretStr | None = Field(
        default=None, description="External PostgreSQL, postgresql://…; absent: embedded."
    )
    mqtt_url: SecretStr | None = Field(
        default=None, description="Broker, mqtt://[user:password@]host:port; absent: embedded."
    )
    keys_dir: Path | None = Field(
        default=None,
        description="Folder of the keys that sign for gateways; absent: keys in data_dir.",
    )
    service_user: str | None = Field(
        default=None,
        description="User of embedded parts started by root; absent: balans, postgres or nobody.",
    )
    secret_key: SecretStr | None = Field(
        default=None, description="Key for sessions; absent: generated once in data_dir."
    )
    allowed_hosts: list[str] = Field(
        default=["127.0.0.1", "localhost", "[::1]"], description="Names the pages answer to."
    )
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^/\s]+$",
        description="Address that people type, https://…; absent: plain http on this machine.",
    )
    metrics_token: SecretStr | None = Field(
        default=None,
        description="Bearer token for /metrics; absent: this machine, unless behind a proxy.",
    )
    host: str = Field(default="127.0.0.1", description="Address the pages listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port the pages listen on.")
    clock_file: Path | None = Field(
        default=None, description="Clock of a replay; absent: the system's clock."
    )
    log_level: str = Field(
        default="INFO",
        pattern="^(DEBUG|INFO|WARNING|ERROR)$",
        description="What is logged at least: DEBUG, INFO, WARNING or ERROR.",
    )

    @property
    def key_folder(self) -> Path:
        """Folder of the keys that sign for gateways."""
        return self.keys_dir or self.data_dir / "keys"

    @classmethod
    @override
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment first, then the file (passed as init values)."""
        return env_settings, init_settings


def load(path: Path | None = None) -> Settings:
    """Return the settings from the TOML file at `path` (optional) and the environment.

    Raises
    ------
    InputError
        Naming the file and field, or the variable, that is wrong.
    """
    _refuse_misspelt_variables()
    values = _read_toml(path) if path else {}
    values.update(_secret_files())
    try:
        return Settings(**values)
    except SettingsError as error:
        field = str(error).partition('"')[2].partition('"')[0]
        raise InputError(f'BALANS_{field.upper()}: is not JSON, for instance ["name"]') from error
    except ValidationError as error:
        raise InputError(_explain(error, path)) from error


def _explain(error: ValidationError, path: Path | None) -> str:
    """Return where a setting is wrong, its value unless it is secret, and what is expected."""
    first = error.errors()[0]
    field = str(first["loc"][0])
    variable = f"{PREFIX}{field.upper()}"
    origin = variable if variable in os.environ else f"{path}: {field}"
    if first["type"] == "extra_forbidden":
        return f"{origin}: no such setting; known are {', '.join(Settings.model_fields)}"
    value = "" if field in SECRETS else f" = {first['input']!r}"
    return f"{origin}{value}: {first['msg']}"


def _refuse_misspelt_variables() -> None:
    """Refuse variables that were surely meant to be a setting: others are not ours to judge."""
    known = {f"{PREFIX}{field.upper()}" for field in Settings.model_fields} | OTHER_VARIABLES
    for name in sorted(os.environ):
        if not name.startswith(PREFIX) or name.removesuffix("_FILE") in known:
            continue
        meant = difflib.get_close_matches(name.removesuffix("_FILE"), known, n=1, cutoff=0.85)
        if meant:
            raise InputError(f"{name}: no such variable; {meant[0]} is meant?")


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {error}") from error


def _secret_files() -> dict[str, str]:
    found: dict[str, str] = {}
    for field in SECRETS:
        name = f"{PREFIX}{field.upper()}_FILE"
        if name in os.environ:
            try:
                found[field] = Path(os.environ[name]).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise InputError(f"{name}: {os.environ[name]}: {error.strerror}") from error
            except UnicodeDecodeError as error:
                raise InputError(f"{name}: {os.environ[name]}: is not text") from error
    return found
