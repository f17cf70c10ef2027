"""Power curves of a site: minutes on an even grid, so that what is missing is a gap."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from balans.storage.live import Minute
from balans.web.shown.charts import Series, chart, floored, in_kw, is_tick, twin
from balans.web.shown.days import clock_label
from balans.web.shown.numbers import kw_digits

MINUTE = timedelta(minutes=1)
QUARTER = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Curves:
    """One value a minute from `start` on; None where nothing is known."""

    start: datetime
    power_w: list[float | None]
    reference_w: list[float | None]
    limit_w: list[float | None]

    @property
    def times(self) -> list[datetime]:
        """When each minute begins."""
        return [self.start + n * MINUTE for n in range(len(self.power_w))]


def on_grid(minutes: Iterable[Minute], start: datetime, end: datetime) -> Curves:
    """Return `minutes` on the grid [start, end)."""
    count = max(0, int((end - start) / MINUTE))
    curves = Curves(start, [None] * count, [None] * count, [None] * count)
    for minute in minutes:
        at = int((minute.start - start) / MINUTE)
        if 0 <= at < count:
            curves.power_w[at] = minute.power_w
            curves.reference_w[at] = minute.reference_w
            curves.limit_w[at] = minute.limit_w
    return curves


def power_chart(curves: Curves, zone: ZoneInfo, tick_minutes: int = 60) -> dict[str, Any]:
    """Return the chart of load, limit and, where it is known, the load without control."""
    return chart(
        curves.times,
        _lines(curves),
        zone,
        unit=_("kW"),
        digits=_digits(curves),
        tick_minutes=tick_minutes,
    )


def power_twin(minutes: Sequence[Minute], zone: ZoneInfo) -> dict[str, Any]:
    """Return the table beside the chart of `minutes`: the quarters of an hour that are over."""
    start, end = quarters(minutes)
    curves = on_grid(minutes, start, end)
    return twin(
        curves.times,
        _lines(curves),
        zone,
        caption=_("Means of 15 minutes, kW"),
        digits=_digits(curves),
        step=QUARTER,
    )


def quarters(minutes: Sequence[Minute]) -> tuple[datetime, datetime]:
    """Return from when to when `minutes` fill quarters of an hour."""
    if not minutes:
        return datetime.min.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)
    first, last = minutes[0].start, minutes[-1].start
    return floored(first + QUARTER - MINUTE, QUARTER), floored(last + MINUTE, QUARTER)


def _digits(curves: Curves) -> int:
    values = (*curves.power_w, *curves.reference_w, *curves.limit_w)
    return kw_digits(max((value for value in values if value is not None), default=None))


def _lines(curves: Curves) -> list[Series]:
    series = [
        Series(_("Load"), "load", in_kw(curves.power_w)),
        Series(_("Limit"), "limit", in_kw(curves.limit_w)),
    ]
    if any(value is not None for value in curves.reference_w):
        series.insert(0, Series(_("Without control"), "reference", in_kw(curves.reference_w)))
    return series


def samples(minutes: Sequence[Minute], zone: ZoneInfo) -> list[dict[str, Any]]:
    """Return `minutes` as the live chart takes them."""
    found = []
    for minute in minutes:
        label = clock_label(minute.start, zone)
        load, reference, limit = in_kw([minute.power_w, minute.reference_w, minute.limit_w])
        found.append(
            {
                "x": minute.start.timestamp(),
                "at": label,
                "tick": label if is_tick(minute.start, zone, 60) else None,
                "values": {"load": load, "reference": reference, "limit": limit},
            }
        )
    return found
