"""How an event goes: who was reached, who obeyed, how soon, and how much that is. In a scope."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection

from balans.core.words import CallState
from balans.domain.response.life import TargetState
from balans.domain.response.spread import start_delay_s
from balans.protocols.hub import names_of
from balans.storage.access import Person, Right, node_for
from balans.storage.models import Event
from balans.storage.response_events import event_infos, steps_from_json
from balans.storage.response_records import EventInfo, ReportInfo, TargetInfo

TARGETS_SHOWN: Final = 1_000
_HOLDING: Final = frozenset({TargetState.ACTIVE, TargetState.DONE, TargetState.FAILED})


@dataclass(frozen=True, slots=True)
class Latency:
    """How long after the call, or after its turn began if that was later, targets obeyed [s]."""

    p50: float | None = None
    p95: float | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Where an event stands.

    Parameters
    ----------
    targets, heard, coverage
        How many are asked, without those that left, how many of them have answered, and the share.
    achieved_kw, known
        What was held back by the targets of which that is known, and how many these are; None
        where it is known of none. What is not known is not 0: it is not in the sum.
    now_kw, now_known, holding
        What is held back at present by the newest reports, by how many targets, and how many hold
        at present.
    """

    states: dict[TargetState, int]
    targets: int
    heard: int
    coverage: float | None
    expected_kw: float
    now_kw: float | None
    now_known: int
    holding: int
    achieved_kw: float | None
    known: int
    latency_s: Latency

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON types."""
        return asdict(self) | {"states": {word.value: n for word, n in self.states.items()}}


@dataclass(frozen=True, slots=True)
class OwnEvent:
    """An event as a consumer sees it at one of his places."""

    event: EventInfo
    target: TargetInfo | None
    given_kwmin: float | None
    opted_out_at: datetime | None


def progress_of(event: EventInfo) -> Progress:
    """Return where an event stands."""
    with connection.cursor() as cursor:
        cursor.execute(_PROGRESS, [event.id])
        rows = cursor.fetchall()
    states: dict[TargetState, int] = {}
    for state, *_ in rows:
        states[TargetState(state)] = states.get(TargetState(state), 0) + 1
    asked = [row for row in rows if row[0] != TargetState.OPTED_OUT]
    heard = sum(row[1] is not None for row in asked)
    holding = [row for row in asked if row[0] in _HOLDING]
    now_w, achieved_w = _known_w(holding), _known_w(asked)
    return Progress(
        states=states,
        targets=len(asked),
        heard=heard,
        coverage=heard / len(asked) if asked else None,
        expected_kw=sum(row[3] for row in asked) / 1000,
        now_kw=_sum_kw(now_w),
        now_known=len(now_w),
        holding=len(holding),
        achieved_kw=_sum_kw(achieved_w),
        known=len(achieved_w),
        latency_s=_latency(event, asked),
    )


def targets_of(
    event: EventInfo, *, state: TargetState | None = None, n: int = TARGETS_SHOWN
) -> list[TargetInfo]:
    """Return up to `n` targets of an event, by site and node."""
    values = {"event": event.id, "node": None, "state": state and state.value, "n": n}
    return _targets(values)


def reports_of(event: EventInfo, node_code: str) -> list[ReportInfo]:
    """Return what the gateway of a target told, the oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(_REPORTS, [event.id, node_code])
        return [ReportInfo(code, CallState(word), *rest) for code, word, *rest in cursor.fetchall()]


def own_events(user: Person, node_code: str, n: int = 50) -> list[OwnEvent]:
    """Return the last `n` events that asked, or will ask, the place `node_code`; no drafts.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `access.node_for`, without the right to see what was commanded there.
    """
    node = node_for(user, node_code, Right.AUDIT)
    ids = [*node.ancestor_ids, node.id]
    with connection.cursor() as cursor:
        cursor.execute(_OWN, {"nodes": ids, "path": node.path, "n": n})
        rows = cursor.fetchall()
    events = {one.id: one for one in event_infos(Event.objects.filter(id__in=[r[0] for r in rows]))}
    found = []
    for event_id, target_node, given, left_at in rows:
        values = {"event": event_id, "node": target_node, "state": None, "n": 1}
        target = next(iter(_targets(values)), None) if target_node else None
        found.append(OwnEvent(events[event_id], target, given, left_at))
    return found


def _latency(event: EventInfo, rows: Sequence[Sequence[Any]]) -> Latency:
    if event.announced_at is None:
        return Latency()
    called_s = event.announced_at.timestamp()
    found = sorted(
        max(0.0, done_at.timestamp() - max(called_s, starts_s + _delay_s(event, name)))
        for _, _, done_at, _, _, starts_s, name in rows
        if done_at is not None
    )
    return Latency(_quantile(found, 0.5), _quantile(found, 0.95))


def _known_w(rows: Sequence[Sequence[Any]]) -> list[float]:
    """Return what was achieved, of the targets of which it is known [W]."""
    return [row[4] for row in rows if row[4] is not None]


def _sum_kw(known_w: Sequence[float]) -> float | None:
    return sum(known_w) / 1000 if known_w else None


def _delay_s(event: EventInfo, name: str) -> float:
    """Return the delay that the device works out; `name` is `CallTarget.name` [s]."""
    return start_delay_s(event.seed, name, float(event.start_spread_s))


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    """Return the smallest value that at least `share` of all do not exceed."""
    if not ordered:
        return None
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def _targets(values: dict[str, Any]) -> list[TargetInfo]:
    with connection.cursor() as cursor:
        cursor.execute(_TARGETS, values)
        rows = cursor.fetchall()
    return [_target(row) for row in rows]


def _target(row: Sequence[Any]) -> TargetInfo:
    *place, steps, expected_w, sd_w, state = row[:8]
    *told, loads, held, failed = row[8:]
    asked = steps_from_json(json.loads(steps))
    bitmaps = (names_of(tuple(loads), bytes(bits)) for bits in (held, failed))
    fields = [*place, asked, expected_w, sd_w, TargetState(state), *told, *bitmaps]
    return TargetInfo(*fields)


_PROGRESS = """
select t.state, t.heard_at, t.done_at, t.expected_w, t.achieved_w, (t.steps->0->>0)::float8,
  s.code || '/' || case when n.id = s.id then '' else n.code end
from dr_target t join node n on n.id = t.node_id join node s on s.id = t.site_id
where t.event_id = %s
"""
_TARGETS = """
select n.code, n.name, s.code, h.code, t.steps::text, t.expected_w, t.sd_w, t.state, t.sent_at,
  t.heard_at, t.active_at, t.done_at, t.released_at, t.failed_at, t.before_w, t.now_w,
  t.achieved_w, t.measured, t.detail, t.loads, t.held, t.failed
from dr_target t join node n on n.id = t.node_id join node s on s.id = t.site_id
join hub h on h.id = t.hub_id
where t.event_id = %(event)s and (%(node)s::bigint is null or t.node_id = %(node)s)
  and (%(state)s::text is null or t.state = %(state)s)
order by s.code, n.code limit %(n)s
"""
_REPORTS = """
select n.code, r.state, r.at, r.received, r.epoch, r.detail, r.before_w, r.now_w, r.expected_w
from dr_report r join dr_target t on t.id = r.target_id join node n on n.id = t.node_id
where t.event_id = %s and n.code = %s order by r.at, r.received
"""
# The target that covers the place: its own node, one above, or one below it.
_OWN = """
select distinct on (e.starts, e.id) e.id, t.node_id, l.given_kwmin, o.at
from dr_event e
left join lateral (
  select t.node_id from dr_target t join node n on n.id = t.node_id
  where t.event_id = e.id and (t.node_id = any(%(nodes)s) or n.path <@ %(path)s::ltree)
  order by nlevel(n.path) limit 1) t on true
left join dr_ledger l on l.event_id = e.id and l.node_id = t.node_id
left join lateral (
  select o.at from dr_opt_out o join node n on n.id = o.node_id
  where o.event_id = e.id and (o.node_id = any(%(nodes)s) or n.path <@ %(path)s::ltree)
  order by o.at limit 1) o on true
where e.state <> 'draft' and e.announced_at is not null
  and (t.node_id is not null or o.at is not null)
order by e.starts desc, e.id desc limit %(n)s
"""
