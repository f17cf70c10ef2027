"""Rules for single fields of a registry plan; each yields what is wrong."""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from balans.core.errors import Finding
from balans.protocols.fields import NAME

T = TypeVar("T")
LARGEST = 10**9
HOUR = timedelta(hours=1)
LOOKED_AT = 2026
"""In this year every zone with an hour that is none shows it."""


def repeated(items: Iterable[T], key: Callable[[T], Hashable]) -> list[T]:
    """Return the second of the items with equal keys, one for each key."""
    seen = Counter[Hashable]()
    found = []
    for item in items:
        seen[key(item)] += 1
        if seen[key(item)] == 2:
            found.append(item)
    return found


def code(where: str, name: str, value: str) -> Iterator[Finding]:
    """Yield a finding unless `value` can stand in a topic and an address."""
    if not NAME.fullmatch(value):
        yield Finding(where, f"{name}: {value!r} is not 1-64 of A-Z a-z 0-9 _ . -")


def word(where: str, name: str, value: str | None, words: type[StrEnum]) -> Iterator[Finding]:
    """Yield a finding unless `value` is one of `words`, or None."""
    if value is not None and value not in set(words):
        yield Finding(where, f"{name}: {value!r} is none of {', '.join(words)}")


def reference(
    where: str, name: str, value: Any, there: frozenset[Any], kind: str
) -> Iterator[Finding]:
    """Yield a finding unless `value` is `there`, or None."""
    if value is not None and value not in there:
        yield Finding(where, f"{name}: unknown {kind} {value!r}")


def positive(where: str, name: str, value: Any) -> Iterator[Finding]:
    """Yield a finding unless `value` is a number above 0 that columns hold."""
    try:
        fits = 0 < value < LARGEST
    except ArithmeticError:  # a decimal NaN cannot be compared
        fits = False
    if not fits:
        yield Finding(where, f"{name}: {value} is not above 0 and below {LARGEST}")


def timezone(where: str, name: str) -> Iterator[Finding]:
    """Yield a finding unless `name` is a time zone whose hours are full hours, or empty."""
    if not name:
        return
    try:
        zone = ZoneInfo(name)
    except (LookupError, OSError, ValueError):
        yield Finding(where, f"timezone: {name!r} is not known")
        return
    offsets = [datetime(LOOKED_AT, month, 1, tzinfo=zone).utcoffset() for month in range(1, 13)]
    if any(offset is None or offset % HOUR for offset in offsets):
        what = f"timezone: {name!r} is not whole hours from UTC, so hourly registers end no day"
        yield Finding(where, what)


def period(where: str, start: datetime, end: datetime | None) -> Iterator[Finding]:
    """Yield a finding unless the period ends after it begins; both need an offset."""
    if start.tzinfo is None or (end is not None and end.tzinfo is None):
        yield Finding(where, "valid_from, valid_to: need a UTC offset")
    elif end is not None and end <= start:
        yield Finding(where, f"valid_to: {end.isoformat()} is not after valid_from")


def overlaps(items: Iterable[Any], name: str, key: Callable[[Any], Any]) -> Iterator[Finding]:
    """Yield a finding for each pair of neighbours with the same key whose periods overlap."""
    groups: dict[Any, list[Any]] = defaultdict(list)
    for item in items:
        if key(item) is not None and not any(period("", item.valid_from, item.valid_to)):
            groups[key(item)].append(item)
    for value, found in groups.items():
        for one, other in pairwise(sorted(found, key=lambda item: item.valid_from)):
            if one.valid_to is None or one.valid_to > other.valid_from:
                text = f"{name}: periods overlap at {other.valid_from.isoformat()}"
                yield Finding(f"{name} {value}", text, item=other)
