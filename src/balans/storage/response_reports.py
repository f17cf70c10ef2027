"""What gateways report of the places that events ask.

Reports come with the journal: at least once, maybe late, and from different hubs in any order. Each
is kept once, and the state of a target follows from all that is known of it in the order of its
times (`domain.response.life`), so the order of coming does not matter. What a gateway tells in the
end replaces what the server took for granted when it heard nothing.

`take_call_reports` is called inside a system scope; listeners on `CHANNEL` are told the id of each
event that changed, after COMMIT.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.db import connection

from balans.core.text import printable
from balans.core.words import CallState
from balans.domain.response.life import LifeError, TargetHappening, TargetState, next_target_state
from balans.protocols.hub import CallReport
from balans.storage import live

CHANNEL: Final = "balans_event"
NOT_HEARD: Final = "not_heard"
"""Detail of a target of which nothing was ever heard."""
HAPPENINGS: Final = {
    CallState.HEARD: TargetHappening.HEAR,
    CallState.ACTIVE: TargetHappening.START,
    CallState.DONE: TargetHappening.DO,
    CallState.FAILED: TargetHappening.FAIL,
    CallState.RELEASED: TargetHappening.RELEASE,
    CallState.REFUSED: TargetHappening.REFUSE,
}
ORDER: Final = {state: place for place, state in enumerate(HAPPENINGS)}
"""Of reports of the same time."""
REPORTS_MAX: Final = 1000
"""Of a target: a gateway that tells more is out of order, and what it told first is kept."""
HOLDING: Final = frozenset({CallState.ACTIVE, CallState.DONE, CallState.FAILED})
"""Reports that tell what is held back; before and after them nothing is."""


@dataclass(frozen=True, slots=True)
class HeardReport:
    """A report with the site it came from, and when."""

    tenant_id: int
    site_id: int
    report: CallReport
    received: datetime


@dataclass(frozen=True, slots=True)
class _Told:
    """A stored report."""

    state: CallState
    at: datetime
    epoch: int
    detail: str
    before_w: float | None
    now_w: float | None
    expected_w: float | None
    loads: list[str]
    held: bytes
    failed: bytes


def take_call_reports(reports: Sequence[HeardReport]) -> int:
    """Keep reports and bring their targets up to date; return how many were new.

    A report of a place that its site's events do not ask is passed over: a hub speaks for its own
    site alone.
    """
    if not reports:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, [json.dumps([_row(one) for one in reports]), REPORTS_MAX])
        changed = [target for (target,) in cursor.fetchall()]
    bring_up_to_date(sorted(set(changed)))
    return len(changed)


def bring_up_to_date(target_ids: Sequence[int]) -> None:
    """Compute the state of targets from all that is known of them, and tell listeners."""
    if not target_ids:
        return
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [list(target_ids)])
        targets = cursor.fetchall()
        cursor.execute(_REPORTS, [list(target_ids)])
        told: dict[int, list[_Told]] = defaultdict(list)
        for target, state, *rest in cursor.fetchall():
            told[target].append(_stored(state, rest))
        rows = [
            _updated(pk, (sent, left, settled), told[pk])
            for pk, _, _, sent, left, settled in targets
        ]
        cursor.execute(_UPDATE, [json.dumps(rows)])
        for event_id in sorted({event for _, event, *_ in targets}):
            cursor.execute("select pg_notify(%s, %s)", [CHANNEL, str(event_id)])
        for site_id in sorted({site for _, _, site, *_ in targets}):
            cursor.execute("select pg_notify(%s, %s)", [live.CHANNEL, str(site_id)])


def state_of(
    reports: Iterable[tuple[datetime, CallState]],
    *,
    sent: bool,
    opted_out: datetime | None = None,
    settled: bool = False,
) -> TargetState:
    """Return the state of a target of which this is known.

    Parameters
    ----------
    reports
        What its gateway told, and when it was so, in any order.
    sent
        Whether the broker has taken the call.
    opted_out
        When the place left the event.
    settled
        Whether the event is over for so long that silence means failure.
    """
    happened = [(at, ORDER[state], HAPPENINGS[state]) for at, state in reports]
    silent = not happened
    if opted_out is not None:
        happened.append((opted_out, len(ORDER), TargetHappening.OPT_OUT))
    state = TargetState.SENT if sent else TargetState.QUEUED
    for _, _, happening in sorted(set(happened)):
        state = _after(state, happening)
    return _after(state, TargetHappening.FAIL) if silent and settled else state


def _after(state: TargetState, happening: TargetHappening) -> TargetState:
    try:
        return next_target_state(state, happening)
    except LifeError:
        return state  # it tells nothing new


def _updated(
    pk: int, facts: tuple[datetime | None, datetime | None, datetime | None], told: Sequence[_Told]
) -> dict[str, Any]:
    """Return the columns of a target; `facts` are when it was sent to, left, and settled."""
    sent_at, opted_out_at, settled_at = facts
    told = sorted(told, key=lambda one: (one.at, ORDER[one.state]))
    state = state_of(
        [(one.at, one.state) for one in told],
        sent=sent_at is not None,
        opted_out=opted_out_at,
        settled=settled_at is not None,
    )
    first: dict[CallState, datetime] = {}
    for one in told:
        first.setdefault(one.state, one.at)
    holding = [one for one in told if one.state in HOLDING]
    listed = next((one for one in reversed(holding) if one.loads), None)
    silent = state == TargetState.FAILED and not told
    return {
        "id": pk,
        "state": state.value,
        "epoch": max((one.epoch for one in told), default=0),
        "heard_at": _iso(min(first.values(), default=None)),
        "active_at": _iso(first.get(CallState.ACTIVE)),
        "done_at": _iso(first.get(CallState.DONE)),
        "released_at": _iso(first.get(CallState.RELEASED)),
        "failed_at": _iso(settled_at if silent else first.get(CallState.FAILED)),
        "reported_at": _iso(told[-1].at if told else None),
        "before_w": _last(holding, "before_w"),
        "now_w": _last(told, "now_w"),
        "promised_w": _last(told, "expected_w"),
        "achieved_w": _achieved_w(holding),
        "detail": NOT_HEARD if silent else (told[-1].detail if told else ""),
        "loads": listed.loads if listed else [],
        "held": (listed.held if listed else b"").hex(),
        "failed": (listed.failed if listed else b"").hex(),
    }


def _achieved_w(holding: Sequence[_Told]) -> float | None:
    """Return what is held back by the newest report that tells it [W]."""
    for one in reversed(holding):
        if one.state != CallState.ACTIVE and one.before_w is not None and one.now_w is not None:
            return max(one.before_w - one.now_w, 0.0)
    return None


def _last(told: Sequence[_Told], name: str) -> float | None:
    values = (getattr(one, name) for one in reversed(told))
    return next((value for value in values if value is not None), None)


def _stored(state: str, rest: Sequence[Any]) -> _Told:
    at, epoch, detail, before_w, now_w, expected_w, loads, held, failed = rest
    held, failed = bytes(held), bytes(failed)
    return _Told(
        CallState(state), at, epoch, detail, before_w, now_w, expected_w, loads, held, failed
    )


def _row(one: HeardReport) -> dict[str, Any]:
    report = one.report
    return {
        "tenant_id": one.tenant_id,
        "site_id": one.site_id,
        "event": report.event,
        "site": report.site,
        "node": report.node or report.site,
        "epoch": report.epoch,
        "state": report.state.value,
        "at": _iso(datetime.fromtimestamp(report.time, UTC)),
        "received": _iso(one.received),
        "detail": printable(report.detail),
        "before_w": report.before_w,
        "now_w": report.now_w,
        "expected_w": report.expected_w,
        "loads": list(report.loads),
        "held": report.held.hex(),
        "failed": report.failed.hex(),
    }


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


_TAKE = """
insert into dr_report (target_id, at, state, tenant_id, epoch, received, detail, before_w, now_w,
  expected_w, loads, held, failed)
select t.id, r.at, r.state, t.tenant_id, r.epoch, r.received, r.detail, r.before_w, r.now_w,
  r.expected_w, r.loads, decode(r.held, 'hex'), decode(r.failed, 'hex')
from jsonb_to_recordset(%s::jsonb) as r (tenant_id int, site_id bigint, event text, site text,
  node text, epoch bigint, state text, at timestamptz, received timestamptz, detail text,
  before_w float8, now_w float8, expected_w float8, loads text[], held text, failed text)
join dr_event e on e.tenant_id = r.tenant_id and e.code = r.event
join node s on s.id = r.site_id and s.code = r.site
join node n on n.tenant_id = r.tenant_id and n.code = r.node
join dr_target t on t.event_id = e.id and t.site_id = r.site_id and t.node_id = n.id
where (select count(*) from dr_report k where k.target_id = t.id) < %s
on conflict do nothing
returning target_id
"""
_LOCK = """
select t.id, t.event_id, t.site_id, t.sent_at, t.opted_out_at, e.settled_at
from dr_target t join dr_event e on e.id = t.event_id
where t.id = any(%s) order by t.id for update of t
"""
_REPORTS = """
select target_id, state, at, epoch, detail, before_w, now_w, expected_w, loads, held, failed
from dr_report where target_id = any(%s)
"""
_UPDATE = """
update dr_target t set state = r.state, epoch = r.epoch, heard_at = r.heard_at,
  active_at = r.active_at, done_at = r.done_at, released_at = r.released_at,
  failed_at = r.failed_at, reported_at = r.reported_at, before_w = r.before_w, now_w = r.now_w,
  promised_w = r.promised_w,
  achieved_w = case when t.measured then t.achieved_w else r.achieved_w end,
  detail = r.detail, loads = r.loads, held = decode(r.held, 'hex'),
  failed = decode(r.failed, 'hex')
from jsonb_to_recordset(%s::jsonb) as r (id bigint, state text, epoch bigint,
  heard_at timestamptz, active_at timestamptz, done_at timestamptz, released_at timestamptz,
  failed_at timestamptz, reported_at timestamptz, before_w float8, now_w float8,
  promised_w float8, achieved_w float8, detail text, loads text[], held text, failed text)
where t.id = r.id
"""
