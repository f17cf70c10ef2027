"""What pages show of demand response beside its records: read only. Call inside a scope."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from django.db import connection
from django.db.models import Q

from balans.domain.response.life import EventState
from balans.storage import access
from balans.storage.access import Person, Right
from balans.storage.models import Event
from balans.storage.records import NodeInfo
from balans.storage.response_events import event_infos
from balans.storage.response_records import EventInfo, ExemptionKind

if TYPE_CHECKING:
    from collections.abc import Sequence

BEFORE: Final = timedelta(minutes=15)
AFTER: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class CurveMinute:
    """What the asked sites together held back in a minute [kW]; below 0 after the end: rebound.

    None where not every site told.
    """

    start: datetime
    held_kw: float | None


@dataclass(frozen=True, slots=True)
class Given:
    """What a place gave in an event, and what the others gave on average [kW min]."""

    own_kwmin: float | None
    others_kwmin: float | None
    others: int


def curve_of(event: EventInfo, now: datetime) -> list[CurveMinute]:
    """Return what the sites that an event asked drew less than in the 15 minutes before it.

    From 15 minutes before its start until an hour after its end, or until `now`. Sites of which
    nothing is known before the start count for nothing; without any the curve is empty.
    """
    end = min(now, event.ends + AFTER)
    values: dict[str, Any] = {
        "event": event.id,
        "starts": event.starts,
        "from": event.starts - BEFORE,
        "until": end,
    }
    with connection.cursor() as cursor:
        cursor.execute(_CURVE, values)
        rows = cursor.fetchall()
    return [
        CurveMinute(at, None if held_w is None else round(held_w / 1000, 3)) for at, held_w in rows
    ]


def expected_now(event: EventInfo, now: datetime) -> float | None:
    """Return what the preview expects to be held back at `now` [kW]; None outside the event."""
    if event.preview is None or not event.starts <= now < event.ends:
        return None
    expected: Sequence[float] = event.preview["expected_kw"]
    slot = int((now - event.starts).total_seconds() / event.preview["slot_s"])
    return float(expected[slot]) if slot < len(expected) else None


def waiting_events(user: Person) -> list[EventInfo]:
    """Return the drafts that wait for `user`, the latest first.

    Those are what triggers propose, and what others wrote that needs a second person.
    """
    paths = access.granted_paths(user, Right.APPROVE)
    if not paths:
        return []
    rows = Event.objects.filter(node__path__under=paths, state=EventState.DRAFT.value)
    found = event_infos(rows.exclude(user_id=user.pk))
    return [one for one in found if one.trigger_code or (one.needs_approval and not one.approver)]


def coming_at(node: NodeInfo, now: datetime) -> list[EventInfo]:
    """Return the events that ask `node`, one above or one below it and are not over, by start."""
    around = Q(node_id__in=(*node.ancestor_ids, node.id)) | Q(node__path__under=node.path)
    live = Q(state__in=[EventState.ANNOUNCED.value, EventState.ACTIVE.value], ends__gt=now)
    return event_infos(Event.objects.filter(around, live, tenant_id=node.tenant_id))[::-1]


def given_in(event: EventInfo, node_code: str) -> Given:
    """Return what the target `node_code` gave in an event, beside the mean of its others."""
    with connection.cursor() as cursor:
        cursor.execute(_GIVEN, {"event": event.id, "node": node_code})
        own, others, count = cursor.fetchone()
    return Given(own, others, count)


def exemptions_at(node: NodeInfo) -> list[ExemptionKind]:
    """Return why nobody may ask `node`, where it or a place above it is exempt."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select distinct kind from dr_exemption where node_id = any(%s) and ended_at is null"
            " order by kind",
            [[*node.ancestor_ids, node.id]],
        )
        return [ExemptionKind(kind) for (kind,) in cursor.fetchall()]


_CURVE = """
with sites as (
  select distinct site_id from dr_target
  where event_id = %(event)s and opted_out_at is null),
known as (
  select s.site_id, avg(m.power_w) as before_w from sites s
  join site_minute m on m.site_id = s.site_id
  where m.minute >= %(from)s and m.minute < %(starts)s and m.power_w is not null
  group by s.site_id)
select g.minute, case when count(m.power_w) = count(*) then sum(k.before_w - m.power_w) end
from generate_series(date_trunc('minute', %(from)s::timestamptz),
  %(until)s::timestamptz - interval '1 minute', interval '1 minute') as g (minute)
cross join known k
left join site_minute m on m.site_id = k.site_id and m.minute = g.minute
group by g.minute order by g.minute
"""
_GIVEN = """
select sum(l.given_kwmin) filter (where n.code = %(node)s),
  avg(l.given_kwmin) filter (where n.code <> %(node)s), count(*) filter (where n.code <> %(node)s)
from dr_ledger l join node n on n.id = l.node_id where l.event_id = %(event)s
"""
