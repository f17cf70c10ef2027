"""What an event would bring, before it is announced: whom it would ask, and how much they give.

The targets that a preview chooses are the ones that announcing calls. Call inside a scope of the
person's tenant. A preview holds, as JSON types:

============= ============================================================================
slot_s        length of a slot [s]; the first begins with the event
expected_kw   what is held back by slot; below 0: what comes back of earlier slots
sd_kw         its standard deviation by slot
missing_kw    what lacks of what is wanted by slot, at the lower end of the band
peak_kw       the most that is held back at a time, or that a limit could cut
places        how many are asked
able          how many could be
refused       how many cannot, by reason (`response_candidates.Refusal`, `domain` bars)
discomfort    price of the choice, for comparing one with another
made          when it was computed (ISO time)
============= ============================================================================
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection

from balans.core.words import LoadClass, StepKind
from balans.domain.response.life import EventState
from balans.storage import lookups
from balans.storage.access import Right
from balans.storage.commands import Author
from balans.storage.models import Event
from balans.storage.response_candidates import Place, Places, find_places
from balans.storage.response_events import event_for, event_infos, note_change
from balans.storage.response_members import sync_members
from balans.storage.response_powers import Available, Window, available
from balans.storage.response_programmes import programme_by_id
from balans.storage.response_records import EventInfo, ResponseRefusedError
from balans.storage.response_whole import as_one
from balans.usecases.event_plan import (
    Asked,
    EventPlan,
    Offer,
    Offered,
    Planned,
    plan_event,
)
from balans.usecases.event_whole import plan_whole

LEDGER: Final = timedelta(days=30)
"""What was given within this time counts for fairness."""
YELLOW_OFF_S: Final = 900.0


def preview(user: Author, code: str, now: datetime) -> EventInfo:
    """Compute, and keep, whom a drafted event would ask and what that would give.

    An approval that it had before is void: it was given to other figures.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `event_for`, without the right to call events.
    ResponseRefusedError
        ``state``: it is no draft any more.
    """
    found = event_for(user, code, Right.RESPONSE)
    row = Event.objects.select_for_update(of=("self",)).get(id=found.id)
    preview_row(row, user.get_username(), now)
    return event_infos(Event.objects.filter(id=row.pk))[0]


def preview_row(row: Event, author: str, now: datetime) -> Planned:
    """Compute the preview of the drafted event `row`, which is locked."""
    if row.state != EventState.DRAFT.value:
        raise ResponseRefusedError("state", f"event {row.code} is {row.state}: no draft")
    programme, node = programme_by_id(row.programme_id), lookups.node(row.node_id)
    sync_members(programme.id)
    places = find_places(programme, node, max(row.starts, now), row.pk)
    places = as_one(places, node, StepKind(row.kind))
    window = Window(row.starts, row.ends, node.timezone)
    offers = _offers(places.found, window, now)
    is_whole = [place.node_id for place in places.found] == [node.id] and row.kind == StepKind.LIMIT
    planned = plan_whole(_plan(row), offers[0]) if is_whole else plan_event(_plan(row), offers)
    _store_targets(row, places.found, planned)
    row.preview = _preview(places, planned, now)
    row.expected_kw = planned.mean_w / 1000
    row.expected_sd_kw = planned.mean_sd_w / 1000
    row.approver, row.approver_user_id, row.approved_at = "", None, None
    row.save()
    note_change(row, author, "previewed", now, detail={"expected_kw": row.expected_kw})
    return planned


def given_lately(node_ids: Sequence[int], now: datetime) -> dict[int, float]:
    """Return what places have given in events of the last 30 days [kW min], by node."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select node_id, sum(given_kwmin) from dr_ledger"
            " where node_id = any(%s) and at > %s group by node_id",
            [list(node_ids), now - LEDGER],
        )
        return dict(cursor.fetchall())


def _plan(row: Event) -> EventPlan:
    return EventPlan(
        kind=StepKind(row.kind),
        steps=tuple(Asked(start, end, value) for start, end, value in row.steps),
        wanted_w=None if row.wanted_kw is None else float(row.wanted_kw * 1000),
        release_spread_s=float(row.release_spread_s),
        start_spread_s=float(row.start_spread_s),
    )


def _offers(places: Sequence[Place], window: Window, now: datetime) -> list[Offer]:
    nodes = [place.node_id for place in places]
    given, resting = given_lately(nodes, now), _resting(nodes, window.start)
    powers = available(places, window, now)
    offers = []
    for place in places:
        of_class = powers[place.node_id]
        green, yellow = of_class[LoadClass.GREEN], of_class[LoadClass.YELLOW]
        base = green.base
        yellow_off = [one.max_off_s for one in place.loads if one.max_off_s is not None]
        offers.append(
            Offer(
                name=str(place.node_id),
                green=_offered(green),
                yellow=_offered(yellow),
                base_w=None if base is None else base.mean_w,
                yellow_off_s=float(min(yellow_off, default=YELLOW_OFF_S)),
                given_kwmin=given.get(place.node_id, 0.0),
                rests_until_s=resting.get(place.node_id, 0.0),
            )
        )
    return offers


def _offered(one: Available) -> Offered:
    return Offered(max(one.power.mean_w, 0.0), one.power.sd_w, one.duty, one.cycle_s)


def _resting(node_ids: Sequence[int], at: datetime) -> dict[int, float]:
    """Return until when places rest from their last event: as long as yellow may be off."""
    with connection.cursor() as cursor:
        cursor.execute(_LAST_ASKED, [list(node_ids), at.timestamp() - YELLOW_OFF_S])
        return {node: end_s + YELLOW_OFF_S for node, end_s in cursor.fetchall()}


def _store_targets(row: Event, places: Sequence[Place], planned: Planned) -> None:
    of_node = {str(place.node_id): place for place in places}
    targets = [
        {
            "site_id": of_node[part.name].site_id,
            "node_id": of_node[part.name].node_id,
            "hub_id": of_node[part.name].hub_id,
            "steps": [[one.start_s, one.end_s, one.value] for one in part.steps],
            "expected_w": part.expected_w,
            "sd_w": part.sd_w,
        }
        for part in planned.parts
    ]
    with connection.cursor() as cursor:
        cursor.execute("delete from dr_target where event_id = %s", [row.pk])
        cursor.execute(_TARGETS, [json.dumps(targets), row.programme_id, row.pk])


def _preview(places: Places, planned: Planned, now: datetime) -> dict[str, Any]:
    refused: dict[str, int] = defaultdict(int)
    reasons: tuple[Mapping[Any, int], ...] = (places.refused, planned.barred)
    for found in reasons:
        for reason, count in found.items():
            refused[reason.value] += count
    return {
        "slot_s": planned.slot_s,
        "expected_kw": _kw(planned.expected_w),
        "sd_kw": _kw(planned.sd_w),
        "missing_kw": _kw(planned.missing_w),
        "peak_kw": planned.peak_w / 1000,
        "places": len(planned.parts),
        "able": len(places.found),
        "refused": dict(refused),
        "discomfort": planned.discomfort,
        "made": now.isoformat(),
    }


def _kw(powers_w: Sequence[float]) -> list[float]:
    return [round(power / 1000, 3) for power in powers_w]


_LAST_ASKED = """
select t.node_id, max((t.steps->-1->>1)::float8) from dr_target t
join dr_event e on e.id = t.event_id
where t.node_id = any(%s) and e.announced_at is not null and t.opted_out_at is null
  and e.active_at is not null and (t.steps->-1->>1)::float8 > %s
group by t.node_id
"""
_TARGETS = """
insert into dr_target
  (tenant_id, event_id, site_id, node_id, hub_id, shard, steps, expected_w, sd_w, state)
select e.tenant_id, e.id, r.site_id, r.node_id, r.hub_id, m.shard, r.steps, r.expected_w, r.sd_w,
  'queued'
from dr_event e, jsonb_to_recordset(%s::jsonb) as r (site_id bigint, node_id bigint, hub_id bigint,
  steps jsonb, expected_w float8, sd_w float8)
join dr_member m on m.hub_id = r.hub_id and m.programme_id = %s
where e.id = %s
"""
