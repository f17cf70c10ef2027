"""Events on their way to gateways: which calls the broker must hold now. For the head-end.

The functions open their own scopes. `CHANNEL` is told of every change, after COMMIT.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection

from balans.core.words import StepKind
from balans.domain.response.life import EventState
from balans.protocols.hub import CALL_BYTES, Call, CallStep, CallTarget, encode
from balans.storage.response_members import group_name
from balans.storage.response_reports import CHANNEL as EVENT_CHANNEL
from balans.storage.scope import system_scope

CHANNEL: Final = "balans_calls"
ACTOR: Final = "headend"
ROOM_BYTES: Final = 4_096
"""Of `CALL_BYTES`, for what stands around the targets."""


@dataclass(frozen=True, slots=True)
class LiveCall:
    """An event whose call the broker holds, or shall hold, until it is over.

    `topics` is where the broker may hold it.
    """

    event_id: int
    tenant_id: int
    epoch: int
    topics: tuple[str, ...]


def live_calls(now: datetime) -> list[LiveCall]:
    """Return the events that gateways have to know of at `now`: announced, active, called off.

    And those that ended earlier than a call of them had said: a gateway that was away meanwhile
    goes by the older call, and has to find the newer one as long as that lasts.
    """
    return _of_events(_LIVE, now)


def calls_to_clear(now: datetime) -> list[LiveCall]:
    """Return the events that are over and that the broker may still hold calls of."""
    return _of_events(_OVER, now)


def build_calls(event_id: int) -> list[Call]:
    """Return the messages of an event's call: one for each group, or several parts of it.

    A call that ends earlier than one before it expires with that one: so long it has to be taken.

    What they say depends on the event's epoch alone, so a repetition is the same to the byte.
    """
    with system_scope(ACTOR), connection.cursor() as cursor:
        cursor.execute(_EVENT, [event_id])
        row = cursor.fetchone()
        cursor.execute(_TARGETS, [event_id])
        targets = cursor.fetchall()
    if row is None:
        return []
    event = _Event(*row)
    of_group: dict[int, list[CallTarget]] = defaultdict(list)
    for shard, site, node, steps, dropped in targets:
        asked = of_group[shard]  # a group of which all have left must be told so
        if not dropped and event.state != EventState.CANCELLED.value:
            asked.append(_target(event, site, node, json.loads(steps)))
    return [call for shard in sorted(of_group) for call in _parts(event, shard, of_group[shard])]


def note_topics(event_id: int, topics: Sequence[str]) -> None:
    """Note where the broker is about to hold an event's call, before it is sent there; commit."""
    with system_scope(ACTOR, durable=True), connection.cursor() as cursor:
        cursor.execute(_TOPICS, [list(topics), event_id, list(topics)])


def mark_sent(event_id: int, epoch: int, shards: Iterable[int], now: datetime) -> int:
    """Note that the call of `epoch` was handed to the broker for the groups `shards`; commit.

    Returns
    -------
    int
        How many targets were sent to for the first time. What has left the event meanwhile, or
        was called off, is not marked.
    """
    with system_scope(ACTOR, durable=True), connection.cursor() as cursor:
        cursor.execute(_SENT, [now, event_id, list(shards), epoch])
        count = cursor.rowcount
        if count:
            cursor.execute("select pg_notify(%s, %s)", [EVENT_CHANNEL, str(event_id)])
        return int(count)


def mark_cleared(event_id: int, topics: Sequence[str]) -> None:
    """Note that the broker holds nothing on `topics` any more; commit."""
    with system_scope(ACTOR, durable=True), connection.cursor() as cursor:
        cursor.execute(_CLEARED, [list(topics), event_id])


@dataclass(frozen=True, slots=True)
class _Event:
    tenant_id: int
    programme: str
    code: str
    kind: str
    state: str
    epoch: int
    issued: datetime
    expires: datetime
    priority: int
    reason: str
    seed: int
    start_spread_s: int
    release_spread_s: int

    def call(self, shard: int, targets: tuple[CallTarget, ...], part: int, parts: int) -> Call:
        return Call(
            tenant=self.tenant_id,
            group=group_name(self.tenant_id, self.programme, shard),
            event=self.code,
            epoch=self.epoch,
            issued=self.issued.timestamp(),
            expires=self.expires.timestamp(),
            priority=self.priority,
            reason=self.reason,
            seed=self.seed,
            start_spread_s=float(self.start_spread_s),
            release_spread_s=float(self.release_spread_s),
            cancelled=not targets,
            targets=targets,
            part=part,
            parts=parts,
        )


def _target(event: _Event, site: str, node: str, steps: Iterable[Sequence[float]]) -> CallTarget:
    kind = StepKind(event.kind)
    asked = tuple(CallStep(start, end, kind, value) for start, end, value in steps)
    return CallTarget(site, "" if node == site else node, asked)


def _parts(event: _Event, shard: int, targets: Sequence[CallTarget]) -> list[Call]:
    """Return the call of a group, cut where it would be longer than the wire allows."""
    portions: list[list[CallTarget]] = [[]]
    size = 0
    for target in targets:
        bytes_of = len(encode(event.call(shard, (target,), 0, 1)))
        if size + bytes_of > CALL_BYTES - ROOM_BYTES and portions[-1]:
            portions.append([])
            size = 0
        portions[-1].append(target)
        size += bytes_of
    count = len(portions)
    return [event.call(shard, tuple(one), part, count) for part, one in enumerate(portions)]


def _of_events(question: str, now: datetime) -> list[LiveCall]:
    with system_scope(ACTOR), connection.cursor() as cursor:
        cursor.execute(question, {"now": now})
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return [LiveCall(pk, tenant, epoch, tuple(topics)) for pk, tenant, epoch, topics in rows]


# Called off before anything was sent: there is nobody to tell. One that was shortened is told until
# its longest call is over: who was away goes by that one.
_IS_LIVE = """
(e.state in ('announced', 'active') or e.topics <> '[]'::jsonb
   and (e.state = 'cancelled' or e.state = 'ended' and e.held_until > e.expires))
  and coalesce(e.held_until, e.expires) > %(now)s
"""
_COLUMNS = """
e.id, e.tenant_id, e.epoch, array(select jsonb_array_elements_text(e.topics) order by 1)
"""
_LIVE = f"""
select {_COLUMNS} from dr_event e where e.announced_at is not null and {_IS_LIVE} order by e.id
"""
_OVER = f"""
select {_COLUMNS} from dr_event e where e.topics <> '[]'::jsonb and not ({_IS_LIVE}) order by e.id
"""
_EVENT = """
select e.tenant_id, p.code, e.code, e.kind, e.state, e.epoch, e.called_at,
  coalesce(e.held_until, e.expires), e.priority,
  e.reason, e.seed, e.start_spread_s, e.release_spread_s
from dr_event e join dr_programme p on p.id = e.programme_id
where e.id = %s and e.called_at is not null
"""
_TARGETS = """
select t.shard, s.code, n.code, t.steps::text, t.opted_out_at is not null
from dr_target t join node s on s.id = t.site_id join node n on n.id = t.node_id
where t.event_id = %s order by t.shard, s.code, n.code
"""
_TOPICS = """
update dr_event set topics = (select jsonb_agg(distinct one order by one) from (
  select jsonb_array_elements_text(topics) union select unnest(%s::text[])) as found (one))
where id = %s and not topics @> to_jsonb(%s::text[])
"""
_SENT = """
update dr_target t set sent_at = %s,
  state = case t.state when 'queued' then 'sent' else t.state end
from dr_event e where e.id = t.event_id and t.event_id = %s and t.shard = any(%s)
  and t.sent_at is null and t.opted_out_at is null and e.epoch = %s and e.state <> 'cancelled'
"""
_CLEARED = """
update dr_event set topics = coalesce((select jsonb_agg(one order by one)
  from jsonb_array_elements_text(topics) as found (one) where one <> all(%s::text[])), '[]')
where id = %s
"""
