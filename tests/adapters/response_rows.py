"""A row in every table of demand response, for tests that look at all tables."""

from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from balans.storage.models import Enrolment, Event, Exemption, OptOut, Programme, Trigger


def fill_response(tenant_id: int, node_id: int, hub: str, now: datetime) -> None:
    """Put a programme, an event of it and what belongs to it into the tables."""
    own = {"tenant_id": tenant_id, "node_id": node_id}
    made = {"author": "clerk", "created": now}
    programme = Programme.objects.create(**own, **made, code="evening", title="Evening")
    trigger = Trigger.objects.create(
        **own, **made, programme_id=programme.pk, code="peak", kind="price", cap_kw=10
    )
    event = Event.objects.create(
        **own,
        **made,
        programme_id=programme.pk,
        trigger_id=trigger.pk,
        code=f"e{tenant_id}",
        kind="limit",
        priority=5,
        steps=[],
        starts=now,
        ends=now + timedelta(hours=1),
        reason="test",
        seed=1,
        start_spread_s=0,
        release_spread_s=0,
    )
    Enrolment.objects.create(**own, programme_id=programme.pk, joined_at=now, joined_by="clerk")
    Exemption.objects.create(**own, kind="excluded", reason="test", author="clerk", at=now)
    OptOut.objects.create(**own, event_id=event.pk, at=now, author="clerk")
    values: dict[str, Any] = {
        "tenant": tenant_id,
        "node": node_id,
        "hub": hub,
        "programme": programme.pk,
        "event": event.pk,
        "trigger": trigger.pk,
        "at": now,
    }
    with connection.cursor() as cursor:
        for statement in _ROWS:
            cursor.execute(statement, values)


_ROWS = (
    (
        "insert into dr_event_change (tenant_id, event_id, at, author, what)"
        " values (%(tenant)s, %(event)s, %(at)s, 'clerk', 'drafted')"
    ),
    (
        "insert into dr_member (programme_id, hub_id, tenant_id, shard)"
        " select %(programme)s, id, %(tenant)s, 0 from hub where code = %(hub)s"
    ),
    (
        "insert into dr_target (tenant_id, event_id, site_id, node_id, hub_id, shard, steps,"
        " expected_w, sd_w, state) select %(tenant)s, %(event)s, %(node)s, %(node)s, id, 0, '[]',"
        " 1, 1, 'queued' from hub where code = %(hub)s"
    ),
    (
        "insert into dr_report (target_id, at, state, tenant_id, epoch, received, detail, loads,"
        " held, failed) select id, %(at)s, 'heard', tenant_id, 1, %(at)s, '', '{}', '', ''"
        " from dr_target where event_id = %(event)s"
    ),
    (
        "insert into dr_ledger (event_id, node_id, tenant_id, site_id, at, given_kwmin)"
        " values (%(event)s, %(node)s, %(tenant)s, %(node)s, %(at)s, 1)"
    ),
    (
        "insert into dr_trigger_state (trigger_id, tenant_id, at)"
        " values (%(trigger)s, %(tenant)s, %(at)s)"
    ),
    (
        "insert into dr_told_groups (hub_id, tenant_id, version, told)"
        " select id, %(tenant)s, 1, '{}' from hub where code = %(hub)s"
    ),
    ("insert into dr_beat (tenant_id, count) values (%(tenant)s, 1)"),
    (
        "insert into dr_mark_change (tenant_id, programme_id, user_id, author, created, verdict,"
        " decider) select %(tenant)s, %(programme)s, id, 'clerk', %(at)s, 'open', ''"
        " from account where tenant_id = %(tenant)s limit 1"
    ),
    (
        "insert into signing_key (tenant_id, ident, public, created, author, not_before)"
        " values (%(tenant)s, '0123456789abcdef', sha256('x'), %(at)s, 'clerk', %(at)s)"
    ),
)
