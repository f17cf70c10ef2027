"""``balans import``: registries and readings from files, as a whole or not at all."""

import csv
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from balans.cli.common import AsJson, DataDir, new_app, print_json, require_existing, settings_of
from balans.cli.import_progress import Lines
from balans.core.errors import InputError

if TYPE_CHECKING:
    from balans.usecases.import_table import LineFinding
    from balans.usecases.reading_layout import Layout
    from balans.wiring.imports import Outcome, Wish

app = new_app("Bring registries and readings from files into the database.")

LISTED = 100
PROGRESS = Lines(sys.stderr)
File = Annotated[
    Path, typer.Argument(metavar="FILE", help="CSV or workbook (.xlsx), gzipped or not.")
]
Tenant = Annotated[
    str | None, typer.Option(metavar="CODE", help="Which utility, where there are several.")
]
Timezone = Annotated[
    str | None,
    typer.Option(metavar="ZONE", help="Zone of times without an offset, such as Europe/Madrid."),
]
Partial = Annotated[bool, typer.Option("--partial", help="Take what is good, leave the rest.")]
Check = Annotated[bool, typer.Option("--check", help="Only tell what would be done.")]
Findings = Annotated[
    Path | None, typer.Option(metavar="FILE.csv", help="New file for all findings, by line.")
]


@app.callback()
def group() -> None:
    """Bring registries and readings from files into the database."""


@app.command(epilog="Example: balans import registry town.xlsx --tenant orhei --check")
def registry(
    ctx: typer.Context,
    file: File,
    tenant: Tenant = None,
    tenant_name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of a utility that is to be made.")
    ] = None,
    timezone: Timezone = None,
    partial: Partial = False,
    check: Check = False,
    findings: Findings = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Make the registry hold what FILE says; what it does not name stays.

    `balans export registry` writes a file that shows all sheets and columns.
    """
    data = _content(file)
    with _database(ctx, data_dir) as now:
        from balans.usecases.registry_plan import TenantPlan
        from balans.wiring.import_registry import Utility, import_registry

        tenant_id, code = _tenant(tenant, may_be_new=True)
        plan = TenantPlan(code=code, name=tenant_name or code)
        utility = Utility(plan, tenant_id, _zone(timezone))
        wish = _wish(now, partial=partial, check=check)
        _tell(file, import_registry(data, file.name, utility, wish), findings, as_json=as_json)


@app.command(
    epilog="Example: balans import readings water.csv.gz --column point=user.key"
    " --column time=datetime --column dial=meter.reading --unit l"
    " --time-format '%d/%m/%Y %H:%M:%S' --timezone Europe/Madrid"
)
def readings(
    ctx: typer.Context,
    file: File,
    tenant: Tenant = None,
    column: Annotated[
        list[str] | None,
        typer.Option(metavar="OURS=THEIRS", help="What the file calls one of our columns."),
    ] = None,
    wide: Annotated[
        str | None,
        typer.Option(metavar="QUANTITY", help="Each column is a point: register, dial or used."),
    ] = None,
    unit: Annotated[str, typer.Option(help="Unit of dials and of what was used.")] = "",
    time_format: Annotated[
        str, typer.Option(metavar="FORMAT", help="Form of times, as strptime has it.")
    ] = "",
    timezone: Timezone = None,
    zero_is_missing: Annotated[
        bool, typer.Option("--zero-is-missing", help="A zero of what was used is unknown.")
    ] = False,
    max_gap_h: Annotated[
        float, typer.Option(help="So far apart readings may be to tell an hour between them.")
    ] = 3,
    tolerance_s: Annotated[
        int, typer.Option(help="So near to a full hour a reading is that of the hour.")
    ] = 60,
    partial: Partial = False,
    check: Check = False,
    findings: Findings = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Store the readings of FILE: an export, a table of another program, a collection file."""
    from balans.usecases.full_hours import Rules
    from balans.usecases.reading_layout import Layout, Quantity

    quantity = None
    if wide is not None:
        if wide not in set(Quantity):
            raise InputError(f"--wide {wide}: expected one of {', '.join(Quantity)}")
        quantity = Quantity(wide)
    layout = Layout(
        columns=dict(_pair(text) for text in column or ()),
        wide=quantity,
        unit=unit,
        time_format=time_format,
        timezone=_zone(timezone),
        zero_is_missing=zero_is_missing,
        rules=Rules(tolerance_s, _gap_s(max_gap_h)),
    )
    data = _content(file)
    with _database(ctx, data_dir) as now:
        outcome = _import_readings(
            data, file.name, layout, tenant, _wish(now, partial=partial, check=check)
        )
        _tell(file, outcome, findings, as_json=as_json)


def _import_readings(
    data: bytes, name: str, layout: "Layout", tenant: str | None, wish: "Wish"
) -> "Outcome":
    from balans.storage.import_sources import Reach
    from balans.wiring.import_readings import import_readings

    tenant_id, code = _tenant(tenant, may_be_new=False)
    if tenant_id is None:
        raise InputError(f"--tenant {code}: there is no such utility")
    outcome = import_readings(data, name, layout, Reach(tenant_id), wish)
    if outcome.result["new"]:
        from balans.storage.flush import flush_inbox

        wish.progress("day rows", 0, outcome.result["new"])
        while flush_inbox(wish.now).batches:
            pass
    return outcome


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from error


@contextmanager
def _database(ctx: typer.Context, data_dir: Path | None) -> Iterator[datetime]:
    """Ready the tables of an existing database, and give the time by its sites' clock."""
    from balans.wiring.clock import clock_of
    from balans.wiring.embedded import open_parts
    from balans.wiring.server import require_tables, setup_django

    settings = settings_of(ctx, data_dir)
    require_existing(settings)
    with open_parts(settings, broker=False) as parts:
        setup_django(settings, parts.database_url)
        require_tables()
        try:
            yield clock_of(settings.clock_file).now()
        finally:
            PROGRESS.end()


def _tenant(code: str | None, *, may_be_new: bool) -> tuple[int | None, str]:
    """Return id and code of the utility that is meant; no id for one that is to be made."""
    from balans.storage.lookups import tenant_ids
    from balans.storage.scope import system_scope

    with system_scope("import"):
        known = tenant_ids()
    if code is None and len(known) == 1:
        code = next(iter(known))
    if not known and not may_be_new:
        raise InputError("nothing is registered yet: import the registry first")
    if code is None:
        which = f"one of {', '.join(sorted(known))}" if known else "a code for the new utility"
        raise InputError(f"--tenant: name {which}")
    if code not in known and not may_be_new:
        raise InputError(f"--tenant {code}: there is no such utility")
    return known.get(code), code


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return None if name is None else ZoneInfo(name)
    except (LookupError, OSError, ValueError) as error:
        raise InputError(f"--timezone {name}: not known; one such as Europe/Chisinau") from error


def _pair(text: str) -> tuple[str, str]:
    ours, equal, theirs = text.partition("=")
    if not (ours and equal and theirs):
        raise InputError(f"--column {text}: expected OURS=THEIRS, such as point=user.key")
    return ours, theirs


def _gap_s(hours: float) -> int:
    if not math.isfinite(hours):
        raise InputError(f"--max-gap-h {hours}: expected a number such as 3")
    return round(hours * 3600)


def _wish(now: datetime, *, partial: bool, check: bool) -> "Wish":
    from balans.wiring.imports import Wish

    return Wish("command line", now, partial, check, PROGRESS, as_host=True)


def _tell(file: Path, outcome: "Outcome", into: Path | None, *, as_json: bool) -> None:
    """Print what was done and noticed; leave with 2 if the file was refused."""
    PROGRESS.end()
    if into is not None:
        _write(into, outcome.findings)
    if as_json:
        print_json(_as_json(outcome))
    else:
        listed = sorted(outcome.findings, key=lambda one: one.severity)  # errors come first
        for finding in listed[:LISTED]:
            print(f"{finding.severity}: {file.name}: {finding}", file=sys.stderr)
        if len(outcome.findings) > LISTED:
            more = len(outcome.findings) - LISTED
            print(f"and {more} more; --findings FILE.csv lists all", file=sys.stderr)
        counts = ", ".join(f"{name} {n}" for name, n in outcome.result.items())
        print(f"{file}: {outcome.state}: {counts}")
    if outcome.state == "refused":
        raise typer.Exit(2)


def _as_json(outcome: "Outcome") -> dict[str, object]:
    return {
        "import": outcome.import_id,
        "state": outcome.state.value,
        **outcome.result,
        "findings": [
            {
                "sheet": one.sheet,
                "line": one.line,
                "severity": one.severity,
                "code": one.code,
                "item": one.item,
                "what": one.what,
            }
            for one in outcome.findings
        ],
    }


def _write(into: Path, findings: "list[LineFinding]") -> None:
    try:
        with into.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("sheet", "line", "severity", "code", "item", "what"))
            writer.writerows(
                (f.sheet, f.line, f.severity, f.code, f.item, f.what) for f in findings
            )
    except OSError as error:
        raise InputError(f"--findings {into}: {error.strerror}") from error
