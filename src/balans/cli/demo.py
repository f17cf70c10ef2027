"""``balans demo``: a small town, metered and kept under its limit, with its pages."""

import signal
import time
from pathlib import Path
from typing import Annotated, Literal

import typer

from balans.cli.common import DataDir, new_app, settings_of
from balans.core.errors import InputError

app = new_app("Run a small town: meters, hubs, load control, pages.")


@app.command(epilog="Example: balans demo --headless --sim-hours 24 --speed max --report r.json")
def demo(
    ctx: typer.Context,
    data_dir: DataDir = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port of the pages.")] = None,
    speed: Annotated[
        str | None,
        typer.Option(
            metavar="X",
            help="Simulated seconds per second, or max. Without it a new town runs at full speed "
            "to the evening of its first day, then a minute a second.",
        ),
    ] = None,
    headless: Annotated[
        bool, typer.Option("--headless", help="Do not wait for a browser; end by itself.")
    ] = False,
    sim_hours: Annotated[
        float | None,
        typer.Option(min=0.1, max=168, help="End after so many simulated hours; headless: 24."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="Write the report of the run here.")
    ] = None,
    scenario: Annotated[
        Literal["overload"] | None,
        typer.Option(
            help="overload: without the standing limit; a trigger meets the overload of the "
            "evening by an event."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**31, help="Of registers, water and gas.")] = 1,
    reset: Annotated[bool, typer.Option("--reset", help="Begin anew.")] = False,
) -> None:
    """Run a small town: recorded minutes of 24 flats over the real wire, with its pages."""
    began = time.monotonic()
    settings = settings_of(ctx, data_dir)
    if port is not None:
        settings = settings.model_copy(update={"port": port})
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    from balans.cli.demo_run import DemoRun, Options

    options = Options(
        speed=speed_of(speed, headless=headless),
        watchable=speed is None and not headless and sim_hours is None,
        headless=headless,
        sim_hours=24.0 if headless and sim_hours is None else sim_hours,
        report=report,
        seed=seed,
        overload=scenario is not None,
        reset=reset,
    )
    try:
        faults = DemoRun(settings, options, began).run()
    except KeyboardInterrupt:
        if headless:
            raise
        print("\nEverything is stopped. The next start goes on from here; --reset begins anew.")
        return
    if faults:
        raise typer.Exit(1)


def speed_of(text: str | None, *, headless: bool) -> float | None:
    """Return simulated seconds per second for ``--speed``; None is as fast as can be.

    >>> speed_of("600", headless=False)
    600.0

    Raises
    ------
    InputError
        If it is neither ``max`` nor a number from 0.1 to 10000.
    """
    if text == "max" or (text is None and headless):
        return None
    try:
        speed = 60.0 if text is None else float(text)
    except ValueError:
        speed = 0.0
    if not 0.1 <= speed <= 10_000:
        raise InputError(f"--speed {text}: expected max, or a number from 0.1 to 10000")
    return speed
