"""What modules reported about their inputs, as events with start and end. Call inside a scope.

A flag comes with a register; the event lasts from the hour of the first register with the flag
to the hour after the last. Kept is the union of all hours that were ever told with a flag, so
late, repeated and unordered readings leave the same events.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from balans.domain.metering import EventKind
from balans.protocols.readings import Flag

KINDS: Final = {flag: EventKind(str(flag.name).lower()) for flag in Flag if flag}


@dataclass(frozen=True, slots=True)
class EventInfo:
    """A stretch of time over which an input reported something.

    `end` is the hour after the last register with the flag; `lasts` while no later register has
    come without it. `point_code` names the metering point the input served at `start`, if any.
    """

    channel_id: int
    module: int
    input: int
    kind: EventKind
    start: datetime
    end: datetime
    lasts: bool
    point_code: str
    point_name: str
    node_code: str
    node_name: str


def note_flags(readings: NDArray[np.void]) -> None:
    """Add the flags of `readings` (n,) of type `dayrows.READING` to the events, in any order.

    Readings without a channel are left out. Repeating it changes nothing.
    """
    flagged = readings[(readings["flags"] != 0) & (readings["channel"] > 0)]
    rows = [row for flag, kind in KINDS.items() for row in _runs(flagged, flag, kind)]
    if not rows:
        return
    rows.sort()
    columns = [list(column) for column in zip(*rows, strict=True)]
    with connection.cursor() as cursor:
        cursor.execute(_MERGE, columns)


def _runs(
    flagged: NDArray[np.void], flag: Flag, kind: EventKind
) -> Iterator[tuple[int, str, int, int, int, int]]:
    """Yield channel, kind, year, tenant, first hour and hour after the last of each stretch."""
    having = flagged[(flagged["flags"] & flag) != 0]
    if not len(having):
        return
    order = np.lexsort((having["hour"], having["channel"]))
    channel, hour = having["channel"][order], having["hour"][order].astype(np.int64)
    tenant, year = having["tenant"][order], _years(hour)
    new = np.ones(len(hour), np.bool_)
    new[1:] = (channel[1:] != channel[:-1]) | (year[1:] != year[:-1]) | (hour[1:] > hour[:-1] + 1)
    first = np.flatnonzero(new)
    last = np.append(first[1:], len(hour)) - 1
    for a, b in zip(first.tolist(), last.tolist(), strict=True):
        yield (
            int(channel[a]),
            kind.value,
            int(year[a]),
            int(tenant[a]),
            int(hour[a]),
            int(hour[b]) + 1,
        )


def _years(hours: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the UTC years of hour numbers."""
    moments = np.datetime64("2000-01-01T00", "h") + hours
    years: NDArray[np.int64] = moments.astype("datetime64[Y]").astype(np.int64) + 1970
    return years


_MERGE = """
insert into channel_event as e (channel_id, kind, year, tenant_id, hours)
select n.channel_id, n.kind, n.year, n.tenant_id, range_agg(int4range(n.start, n.stop))
from unnest(%s::int[], %s::text[], %s::smallint[], %s::int[], %s::int[], %s::int[])
  as n (channel_id, kind, year, tenant_id, start, stop)
group by n.channel_id, n.kind, n.year, n.tenant_id order by n.channel_id, n.kind, n.year
on conflict (channel_id, kind, year) do update set hours = e.hours + excluded.hours
where not e.hours @> excluded.hours
"""
