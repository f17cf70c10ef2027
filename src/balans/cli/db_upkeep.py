"""``balans db seal``, ``archive``, ``restore-archive`` and ``distribute``."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from balans.cli.common import AsJson, DataDir, print_json, require_existing, settings_of
from balans.cli.db_open import database

SEAL_EXAMPLE = "Example: balans db seal --keep-open 2"
ARCHIVE_EXAMPLE = "Example: balans db archive 2020 /srv/archive/2020"
RESTORE_EXAMPLE = "Example: balans db restore-archive /srv/archive/2020"
DISTRIBUTE_EXAMPLE = "Example: balans db distribute --dry-run"


def seal(
    ctx: typer.Context,
    keep_open: Annotated[
        int, typer.Option(min=1, max=120, help="Whole months before the present one to leave.")
    ] = 2,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Seal months that are over: a third of the space, and faster to read. The worker does so."""

    def work(now: datetime) -> dict[str, Any]:
        from balans.storage.sealing import seal_due

        return {"sealed": seal_due(now, keep_open)}

    _do(ctx, data_dir, work, as_json=as_json)


def archive(
    ctx: typer.Context,
    year: Annotated[int, typer.Argument(min=2000, max=2099, help="A year that is sealed.")],
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="New folder for the files.")],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Write a sealed year to files, check them, and drop it from the database."""

    def work(now: datetime) -> dict[str, Any]:
        from balans.storage.archive import archive_year

        done = archive_year(year, folder, now)
        size = sum(part.size for part in done.parts)
        files = len(done.parts)
        return {"year": year, "readings": done.readings, "files": files, "bytes": size}

    _do(ctx, data_dir, work, as_json=as_json)


def restore_archive(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="As `db archive` made it.")],
    data_dir: DataDir = None,
    check: Annotated[bool, typer.Option("--check", help="Only read and check the files.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring an archived year back into the database; what came since stays."""

    def work(_now: datetime) -> dict[str, Any]:
        from balans.storage import archive

        done = archive.read_archive(folder) if check else archive.restore_archive(folder)
        return {"year": done.year, "readings": done.readings, "restored": not check}

    _do(ctx, data_dir, work, as_json=as_json)


def distribute(
    ctx: typer.Context,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print the statements; needs no Citus.")
    ] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Spread the tables of readings over a Citus cluster; what is spread already stays."""

    def work(_now: datetime) -> dict[str, Any]:
        from balans.storage import distribution

        steps = distribution.plan() if dry_run else distribution.distribute()
        return {
            "statements": [step.statement for step in steps if not step.done],
            "already": [step.table for step in steps if step.done],
            "done": not dry_run,
        }

    _do(ctx, data_dir, work, as_json=as_json)


def _do(
    ctx: typer.Context,
    data_dir: Path | None,
    work: Callable[[datetime], dict[str, Any]],
    *,
    as_json: bool,
) -> None:
    from balans.wiring.clock import clock_of
    from balans.wiring.server import require_tables, setup_django

    settings = settings_of(ctx, data_dir)
    require_existing(settings)
    with database(settings) as url:
        setup_django(settings, url)
        require_tables()
        report(work(clock_of(settings.clock_file).now()), as_json=as_json)


def report(result: dict[str, Any], *, as_json: bool) -> None:
    """Print what a command did."""
    if as_json:
        print_json(result)
        return
    for name, value in result.items():
        text = ("; ".join(value) or "none") if isinstance(value, list) else value
        print(f"{name.replace('_', ' ')}: {text}")
