"""Registry files into the tables: as a whole or not at all, or what is good of them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final
from zoneinfo import ZoneInfo

from django.db import transaction

from balans.core.errors import InputError
from balans.storage import imports
from balans.storage.imports import ImportKind, ImportState, NewImport
from balans.storage.registry import Applied, PlanRefusedError, apply_plan, known_of
from balans.storage.registry_export import present_plan
from balans.storage.scope import system_scope, tenant_scope
from balans.usecases.check_registry import check_plan
from balans.usecases.export_registry import WrittenSheet, csv_text
from balans.usecases.import_registry import ReadRegistry, drop_faulty, read_registry
from balans.usecases.import_table import LineFinding, Table
from balans.usecases.registry_plan import RegistryPlan, TenantPlan
from balans.wiring.imports import Outcome, Wish, sheet_of, tables_in, unpacked

TRIES_MAX: Final = 50
"""So many rows that only the database refuses are taken out of a file one by one."""


@dataclass(frozen=True, slots=True)
class Utility:
    """Whose registry it is; `id` None for one that this file is to make."""

    plan: TenantPlan
    id: int | None = None
    timezone: ZoneInfo | None = None


def import_registry(data: bytes, file: str, utility: Utility, wish: Wish) -> Outcome:
    """Bring a registry file into the tables, in one transaction.

    The file is kept without passwords. A utility that is not there yet is made by its first file;
    if that is refused there is nothing to keep it with.

    Raises
    ------
    InputError
        If the file is no CSV file or workbook, or belongs to another utility.
    """
    tables = tables_in(unpacked(data, file), file, sheet_of(file), wish.progress)
    wish.progress("rows", sum(len(table.lines) for table in tables), 0)
    if utility.id is not None:
        with tenant_scope(utility.id, wish.author):
            return _take(tables, file, utility.id, utility.timezone, wish)
    with system_scope(wish.author), transaction.atomic():
        plan = read_registry(tables).tenant or utility.plan
        made = apply_plan(RegistryPlan(tenant=plan), wish.author)
        with tenant_scope(made.tenant_id, wish.author):
            outcome = _take(tables, file, made.tenant_id, utility.timezone, wish)
        if outcome.state != ImportState.APPLIED:
            transaction.set_rollback(True)
            outcome = replace(outcome, import_id=None)
    return outcome


def _take(
    tables: Sequence[Table], file: str, tenant_id: int, timezone: ZoneInfo | None, wish: Wish
) -> Outcome:
    there = present_plan(tenant_id)
    read = read_registry(tables, there, timezone)
    tenant = read.tenant or there.tenant
    if tenant.code != there.tenant.code:
        raise InputError(f"{file}: registry of {tenant.code}: expected that of {there.tenant.code}")
    rows = sum(len(table.lines) for table in tables)
    findings = _check(read, tenant, tenant_id, wish)
    applied = None
    if wish.partial or not _errors(findings):
        applied = _apply(read, tenant, findings, wish)
    state = ImportState.REFUSED
    if applied is not None:
        state = ImportState.CHECKED if wish.check_only else ImportState.APPLIED
    result = {
        "rows": rows,
        "created": applied.created if applied else 0,
        "updated": applied.updated if applied else 0,
        "unchanged": applied.unchanged if applied else 0,
        "skipped": rows - read.count if applied else rows,
        "errors": _errors(findings),
        "warnings": len(findings) - _errors(findings),
    }
    order = {table.name.strip().lower(): place for place, table in enumerate(tables)}
    findings.sort(key=lambda finding: (order.get(finding.sheet.lower(), 0), finding.line))
    options = {"partial": wish.partial, "timezone": timezone.key if timezone else None}
    content = csv_text(_without_passwords(tables)).encode()
    new = NewImport(tenant_id, ImportKind.REGISTRY, file, options, content, wish.author, wish.now)
    kept = imports.keep(new, state, result, findings)
    return Outcome(kept, state, result, findings)


def _check(read: ReadRegistry, tenant: TenantPlan, tenant_id: int, wish: Wish) -> list[LineFinding]:
    """Return what is wrong or odd; of a partial import only good items are left in `read`."""
    known = known_of(tenant_id)
    if not wish.as_host:
        known = replace(known, hubs_allowed=known.hubs)
    if wish.partial:
        return drop_faulty(read, tenant, known) + read.findings
    return read.findings + read.located(check_plan(read.plan(tenant), known))


def _errors(findings: Sequence[LineFinding]) -> int:
    return sum(finding.severity == "error" for finding in findings)


def _apply(
    read: ReadRegistry, tenant: TenantPlan, findings: list[LineFinding], wish: Wish
) -> Applied | None:
    """Apply what was read, or see whether it could be; None if the database refuses it."""
    for _ in range(TRIES_MAX):
        try:
            with _taken_back(wanted=wish.check_only):
                return apply_plan(read.plan(tenant), wish.author, _progress(wish), wish.now)
        except PlanRefusedError as error:
            findings += read.located(error.findings)
            if not (wish.partial and read.drop(error.findings)):
                return None
    return None


def _progress(wish: Wish) -> Callable[[str], None]:
    return lambda label: wish.progress(label, 0, 0)


@contextmanager
def _taken_back(*, wanted: bool) -> Iterator[None]:
    """Run a block whose changes are taken back at its end, if that is `wanted`."""
    with transaction.atomic():
        yield
        if wanted:
            transaction.set_rollback(True)


def _without_passwords(tables: Sequence[Table]) -> Iterator[WrittenSheet]:
    for table in tables:
        columns = [
            [""] * len(cells) if name.strip().lower() == "password" else cells
            for name, cells in table.columns.items()
        ]
        rows = [list(row) for row in zip(*columns, strict=True)]
        yield WrittenSheet(table.name, tuple(table.columns), rows)
