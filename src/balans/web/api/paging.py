"""Lists in pages: `next` of one page is the cursor of the one after; rows never shift between."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

from ninja import Field, Schema

from balans.core.text import printable
from balans.web.api.problems import FieldsError

T = TypeVar("T")
R = TypeVar("R")
CURSOR_MAX = 400
BIGGEST = 2**63

Cursor = Annotated[
    str | None,
    Field(max_length=CURSOR_MAX, description="`next` of the page before; absent: first."),
]
Limit = Annotated[int, Field(ge=1, le=500, description="At most so many items.")]


class PageAsked(Schema):
    """Which part of a list."""

    cursor: Cursor = None
    limit: Limit = 100


class Page(Schema, Generic[T]):
    """A part of a list. `next` is null on the last page."""

    items: list[T]
    next: str | None


def page_of(
    rows: Sequence[R], limit: int, shown: Callable[[R], Any], key: Callable[[R], list[str | int]]
) -> dict[str, Any]:
    """Return a page.

    Parameters
    ----------
    rows
        One more than `limit` of them, if there are more.
    shown
        Makes an item of a row.
    key
        Tells after which row the next page begins.
    """
    here = rows[:limit]
    more = len(rows) > limit
    return {
        "items": [shown(row) for row in here],
        "next": encode(key(here[-1])) if more and here else None,
    }


def encode(key: list[str | int]) -> str:
    """Return a cursor that stands for `key`."""
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def decode(cursor: str | None, *kinds: type) -> list[Any] | None:
    """Return the key of `cursor`, with values of `kinds`; None for the first page.

    Raises
    ------
    FieldsError
        If it is no cursor of this list.
    """
    if cursor is None:
        return None
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        key = json.loads(text)
    except (binascii.Error, ValueError) as error:
        raise _unknown() from error
    fits = isinstance(key, list) and len(key) == len(kinds)
    if not fits or not all(type(value) is kind for value, kind in zip(key, kinds, strict=True)):
        raise _unknown()
    if not all(_is_keepable(value) for value in key):
        raise _unknown()
    return list(key)


def _is_keepable(value: Any) -> bool:
    """Return whether the database can compare with `value`."""
    if isinstance(value, str):
        return printable(value) == value
    return not isinstance(value, int) or abs(value) < BIGGEST


def _unknown() -> FieldsError:
    return FieldsError([("cursor", "is not one that this list gave")])
