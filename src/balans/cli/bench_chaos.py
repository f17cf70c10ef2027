"""``balans bench chaos``: strike everything at random and count what is lost."""

import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from balans.cli.common import AsJson, print_json, settings_of
from balans.core.errors import InputError

EXAMPLE = "Example: balans bench chaos --sim-hours 72 --broker mosquitto --json"
BROKERS = ("embedded", "mosquitto")


def chaos(
    ctx: typer.Context,
    *,
    sim_hours: Annotated[int, typer.Option(min=8, max=168, help="Simulated hours.")] = 72,
    seed: Annotated[int, typer.Option(min=0, max=2**31, help="Of the strikes.")] = 1,
    broker: Annotated[
        str, typer.Option(metavar="|".join(BROKERS), help="Which broker is used and killed.")
    ] = BROKERS[0],
    data_dir: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="New folder that stays; default: one that goes."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Kill processes, step clocks, fill disks and double hubs; then compare with the ledger.

    The town of the demo runs over the real wire. Stored readings must equal what the modules
    counted, no ack may run ahead of the database, yellow and red must hold. Fails otherwise.
    """
    if broker not in BROKERS:
        raise InputError(f"--broker {broker}: expected {' or '.join(BROKERS)}")
    from balans.cli.chaos_run import ChaosOptions, ChaosRun, faults_of

    began_s = time.monotonic()

    def say(message: str) -> None:
        print(f"{time.monotonic() - began_s:6.1f} s  {message}", file=sys.stderr, flush=True)

    options = ChaosOptions(sim_hours, seed, broker)
    if data_dir is not None:
        report = ChaosRun(settings_of(ctx, data_dir), options, say).run()
    else:
        with tempfile.TemporaryDirectory(prefix="balans-chaos-") as folder:
            Path(folder).chmod(0o755)  # the database may run as another user
            report = ChaosRun(settings_of(ctx, Path(folder) / "data"), options, say).run()
    faults = faults_of(report)
    if as_json:
        print_json(report)
    else:
        _print(report)
    for fault in faults:
        print(f"balans bench chaos: {fault}", file=sys.stderr)
    if faults:
        raise typer.Exit(1)


def _print(report: dict[str, Any]) -> None:
    readings, acks = report["readings"], report["acks"]
    print(f"{report['sim_hours']} hours in {report['wall_s']} s, seed {report['seed']}")
    print("struck    " + ", ".join(f"{kind} {n}" for kind, n in report["strikes"].items()))
    print(
        f"readings  {readings['expected']} counted, {readings['stored']} stored, "
        f"{readings['missing']} missing, {readings['duplicates']} twice or wrong"
    )
    print(f"acks      {acks['checked']} checked, {acks['ahead']} ahead of the database")
    print(
        f"control   yellow {report['yellow']['interruptions']} times, "
        f"{report['yellow']['longest_off_s']:.0f} s at the longest; "
        f"red {report['red']['interruptions']} times"
    )
    for what, n in report["findings"].items():
        print(f"finding   {what}: {n}")
