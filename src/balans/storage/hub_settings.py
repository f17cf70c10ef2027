"""The limits and consents that gateways must know, for many hubs at a time.

For the head-end; every function opens a scope of its own. What hubs have to know changes with the
registry, with consents, and when the time of a limit begins or ends: `stamp` tells all three.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection

from balans.core.words import LoadClass
from balans.protocols import hub as wire
from balans.storage import generation, lookups
from balans.storage.models import Hub, Limit, Load, Node
from balans.storage.records import LimitInfo, LoadInfo
from balans.storage.scope import system_scope

ACTOR: Final = "headend"
Stamp = tuple[int, int, int, int]
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HubSettings:
    """What the gateway of a controlling hub must know."""

    hub_code: str
    limits: wire.Limits
    consents: wire.Consents


@dataclass(frozen=True, slots=True)
class _Site:
    """The site of a controlling hub."""

    id: int
    code: str
    path: str
    tenant_id: int
    hub_code: str


def stamp(now: datetime) -> Stamp:
    """Return what is the same as long as the settings of all hubs are."""
    with system_scope(ACTOR), connection.cursor() as cursor:
        cursor.execute(_STAMP, {"now": now})
        history, consent, begun, over = cursor.fetchone()
        return int(history), int(consent), int(begun), int(over)


def settings_of(hub_codes: Iterable[str], now: datetime) -> list[HubSettings]:
    """Return what those of `hub_codes` that control loads must know at `now`.

    Limits are those in force in the tree of the hub's site: its own first, the smallest first; not
    those of what another gateway controls below it. A node below the site has its code for a name
    there. A limit that the wire cannot carry is left out, with a warning in the log: with it the
    gateway would have to refuse all of them.

    Consents name every load that is not released or was ever paused by its newest consent. A pause
    that is over is still named: it says so itself, and the message changes only with its version.
    """
    with system_scope(ACTOR):
        sites = _sites(hub_codes)
        versions = _versions({site.tenant_id for site in sites})
        limits, loads = _limits(sites, now), _loads(sites)
        return [
            HubSettings(
                site.hub_code,
                _limits_message(site, versions, limits[site.id]),
                _consents_message(site, versions, loads[site.id]),
            )
            for site in sites
        ]


def _sites(hub_codes: Iterable[str]) -> list[_Site]:
    rows = Hub.objects.filter(code__in=list(hub_codes), controls=True).order_by("code")
    names = ("site_id", "site__code", "site__path", "tenant_id", "code")
    return [_Site(*row) for row in rows.values_list(*names)]


def _limits(sites: Sequence[_Site], now: datetime) -> Mapping[int, list[LimitInfo]]:
    """Return the limits in force by the site whose gateway holds them."""
    under = [site.path for site in sites]
    inner = lookups.controlled(Node.objects.filter(path__under=under))
    controlled = set(inner.values_list("id", flat=True))
    rows = lookups.valid(Limit.objects.filter(node__path__under=under), now)
    held = dict(rows.values_list("id", "node__path"))
    found: dict[int, list[LimitInfo]] = defaultdict(list)
    for limit in lookups.limits(rows.order_by("node__path", "kw", "name")):
        nearest = next((pk for pk in _upwards(held[limit.id]) if pk in controlled), None)
        if nearest is not None:
            found[nearest].append(limit)
    return found


def _upwards(path: str) -> list[int]:
    """Return the ids of a path's nodes, the lowest first.

    >>> _upwards("n1.n7")
    [7, 1]
    """
    return [int(label[1:]) for label in reversed(path.split("."))]


def _loads(sites: Sequence[_Site]) -> Mapping[int, list[LoadInfo]]:
    found: dict[int, list[LoadInfo]] = defaultdict(list)
    for load in lookups.loads(Load.objects.filter(site_id__in=[site.id for site in sites])):
        found[load.site_id].append(load)
    return found


def _versions(tenant_ids: set[int]) -> Mapping[tuple[int, str], int]:
    """Return numbers that grow with every change of a limit, a load or a consent of a tenant."""
    with connection.cursor() as cursor:
        cursor.execute(_VERSIONS, {"tenants": list(tenant_ids)})
        return defaultdict(int, {(tenant, what): pk for tenant, what, pk in cursor.fetchall()})


def _limits_message(
    site: _Site, versions: Mapping[tuple[int, str], int], limits: Sequence[LimitInfo]
) -> wire.Limits:
    told = tuple(_limit(one, site) for one in limits)
    kept = tuple(one for one in told if _is_carried(one, site))
    return wire.Limits(versions[site.tenant_id, "site_limit"], kept)


def _consents_message(
    site: _Site, versions: Mapping[tuple[int, str], int], loads: Sequence[LoadInfo]
) -> wire.Consents:
    version = versions[site.tenant_id, "load_consent"] + versions[site.tenant_id, "load"]
    settings = tuple(
        wire.ConsentSetting(
            load.name,
            load.released,
            load.paused_until.timestamp() if load.paused_until else None,
        )
        for load in loads
        if load.load_class != LoadClass.RED and not (load.released and not load.paused_until)
    )
    return wire.Consents(version, settings)


def _limit(limit: LimitInfo, site: _Site) -> wire.LimitSetting:
    return wire.LimitSetting(
        name=limit.name,
        source=limit.source,
        limit_w=wire.NO_POWER_LIMIT_W if limit.kw is None else float(limit.kw * 1000),
        interval_s=limit.interval_s,
        zone=limit.zone or None,
        from_time=f"{limit.from_time:%H:%M}" if limit.from_time else None,
        to_time=f"{limit.to_time:%H:%M}" if limit.to_time else None,
        node="" if limit.node_code == site.code else limit.node_code,
        phase_a=None if limit.phase_a is None else float(limit.phase_a),
        energy_wh=None if limit.kwh is None else float(limit.kwh * 1000),
        period=limit.period,
        follows_peak=limit.follows_peak,
    )


def _is_carried(limit: wire.LimitSetting, site: _Site) -> bool:
    try:
        wire.decode(wire.encode(wire.Limits(0, (limit,))))
    except wire.HubFrameError as error:
        where = f"limit {limit.name!r} of {limit.node or site.code}"
        log.warning("site %s: %s is not sent: %s", site.code, where, error)
        return False
    return True


_STAMP = """
select (select coalesce(max(id), 0) from registry_history),
  (select coalesce(max(id), 0) from load_consent),
  count(*) filter (where valid_from <= %(now)s), count(*) filter (where valid_to <= %(now)s)
from site_limit
"""
_VERSIONS = f"""
select tenant_id, table_name, max(id) + {generation.NOW_SQL} from registry_history
where table_name in ('site_limit', 'load') and tenant_id = any(%(tenants)s) group by 1, 2
union all
select tenant_id, 'load_consent', max(id) from load_consent
where tenant_id = any(%(tenants)s) group by 1
"""
