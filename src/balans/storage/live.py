"""The live picture of sites: the last status, one row a minute, and studies computed from them.

`save_statuses` acts for the system and opens its own scope; the rest is called inside a scope.
Listeners on the channel `CHANNEL` are told the id of each site that changed, after COMMIT.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import fmean
from typing import Any

from django.db import connection

from balans.protocols.hub import SiteStatus, decode, encode
from balans.storage.scope import system_scope

CHANNEL = "balans_live"
ACTOR = "headend"


@dataclass(frozen=True, slots=True)
class LiveStatus:
    """The last status of a site: `at` by the site's clock, `received` by the server's."""

    at: datetime
    received: datetime
    valid_s: float
    status: SiteStatus


@dataclass(frozen=True, slots=True)
class Minute:
    """Mean powers of a minute that began at `start` [W]; None where not known.

    `shed_w` is the rated power of the loads that control held off, so an upper bound of what
    they would have drawn.
    """

    start: datetime
    power_w: float | None
    limit_w: float | None
    reference_w: float | None
    shed_w: float | None


@dataclass(frozen=True, slots=True)
class _Site:
    id: int
    tenant_id: int
    rated_w: dict[str, float]


def save_statuses(statuses: Sequence[tuple[str, SiteStatus]], received: datetime) -> int:
    """Keep statuses by the code of the hub that sent them, in the order they came; commit.

    Returns
    -------
    int
        How many were of registered hubs. Others are dropped: a status may be lost.

    Raises
    ------
    UnavailableError
        If the database cannot be used now.
    """
    if not statuses:
        return 0
    with system_scope(ACTOR, durable=True):
        sites = _sites({hub for hub, _ in statuses})
        known = [(sites[hub], status) for hub, status in statuses if hub in sites]
        last = {site.id: (site, status) for site, status in known}
        with connection.cursor() as cursor:
            cursor.executemany(
                _UPSERT_STATUS, [_status_row(*one, received) for one in last.values()]
            )
            cursor.executemany(_UPSERT_MINUTE, _minute_rows(known))
            for site_id in sorted(last):
                cursor.execute("select pg_notify(%s, %s)", [CHANNEL, str(site_id)])
    return len(known)


def latest_status(site_id: int) -> LiveStatus | None:
    """Return the last status of a site, None before the first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select at, received, valid_s, status from live_status where site_id = %s", [site_id]
        )
        row = cursor.fetchone()
    if row is None:
        return None
    at, received, valid_s, data = row
    status = decode(bytes(data))
    return LiveStatus(at, received, valid_s, status) if isinstance(status, SiteStatus) else None


def minutes(site_id: int, start: datetime, end: datetime) -> list[Minute]:
    """Return the minutes of a site in [start, end) that are there, in order."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select minute, power_w, limit_w, reference_w, shed_w from site_minute"
            " where site_id = %s and minute >= %s and minute < %s order by minute",
            [site_id, start, end],
        )
        return [Minute(*row) for row in cursor.fetchall()]


def last_minute(site_id: int) -> datetime | None:
    """Return the newest minute of a site, None without any."""
    with connection.cursor() as cursor:
        cursor.execute("select max(minute) from site_minute where site_id = %s", [site_id])
        found: datetime | None = cursor.fetchone()[0]
    return found


@dataclass(frozen=True, slots=True)
class Study:
    """A result computed for a site, such as its transformer at several degrees of control."""

    result: dict[str, Any]
    computed_at: datetime


def save_study(site_id: int, name: str, result: dict[str, Any], at: datetime) -> None:
    """Keep `result` (of JSON types) as the study `name` of a site, replacing an older one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into study (site_id, name, tenant_id, result, computed_at)"
            " select id, %s, tenant_id, %s::jsonb, %s from node where id = %s"
            " on conflict (site_id, name) do update"
            " set result = excluded.result, computed_at = excluded.computed_at",
            [name, json.dumps(result, allow_nan=False), at, site_id],
        )


def get_study(site_id: int, name: str) -> Study | None:
    """Return the study `name` of a site, None before it was computed."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select result::text, computed_at from study where site_id = %s and name = %s",
            [site_id, name],
        )
        row = cursor.fetchone()
    return Study(json.loads(row[0]), row[1]) if row else None


_UPSERT_STATUS = """
insert into live_status (site_id, tenant_id, at, received, valid_s, status)
values (%s, %s, %s, %s, %s, %s)
on conflict (site_id) do update set at = excluded.at, received = excluded.received,
  valid_s = excluded.valid_s, status = excluded.status
"""


def _mean(column: str) -> str:
    """Return SQL for the mean of what is there and what comes, by the number of samples."""
    return (
        f"{column} = case when m.{column} is null then excluded.{column}"
        f" when excluded.{column} is null then m.{column}"
        f" else (m.{column} * m.n + excluded.{column} * excluded.n) / (m.n + excluded.n) end"
    )


_UPSERT_MINUTE = f"""
insert into site_minute as m (site_id, minute, tenant_id, n, power_w, limit_w, reference_w, shed_w)
values (%s, %s, %s, %s, %s, %s, %s, %s)
on conflict (site_id, minute) do update set n = m.n + excluded.n,
  {_mean("power_w")}, {_mean("reference_w")}, {_mean("shed_w")}, limit_w = excluded.limit_w
"""


def _sites(hubs: set[str]) -> dict[str, _Site]:
    with connection.cursor() as cursor:
        cursor.execute(
            "select h.code, h.site_id, h.tenant_id, coalesce(jsonb_object_agg(l.name, l.rated_w)"
            "  filter (where l.name is not null), '{}')::text"
            " from hub h left join load l on l.site_id = h.site_id"
            " where h.code = any(%s) group by h.code, h.site_id, h.tenant_id",
            [list(hubs)],
        )
        return {
            code: _Site(site, tenant, json.loads(rated))
            for code, site, tenant, rated in cursor.fetchall()
        }


def _status_row(site: _Site, status: SiteStatus, received: datetime) -> tuple[Any, ...]:
    at = datetime.fromtimestamp(status.time, UTC)
    return site.id, site.tenant_id, at, received, status.valid_s, encode(status)


def _minute_rows(known: Iterable[tuple[_Site, SiteStatus]]) -> list[tuple[Any, ...]]:
    groups: dict[tuple[int, float], list[tuple[_Site, SiteStatus]]] = defaultdict(list)
    for site, status in known:
        start_s = status.time - status.step_s  # a status is sent at the end of its step
        groups[site.id, start_s // 60 * 60].append((site, status))
    rows = []
    for (site_id, minute_s), members in sorted(groups.items(), key=lambda group: group[0]):
        site, last = members[-1]
        rows.append(
            (
                site_id,
                datetime.fromtimestamp(max(minute_s, 0.0), UTC),
                site.tenant_id,
                len(members),
                _mean_of(status.site_w for _, status in members),
                last.limit_w,
                _mean_of(status.reference_w for _, status in members),
                _mean_of(_shed_w(site, status) for _, status in members),
            )
        )
    return rows


def _mean_of(values: Iterable[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return fmean(there) if there else None


def _shed_w(site: _Site, status: SiteStatus) -> float:
    return sum(site.rated_w.get(load.name, 0.0) for load in status.loads if not load.on)
