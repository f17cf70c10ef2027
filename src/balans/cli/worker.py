"""``balans worker``: what the server does by itself, from a queue in the database."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from balans.cli.common import AsJson, DataDir, new_app, print_json, require_existing, settings_of
from balans.core.errors import InputError

if TYPE_CHECKING:
    from balans.config import Settings
    from balans.worker.daemon import WorkerOptions

app = new_app("Do what is due in the database, and what others queued.")


@app.command(epilog="Example: balans worker --metrics-port 9102; from cron: balans worker --once")
def worker(
    ctx: typer.Context,
    data_dir: DataDir = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port for /healthz and /metrics on this machine."),
    ] = None,
    health_file: Annotated[
        Path | None, typer.Option(help="File that says ok every two seconds.")
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Do every duty once, tell what was done, and end.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make tables ahead, seal, balance, purge and tidy until SIGTERM or Ctrl-C."""
    from balans.wiring.service import log_to_stderr

    if as_json and not once:
        raise InputError("--json: only with --once; what a running worker did stands in its log")
    settings = settings_of(ctx, data_dir)
    require_existing(settings)
    log_to_stderr(settings.log_level)
    did = _run(settings, metrics_port, health_file, once=once)
    if as_json:
        print_json(did)
    elif did is not None:
        print("\n".join(f"{name}: {told or 'nothing to do'}" for name, told in did.items()))


def _run(
    settings: "Settings", metrics_port: int | None, health_file: Path | None, *, once: bool
) -> dict[str, str] | None:
    from balans.wiring.embedded import open_parts
    from balans.wiring.server import require_tables, setup_django

    with open_parts(settings, broker=False) as parts:
        setup_django(settings, parts.database_url)
        require_tables()
        from balans.worker.daemon import WorkerOptions

        options = WorkerOptions(parts.database_url, metrics_port, health_file)
        return _work(settings, options, once=once)


def _work(settings: "Settings", options: "WorkerOptions", *, once: bool) -> dict[str, str] | None:
    from balans.wiring.clock import clock_of
    from balans.wiring.service import run_until_stopped
    from balans.worker.daemon import Worker

    process = Worker(options, clock_of(settings.clock_file))
    if once:
        return process.run_once()
    run_until_stopped(process.run)
    return None
