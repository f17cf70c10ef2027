"""``balans export``: what is stored, as files."""

import csv
import sys
from collections.abc import Iterable
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from balans.cli.common import (
    AsJson,
    DataDir,
    new_app,
    print_json,
    require_existing,
    settings_of,
)
from balans.core.errors import InputError

if TYPE_CHECKING:
    from balans.storage.readings import ExportRow
    from balans.storage.records import NodeInfo

app = new_app("Write what is stored to a file.")
HEADER = ("channel", "point", "time", "register", "quality")


@app.callback()
def group() -> None:
    """Write what is stored to a file."""


@app.command(epilog="Example: balans export readings --out january.csv --from 2026-01-01")
def readings(
    ctx: typer.Context,
    out: Annotated[
        Path, typer.Option(metavar="FILE.csv", help="New file; - writes to the screen.")
    ],
    start: Annotated[
        str | None, typer.Option("--from", metavar="T", help="First instant, ISO 8601.")
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="T", help="End, not included, ISO 8601.")
    ] = None,
    node: Annotated[
        str | None, typer.Option(metavar="CODE", help="Only this node and what lies below it.")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Write readings as CSV, sorted by channel and time; times are UTC."""
    from balans.wiring.embedded import open_parts
    from balans.wiring.server import setup_django

    first, last = _instant("--from", start), _instant("--to", end)
    settings = settings_of(ctx, data_dir)
    require_existing(settings)
    with open_parts(settings, broker=False) as parts:
        setup_django(settings, parts.database_url)
        from balans.storage.readings import export_rows
        from balans.storage.scope import system_scope

        with system_scope("export"):
            found = _node(node) if node else None
            start_at, end_at = (
                _in_zone(name, time, found) for name, time in (("--from", first), ("--to", last))
            )
            count = _write(out, export_rows(start_at, end_at, found))
    if as_json:
        print_json({"file": str(out), "readings": count})
    elif str(out) != "-":
        print(f"{out}: {count} readings")


def _write(out: Path, rows: Iterable["ExportRow"]) -> int:
    """Write `rows` to a new file that appears when it is whole; return how many."""
    to_screen = str(out) == "-"
    draft = out.with_name(f"{out.name}.new")
    count = 0
    try:
        with nullcontext(sys.stdout) if to_screen else draft.open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(HEADER)
            for row in rows:
                time = row.time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
                writer.writerow((row.channel, row.point, time, row.register, row.quality.value))
                count += 1
    except OSError as error:
        raise InputError(f"--out {out}: {error.strerror}") from error
    if not to_screen:
        draft.replace(out)
    return count


def _node(code: str) -> "NodeInfo":
    from balans.storage.lookups import nodes_by_code

    found = nodes_by_code(code)
    if len(found) != 1:
        what = "no node has this code" if not found else "several tenants have a node of this code"
        raise InputError(f"--node {code}: {what}")
    return found[0]


def _instant(option: str, text: str | None) -> datetime | None:
    try:
        return None if text is None else datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(
            f"{option} {text}: expected ISO 8601, such as 2026-01-31T18:00+02:00"
        ) from error


def _in_zone(option: str, time: datetime | None, node: "NodeInfo | None") -> datetime | None:
    """Return `time`; without an offset it is local to the node, or to all of them."""
    if time is None or time.tzinfo:
        return time
    return time.replace(tzinfo=_only_zone(option, time.isoformat(), node))


def _only_zone(option: str, text: str, node: "NodeInfo | None") -> ZoneInfo:
    from balans.storage.lookups import timezones

    zones = [node.timezone] if node else [ZoneInfo(name) for name in timezones()]
    if len(zones) != 1:
        raise InputError(f"{option} {text}: add the offset, for the sites lie in several zones")
    return zones[0]
