"""``balans gateway``: the daemon of a site, without Django and database."""

from pathlib import Path
from typing import Annotated

import typer

from balans.cli.common import new_app, settings_of

app = new_app("Run a site: hub journal and load control.")


@app.command(epilog="Example: balans gateway /etc/balans/house.toml")
def gateway(
    ctx: typer.Context,
    config: Annotated[
        Path, typer.Argument(metavar="CONFIG.toml", help="The site, with a table [gateway].")
    ],
    check: Annotated[
        bool, typer.Option("--check", help="Check the configuration, and do nothing else.")
    ] = False,
) -> None:
    """Run a site until SIGTERM or Ctrl-C: journal, delivery, load control.

    BALANS_MQTT_URL is used where the file names no broker, BALANS_CLOCK_FILE in a replay.
    """
    from balans.gateway.config import read_config
    from balans.gateway.daemon import Gateway
    from balans.wiring.clock import clock_of
    from balans.wiring.service import log_to_stderr, run_until_stopped

    settings = settings_of(ctx)
    mqtt_url = settings.mqtt_url
    own = read_config(config, mqtt_url.get_secret_value() if mqtt_url else None)
    if check:
        print(f"{config}: usable")
        return
    log_to_stderr(settings.log_level)
    run_until_stopped(Gateway(own, clock_of(settings.clock_file)).run)
