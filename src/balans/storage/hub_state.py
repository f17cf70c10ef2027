"""What hubs say of themselves in every `Hello`, and whether two of them bear one code.

Call inside a scope: `state_of` in that of the tenant, the others in that of the system.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import connection

from balans.core.text import printable
from balans.protocols.hub import Hello
from balans.storage import findings
from balans.storage.findings import Noticed, Severity

INTERLEAVED_MIN: Final = 2
"""A message of the journal before may be overtaken by the first of the next one, but once."""
STRAGGLER: Final = timedelta(seconds=5)
TWO_HUBS: Final = "two hubs bear this code"
TROUBLE: Final = "the hub is in trouble"


DOUBLED_FOR: Final = timedelta(days=1)
"""So long after the last word of an earlier journal a code counts as borne by two hubs."""


@dataclass(frozen=True, slots=True)
class HubState:
    """How a hub is: when it was last heard, and what is wrong with it.

    `silent_modules` are those that it calls silent; `heard_at` is None for one that never spoke.
    """

    heard_at: datetime | None
    software: str
    trouble: str
    trouble_since: datetime | None
    doubled: bool
    silent_modules: int


def state_of(hub_id: int, now: datetime) -> HubState:
    """Return how a hub is at `now`, by the clock of the sites."""
    with connection.cursor() as cursor:
        cursor.execute(_STATE, {"hub": hub_id, "min": INTERLEAVED_MIN, "since": now - DOUBLED_FOR})
        return HubState(*cursor.fetchone())


def take_hello(hub_id: int, tenant_id: int, hello: Hello, at: datetime) -> None:
    """Keep what a hub says of itself; a trouble that is new, or still there, is a finding."""
    trouble = printable(hello.trouble)
    with connection.cursor() as cursor:
        cursor.execute(
            _HELLO,
            {
                "hub": hub_id,
                "tenant": tenant_id,
                "at": at,
                "software": printable(hello.software),
                "site": hello.site,
                "trouble": trouble,
            },
        )
        if trouble:
            place = f"hub {_code(hub_id)}"
            findings.record([Noticed(tenant_id, place, TROUBLE, trouble)], at)


def watch_identities(journals: Sequence[tuple[int, int, int]], at: datetime) -> None:
    """Notice when a journal speaks after a later one of the same hub has introduced itself.

    Parameters
    ----------
    journals
        Hub, journal, and the order in which journals introduced themselves: clocks are compared
        only to leave out what was on its way when the hub started anew.
    """
    if not journals:
        return
    with connection.cursor() as cursor:
        columns = [list(column) for column in zip(*journals, strict=True)]
        cursor.execute(_LATER, [*columns, at - STRAGGLER])
        for hub_id, journal, later in cursor.fetchall():
            cursor.execute(_COUNT, [hub_id, journal])
            count, tenant_id, code = cursor.fetchone()
            if count >= INTERLEAVED_MIN:
                detail = f"journals {journal} and {later} speak by turns: give one another code"
                found = Noticed(tenant_id, f"hub {code}", TWO_HUBS, detail, Severity.ERROR)
                findings.record([found], at)


def _code(hub_id: int) -> str:
    with connection.cursor() as cursor:
        cursor.execute("select code from hub where id = %s", [hub_id])
        return str(cursor.fetchone()[0])


_STATE = """
select (select max(last_seen) from hub_journal where hub_id = h.id),
  coalesce(s.software, ''), coalesce(s.trouble, ''), s.trouble_since,
  exists (select from hub_journal j where j.hub_id = h.id and j.interleaved >= %(min)s
          and j.last_seen > %(since)s),
  (select count(*) from module_news n join module m
     on m.serial = n.serial and m.tenant_id = n.tenant_id and m.hub_id = n.hub_id
   where n.hub_id = h.id and n.silent and m.removed_at is null)
from (select %(hub)s::bigint as id) h left join hub_state s on s.hub_id = h.id
"""
_HELLO = """
insert into hub_state as s
  (hub_id, tenant_id, hello_at, software, site, trouble, trouble_since)
values (%(hub)s, %(tenant)s, %(at)s, %(software)s, %(site)s, %(trouble)s,
  case when %(trouble)s <> '' then %(at)s::timestamptz end)
on conflict (hub_id) do update set
  hello_at = excluded.hello_at, software = excluded.software, site = excluded.site,
  trouble = excluded.trouble,
  trouble_since = case when excluded.trouble <> '' then
    coalesce(s.trouble_since, excluded.trouble_since) end
"""
_LATER = """
select k.hub_id, k.journal_id, (array_agg(j.journal_id order by j.seq desc))[1]
from unnest(%s::bigint[], %s::bigint[], %s::bigint[]) as k (hub_id, journal_id, seq)
join hub_journal j on j.hub_id = k.hub_id and j.seq > k.seq and j.first_seen < %s
group by k.hub_id, k.journal_id
"""
_COUNT = """
update hub_journal set interleaved = interleaved + 1 where hub_id = %s and journal_id = %s
returning interleaved, tenant_id, (select code from hub where hub.id = hub_journal.hub_id)
"""
