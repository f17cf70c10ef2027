"""Imports of registries and readings from files, and what was noticed by line."""

from datetime import datetime
from pathlib import PurePath
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from django.http import HttpResponse
from ninja import Field, File, Form, Query, Schema
from ninja.files import UploadedFile

from balans.core.errors import InputError
from balans.core.text import printable
from balans.storage import access, imports
from balans.storage.access import NotVisibleError, Right
from balans.storage.api_keys import Scope
from balans.storage.import_sources import Reach
from balans.storage.imports import ImportInfo, ImportKind, ImportState
from balans.storage.registry_export import present_plan
from balans.usecases.export_registry import csv_text
from balans.usecases.full_hours import Rules
from balans.usecases.import_table import LineFinding
from balans.usecases.reading_layout import Layout, Quantity
from balans.usecases.registry_plan import TenantPlan
from balans.web.api.askers import ApiRequest
from balans.web.api.operations import Operations
from balans.web.api.paging import Page, PageAsked, decode, encode, page_of
from balans.web.api.problems import FieldsError, TooBigError
from balans.web.api.values import TEXT, Number
from balans.web.clock import site_clock
from balans.web.shown.registry_reach import demand_sheets, sheets_for
from balans.wiring.import_readings import import_readings
from balans.wiring.import_registry import Utility, import_registry
from balans.wiring.imports import Outcome, Wish, sheet_of, silent, tables_in, unpacked

operations = Operations("Imports")
UPLOAD_MAX: Final = 100_000_000
TOLD: Final = 500

Line = Annotated[str, Field(max_length=200, pattern=TEXT)]


class FileAsked(Schema):
    """How a file shall be taken.

    With `check` it is only looked at; with `partial` what is good is taken and the rest is left.
    """

    timezone: Line = ""
    partial: bool = False
    check: bool = False


class ReadingsAsked(FileAsked):
    """How a file of readings is laid out.

    `columns` names columns that are called otherwise, as `ours=theirs` separated by commas; with
    `wide` each column is a point that holds this quantity. `unit` is that of dials and of what was
    used, `time_format` as strptime has it.
    """

    columns: Annotated[str, Field(max_length=2000, pattern=TEXT)] = ""
    wide: Quantity | None = None
    unit: Line = ""
    time_format: Line = ""
    zero_is_missing: bool = False
    max_gap_h: Annotated[float, Field(gt=0, le=10_000)] = 3
    tolerance_s: Annotated[int, Field(ge=0, le=1799)] = 60


class FindingOut(Schema):
    """Something noticed about a line; line 0 stands for the file as a whole."""

    line: int
    sheet: str
    code: str
    item: str
    what: str
    severity: str


class OutcomeOut(Schema):
    """What became of a file, by counts, and the first 500 findings."""

    id: int | None
    state: ImportState
    result: dict[str, Any]
    findings: list[FindingOut]


class ImportOut(Schema):
    """An imported file; `result` counts what was done."""

    id: int
    kind: ImportKind
    name: str
    size: int
    author: str
    received: datetime
    state: ImportState
    result: dict[str, Any]


class FindingsAsked(PageAsked):
    """Which findings."""

    code: Line = ""
    severity: Line = ""


@operations.post("/imports/registry", Scope.WRITE_REGISTRY, OutcomeOut)
def import_registry_file(
    request: ApiRequest, file: File[UploadedFile], form: Form[FileAsked]
) -> OutcomeOut:
    """Make the registry of the utility hold what a file says; what it does not name stays.

    All of the file or nothing is taken. This needs the right to change the registry of the whole
    utility, for a sheet of accounts the right to give access there, and for a sheet of limits the
    right to set them there; no key has either.
    """
    person = request.auth.person
    access.demand_everywhere(person, Right.REGISTRY)  # before a file of any size is read
    name, content = _content(file)
    demand_sheets(person, tables_in(unpacked(content, name), name, sheet_of(name), silent))
    tenant = present_plan(person.tenant_id).tenant
    utility = Utility(TenantPlan(code=tenant.code, name=tenant.name), person.tenant_id, _zone(form))
    return _outcome(import_registry(content, name, utility, _wish(request, form)))


@operations.post("/imports/readings", Scope.WRITE_READINGS, OutcomeOut)
def import_readings_file(
    request: ApiRequest, file: File[UploadedFile], form: Form[ReadingsAsked]
) -> OutcomeOut:
    """Store the readings of a file: an export, a table of another program, a collection file.

    Only points where the caller may judge readings may be named. They are in the profiles some
    seconds later.
    """
    person = request.auth.person
    paths = tuple(access.granted_paths(person, Right.JUDGE))
    if not paths:
        raise access.ForbiddenError("the right to judge readings is missing")
    name, content = _content(file)
    layout = _layout(form)
    reach = Reach(person.tenant_id, paths)
    return _outcome(import_readings(content, name, layout, reach, _wish(request, form)))


@operations.get("/imports", Scope.WRITE_REGISTRY, Page[ImportOut])
def list_imports(request: ApiRequest, asked: Query[PageAsked]) -> dict[str, Any]:
    """List the files that were imported, the newest first. This needs the registry of all."""
    access.demand_everywhere(request.auth.person, Right.REGISTRY)
    after = decode(asked.cursor, int)
    found = imports.latest(asked.limit + 1, after[0] if after else None)
    return page_of(found, asked.limit, _info, lambda one: [one.id])


@operations.get("/imports/{number}/findings", Scope.WRITE_REGISTRY, Page[FindingOut])
def list_import_findings(
    request: ApiRequest, number: Number, asked: Query[FindingsAsked]
) -> dict[str, Any]:
    """List what was noticed about an imported file, by line."""
    access.demand_everywhere(request.auth.person, Right.REGISTRY)
    if imports.find(number) is None:
        raise NotVisibleError(f"import {number}: not found")
    after = decode(asked.cursor, int)
    start = max(after[0], 0) if after else 0
    found, count = imports.findings_of(number, start, asked.limit, asked.code, asked.severity)
    end = start + len(found)
    return {
        "items": [_finding(one) for one in found],
        "next": encode([end]) if found and end < count else None,
    }


@operations.get("/registry.csv", Scope.WRITE_REGISTRY, str, media_type="text/csv")
def export_registry(request: ApiRequest) -> HttpResponse:
    """Give the registry of the whole utility as a file that can be imported again.

    Sheets that the caller could not import, such as accounts, are left out.
    """
    text = csv_text(sheets_for(request.auth.person))
    response = HttpResponse(text, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="registry.csv"'
    return response


def _content(file: UploadedFile) -> tuple[str, bytes]:
    if (file.size or 0) > UPLOAD_MAX:
        raise TooBigError(f"file: more than {UPLOAD_MAX // 10**6} MB")
    return printable(PurePath(file.name or "file").name)[-100:], file.read()


def _wish(request: ApiRequest, asked: FileAsked) -> Wish:
    return Wish(
        author=request.auth.person.get_username(),
        now=site_clock().now(),
        partial=asked.partial,
        check_only=asked.check,
    )


def _zone(asked: FileAsked) -> ZoneInfo | None:
    try:
        return ZoneInfo(asked.timezone) if asked.timezone else None
    except (LookupError, OSError, ValueError) as error:
        raise FieldsError([("timezone", "expected one such as Europe/Chisinau")]) from error


def _layout(asked: ReadingsAsked) -> Layout:
    pairs = [pair.partition("=") for pair in asked.columns.split(",") if pair.strip()]
    if not all(ours.strip() and theirs.strip() for ours, _, theirs in pairs):
        raise FieldsError([("columns", "expected ours=theirs, separated by commas")])
    try:
        return Layout(
            columns={ours.strip(): theirs.strip() for ours, _, theirs in pairs},
            wide=asked.wide,
            unit=asked.unit,
            time_format=asked.time_format,
            timezone=_zone(asked),
            zero_is_missing=asked.zero_is_missing,
            rules=Rules(asked.tolerance_s, round(asked.max_gap_h * 3600)),
        )
    except InputError as error:
        raise FieldsError([("columns", str(error))]) from error


def _outcome(done: Outcome) -> OutcomeOut:
    return OutcomeOut(
        id=done.import_id,
        state=done.state,
        result=done.result,
        findings=[_finding(one) for one in done.findings[:TOLD]],
    )


def _info(one: ImportInfo) -> ImportOut:
    return ImportOut(
        id=one.id,
        kind=one.kind,
        name=one.name,
        size=one.size,
        author=one.author,
        received=one.received,
        state=one.state,
        result=one.result,
    )


def _finding(one: LineFinding) -> FindingOut:
    return FindingOut(
        line=one.line,
        sheet=one.sheet,
        code=one.code,
        item=one.item,
        what=one.what,
        severity=one.severity,
    )
