"""``balans headend``: the daemon between hubs and the database."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from balans.cli.common import DataDir, new_app, require_existing, settings_of

if TYPE_CHECKING:
    from balans.config import Settings

app = new_app("Take readings from hubs into the database.")


@app.command(epilog="Example: balans headend --metrics-port 9101")
def headend(
    ctx: typer.Context,
    data_dir: DataDir = None,
    metrics_port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port for /healthz and /metrics on this machine."),
    ] = None,
    health_file: Annotated[
        Path | None, typer.Option(help="File that says ok every two seconds.")
    ] = None,
) -> None:
    """Store what hubs send, and bring commands to them, until SIGTERM or Ctrl-C."""
    from balans.wiring.service import log_to_stderr

    settings = settings_of(ctx, data_dir)
    require_existing(settings)
    log_to_stderr(settings.log_level)
    _run(settings, metrics_port, health_file)


def _run(settings: "Settings", metrics_port: int | None, health_file: Path | None) -> None:
    from balans.wiring.clock import clock_of
    from balans.wiring.embedded import open_parts
    from balans.wiring.server import require_tables, setup_django
    from balans.wiring.service import run_until_stopped

    clock = clock_of(settings.clock_file)
    with open_parts(settings) as parts:
        setup_django(settings, parts.database_url)
        require_tables()
        from balans.headend.daemon import HeadEnd, HeadEndOptions

        options = HeadEndOptions(
            parts.database_url, parts.mqtt_url, settings.key_folder, metrics_port, health_file
        )
        run_until_stopped(HeadEnd(options, clock).run)
