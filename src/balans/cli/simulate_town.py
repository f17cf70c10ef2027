"""``balans simulate town``: a generated town of any size against a real head-end."""

import asyncio
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from balans.cli.common import AsJson, DataDir, print_json, settings_of
from balans.core.errors import InputError, UnavailableError

if TYPE_CHECKING:
    from balans.config import Settings
    from balans.simulator.fleet import Fleet, FleetResult
    from balans.simulator.ledger import Ledger
    from balans.simulator.spec import TownSpec

EXAMPLE = "Example: balans simulate town --hubs 4 --modules 60 --hours 48 --ledger truth.csv"
STORED_S = 60.0
"""How long storing may stand still before it counts as stopped."""


def town(
    ctx: typer.Context,
    *,
    hubs: Annotated[int, typer.Option(help="Buildings, with one hub each.")] = 1,
    modules: Annotated[int, typer.Option(help="Modules of each hub, 1 to 240.")] = 24,
    hours: Annotated[int, typer.Option(min=1, max=8_784, help="Simulated hours.")] = 24,
    speed: Annotated[
        str, typer.Option(metavar="X", help="Simulated seconds per second, or max.")
    ] = "max",
    seed: Annotated[int, typer.Option(help="Another seed is another town beside the first.")] = 1,
    ledger: Annotated[
        Path | None,
        typer.Option(metavar="FILE.csv", help="What the modules counted: channel,time,register."),
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Play a generated town: its hubs deliver every hour of every channel to the head-end.

    Broker and database are those of the configuration, which a head-end must serve; without any
    they are started here, with a head-end.
    """
    from balans.simulator.fleet import Fleet, FleetOptions
    from balans.simulator.town import synthetic_town

    began_s = time.monotonic()
    try:
        spec = synthetic_town(hubs, modules, seed)
    except ValueError as error:
        raise InputError(f"--{error}") from error
    options = FleetOptions(
        speed=speed_of(speed), ledger=_writable(ledger), progress=_progress(hours, as_json=as_json)
    )
    with head_end_of(settings_of(ctx, data_dir), spec) as (mqtt_url, tenant_id):
        fleet = Fleet(spec, mqtt_url, options)
        result = asyncio.run(_play(fleet, hours))
        if not result.answered:
            raise UnavailableError("no head-end answers at the broker: start `balans headend`")
        missing, wrong = wait_until_stored(spec, fleet.ledger, tenant_id)
    report = report_of(result, missing, wrong, time.monotonic() - began_s)
    if as_json:
        print_json(report)
    else:
        _tell_report(report)
    if missing or wrong or result.unacknowledged or result.refused:
        raise typer.Exit(1)


def speed_of(text: str) -> float | None:
    """Return simulated seconds per second; None is as fast as can be.

    >>> speed_of("3600")
    3600.0

    Raises
    ------
    InputError
        If it is neither ``max`` nor a number above 0.
    """
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed < 1e9:
        raise InputError(f"--speed {text}: expected max, or a number above 0")
    return speed


def report_of(result: "FleetResult", missing: int, wrong: int, wall_s: float) -> dict[str, Any]:
    """Return what the command reports."""
    return {
        "hubs": result.hubs,
        "modules": result.modules,
        "channels": result.channels,
        "hours": result.hours,
        "wall_s": round(wall_s, 2),
        "readings": {
            "expected": result.readings,
            "stored": result.readings - missing - wrong,
            "missing": missing,
            "wrong": wrong,
        },
        "batches": result.batches,
        "unacknowledged": result.unacknowledged,
        "refused": result.refused,
    }


@contextmanager
def head_end_of(settings: "Settings", spec: "TownSpec") -> Iterator[tuple[str, int]]:
    """Register the town, and give the broker at which a head-end serves, and the tenant's id.

    A head-end is started here when the broker is, too: nobody else can be there yet.
    """
    from balans.cli.demo_stack import Stack
    from balans.cli.town_plan import registry_plan
    from balans.wiring.embedded import open_parts
    from balans.wiring.server import environment_of, setup_django

    with open_parts(settings, create_user=True, progress=_say) as parts:
        setup_django(settings, parts.database_url)
        _ready_tables(external=settings.database_url is not None)
        from balans.storage.registry import apply_plan

        title = f"Generated town {spec.seed}"
        tenant_id = apply_plan(registry_plan(spec, title=title), actor="simulate town").tenant_id
        env = environment_of(settings, parts.database_url) | {"BALANS_MQTT_URL": parts.mqtt_url}
        with Stack(settings.data_dir / "simulate", env) as stack:
            if parts.local_broker is not None:
                stack.start("headend", ["headend"])
            yield parts.mqtt_url, tenant_id


def _ready_tables(*, external: bool) -> None:
    """Make the tables of an embedded database; those of an external one must be there."""
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    if not executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return
    if external:
        raise UnavailableError("the database lacks tables of this release: run `balans db migrate`")
    call_command("migrate", verbosity=0, interactive=False)


async def _play(fleet: "Fleet", hours: int) -> "FleetResult":
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, fleet.stop)
    return await fleet.run(hours)


def wait_until_stored(spec: "TownSpec", ledger: "Ledger", tenant_id: int) -> tuple[int, int]:
    """Compare database and ledger until they agree, or storing stands still.

    Returns
    -------
    Readings of the ledger that are missing, and those that are stored with another register.
    """
    missing, wrong, since_s = -1, 0, time.monotonic()
    while missing and time.monotonic() - since_s < STORED_S:
        before = missing
        missing, wrong = compare(spec, ledger, tenant_id)
        if missing != before:
            since_s = time.monotonic()
        if missing:
            time.sleep(0.2)
    return missing, wrong


def compare(spec: "TownSpec", ledger: "Ledger", tenant_id: int) -> tuple[int, int]:
    """Return how many readings of `ledger` are missing in the database, and how many differ."""
    import numpy as np

    from balans.storage.readings import stored_readings
    from balans.storage.scope import tenant_scope

    if not ledger.hours:
        return 0, 0
    first, last = min(ledger.hours), max(ledger.hours)
    with tenant_scope(tenant_id, "simulate town"):
        stored = stored_readings(first, last + 1)
    width = last - first + 1
    found = np.full((len(spec.channels), width), -1, dtype=np.int64)
    row_of = {(m.serial, c.input): row for row, (m, c) in enumerate(spec.channels)}
    names = zip(stored["module"].tolist(), stored["input"].tolist(), strict=True)
    rows = np.array([row_of.get(name, -1) for name in names], dtype=np.int64)
    known = rows >= 0
    found[rows[known], stored["hour"][known] - first] = stored["register"][known]
    counted = np.array([ledger.hours[hour] for hour in range(first, last + 1)], dtype=np.int64).T
    absent = found < 0
    return int(absent.sum()), int((~absent & (found != counted)).sum())


def _writable(ledger: Path | None) -> Path | None:
    if ledger is not None and not ledger.absolute().parent.is_dir():
        raise InputError(f"--ledger {ledger}: there is no folder {ledger.absolute().parent}")
    if ledger is not None and ledger.is_dir():
        raise InputError(f"--ledger {ledger}: is a folder")
    return ledger


def _progress(hours: int, *, as_json: bool) -> Any:
    def tell(passed: int, unsettled: int) -> None:
        if not as_json and passed % max(1, hours // 10) == 0:
            _say(f"hour {passed} of {hours}; {unsettled} entries on their way")

    return tell


def _tell_report(report: dict[str, Any]) -> None:
    readings = report["readings"]
    print(
        f"{report['hubs']} hubs, {report['modules']} modules, {report['channels']} channels, "
        f"{report['hours']} hours in {report['wall_s']} s"
    )
    print(
        f"readings: {readings['expected']} counted, {readings['stored']} stored, "
        f"{readings['missing']} missing, {readings['wrong']} wrong"
    )
    print(
        f"batches: {report['batches']} sent; entries not acknowledged: "
        f"{report['unacknowledged']}, refused: {report['refused']}"
    )


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
