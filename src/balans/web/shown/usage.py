"""What a metering point used in a period, as chart, strip of qualities and table."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from itertools import groupby
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from balans.domain.metering import Quality
from balans.storage.profile import IntervalValue, hourly_profile, point_intervals
from balans.storage.records import PointInfo
from balans.web.shown import words
from balans.web.shown.days import HOUR
from balans.web.shown.numbers import MISSING, decimal
from balans.web.shown.periods import Period, Span

PER_UNIT: Final = 1000
"""Wh, varh or l in the unit that is shown: kWh, kvarh or m³."""
DIGITS: Final = 3
NOT_YET: Final = "to_come"


@dataclass(frozen=True, slots=True)
class Part:
    """An hour, day or month of the period; `register` only of an hour."""

    start: datetime
    end: datetime
    energy: Fraction | None
    quality: Quality
    known_share: float
    register: int | None = None
    known_energy: Fraction | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What is known of a point in a period up to `until`: the whole, and part by part."""

    point: PointInfo
    period: Period
    until: datetime
    parts: tuple[Part, ...]
    whole: IntervalValue | None
    closing_register: int | None

    @property
    def has_data(self) -> bool:
        """Whether anything at all is there to be shown."""
        return any(
            part.energy is not None
            or part.register is not None
            or part.known_share > 0
            or part.quality == Quality.INCORRECT
            for part in self.parts
        )

    @property
    def energy(self) -> Fraction | None:
        """What was used: of the whole where it is known, else as much as is known of it."""
        return None if self.whole is None else self.whole.known_energy

    @property
    def complete(self) -> bool:
        """Whether `energy` is that of the whole period up to now."""
        return self.whole is not None and self.whole.energy is not None

    def is_due(self, part: Part) -> bool:
        """Return whether a part is over, so that its readings could be there."""
        return part.end <= self.until


def usage_of(point: PointInfo, period: Period, until: datetime) -> Usage:
    """Return what `point` used in `period`, as far as it can be known `until` then."""
    whole = None
    if until > period.start:
        (whole,) = point_intervals([point], [period.start, until])[point.id]
    if period.span == Span.DAY:
        parts, closing = _hours(point, period)
    else:
        parts, closing = _days_or_months(point, period, until), None
    return Usage(point, period, until, parts, whole, closing)


def _hours(point: PointInfo, period: Period) -> tuple[tuple[Part, ...], int | None]:
    values = hourly_profile(point, period.start, period.end + HOUR)
    inside = [value for value in values if period.start <= value.start < period.end]
    parts = tuple(
        Part(
            value.start,
            value.start + HOUR,
            value.energy,
            value.quality,
            float(value.energy is not None),
            value.register,
        )
        for value in inside
    )
    return parts, next((v.register for v in values if v.start == period.end), None)


def _days_or_months(point: PointInfo, period: Period, until: datetime) -> tuple[Part, ...]:
    bounds = [bound for bound in period.bounds if bound < until]
    if not bounds:
        return ()
    return tuple(
        Part(
            value.start,
            value.end,
            value.energy,
            value.quality,
            value.known_share,
            known_energy=value.known_energy,
        )
        for value in point_intervals([point], [*bounds, until])[point.id]
    )


def shown(usage: Usage, edited: Collection[datetime] = ()) -> dict[str, Any]:
    """Return what the page needs of `usage`; registers of the hours `edited` were."""
    return {
        "total": MISSING if usage.energy is None else decimal(in_unit(usage.energy), DIGITS),
        "complete": usage.complete,
        "coverage": _coverage(usage),
        "doubts": _doubts(usage),
        "register": "" if usage.closing_register is None else decimal(usage.closing_register, 0),
        "chart": _chart(usage),
        "strip": _strip(usage),
        "qualities": _qualities(usage),
        "rows": [_row(usage, part) | {"edited": part.start in edited} for part in usage.parts],
        "hours": usage.period.span == Span.DAY,
    }


def in_unit(energy: Fraction | None) -> float | None:
    """Return an energy or volume in the unit that is shown."""
    return None if energy is None else float(energy) / PER_UNIT


def _coverage(usage: Usage) -> str:
    if usage.period.span == Span.DAY:
        due = [part for part in usage.parts if usage.is_due(part)]
        known = sum(part.energy is not None for part in due)
        return ngettext(
            "%(known)s of %(total)s hour known", "%(known)s of %(total)s hours known", len(due)
        ) % {"known": known, "total": len(due)}
    share = 0.0 if usage.whole is None else usage.whole.known_share
    return _("%(share)s %% of the hours known") % {"share": percent(share)}


def _doubts(usage: Usage) -> str:
    share = 0.0 if usage.whole is None else usage.whole.suspect_share
    if not share:
        return ""
    return _("doubtful over %(share)s %% of the time") % {"share": percent(max(share, 0.001))}


def percent(share: float) -> str:
    """Return a share for people; never rounded up to 100.

    >>> percent(0.9999), percent(1.0)
    ('99.9', '100.0')
    """
    return decimal(int(share * 1000 + 1e-9) / 10, 1)


def _quality(usage: Usage, part: Part) -> str:
    if part.quality == Quality.MISSING and not usage.is_due(part):
        return NOT_YET
    return part.quality.value


def _chart(usage: Usage) -> dict[str, Any]:
    period = usage.period
    names = [_quality(usage, part) for part in usage.parts]
    return {
        "unit": words.word(words.UNITS, usage.point.unit),
        "digits": DIGITS,
        "x": [part.start.timestamp() for part in usage.parts],
        "at": [period.label(part.start) for part in usage.parts],
        "ticks": [[part.start.timestamp(), period.tick(part.start)] for part in usage.parts],
        "series": [
            {
                "name": _("Used"),
                "style": "bar",
                "values": [in_unit(part.energy) for part in usage.parts],
            }
        ],
        "tones": names,
        "words": ["" if name == Quality.MEASURED else quality_word(name) for name in names],
        "width": _width_s(usage.parts),
    }


def _width_s(parts: Sequence[Part]) -> float:
    """Return how wide the last bar is [s]; the shortest, so that none lies over the next."""
    return min(((part.end - part.start).total_seconds() for part in parts), default=0.0)


def _strip(usage: Usage) -> list[dict[str, Any]]:
    """Return runs of equal quality: where each begins and how long it is, in parts."""
    runs, at = [], 0
    for name, run in groupby(_quality(usage, part) for part in usage.parts):
        n = len(list(run))
        runs.append({"x": at, "width": n, "quality": name})
        at += n
    return runs


def _qualities(usage: Usage) -> list[dict[str, str]]:
    """Return the qualities that occur, the best first, for the legend of the colours."""
    there = {_quality(usage, part) for part in usage.parts}
    names: list[str] = [quality.value for quality in Quality if quality.value in there]
    if NOT_YET in there:
        names.append(NOT_YET)
    return [{"name": name, "word": quality_word(name)} for name in names]


def quality_word(name: str) -> str:
    """Return the word for a quality, or for what is to come."""
    return _("not yet") if name == NOT_YET else words.word(words.QUALITIES, name)


def _row(usage: Usage, part: Part) -> dict[str, Any]:
    name = _quality(usage, part)
    return {
        "label": usage.period.label(part.start),
        "date": usage.period.part(part.start),
        "register": decimal(part.register, 0),
        "used": decimal(in_unit(part.energy), DIGITS),
        "known": percent(part.known_share),
        "at_least": ""
        if part.energy is not None or part.known_energy is None
        else decimal(in_unit(part.known_energy), DIGITS),
        "quality": quality_word(name),
        "quality_name": name,
        "missing": part.energy is None,
        "so_far": part.end == usage.until and part.end not in usage.period.bounds,
    }
