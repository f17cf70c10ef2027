"""What a trigger sees of its node: power now, what is held back, forecast, heat, price. In a scope.

The power of a node is what the gateways below it tell. A site that is silent makes it unknown: what
is missing is never taken for zero.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from balans.domain.forecast.grid import Grid
from balans.domain.forecast.similar import forecast_load
from balans.domain.response.thermal import Heating
from balans.domain.response.triggers import Outlook, Seen
from balans.domain.transformer import ONAN_DISTRIBUTION, ThermalState, advance, steady_state
from balans.protocols.hub import SiteStatus, decode
from balans.storage import lookups
from balans.storage.models import Hub
from balans.storage.records import NodeInfo, TariffZoneInfo
from balans.usecases.profile import utc_offsets
from balans.usecases.trigger_rules import Rated, Settings

FRESH: Final = timedelta(minutes=5)
"""What a gateway told earlier than this says nothing of now."""
SLOT_S: Final = 900
FINE_S: Final = 300
DAYS: Final = 28
LEAST_DAYS: Final = 3
"""With less history nothing is forecast."""
HEAT_AHEAD_S: Final = 4 * 3600.0
HIGH: Final = 0.9
"""The forecast is exceeded in one of ten days."""
GAP_S: Final = 3600.0
"""After a longer silence the transformer is taken to be as warm as its load keeps it."""
Floats = NDArray[np.float64]


@dataclass(slots=True)
class Notes:
    """What is remembered between two looks, so that a restart goes on; JSON types only.

    `heat` is top oil, fast and slow part and the time they are of; `forecast` begins at `first_s`.
    """

    heat: list[float] = field(default_factory=list)
    forecast: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Site:
    """What the gateway of a site told last."""

    id: int
    code: str
    status: SiteStatus | None


def see(
    node: NodeInfo, settings: Settings, notes: Notes, now: datetime, *, is_called: bool
) -> Seen:
    """Return what can be seen at `now`; `notes` are brought up to date.

    Parameters
    ----------
    is_called
        Whether an event of the trigger holds, so that what is off is held back by it.
    """
    sites = _sites_at(node, now)
    power_w = _power_w(node, sites)
    now_s, local = now.timestamp(), now.astimezone(node.timezone)
    outlook = None
    if settings.rule.overload is not None:
        ahead_s = max(settings.rule.overload.lead_s, HEAT_AHEAD_S if settings.rated else 0.0)
        outlook = _outlook(node, sites, notes, now_s, ahead_s)
    heating = None
    if settings.rated is not None and power_w is not None:
        heating = _heating(settings.rated, notes, power_w, now_s)
    return Seen(
        time_s=now_s,
        local_s=local.hour * 3600.0 + local.minute * 60 + local.second,
        weekday=local.weekday(),
        power_w=power_w,
        held_w=_held_w(node, sites) if is_called else 0.0,
        outlook=outlook,
        heating=heating,
        price=_price(node, now) if settings.rule.price is not None else None,
    )


def _sites_at(node: NodeInfo, now: datetime) -> list[_Site]:
    """Return the sites that `node` consists of, or the one that it lies in."""
    above = lookups.site_of(node)
    rows = Hub.objects.filter(controls=True, site__path__under=node.path)
    found = (
        {above.id: above.code}
        if above is not None
        else dict(rows.values_list("site_id", "site__code"))
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "select site_id, status from live_status where site_id = any(%s) and at >= %s"
            " and at <= %s",
            [list(found), now - FRESH, now + FRESH],
        )
        told = {site_id: decode(bytes(data)) for site_id, data in cursor.fetchall()}
    statuses = {pk: one for pk, one in told.items() if isinstance(one, SiteStatus)}
    return [_Site(pk, code, statuses.get(pk)) for pk, code in sorted(found.items())]


def _power_w(node: NodeInfo, sites: Sequence[_Site]) -> float | None:
    powers = [_told_w(node, site) for site in sites]
    known = [power for power in powers if power is not None]
    return sum(known) if powers and len(known) == len(powers) else None


def _told_w(node: NodeInfo, site: _Site) -> float | None:
    status = site.status
    if status is None or not status.sensor_ok:
        return None
    if _is_whole(node, site):
        return status.site_w
    return next((one.power_w for one in status.nodes if one.name == node.code), None)


def _is_whole(node: NodeInfo, site: _Site) -> bool:
    """Tell whether all of `site` belongs to `node`."""
    return node.id == site.id or site.id not in node.ancestor_ids


def _held_w(node: NodeInfo, sites: Sequence[_Site]) -> float:
    """Return the rated power of the loads that are off at the node: an upper bound [W]."""
    rated = {(one.site_id, one.name): one.rated_w for one in lookups.loads_of_node(node)}
    return float(
        sum(
            rated.get((site.id, load.name), 0.0)
            for site in sites
            if site.status is not None
            for load in site.status.loads
            if not load.on
        )
    )


def _price(node: NodeInfo, now: datetime) -> float | None:
    at = now.astimezone(node.timezone).time()
    zones = lookups.zones_of(node, now)
    return next((float(zone.price) for zone in zones if _holds(zone, at)), None)


def _holds(zone: TariffZoneInfo, at: Any) -> bool:
    if zone.from_time < zone.to_time:
        return bool(zone.from_time <= at < zone.to_time)
    return bool(at >= zone.from_time or at < zone.to_time)


def _heating(rated: Rated, notes: Notes, power_w: float, now_s: float) -> Heating:
    """Return the transformer as it is now, after the load it has had since the last look."""
    rated_w = rated.kva * 1000 * rated.power_factor
    load_pu = abs(power_w) / rated_w
    gap_s = now_s - notes.heat[3] if len(notes.heat) == 4 else GAP_S + 1
    if 0 <= gap_s <= GAP_S:
        oil_c, fast_k, slow_k = np.array(notes.heat[:3])[:, None]
        before = ThermalState(oil_c, fast_k, slow_k)
        state = advance(ONAN_DISTRIBUTION, before, load_pu, rated.ambient_c, gap_s)
    else:
        state = steady_state(ONAN_DISTRIBUTION, np.array([load_pu]), rated.ambient_c)
    parts = np.concatenate([state.top_oil_c, state.fast_k, state.slow_k])
    notes.heat = [*(float(part) for part in parts), now_s]
    return Heating(ONAN_DISTRIBUTION, state, rated_w, rated.ambient_c, rated.loading)


def _outlook(
    node: NodeInfo, sites: Sequence[_Site], notes: Notes, now_s: float, ahead_s: float
) -> Outlook | None:
    """Return the forecast from now on; it is made anew for each quarter of an hour."""
    first_s = now_s // SLOT_S * SLOT_S
    if notes.forecast.get("first_s") != first_s:
        notes.forecast = _forecast(node, sites, first_s, ahead_s)
    if not notes.forecast.get("mean"):
        return None
    slots = max(1, round(ahead_s / FINE_S))
    at_s = now_s + FINE_S * np.arange(slots)
    place = np.minimum((at_s - first_s) // SLOT_S, len(notes.forecast["mean"]) - 1).astype(int)
    mean, high = (np.array(notes.forecast[name])[place] for name in ("mean", "high"))
    return Outlook(float(FINE_S), mean, high)


def _forecast(
    node: NodeInfo, sites: Sequence[_Site], first_s: float, ahead_s: float
) -> dict[str, Any]:
    past = DAYS * 86_400 // SLOT_S
    start_s = first_s - past * SLOT_S
    whole = [site.id for site in sites if _is_whole(node, site)]
    values = _history(whole, start_s, past) if len(whole) == len(sites) else {}
    if len(values) < LEAST_DAYS * 86_400 // SLOT_S:
        return {"first_s": first_s}
    known = np.full(past, np.nan)
    known[list(values)] = list(values.values())
    ahead = int(np.ceil(ahead_s / SLOT_S)) + 1
    starts = start_s + SLOT_S * np.arange(past + ahead, dtype=np.float64)
    grid = Grid(start_s, float(SLOT_S), past, utc_offsets(starts, node.timezone))
    found = forecast_load(known, grid)
    high = np.maximum(found.quantile_w(HIGH), found.mean_w)
    return {
        "first_s": first_s,
        "mean": [round(value, 1) for value in found.mean_w.tolist()],
        "high": [round(value, 1) for value in high.tolist()],
    }


def _history(site_ids: Sequence[int], start_s: float, slots: int) -> Mapping[int, float]:
    """Return the mean power by past slot in which all sites are known [W]."""
    if not site_ids:
        return {}
    start = datetime.fromtimestamp(start_s, UTC)
    values: dict[str, Any] = {
        "sites": list(site_ids),
        "start": start,
        "end": start + timedelta(seconds=slots * SLOT_S),
        "slot_s": SLOT_S,
    }
    with connection.cursor() as cursor:
        cursor.execute(_HISTORY, values)
        return dict(cursor.fetchall())


_HISTORY = """
select slot, sum(mean_w) from (
  select floor(extract(epoch from minute - %(start)s) / %(slot_s)s)::int as slot, site_id,
    avg(power_w) as mean_w
  from site_minute
  where site_id = any(%(sites)s) and minute >= %(start)s and minute < %(end)s
    and power_w is not null
  group by 1, 2) as sites
group by slot having count(*) = cardinality(%(sites)s::bigint[])
"""
