"""``balans export``: what is stored, as files."""

import csv
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final
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
    from balans.usecases.export_registry import WrittenSheet

app = new_app("Write what is stored to a file.")
SHEET_ROWS: Final = 1_048_575
"""A sheet of a workbook has one row more, for the names of columns."""
HEADER = ("channel", "point", "time", "register", "quality")


@app.callback()
def group() -> None:
    """Write what is stored to a file."""


@app.command(epilog="Example: balans export readings --out january.csv --from 2026-01-01")
def readings(
    ctx: typer.Context,
    out: Annotated[
        Path, typer.Option(metavar="FILE.csv", help="New file, .csv or .xlsx; - writes CSV.")
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
    """Write readings, sorted by channel and time; times are UTC."""
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


@app.command(epilog="Example: balans export registry --out registry.xlsx")
def registry(
    ctx: typer.Context,
    out: Annotated[
        Path,
        typer.Option(metavar="FILE", help="New file, .xlsx or .csv; - writes CSV to the screen."),
    ],
    tenant: Annotated[
        str | None, typer.Option(metavar="CODE", help="Which utility, where there are several.")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Write everything that is registered, as `balans import registry` reads it back.

    Passwords are not written. An empty registry gives the sheets and columns to fill in.
    """
    from balans.wiring.embedded import open_parts
    from balans.wiring.server import setup_django

    settings = settings_of(ctx, data_dir)
    require_existing(settings)
    with open_parts(settings, broker=False) as parts:
        setup_django(settings, parts.database_url)
        sheets = _registry(tenant)
    _write_registry(out, sheets)
    count = sum(len(sheet.rows) for sheet in sheets)
    if as_json:
        print_json({"file": str(out), "rows": {sheet.name: len(sheet.rows) for sheet in sheets}})
    elif str(out) != "-":
        print(f"{out}: {count} rows")


def _registry(tenant: str | None) -> "list[WrittenSheet]":
    from balans.storage.lookups import tenant_ids
    from balans.storage.registry_export import present_plan
    from balans.storage.scope import system_scope, tenant_scope
    from balans.usecases.export_registry import registry_sheets
    from balans.usecases.registry_plan import RegistryPlan, TenantPlan

    with system_scope("export"):
        known = tenant_ids()
    if not known and tenant is None:
        return registry_sheets(RegistryPlan(tenant=TenantPlan(code="", name="")))
    code = tenant or (next(iter(known)) if len(known) == 1 else "")
    if code not in known:
        raise InputError(f"--tenant {code}: expected one of {', '.join(sorted(known))}")
    with tenant_scope(known[code], "export"):
        return registry_sheets(present_plan(known[code]))


def _write_registry(out: Path, sheets: "list[WrittenSheet]") -> None:
    from balans.usecases.export_registry import csv_text

    if out.suffix.lower() == ".xlsx":
        from balans.adapters.sheets import write_workbook

        with _new_file(out, binary=True) as file:
            file.write(write_workbook([(s.name, s.header, s.rows) for s in sheets]))
    elif str(out) == "-":
        sys.stdout.write(csv_text(sheets))
    else:
        with _new_file(out) as file:
            file.write(csv_text(sheets))


def _write(out: Path, rows: Iterable["ExportRow"]) -> int:
    """Write `rows` to a new file that appears when it is whole; return how many."""
    if out.suffix.lower() == ".xlsx":
        return _write_workbook(out, rows)
    to_screen = str(out) == "-"
    count = 0
    with nullcontext(sys.stdout) if to_screen else _new_file(out) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        for row in rows:
            writer.writerow(_cells(row))
            count += 1
    return count


def _cells(row: "ExportRow") -> tuple[str, str, str, int, str]:
    time = row.time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return row.channel, row.point, time, row.register, row.quality.value


def _write_workbook(out: Path, rows: Iterable["ExportRow"]) -> int:
    from balans.adapters.sheets import write_workbook

    cells = [_cells(row) for row in islice(rows, SHEET_ROWS + 1)]
    if len(cells) > SHEET_ROWS:
        raise InputError(f"--out {out}: more than {SHEET_ROWS} readings: write CSV, or fewer days")
    with _new_file(out, binary=True) as file:
        file.write(write_workbook([("readings", HEADER, cells)]))
    return len(cells)


@contextmanager
def _new_file(out: Path, *, binary: bool = False) -> Iterator[Any]:
    """Give a file that appears under its name when it is whole."""
    draft = out.with_name(f"{out.name}.new")
    try:
        with draft.open("wb") if binary else draft.open("w", newline="", encoding="utf-8") as file:
            yield file
        draft.replace(out)
    except OSError as error:
        raise InputError(f"--out {out}: {error.strerror}") from error


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
