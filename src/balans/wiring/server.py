"""Readies a server process for the tables: settings into the environment, Django set up."""

import json
import os
import secrets
from pathlib import Path

from pydantic import SecretStr

from balans.config import Settings
from balans.core.errors import InputError


def environment_of(settings: Settings, database_url: str | None) -> dict[str, str]:
    """Return the variables that give `settings` to another process, or to Django's settings.

    `database_url` replaces the one in `settings`, since an embedded server has a URL only once
    it runs. A secret key is made, once, in the data directory where none is configured.
    """
    found = {
        f"BALANS_{name.upper()}": _text(value) for name, value in settings if value is not None
    }
    found["BALANS_SECRET_KEY"] = secret_key(settings)
    found["DJANGO_SETTINGS_MODULE"] = "balans.web.settings"
    if database_url:
        found["BALANS_DATABASE_URL"] = database_url
    return found


def _text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return json.dumps(value) if isinstance(value, list) else str(value)


def setup_django(settings: Settings, database_url: str) -> None:
    """Make the tables usable in this process. Call it once, before anything of `storage` is used.

    Parameters
    ----------
    settings
        The effective configuration of the process.
    database_url
        The server to use, ``postgresql://…``: external, or the embedded one that was started.

    Raises
    ------
    InputError
        If `database_url` is no URL of PostgreSQL.
    """
    from balans.wiring.database import database_settings

    database_settings(database_url)
    os.environ.update(environment_of(settings, database_url))
    import django

    django.setup()


def require_tables() -> None:
    """Make sure that the tables are those of this release, after `setup_django`.

    Raises
    ------
    InputError
        If they are absent, older or newer, or the role is one that `require_sealing` refuses.
    """
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    require_sealing()
    executor = MigrationExecutor(connection)
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise InputError(
            "the tables of the database are absent or of another release: `balans db init` makes "
            "them, `balans db migrate` brings them up to this one"
        )
    connection.close()


def require_sealing() -> None:
    """Make sure that the database holds this process back from other tenants' rows.

    PostgreSQL passes over row-level security, silently, for some roles.

    Raises
    ------
    InputError
        If the role of the connection is a superuser or may bypass row-level security.
    """
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "select rolname, rolsuper, rolbypassrls from pg_roles where rolname = current_user"
        )
        role, is_super, bypasses = cursor.fetchone()
    connection.close()
    if is_super or bypasses:
        kind = "is a superuser" if is_super else "may bypass row-level security"
        raise InputError(
            f"BALANS_DATABASE_URL: the role {role!r} {kind}, so nothing would keep tenants apart; "
            "use a role of its own: create role balans login nosuperuser nobypassrls"
        )


def secret_key(settings: Settings) -> str:
    """Return the key for sessions: the configured one, else the one kept in the data directory."""
    if settings.secret_key is not None:
        return settings.secret_key.get_secret_value()
    path = settings.data_dir / "secret_key"
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    try:
        return path.read_text(encoding="ascii")
    except FileNotFoundError:
        return _keep_new_key(path)


def _keep_new_key(path: Path) -> str:
    draft = path.with_name(f".secret_key.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(secrets.token_urlsafe(48), encoding="ascii")
    try:
        path.hardlink_to(draft)  # unlike a rename this keeps the key of a process that was faster
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text(encoding="ascii")
