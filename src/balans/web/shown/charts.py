"""What a chart needs, as plain data: the script draws it, the table beside it says the same."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from balans.web.shown.days import clock_label
from balans.web.shown.numbers import decimal

Figure = Callable[[Sequence[float]], float | None]


@dataclass(frozen=True, slots=True)
class Series:
    """One line or row of bars; None is a gap. `style` is load, reference, limit or bar."""

    name: str
    style: str
    values: Sequence[float | None]


def chart(
    times: Sequence[datetime],
    series: Iterable[Series],
    zone: ZoneInfo,
    *,
    unit: str,
    digits: int,
    tick_minutes: int = 60,
) -> dict[str, Any]:
    """Return the payload of a chart over `times` (UTC, rising).

    Parameters
    ----------
    unit, digits
        Unit and decimals of every value.
    tick_minutes
        A tick stands at every local clock time that is a multiple of this; the script thins
        them to the room there is.
    """
    labels = [clock_label(instant, zone) for instant in times]
    return {
        "unit": unit,
        "digits": digits,
        "x": [instant.timestamp() for instant in times],
        "at": labels,
        "ticks": [
            [instant.timestamp(), label.split(" ")[0]]
            for instant, label in zip(times, labels, strict=True)
            if is_tick(instant, zone, tick_minutes)
        ],
        "series": [
            {"name": one.name, "style": one.style, "values": list(one.values)} for one in series
        ],
    }


def twin(
    times: Sequence[datetime],
    series: Sequence[Series],
    zone: ZoneInfo,
    *,
    caption: str,
    digits: int,
    step: timedelta,
) -> dict[str, Any]:
    """Return the table beside a chart: means over each `step`, and how high the load went.

    A gap counts for nothing; where all is gap, the cell says so.
    """
    at: dict[datetime, list[int]] = {}
    for index, instant in enumerate(times):
        at.setdefault(floored(instant, step), []).append(index)
    columns = [column for one in series for column in _columns(one)]
    return {
        "caption": caption,
        "heads": [head for head, _values, _figure in columns],
        "rows": [
            {
                "label": clock_label(start, zone),
                "cells": [
                    decimal(figure(_known(values, indices)), digits)
                    for _head, values, figure in columns
                ],
            }
            for start, indices in at.items()
        ],
    }


def floored(instant: datetime, step: timedelta) -> datetime:
    """Return the last full `step` of UTC at or before `instant`."""
    step_s = step.total_seconds()
    return datetime.fromtimestamp(instant.timestamp() // step_s * step_s, UTC)


def _columns(one: Series) -> Iterator[tuple[str, Sequence[float | None], Figure]]:
    yield one.name, one.values, _mean
    if one.style == "load":
        yield _("Peak"), one.values, _highest


def _mean(known: Sequence[float]) -> float | None:
    return sum(known) / len(known) if known else None


def _highest(known: Sequence[float]) -> float | None:
    return max(known, default=None)


def _known(values: Sequence[float | None], indices: Iterable[int]) -> list[float]:
    return [value for value in map(values.__getitem__, indices) if value is not None]


def is_tick(instant: datetime, zone: ZoneInfo, tick_minutes: int) -> bool:
    """Return whether the local clock time of `instant` is a multiple of `tick_minutes`."""
    local = instant.astimezone(zone)
    return local.second == 0 and (local.hour * 60 + local.minute) % tick_minutes == 0


def in_kw(powers_w: Iterable[float | None]) -> list[float | None]:
    """Return powers in kW, rounded to a watt."""
    return [None if power is None else round(power / 1000, 3) for power in powers_w]
