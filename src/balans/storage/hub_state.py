"""What hubs say of themselves in every `Hello`, and whether two of them bear one code.

Call inside a scope: `state_of` in that of the tenant, `take_hello` in that of the system.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import connection

from balans.core.text import printable
from balans.protocols.hub import Hello
from balans.storage import findings
from balans.storage.findings import Noticed, Severity
from balans.storage.scope import system_scope

TWO_HUBS: Final = "two hubs bear this code"
TROUBLE: Final = "the hub is in trouble"


DOUBLED_FOR: Final = timedelta(days=1)
"""So long after they were last heard by turns a code counts as borne by two hubs."""


@dataclass(frozen=True, slots=True)
class HubState:
    """How a hub is: when it was last heard, and what is wrong with it.

    `silent_modules` are those that it calls silent; `heard_at` is None for one that never spoke.
    `refused` batches of it are kept and cannot be stored.
    """

    heard_at: datetime | None
    software: str
    trouble: str
    trouble_since: datetime | None
    doubled: bool
    silent_modules: int
    refused: int


def state_of(hub_id: int, now: datetime) -> HubState:
    """Return how a hub is at `now`, by the clock of the sites."""
    with connection.cursor() as cursor:
        cursor.execute(_STATE, {"hub": hub_id, "since": now - DOUBLED_FOR})
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


def note_doubled(code: str, journals: tuple[int, int], at: datetime) -> None:
    """Keep a finding that two hubs bear one code: their journals speak by turns.

    Opens its own scope; a code that nobody has registered is passed over.
    """
    with system_scope("headend", durable=True), connection.cursor() as cursor:
        cursor.execute(_DOUBLED, [at, code])
        row = cursor.fetchone()
        if row is not None:
            detail = "journals {} and {} speak by turns: give one of them another code"
            found = Noticed(
                row[0], f"hub {code}", TWO_HUBS, detail.format(*journals), Severity.ERROR
            )
            findings.record([found], at)


def _code(hub_id: int) -> str:
    with connection.cursor() as cursor:
        cursor.execute("select code from hub where id = %s", [hub_id])
        return str(cursor.fetchone()[0])


_STATE = """
select (select max(last_seen) from hub_journal where hub_id = h.id),
  coalesce(s.software, ''), coalesce(s.trouble, ''), s.trouble_since,
  coalesce(s.doubled_at > %(since)s, false),
  (select count(*) from module_news n join module m
     on m.serial = n.serial and m.tenant_id = n.tenant_id and m.hub_id = n.hub_id
   where n.hub_id = h.id and n.silent and m.removed_at is null),
  (select count(*) from inbox_batch
   where hub_id = h.id and flushed_at is null and note is not null)
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
_DOUBLED = """
update hub_state s set doubled_at = %s from hub h where h.id = s.hub_id and h.code = %s
returning s.tenant_id
"""
