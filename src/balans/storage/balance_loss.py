"""Technical losses of the network between the meters of a group. Call inside a scope.

They are unknown until something computes them; whoever does hands them in here, and may do so
again.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from typing import Final

from django.db import connection

from balans.core.errors import InputError
from balans.core.hours import EPOCH_DATE, day_of, hour_of, time_of
from balans.storage.balance_groups import by_id

DAY_H: Final = 24


def put_losses(
    group_id: int, start: datetime, losses: Sequence[int | None], method: str, now: datetime
) -> None:
    """Say what the technical loss of a group was in each hour from `start` on, replacing earlier.

    Parameters
    ----------
    start
        A full hour.
    losses
        [mWh, mvarh or ml]; None takes back what was said.
    method
        How they were computed, for people.

    Raises
    ------
    InputError
        If `start` is no full hour, or there is no such group.
    """
    first = hour_of(start)
    if time_of(first) != start:
        raise InputError(f"losses from {start.isoformat()}: not a full hour")
    group = by_id([group_id]).get(group_id)
    if group is None:
        raise InputError(f"balance group {group_id}: not found")
    days: dict[int, list[int | None]] = {}
    for hour, loss in enumerate(losses, start=first):
        day = days.setdefault(hour // DAY_H, [None] * DAY_H)
        day[hour % DAY_H] = loss
    with connection.cursor() as cursor:
        for number, values in days.items():
            given = [first <= number * DAY_H + n < first + len(losses) for n in range(DAY_H)]
            day_date = day_of(number * DAY_H)
            cursor.execute(_PUT, [group_id, day_date, group.tenant_id, values, method, now, given])


def losses(group_ids: Sequence[int], bounds: Sequence[datetime]) -> list[int | None]:
    """Return the technical losses of groups together, between neighbours of `bounds`.

    None where a single hour of a single group is not computed, or a bound is not a full hour.
    """
    first, last = hour_of(bounds[0]), hour_of(bounds[-1])
    with connection.cursor() as cursor:
        cursor.execute(_GET, [list(group_ids), day_of(first), day_of(last)])
        rows = cursor.fetchall()
    if not rows:
        return [None] * (len(bounds) - 1)
    known = {
        (group_id, (day - EPOCH_DATE).days * DAY_H + hour): loss
        for group_id, day, energy in rows
        for hour, loss in enumerate(energy)
        if loss is not None
    }
    return [_between(known, group_ids, start, end) for start, end in pairwise(bounds)]


def _between(
    known: dict[tuple[int, int], int], group_ids: Sequence[int], start: datetime, end: datetime
) -> int | None:
    first, last = hour_of(start), hour_of(end)
    if (time_of(first), time_of(last)) != (start, end):
        return None
    wanted = [(group_id, hour) for group_id in group_ids for hour in range(first, last)]
    if not wanted or any(one not in known for one in wanted):
        return None
    return sum(known[one] for one in wanted)


_PUT: Final = """
insert into balance_loss as b (group_id, day, tenant_id, energy, method, computed_at)
values (%s, %s, %s, %s::bigint[], %s, %s)
on conflict (group_id, day) do update set method = excluded.method,
  computed_at = excluded.computed_at,
  energy = (select array_agg(case when g.given then excluded.energy[g.n] else b.energy[g.n] end
                             order by g.n)
            from unnest(%s::boolean[]) with ordinality as g (given, n))
"""
_GET: Final = """
select group_id, day, energy from balance_loss
where group_id = any(%s) and day between %s and %s
"""
