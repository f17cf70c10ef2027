"""What a chart needs, as plain data: the script draws it, the table beside it says the same."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from balans.web.shown.days import clock_label


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


def is_tick(instant: datetime, zone: ZoneInfo, tick_minutes: int) -> bool:
    """Return whether the local clock time of `instant` is a multiple of `tick_minutes`."""
    local = instant.astimezone(zone)
    return local.second == 0 and (local.hour * 60 + local.minute) % tick_minutes == 0


def in_kw(powers_w: Iterable[float | None]) -> list[float | None]:
    """Return powers in kW, rounded to a watt."""
    return [None if power is None else round(power / 1000, 3) for power in powers_w]
