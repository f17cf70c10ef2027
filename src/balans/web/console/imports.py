"""Imports: bring a file, see what was noticed about it line by line, and take what is good."""

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from balans.adapters.sheets import write_workbook
from balans.core.errors import InputError
from balans.storage import imports
from balans.storage.imports import ImportInfo, ImportKind, ImportState
from balans.usecases.export_registry import csv_text
from balans.usecases.import_table import LineFinding
from balans.usecases.reading_layout import UNITS
from balans.web.console import import_form, import_words, import_work
from balans.web.shown.numbers import decimal
from balans.web.shown.people import person
from balans.web.shown.places import Crumb
from balans.web.shown.registry_reach import sheets_for

PAGE: Final = 100
TEXT_TYPE: Final = "text/csv; charset=utf-8"
BOOK_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@require_http_methods(["GET", "HEAD", "POST"])
def imports_page(request: HttpRequest) -> HttpResponse:
    """Show the form and the newest imports; take a file that is sent."""
    user = person(request)
    may = import_work.may_import(user)
    if not any(may.values()):
        raise PermissionDenied("nothing may be imported")
    fault = ""
    if request.method == "POST":
        try:
            outcome = import_work.take(user, import_form.filled_in(request))
        except InputError as error:
            fault = str(error)
        else:
            return redirect("import", outcome.import_id)
    context = {
        "may": {kind.value: allowed for kind, allowed in may.items()},
        "fields": import_form.shown(request.POST if fault else None),
        "fault": fault,
        "units": list(UNITS),
        "quantities": import_words.QUANTITIES.items(),
        "rows": [_row(one) for one in import_work.listed(user)],
        "steps": {name: str(word) for name, word in import_words.STEPS.items()},
    }
    return render(request, "console/imports.html", context, status=422 if fault else 200)


@require_http_methods(["GET", "HEAD", "POST"])
def import_page(request: HttpRequest, number: int) -> HttpResponse:
    """Show what became of a file, and the findings by line; take it, if it was not yet."""
    user = person(request)
    kept = import_work.seen(user, number)
    if request.method == "POST":
        try:
            outcome = import_work.again(user, kept)
        except InputError as error:
            messages.error(request, str(error))
            return redirect("import", number)
        return redirect("import", outcome.import_id)
    code, severity = (request.GET.get(name, "")[:24] for name in ("code", "severity"))
    start = _start(request)
    found, count = imports.findings_of(number, start, PAGE, code, severity)
    context = {
        "kept": _row(kept),
        "crumbs": [Crumb(_("Import"), reverse("imports")), Crumb(kept.name)],
        "figures": [
            {"title": word, "value": decimal(kept.result[name], 0)}
            for name, word in import_words.RESULTS.items()
            if kept.result.get(name) or name in import_words.ALWAYS
            if name in kept.result
        ],
        "kinds": [_kind(*key, n, code) for key, n in imports.codes_of(number).items()],
        "everything": not code and not severity,
        "findings": [_finding(one) for one in found],
        "sheets": any(one.sheet for one in found),
        "range": _range(start, len(found), count),
        "older": _page(code, severity, start - PAGE) if start else "",
        "newer": _page(code, severity, start + PAGE) if start + PAGE < count else "",
        "may_take": _may_take(kept),
    }
    return render(request, "console/import.html", context)


@require_safe
def import_file(request: HttpRequest, number: int) -> HttpResponse:
    """Give a file as it came."""
    kept = import_work.seen(person(request), number)
    response = HttpResponse(imports.content(number), content_type="application/octet-stream")
    response["Content-Disposition"] = f'attachment; filename="import-{kept.id}"'
    return response


@require_safe
def registry_file(request: HttpRequest, form: str) -> HttpResponse:
    """Give the registry of the whole utility as a workbook or CSV, to be filled in and imported."""
    sheets = sheets_for(person(request))
    if form == "xlsx":
        content: bytes | str = write_workbook([(s.name, s.header, s.rows) for s in sheets])
    else:
        content = csv_text(sheets)
    response = HttpResponse(content, content_type=BOOK_TYPE if form == "xlsx" else TEXT_TYPE)
    response["Content-Disposition"] = f'attachment; filename="registry.{form}"'
    return response


def _row(one: ImportInfo) -> dict[str, Any]:
    word, tone = import_words.STATES[one.state]
    return {
        "url": reverse("import", args=[one.id]),
        "file": reverse("import-file", args=[one.id]),
        "name": one.name,
        "kind": import_words.KINDS[one.kind],
        "state": word,
        "tone": tone,
        "author": one.author,
        "received": date_format(one.received, "DATETIME_FORMAT") + " UTC",
        "errors": one.result.get("errors", 0),
        "counts": ", ".join(_counts(one.result)),
    }


def _counts(result: dict[str, int]) -> Iterator[str]:
    rows, errors, warnings = (result.get(name, 0) for name in ("rows", "errors", "warnings"))
    yield ngettext("%(count)s row", "%(count)s rows", rows) % {"count": decimal(rows, 0)}
    if errors:
        words = ngettext("%(count)s error", "%(count)s errors", errors)
        yield words % {"count": decimal(errors, 0)}
    if warnings:
        words = ngettext("%(count)s warning", "%(count)s warnings", warnings)
        yield words % {"count": decimal(warnings, 0)}


def _kind(severity: str, code: str, n: int, chosen: str) -> dict[str, Any]:
    return {
        "word": import_words.CODES.get(code, code),
        "count": decimal(n, 0),
        "tone": "bad" if severity == "error" else "warn",
        "severity": import_words.SEVERITIES[severity],
        "url": f"?{urlencode({'code': code, 'severity': severity})}",
        "chosen": code == chosen,
    }


def _finding(one: LineFinding) -> dict[str, Any]:
    return {
        "line": decimal(one.line, 0) if one.line else "–",
        "sheet": one.sheet,
        "item": one.item,
        "what": one.what,
        "tone": "bad" if one.severity == "error" else "warn",
        "severity": import_words.SEVERITIES[one.severity],
    }


def _start(request: HttpRequest) -> int:
    text = request.GET.get("from", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0


def _range(start: int, shown: int, count: int) -> str:
    if not count:
        return ""
    values = {"first": decimal(start + 1, 0), "last": decimal(start + shown, 0)}
    return _("%(first)s to %(last)s of %(count)s") % {**values, "count": decimal(count, 0)}


def _page(code: str, severity: str, start: int) -> str:
    return f"?{urlencode({'code': code, 'severity': severity, 'from': max(start, 0)})}"


def _may_take(kept: ImportInfo) -> bool:
    """Return whether the kept file can still be taken; a registry is kept without passwords."""
    return kept.state != ImportState.APPLIED and (
        kept.kind == ImportKind.READINGS or b"[accounts]" not in (imports.content(kept.id) or b"")
    )
