"""``balans bench ingest``: from what hubs send to committed day rows, on a database of its own."""

import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from balans.cli.common import AsJson, print_json, settings_of

if TYPE_CHECKING:
    from balans.config import Settings

EXAMPLE = "Example: balans bench ingest --channels 200000 --hours 24 --json"


def ingest(
    ctx: typer.Context,
    *,
    channels: Annotated[
        int, typer.Option(min=1, max=5_000_000, help="Metering channels.")
    ] = 20_000,
    hours: Annotated[int, typer.Option(min=1, max=8784, help="Hours that they report.")] = 24,
    every: Annotated[
        int, typer.Option(min=1, max=24, help="Hours a hub sends at a time; 1: live.")
    ] = 24,
    seed: Annotated[int, typer.Option(min=0, max=2**31, help="Of the registers.")] = 1,
    seal: Annotated[bool, typer.Option("--seal", help="Seal the months afterwards, too.")] = False,
    reads: Annotated[bool, typer.Option("--reads", help="Time reading afterwards, too.")] = False,
    data_dir: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="New folder for the database; default: one that goes."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure how fast readings become day rows, beside a raw COPY of the same readings.

    Hubs send hourly registers of many hours, as after an outage, in batches of the usual size; 1 %
    of the readings come again and 1 % come 1 to 6 hours late. Timed are decoding, the inbox with
    its commits, the flush, and what makes day rows after the day. All is read back and compared.
    """
    wanted = _Wanted(channels, hours, every, seed, seal, reads)
    if data_dir is not None:
        report = _measure(settings_of(ctx, data_dir), wanted)
    else:
        with tempfile.TemporaryDirectory(prefix="balans-ingest-") as folder:
            Path(folder).chmod(0o755)  # the database may run as another user
            settings = settings_of(ctx, Path(folder) / "data")
            report = _measure(settings, wanted)
    if as_json:
        print_json(report)
    else:
        _print(report)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What to measure."""

    channels: int
    hours: int
    every: int
    seed: int
    seal: bool
    reads: bool


def _measure(settings: "Settings", wanted: _Wanted) -> dict[str, Any]:
    from balans.wiring.embedded import open_parts
    from balans.wiring.server import setup_django

    own = settings.model_copy(update={"database_url": None})
    with open_parts(own, broker=False, create_user=True, progress=_say) as parts:
        setup_django(own, parts.database_url)
        from django.core.management import call_command

        call_command("migrate", verbosity=0, interactive=False)
        from balans.cli.bench_ingest_run import LATEST_H, START, IngestRun
        from balans.cli.bench_reads import time_reads
        from balans.cli.bench_town import BenchTown

        began_s = time.monotonic()
        town = BenchTown(wanted.channels, wanted.hours, START, LATEST_H, wanted.seed)
        run = IngestRun(town, wanted.every, parts.database_url)
        run.register()
        _say(f"{wanted.channels} channels registered in {time.monotonic() - began_s:.1f} s")
        report = run.measure()
        if wanted.reads:
            report["reads_ms"] = time_reads(run)
        if wanted.seal:
            report["sealed"] = run.seal()
            if wanted.reads:
                report["sealed"]["reads_ms"] = time_reads(run)
    return report


def _print(report: dict[str, Any]) -> None:
    print(
        f"{report['readings']} readings of {report['channels']} channels in {report['seconds']} s: "
        f"{report['readings_per_s']} readings/s"
    )
    print(
        f"raw COPY {report['copy_limit_readings_per_s']} readings/s; ratio {report['ratio']}; "
        f"{report['bytes_per_reading']} bytes a reading"
    )
    for name, value in report["parts_s"].items():
        print(f"  {name.replace('_', ' '):24}{value:8.2f} s")


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)
