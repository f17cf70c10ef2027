"""Hours that are not in the database though their hub's journal is: they are asked for again.

A hub is looked at now and then: the hours of its modules that are missing between their mounting
and its newest hour. What was missing at two looks in a row, and is not known to be gone, is asked
for, less and less often. Looks and questions go by the clock of the database, which passes also
while that of a replay stands still. Functions open their own scope.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from balans.core.hours import hour_of
from balans.domain.metering import MISSING
from balans.protocols.hub import Ranges, WantedHours
from balans.storage.readings import registers
from balans.storage.scope import system_scope

if TYPE_CHECKING:
    from psycopg.types.range import Range

ACTOR: Final = "headend"
RING: Final = timedelta(days=60)
"""What a module holds at least."""
GRACE_H: Final = 2
LOOK_AGAIN: Final = timedelta(seconds=30)
ASK_AGAIN: Final = timedelta(minutes=1)
"""Before the second question; then twice as long each time."""
DOUBLINGS_MOST: Final = 10
SPANS_MAX: Final = 100
WANTED_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class HubHoles:
    """What a hub is asked for."""

    hub_code: str
    hours: tuple[WantedHours, ...]


@dataclass(frozen=True, slots=True)
class _Channel:
    id: int
    tenant_id: int
    serial: int
    input: int
    mounted: int | None
    wanted: Ranges
    gone: Ranges
    asked_at: datetime | None
    asks: int


def next_wanted(
    now: datetime, busy: Collection[str] = (), look_again: timedelta = LOOK_AGAIN
) -> HubHoles | None:
    """Look at the hub whose turn it is; return what to ask of it, None when it is no hub's turn.

    Parameters
    ----------
    now
        By the clock of the sites.
    busy
        Codes of hubs that upload an archive, and may bring what is missing: not looked at. Nor are
        hubs with batches that are not flushed.
    look_again
        So long a hub is left alone after a look.
    """
    with system_scope(ACTOR, durable=True), connection.cursor() as cursor:
        cursor.execute(_NEXT, {"busy": list(busy), "pause": look_again.total_seconds()})
        row = cursor.fetchone()
        if row is None:
            return None
        hub_id, code, newest, clock = row
        hours = tuple(_wanted(hub_id, newest, now, clock)) if newest is not None else ()
    return HubHoles(code, hours)


def _wanted(hub_id: int, newest: int, now: datetime, clock: datetime) -> Iterator[WantedHours]:
    channels = _channels(hub_id)
    end = min(newest, hour_of(now)) - GRACE_H
    start = max(hour_of(now - RING), 0)
    if not channels or start >= end:
        return
    stored = registers([one.id for one in channels], start, end).values != MISSING
    count = 0
    for one, there in zip(channels, stored, strict=True):
        holes = _holes(one, there, start)
        spans = _to_ask(one, holes, clock) if count < WANTED_MAX else ()
        if spans:
            count += 1
            yield WantedHours(one.serial, one.input, spans[:SPANS_MAX])
        elif holes.spans or one.wanted.spans:
            _keep(one, holes, one.asked_at, one.asks if holes.spans else 0)


def _holes(one: _Channel, there: NDArray[np.bool_], start: int) -> Ranges:
    """Return what is missing from when the channel is expected to deliver."""
    begin = int(np.argmax(there)) if there.any() else len(there)
    if one.mounted is not None:
        begin = min(begin, max(one.mounted - start, 0))
    missing = np.flatnonzero(~there[begin:]) + begin + start
    if not len(missing):
        return Ranges()
    cuts = np.flatnonzero(np.diff(missing) != 1) + 1
    runs = [(int(run[0]), int(run[-1]) + 1) for run in np.split(missing, cuts)]
    return Ranges.of(span for run in runs for span in one.gone.missing(*run).spans)


def _to_ask(one: _Channel, holes: Ranges, clock: datetime) -> tuple[tuple[int, int], ...]:
    """Return what was missing at the last look, too, if it is time to ask for it; note that."""
    again = Ranges.of(span for s, e in holes.spans for span in one.wanted.within(s, e).spans)
    if not again.spans:
        return ()
    pause = ASK_AGAIN * 2 ** min(max(one.asks - 1, 0), DOUBLINGS_MOST)
    if one.asked_at is not None and one.asked_at <= clock < one.asked_at + pause:
        return ()
    _keep(one, holes, clock, one.asks + 1)
    return again.spans


def _keep(one: _Channel, wanted: Ranges, asked_at: datetime | None, asks: int) -> None:
    text = "{" + ",".join(f"[{start},{end})" for start, end in wanted.spans) + "}"
    with connection.cursor() as cursor:
        cursor.execute(_KEEP, [one.id, one.tenant_id, text, asked_at, asks])


def _channels(hub_id: int) -> Sequence[_Channel]:
    with connection.cursor() as cursor:
        cursor.execute(_CHANNELS, [hub_id])
        rows = cursor.fetchall()
    return [
        _Channel(
            pk,
            tenant,
            serial,
            number,
            None if mounted is None else hour_of(mounted) + 1,
            _ranges(wanted),
            _ranges(gone),
            asked_at,
            asks,
        )
        for pk, tenant, serial, number, mounted, wanted, gone, asked_at, asks in rows
    ]


def _ranges(multirange: "Sequence[Range[int]] | None") -> Ranges:
    return Ranges.of((span.lower or 0, span.upper or 0) for span in multirange or ())


_NEXT = """
update hub_state set looked_at = clock_timestamp() where hub_id = (
  select s.hub_id from hub_state s join hub h on h.id = s.hub_id
  where (s.looked_at is null or s.looked_at > clock_timestamp()
         or s.looked_at < clock_timestamp() - make_interval(secs => %(pause)s))
    and h.code <> all(%(busy)s)
    and not exists (select from inbox_batch b where b.hub_id = s.hub_id
                    and b.flushed_at is null and b.note is null)
  order by s.looked_at nulls first limit 1 for update of s skip locked)
returning hub_id, (select code from hub h where h.id = hub_id),
  (select max(hour) from hub_arrival a where a.hub_id = hub_state.hub_id), clock_timestamp()
"""
_CHANNELS = """
select c.id, c.tenant_id, m.serial, c.input,
  (select min(mm.valid_from) from meter_mounting mm where mm.channel_id = c.id),
  d.wanted, d.gone, d.asked_at, coalesce(d.asks, 0)
from module m join channel c on c.module_id = m.id
left join channel_delivery d on d.channel_id = c.id
where m.hub_id = %s and m.removed_at is null order by c.id
"""
_KEEP = """
insert into channel_delivery as d (channel_id, tenant_id, wanted, asked_at, asks)
values (%s, %s, %s::int4multirange, %s, %s)
on conflict (channel_id) do update set
  wanted = excluded.wanted, asked_at = excluded.asked_at, asks = excluded.asks
"""
