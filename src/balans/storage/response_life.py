"""The life of events by the clock of the sites, and the account that is made afterwards.

The functions act for all tenants and open their own scopes; they may be repeated, and several
processes may call them.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection

from balans.domain.response.life import EventHappening, EventState, next_event_state
from balans.storage.models import Event
from balans.storage.response_events import event_infos, note_change
from balans.storage.response_progress import progress_of
from balans.storage.response_reports import CHANNEL, bring_up_to_date
from balans.storage.scope import system_scope

ACTOR: Final = "response"
GRACE: Final = timedelta(minutes=10)
"""So long after the last release is waited for what hubs have still to tell."""
REOPENED_FOR: Final = timedelta(days=7)
"""Reports that come later than this after the account was made change it no more."""
BEFORE: Final = timedelta(minutes=15)
REBOUND: Final = timedelta(hours=1)
KNOWN_SHARE: Final = 0.8
"""Of the minutes of an event: with fewer a site counts as not measured."""


@dataclass(frozen=True, slots=True)
class Lived:
    """How many events began, and how many ended."""

    begun: int = 0
    ended: int = 0


def advance_events(now: datetime) -> Lived:
    """Begin the events whose time has come, and end those whose time is over; commit."""
    counts = {EventHappening.BEGIN: 0, EventHappening.END: 0}
    with system_scope(ACTOR, durable=True):
        for happening, column, before, edge in (
            (EventHappening.BEGIN, "active_at", EventState.ANNOUNCED, "starts"),
            (EventHappening.END, "ended_at", EventState.ACTIVE, "ends"),
        ):
            due = Event.objects.filter(**{"state": before.value, f"{edge}__lte": now})
            for row in due.select_for_update(skip_locked=True).order_by("id"):
                row.state = next_event_state(before, happening).value
                setattr(row, column, now)
                row.save(update_fields=["state", column])
                note_change(row, ACTOR, row.state, now)
                _tell(row.pk)
                counts[happening] += 1
    return Lived(counts[EventHappening.BEGIN], counts[EventHappening.END])


def settle_events(now: datetime, limit: int = 5) -> int:
    """Make the account of up to `limit` events that are over; commit; return how many.

    Of an event of which late reports came, it is made again.
    """
    with system_scope(ACTOR), connection.cursor() as cursor:
        values: dict[str, Any] = {"now": now, "grace": GRACE, "open": REOPENED_FOR}
        cursor.execute(_DUE, values | {"limit": limit})
        due = [pk for (pk,) in cursor.fetchall()]
    return sum(settle_event(event_id, now) for event_id in due)


def settle_event(event_id: int, now: datetime) -> bool:
    """Make the account of one event that is over; commit; return False if another does it."""
    with system_scope(ACTOR, durable=True), connection.cursor() as cursor:
        rows = Event.objects.select_for_update(skip_locked=True).filter(id=event_id)
        row = rows.first()
        if row is None:
            return False
        cursor.execute(_LATEST, [event_id])
        row.settled_at = max(now, cursor.fetchone()[0] or now)
        row.save(update_fields=["settled_at"])
        cursor.execute("select id from dr_target where event_id = %s order by id", [event_id])
        bring_up_to_date([pk for (pk,) in cursor.fetchall()])
        span: dict[str, Any] = {"event": event_id, "before": BEFORE, "share": KNOWN_SHARE}
        cursor.execute(_MEASURE, span)
        cursor.execute(_LEDGER, {"event": event_id})
        row.result = _result(row, now)
        row.save(update_fields=["result"])
        note_change(row, ACTOR, "settled", now, detail=_short(row.result))
        _tell(event_id)
    return True


def _result(row: Event, now: datetime) -> dict[str, Any]:
    event = event_infos(Event.objects.filter(id=row.pk))[0]
    found = progress_of(event)
    wanted = None if row.wanted_kw is None else float(row.wanted_kw)
    with connection.cursor() as cursor:
        cursor.execute(_TOTALS, [row.pk])
        given_kwmin, measured = cursor.fetchone()
    return found.as_json() | {
        "target_kw": row.expected_kw if wanted is None else wanted,
        "given_kwmin": given_kwmin,
        "measured_targets": measured,
        "rebound_kw": _rebound_kw(row, now),
    }


def _short(result: dict[str, Any]) -> dict[str, Any]:
    names = ("target_kw", "achieved_kw", "known", "coverage", "given_kwmin")
    return {name: result[name] for name in names}


def _rebound_kw(row: Event, now: datetime) -> float | None:
    """Return by how much the sites together drew more after the event than before it [kW].

    The highest minute of the hour after the end, of the sites that are measured; None: of none.
    """
    until = min(now, row.ends + REBOUND)
    values: dict[str, Any] = {"event": row.pk, "ends": row.ends, "until": until, "before": BEFORE}
    with connection.cursor() as cursor:
        cursor.execute(_REBOUND, values)
        highest_w, before_w = cursor.fetchone()
    return None if highest_w is None else max(0.0, highest_w - before_w) / 1000


def _tell(event_id: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("select pg_notify(%s, %s)", [CHANNEL, str(event_id)])


_DUE = """
select e.id from dr_event e
where e.announced_at is not null and e.state in ('ended', 'cancelled')
  and (e.settled_at is null
      and e.ended_at + make_interval(secs => e.release_spread_s) + %(grace)s <= %(now)s
    or e.settled_at > %(now)s - %(open)s and exists (
      select from dr_target t join dr_report r on r.target_id = t.id
      where t.event_id = e.id and r.received > e.settled_at))
order by e.settled_at nulls first, e.id limit %(limit)s
"""
_LATEST = """
select max(r.received) from dr_report r join dr_target t on t.id = r.target_id
where t.event_id = %s
"""
# What a site drew in the quarter of an hour before its first step, less the mean of its steps.
# Only a target that is a whole site is measured so: its gateway tells the site's power alone.
_MEASURE = """
with asked as (
  select t.id, t.site_id, to_timestamp((s->>0)::float8) as start, to_timestamp((s->>1)::float8)
    as "end", to_timestamp((t.steps->0->>0)::float8) as first
  from dr_target t cross join jsonb_array_elements(t.steps) as s
  where t.event_id = %(event)s and t.site_id = t.node_id and t.active_at is not null),
during as (
  select a.id, avg(m.power_w) as mean_w, count(m.power_w) as known, a.first, a.site_id
  from asked a join dr_target t on t.id = a.id
  join site_minute m on m.site_id = a.site_id and m.minute >= a.start
    and m.minute + interval '1 minute' <= least(a."end", coalesce(t.released_at, a."end"))
  group by a.id, a.first, a.site_id),
measured as (
  select d.id, d.mean_w, b.mean_w as before_w from during d
  cross join lateral (
    select avg(m.power_w) as mean_w, count(m.power_w) as known from site_minute m
    where m.site_id = d.site_id and m.minute >= d.first - %(before)s
      and m.minute + interval '1 minute' <= d.first) b
  where b.known >= 5 and d.known >= %(share)s * (
    select sum(extract(epoch from a."end" - a.start)) / 60 from asked a where a.id = d.id) - 2)
update dr_target t set achieved_w = greatest(m.before_w - m.mean_w, 0), measured = true
from measured m where m.id = t.id
"""
# Power held back times the time it was held: from when the place obeyed until it let go. Where the
# power is not known there is no row: who was not measured is neither credited nor taken for one who
# gave nothing.
_LEDGER = """
insert into dr_ledger (event_id, node_id, tenant_id, site_id, at, given_kwmin)
select e.id, t.node_id, t.tenant_id, t.site_id, e.starts,
  greatest(t.achieved_w, 0) / 1000 * coalesce((
    select sum(greatest(extract(epoch from
      least(to_timestamp((s->>1)::float8), coalesce(t.released_at, to_timestamp((s->>1)::float8)))
      - greatest(to_timestamp((s->>0)::float8), coalesce(t.active_at, t.done_at))), 0))
    from jsonb_array_elements(t.steps) as s), 0) / 60
from dr_target t join dr_event e on e.id = t.event_id
where e.id = %(event)s and coalesce(t.active_at, t.done_at) is not null
  and t.achieved_w is not null
on conflict (event_id, node_id) do update set given_kwmin = excluded.given_kwmin
"""
_TOTALS = """
select (select sum(given_kwmin) from dr_ledger where event_id = e.id),
  (select count(*) from dr_target t where t.event_id = e.id and t.measured)
from dr_event e where e.id = %s
"""
_REBOUND = """
with sites as (
  select distinct site_id from dr_target
  where event_id = %(event)s and coalesce(active_at, done_at) is not null),
known as (
  select m.site_id, avg(m.power_w) as before_w from site_minute m
  join sites using (site_id) join dr_event e on e.id = %(event)s
  where m.minute >= e.starts - %(before)s and m.minute < e.starts and m.power_w is not null
  group by m.site_id),
after as (
  select m.minute, sum(m.power_w) as total_w, count(*) as told from site_minute m
  join known using (site_id)
  where m.minute >= %(ends)s and m.minute < %(until)s and m.power_w is not null
  group by m.minute)
select max(a.total_w), (select sum(before_w) from known)
from after a where a.told = (select count(*) from known)
"""
