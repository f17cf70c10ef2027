"""The form of an import: which file, what it holds, and how it is laid out."""

from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, QueryDict
from django.utils.translation import gettext as _

from balans.core.errors import InputError
from balans.core.text import printable
from balans.storage.imports import ImportKind
from balans.usecases.full_hours import Rules
from balans.usecases.reading_layout import Layout, Quantity

UPLOAD_MAX: Final = 100_000_000
NAME_MAX: Final = 100
TEXT_MAX: Final = 500
COLUMNS: Final = ("point", "time", "value")
"""Columns whose names can be filled in; `value` is that of the quantity."""


@dataclass(frozen=True, slots=True)
class Filled:
    """A form as it was filled in."""

    kind: ImportKind = ImportKind.READINGS
    name: str = ""
    content: bytes = field(default=b"", repr=False)
    layout: Layout = field(default_factory=Layout)
    timezone: ZoneInfo | None = None
    partial: bool = False
    check_only: bool = False


def filled_in(request: HttpRequest) -> Filled:
    """Return the form that was sent.

    Raises
    ------
    InputError
        In the reader's language where the form itself is at fault.
    """
    post = request.POST
    kind = ImportKind.REGISTRY if post.get("kind") == ImportKind.REGISTRY else ImportKind.READINGS
    file = request.FILES.get("file")
    if not isinstance(file, UploadedFile):
        raise InputError(_("Choose a file."))
    if (file.size or 0) > UPLOAD_MAX:
        size = UPLOAD_MAX // 10**6
        raise InputError(_("Files above %(size)s MB go by the command line.") % {"size": size})
    zone = _zone(_text(post, "timezone"))
    return Filled(
        kind=kind,
        name=printable(PurePath(file.name or "file").name)[-NAME_MAX:],
        content=file.read(),
        layout=replace(_layout(post), timezone=zone),
        timezone=zone,
        partial=post.get("partial") == "on",
        check_only=post.get("check") == "on",
    )


def _text(post: QueryDict, name: str) -> str:
    return post.get(name, "").replace("\0", "").strip()[:TEXT_MAX]


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (LookupError, OSError, ValueError) as error:
        message = _("Time zone %(name)s is not known; one is Europe/Chisinau.")
        raise InputError(message % {"name": name}) from error


def _layout(post: QueryDict) -> Layout:
    quantity = _text(post, "quantity")
    known = Quantity(quantity) if quantity in set(Quantity) else Quantity.REGISTER
    names = {name: _text(post, f"column_{name}") for name in COLUMNS}
    columns = {
        known.value if name == "value" else name: theirs for name, theirs in names.items() if theirs
    }
    return Layout(
        columns=columns,
        wide=known if post.get("wide") == "on" else None,
        unit=_text(post, "unit"),
        time_format=_text(post, "time_format"),
        zero_is_missing=post.get("zero_is_missing") == "on",
        rules=Rules(Rules().tolerance_s, _gap_s(_text(post, "max_gap_h"))),
    )


def _gap_s(text: str) -> int:
    if not text:
        return Rules().max_gap_s
    try:
        return round(float(text.replace(",", ".")) * 3600)
    except (ValueError, OverflowError) as error:
        raise InputError(_("The longest gap is a number of hours.")) from error


def shown(post: QueryDict | None) -> dict[str, Any]:
    """Return what stands in the fields: what was sent, or how they begin."""
    names = ("kind", "quantity", "unit", "timezone", "time_format", "max_gap_h")
    values = {name: _text(post, name) for name in names} if post is not None else {}
    values |= {f"column_{n}": _text(post, f"column_{n}") for n in COLUMNS} if post else {}
    boxes = ("wide", "zero_is_missing", "partial", "check")
    ticked = {name: bool(post) and post.get(name) == "on" for name in boxes} if post else {}
    return {"kind": ImportKind.READINGS.value, "max_gap_h": "3", **values, **ticked}
