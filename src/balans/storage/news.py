"""What hubs tell of their modules: announced, silent, hours that are gone. In a system scope."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import connection

from balans.core.hours import hour_of
from balans.core.words import DeviceKind
from balans.protocols.hub import Found, HoursGone, ModuleNews, News
from balans.storage import found
from balans.storage.found import Heard
from balans.storage.unpacking import StoredBatch

_Told = tuple[StoredBatch, News]


def store(told: Sequence[_Told], now: datetime) -> None:
    """Keep news from the batches that brought them, in the present transaction."""
    if not told:
        return
    found.note(_announced(told), now)
    _keep_silences(told, now)
    _keep_gone(told, now)


def _announced(told: Iterable[_Told]) -> list[Heard]:
    return [
        Heard(
            kind=DeviceKind.MODULE,
            code=str(one.serial),
            tenant_id=stored.tenant_id,
            hub_id=stored.hub_id,
            inputs=one.inputs,
            has_adapter=one.has_adapter,
            model=one.kind,
            software=one.software,
            claim=one.claim,
        )
        for stored, one in told
        if isinstance(one, Found)
    ]


def _keep_silences(told: Iterable[_Told], now: datetime) -> None:
    """Keep which modules are silent; of modules that nobody registered or found nothing is kept."""
    rows = {
        (stored.tenant_id, stored.hub_id, one.serial): (one.silent, one.last_hour, now)
        for stored, one in told
        if isinstance(one, ModuleNews)
    }
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(_SILENCE, [(*key, *value) for key, value in rows.items()])


def _keep_gone(told: Iterable[_Told], now: datetime) -> None:
    """Keep what modules do not hold; of hours that are still to come nothing is believed."""
    limit = hour_of(now)
    rows = [
        (now, one.oldest, start, min(end, limit), one.serial, one.input, stored.tenant_id)
        for stored, one in told
        if isinstance(one, HoursGone)
        for start, end in one.spans
        if start < limit
    ]
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(_GONE, rows)


_SILENCE = """
insert into module_news as n (tenant_id, hub_id, serial, silent, last_hour, at)
select * from (values (%s::int, %s::int, %s::bigint, %s::bool, %s::int, %s::timestamptz))
  as v (tenant, hub, serial, silent, last_hour, at)
where exists (select from module m where m.serial = v.serial and m.tenant_id = v.tenant)
  or exists (select from found_device f where f.tenant_id = v.tenant and f.kind = 'module'
             and f.code = v.serial::text)
on conflict (tenant_id, hub_id, serial) do update set
  silent = excluded.silent, last_hour = coalesce(excluded.last_hour, n.last_hour),
  at = excluded.at
"""
_GONE = """
insert into channel_delivery as d (channel_id, tenant_id, gone_at, oldest, gone)
select c.id, c.tenant_id, %s, %s, int4multirange(int4range(%s, %s))
from channel c join module m on m.id = c.module_id
where m.serial = %s and c.input = %s and c.tenant_id = %s
on conflict (channel_id) do update set
  gone = d.gone + excluded.gone, wanted = d.wanted - excluded.gone,
  gone_at = excluded.gone_at, oldest = excluded.oldest
"""
