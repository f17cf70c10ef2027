"""``balans db``: create, migrate, look at, back up and restore the database."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from balans.cli import db_upkeep
from balans.cli.common import AsJson, DataDir, new_app, require_existing, settings_of
from balans.cli.db_open import database
from balans.cli.db_upkeep import report

if TYPE_CHECKING:
    from balans.config import Settings

app = new_app("Create, migrate, back up and keep up the database.")
app.command("seal", epilog=db_upkeep.SEAL_EXAMPLE)(db_upkeep.seal)
app.command("archive", epilog=db_upkeep.ARCHIVE_EXAMPLE)(db_upkeep.archive)
app.command("restore-archive", epilog=db_upkeep.RESTORE_EXAMPLE)(db_upkeep.restore_archive)
app.command("distribute", epilog=db_upkeep.DISTRIBUTE_EXAMPLE)(db_upkeep.distribute)


@app.callback()
def group() -> None:
    """Create, migrate, back up and keep up the database."""


@app.command(epilog="Example: balans db init --data-dir /var/lib/balans")
def init(
    ctx: typer.Context,
    data_dir: DataDir = None,
    create_user: Annotated[
        bool, typer.Option(help="As root, make a system user for the database if none fits.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Create the embedded database, or fill an external one, with all tables."""
    settings = settings_of(ctx, data_dir)
    with database(settings, create_user=create_user) as url:
        applied = _migrate(settings, url)
        report(_status_of(settings, url) | {"applied": applied}, as_json=as_json)


@app.command(epilog="Example: balans db migrate")
def migrate(ctx: typer.Context, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Bring the tables of an existing database up to this release."""
    settings = settings_of(ctx, data_dir)
    require_existing(settings)
    with database(settings) as url:
        applied = _migrate(settings, url)
        report(_status_of(settings, url) | {"applied": applied}, as_json=as_json)


@app.command(epilog="Example: balans db status --json")
def status(ctx: typer.Context, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Tell where the database is, whether it answers, its size and missing migrations."""
    settings = settings_of(ctx, data_dir)
    url = _running_url(settings)
    report(_status_of(settings, url) if url else _idle_status(settings), as_json=as_json)


@app.command(epilog="Example: balans db backup balans-2026-11-24.dump")
def backup(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="New file for the backup.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Write the whole database to FILE, while it is in use if need be."""
    from balans.adapters.localpg.dump import dump

    settings = settings_of(ctx, data_dir)
    require_existing(settings)
    with database(settings) as url:
        size = dump(url, file)
    report({"file": str(file), "bytes": size}, as_json=as_json)


@app.command(epilog="Example: balans db restore balans-2026-11-24.dump --data-dir /srv/balans")
def restore(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup made by `db backup`.")],
    data_dir: DataDir = None,
    force: Annotated[bool, typer.Option(help="Delete what is in the database first.")] = False,
    as_json: AsJson = False,
) -> None:
    """Read a backup into an empty database, wholly or not at all."""
    from balans.adapters.localpg.dump import check_backup
    from balans.adapters.localpg.dump import restore as restore_into

    settings = settings_of(ctx, data_dir)
    check_backup(file)
    with database(settings) as url:
        _require_sealing(settings, url)
        restore_into(url, file, force=force)
        applied = _migrate(settings, url)
        from balans.storage.generation import begin_generation

        begin_generation(time.time_ns() // 1_000_000)
        report(_status_of(settings, url) | {"applied": applied}, as_json=as_json)


def _running_url(settings: "Settings") -> str | None:
    from balans.adapters.localpg import find_running

    if settings.database_url is None:
        return find_running(settings.data_dir)
    with database(settings) as url:
        return url


def _migrate(settings: "Settings", url: str) -> list[str]:
    """Apply what is missing and return the names of the migrations applied."""
    _require_sealing(settings, url)
    from django.core.management import call_command

    missing = _missing_migrations()
    if missing:
        call_command("migrate", verbosity=0, interactive=False)
    return missing


def _require_sealing(settings: "Settings", url: str) -> None:
    """Refuse a role that would own the tables and pass over their seal, before it owns any."""
    from balans.wiring.server import require_sealing, setup_django

    setup_django(settings, url)
    require_sealing()


def _status_of(settings: "Settings", url: str) -> dict[str, Any]:
    from balans.adapters.localpg.client import masked, server_version
    from balans.wiring.server import setup_django

    version = server_version(url)
    setup_django(settings, url)
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        (size,) = cursor.fetchone()
    return {
        "kind": "external" if settings.database_url else "embedded",
        "running": True,
        "url": masked(url),
        "version": f"{version // 10000}.{version % 10000}",
        "bytes": size,
        "missing_migrations": _missing_migrations(),
    }


def _idle_status(settings: "Settings") -> dict[str, Any]:
    from balans.adapters.localpg import exists

    return {
        "kind": "embedded",
        "running": False,
        "exists": exists(settings.data_dir),
        "data_dir": str(settings.data_dir),
    }


def _missing_migrations() -> list[str]:
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _backwards in plan]
