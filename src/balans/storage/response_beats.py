"""The numbers of beats, of whichever head-end: each larger than all before it, whatever the clock.

For the head-end; `take_numbers` opens a scope of its own.
"""

from collections.abc import Mapping
from typing import Final

from django.db import connection

from balans.storage.scope import system_scope

ACTOR: Final = "headend"


def take_numbers(least: Mapping[int, int]) -> dict[int, int]:
    """Return a number for the next beat of each tenant, at least the one it has in `least`; commit.

    It is larger than every number that was returned before for the tenant.
    """
    tenants = sorted(least)  # in one order, so that two head-ends never wait for each other
    with system_scope(ACTOR, durable=True), connection.cursor() as cursor:
        cursor.execute(_TAKE, [tenants, [least[one] for one in tenants]])
        return dict(cursor.fetchall())


_TAKE = """
insert into dr_beat as b (tenant_id, count)
select t.id, t.least from unnest(%s::int[], %s::bigint[]) as t (id, least) order by t.id
on conflict (tenant_id) do update set count = greatest(b.count + 1, excluded.count)
returning tenant_id, count
"""
