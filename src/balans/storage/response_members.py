"""Which groups the hubs of a tenant belong to, and the numbered word of it that each hub is told.

A programme has groups of up to `GROUP_HUBS` hubs: one message to a group asks every site in it, so
a hub hears of no more than so many others. A hub is a member while a place of its site takes part;
where no consent is needed, while its site and the programme's subtree meet. It keeps its group.

What a hub is told has a version, which grows whenever any of it changes, for whatever reason: what
was told last is kept and compared. Numbers come from a sequence, so none is used twice, also where
rows were deleted; a gateway refuses what is older than what it knows, and what is as old and says
something else.
"""

from dataclasses import dataclass
from typing import Final

from django.db import connection

from balans.protocols.hub import Fallback, Groups
from balans.storage.scope import system_scope

ACTOR: Final = "headend"
GROUP_HUBS: Final = 64
LOCK: Final = 0x62616C67  # "balg"


@dataclass(frozen=True, slots=True)
class HubGroups:
    """What a hub must know of its groups."""

    hub_code: str
    tenant_id: int
    groups: Groups


def group_name(tenant_id: int, programme_code: str, shard: int) -> str:
    """Return the name of a group on the wire, unique on the broker.

    >>> group_name(3, "evening", 0)
    't3-evening.0'
    """
    return f"t{tenant_id}-{programme_code}.{shard}"


def shard_of(group: str) -> int:
    """Return which of its programme's groups one is.

    >>> shard_of("t3-evening.12")
    12
    """
    return int(group.rpartition(".")[2])


def sync_members(programme_id: int | None = None) -> int:
    """Bring membership in step with programmes and who takes part; return how many changed.

    Call inside a scope; without `programme_id` for all programmes in it.
    """
    values = {"programme": programme_id, "size": GROUP_HUBS, "lock": LOCK}
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock(%(lock)s)", values)
        cursor.execute(_DROP, values)
        changed = cursor.rowcount
        cursor.execute(_ADD, values)
        return int(changed + cursor.rowcount)


def registered(hub_codes: list[str]) -> set[str]:
    """Return those of `hub_codes` that somebody has registered. Opens a scope of its own."""
    with system_scope(ACTOR), connection.cursor() as cursor:
        cursor.execute("select code from hub where code = any(%s)", [hub_codes])
        return {code for (code,) in cursor.fetchall()}


def hub_groups(hub_codes: list[str] | None = None) -> list[HubGroups]:
    """Return for the hubs with `hub_codes`, of tenants with keys, what they must know; commits.

    The fallback is the strictest of the hub's programmes: the smallest limit, the soonest.
    """
    with system_scope(ACTOR, durable=True), connection.cursor() as cursor:
        sync_members()  # it locks: of two head-ends the second finds what the first has told
        cursor.execute(_TELL, {"hubs": hub_codes})
        cursor.execute(_GROUPS, {"hubs": hub_codes})
        return [
            HubGroups(
                code,
                tenant,
                Groups(
                    version,
                    tenant,
                    tuple(
                        group_name(tenant, programme, shard)
                        for programme, shard in zip(programmes, shards, strict=True)
                    ),
                    Fallback(float(after_s), float(hold_s), limit_w),
                ),
            )
            for code, tenant, version, programmes, shards, after_s, hold_s, limit_w in (
                cursor.fetchall()
            )
        ]


_WANTED = """
wanted as (
  select distinct p.id as programme_id, h.id as hub_id, p.tenant_id
  from dr_programme p
  join node pn on pn.id = p.node_id
  join hub h on h.tenant_id = p.tenant_id and h.controls
  join node sn on sn.id = h.site_id
  where p.state = 'open' and (%(programme)s::bigint is null or p.id = %(programme)s)
    and (sn.path <@ pn.path or pn.path <@ sn.path)
    and (not p.consent_needed or exists (
      select from dr_enrolment e join node en on en.id = e.node_id
      where e.programme_id = p.id and e.left_at is null
        and (en.path <@ sn.path or sn.path <@ en.path))))
"""
_DROP = f"""
with {_WANTED}
delete from dr_member m
where (%(programme)s::bigint is null or m.programme_id = %(programme)s)
  and not exists (select from wanted w
    where w.programme_id = m.programme_id and w.hub_id = m.hub_id)
  and not exists (select from dr_target t join dr_event e on e.id = t.event_id
    where t.hub_id = m.hub_id and e.programme_id = m.programme_id
      and jsonb_array_length(e.topics) > 0)
"""
# New members fill the gaps of the groups that there are, then groups behind them.
_ADD = f"""
with {_WANTED},
added as (
  select w.*, row_number() over (partition by w.programme_id order by w.hub_id) as n
  from wanted w
  where not exists (select from dr_member m
    where m.programme_id = w.programme_id and m.hub_id = w.hub_id)),
sizes as (
  select programme_id, shard, count(*) as held from dr_member group by programme_id, shard),
room as (
  select a.programme_id, s.shard, %(size)s - coalesce(z.held, 0) as free,
    sum(%(size)s - coalesce(z.held, 0)) over (partition by a.programme_id order by s.shard)
      as upto
  from (select programme_id, max(n) as added from added group by programme_id) a
  cross join lateral generate_series(0, (a.added + (select count(*) from dr_member m
    where m.programme_id = a.programme_id)) / %(size)s + 1) as s (shard)
  left join sizes z on z.programme_id = a.programme_id and z.shard = s.shard)
insert into dr_member (programme_id, hub_id, tenant_id, shard)
select a.programme_id, a.hub_id, a.tenant_id, r.shard
from added a join room r on r.programme_id = a.programme_id
  and a.n > r.upto - r.free and a.n <= r.upto
on conflict do nothing
"""
_TOLD = """
told as (
  select h.id, h.code, h.tenant_id,
    coalesce(array_agg(p.code order by p.code, m.shard) filter (where p.id is not null), '{}')
      as programmes,
    coalesce(array_agg(m.shard order by p.code, m.shard) filter (where p.id is not null), '{}')
      as shards,
    coalesce(min(p.fallback_after_s), 120) as after_s,
    coalesce(max(p.fallback_hold_s), 0) as hold_s, min(p.fallback_w) as limit_w
  from hub h
  left join dr_member m on m.hub_id = h.id
  left join dr_programme p on p.id = m.programme_id and p.state <> 'draft'
  where h.controls and (%(hubs)s::text[] is null or h.code = any(%(hubs)s))
    and exists (select from signing_key k where k.tenant_id = h.tenant_id)
  group by h.id, h.code, h.tenant_id)
"""
_TELL = f"""
with {_TOLD}, worded as (select t.id, t.tenant_id, to_jsonb(t) as told from told t)
insert into dr_told_groups (hub_id, tenant_id, version, told)
select w.id, w.tenant_id, nextval('dr_groups_version'), w.told from worded w
where not exists (select from dr_told_groups k where k.hub_id = w.id and k.told = w.told)
on conflict (hub_id) do update set tenant_id = excluded.tenant_id, version = excluded.version,
  told = excluded.told
"""
_GROUPS = f"""
with {_TOLD}
select t.code, t.tenant_id, k.version, t.programmes, t.shards, t.after_s, t.hold_s, t.limit_w
from told t join dr_told_groups k on k.hub_id = t.id order by t.code
"""
