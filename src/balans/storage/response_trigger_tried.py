"""What a trigger would have wished for in the last days, by what was measured then. In a scope.

Only the measured power and the calendar are tried: forecast, hot spot and price are left out, and
what events held back at that time is not added to the power.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db import connection

from balans.domain.response.triggers import Memory, Rule, Seen, look
from balans.storage import lookups
from balans.storage.models import Hub
from balans.storage.records import NodeInfo

DAYS: Final = 7
SITES_MAX: Final = 20
"""The minutes of more sites are not read for a page."""
MINUTE_S: Final = 60


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of it.

    Parameters
    ----------
    begun, wished_s
        How often a wish began, and how long wishes lasted together [s].
    highest_w, most_w
        The highest power, and the most that would have had to be given up [W].
    known_share
        Of the minutes, how many are known.
    """

    begun: int
    wished_s: float
    highest_w: float
    most_w: float
    known_share: float


def tried(node: NodeInfo, rule: Rule, now: datetime) -> Tried | None:
    """Return what `rule` would have wished for at `node` in the last `DAYS` days.

    None where nothing was measured, or where `node` is a part of a site or has too many sites.
    """
    rule = replace(rule, price=None)
    sites = _sites_of(node)
    if not sites or (rule.overload is None and rule.peak is None):
        return None
    end_s = int(now.timestamp()) // MINUTE_S * MINUTE_S
    start_s = end_s - DAYS * 86_400
    powers = _powers(sites, start_s, end_s)
    if not powers:
        return None
    return _run(rule, powers, range(start_s, end_s, MINUTE_S), node)


def _run(rule: Rule, powers: Mapping[int, float], minutes: range, node: NodeInfo) -> Tried:
    memory, begun, wished, most_w, was_wished = Memory(), 0, 0, 0.0, False
    for minute in minutes:
        local = datetime.fromtimestamp(minute, node.timezone)
        seconds = local.hour * 3600.0 + local.minute * 60
        seen = Seen(minute, seconds, local.weekday(), powers.get(minute))
        memory, wish = look(rule, memory, seen)
        if wish is not None:
            begun += not was_wished
            wished += 1
            most_w = max(most_w, wish.reduction_w)
        was_wished = wish is not None
    known = len(powers) / len(minutes)
    return Tried(begun, wished * MINUTE_S, max(powers.values()), most_w, known)


def _sites_of(node: NodeInfo) -> list[int]:
    above = lookups.site_of(node)
    if above is not None:
        return [above.id] if above.id == node.id else []
    rows = Hub.objects.filter(controls=True, site__path__under=node.path)
    found = sorted(set(rows.values_list("site_id", flat=True)[: SITES_MAX + 1]))
    return found if len(found) <= SITES_MAX else []


def _powers(site_ids: list[int], start_s: int, end_s: int) -> dict[int, float]:
    """Return the power of all sites together [W] by minute, where all are known."""
    start = datetime.fromtimestamp(start_s, UTC)
    values: dict[str, Any] = {
        "sites": site_ids,
        "start": start,
        "end": start + timedelta(seconds=end_s - start_s),
        "count": len(site_ids),
    }
    with connection.cursor() as cursor:
        cursor.execute(_MINUTES, values)
        return dict(cursor.fetchall())


_MINUTES = """
select extract(epoch from minute)::bigint, sum(power_w) from site_minute
where site_id = any(%(sites)s) and minute >= %(start)s and minute < %(end)s
  and power_w is not null
group by minute having count(*) = %(count)s
"""
