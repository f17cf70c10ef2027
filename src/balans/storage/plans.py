"""The newest plan of each site. `store` acts for the system and opens its own scope.

Listeners on `balans.storage.live.CHANNEL` are told the id of the site, after COMMIT.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import connection

from balans.protocols.hub import PlanReport, decode, encode
from balans.storage import live
from balans.storage.scope import system_scope

ACTOR = "headend"


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """A plan: `made` by the site's clock, `received` by the server's."""

    made: datetime
    received: datetime
    report: PlanReport


def store(hub_code: str, report: PlanReport, received: datetime) -> bool:
    """Keep the plan of a hub's site, unless a newer one is there; commit.

    Returns
    -------
    bool
        Whether it was kept. That of an unregistered hub is dropped: a plan may be lost.

    Raises
    ------
    UnavailableError
        If the database cannot be used now.
    """
    made = datetime.fromtimestamp(report.made, UTC)
    with system_scope(ACTOR, durable=True), connection.cursor() as cursor:
        cursor.execute(_UPSERT, [made, received, encode(report), hub_code])
        kept = cursor.fetchone()
        if kept is not None:
            cursor.execute("select pg_notify(%s, %s)", [live.CHANNEL, str(kept[0])])
    return kept is not None


def latest(site_id: int) -> StoredPlan | None:
    """Return the newest plan of a site, None before the first. Call inside a scope."""
    with connection.cursor() as cursor:
        cursor.execute("select made, received, report from site_plan where site_id = %s", [site_id])
        row = cursor.fetchone()
    if row is None:
        return None
    made, received, data = row
    report = decode(bytes(data))
    return StoredPlan(made, received, report) if isinstance(report, PlanReport) else None


_UPSERT = """
insert into site_plan as p (site_id, tenant_id, made, received, report)
select h.site_id, h.tenant_id, %s, %s, %s from hub h where h.code = %s and h.controls
on conflict (site_id) do update set made = excluded.made, received = excluded.received,
  report = excluded.report
where excluded.made >= p.made or excluded.received > p.received + interval '1 hour'
returning site_id
"""
