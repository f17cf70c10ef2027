"""SQL of the flush, written out for the 24 hours of a day row."""

from balans.storage.dayrows import HOURS

_NEW_BITS = " | ".join(
    f"case when r.{h} is null and excluded.{h} is not null then {1 << k} else 0 end"
    for k, h in enumerate(HOURS)
)
_MARKED = f"nullif(coalesce(r.{{mask}}, 0) | (coalesce(excluded.{{mask}}, 0) & ({_NEW_BITS})), 0)"
_SAME = " + ".join(f"coalesce((r.{h} = s.{h})::int, 0)" for h in HOURS)
_OTHER = " + ".join(f"coalesce((r.{h} <> s.{h})::int, 0)" for h in HOURS)
_JOINED = (
    "reading_stage s join reading_day r on r.channel_id = s.channel_id and r.day = s.day"
    " and r.day between %s and %s"
)

COMPARE = f"select coalesce(sum({_SAME}), 0), coalesce(sum({_OTHER}), 0) from {_JOINED}"
"""Staged readings that are there already: with the same register, and with another one."""

AGAIN = f"""
select s.channel_id, sum({_SAME} + {_OTHER}), sum({_OTHER}) from {_JOINED}
group by s.channel_id having sum({_SAME} + {_OTHER}) > 0
"""
"""The same by channel, for those that have any."""

CONTRADICTIONS = f"""
select s.tenant_id, m.serial, c.input, s.day + make_interval(hours => x.hour), x.held, x.sent
from {_JOINED}
join channel c on c.id = s.channel_id join module m on m.id = c.module_id
cross join lateral (values {", ".join(f"({k}, r.{h}, s.{h})" for k, h in enumerate(HOURS))})
  x (hour, held, sent)
where x.held <> x.sent order by s.channel_id, s.day, x.hour limit 1000
"""

MERGE = f"""
insert into reading_day as r (channel_id, day, tenant_id, est, suspect, {", ".join(HOURS)})
select channel_id, day, tenant_id, est, suspect, {", ".join(HOURS)} from reading_stage
order by channel_id, day
on conflict (channel_id, day) do update set
  {", ".join(f"{mask} = {_MARKED.format(mask=mask)}" for mask in ("est", "suspect"))},
  {", ".join(f"{h} = coalesce(r.{h}, excluded.{h})" for h in HOURS)}
where {" or ".join(f"(r.{h} is null and excluded.{h} is not null)" for h in HOURS)}
"""
"""What is stored wins; a row that gains nothing is not rewritten. Doubt comes with a register."""

OPEN_BATCHES = """
with waiting as (
  select id, rank, row_number() over (order by rank, id) as n, min(rank) over () as first
  from inbox_batch where flushed_at is null and note is null order by rank, id limit %s)
select b.id, b.tenant_id, b.hub_id, h.code, h.site_id, b.payload, b.received
from waiting w join inbox_batch b on b.id = w.id join hub h on h.id = b.hub_id
where case when w.first < 3 then w.rank < 3 else w.n <= 100 end order by w.n
"""
"""What is urgent goes alone, and the archive in small parts: no transaction holds up the next."""

SETTLE_BATCHES = """
update inbox_batch b set flushed_at = %b, note = null from unnest(%b::bigint[]) as n (id)
where b.id = n.id
"""
NOTE_BATCHES = """
update inbox_batch b set note = n.note
from unnest(%b::bigint[], %b::text[]) as n (id, note) where b.id = n.id
"""

INPUTS = """
select c.id, m.serial, c.input from channel c join module m on m.id = c.module_id
where c.id = any(%s)
"""

QUARANTINE = """
insert into inbox_quarantine
  (tenant_id, hub_id, module, input, hour, register, flags, reason, received)
select *, %s, %s from unnest(%s::int[], %s::bigint[], %s::bigint[], %s::smallint[], %s::int[],
  %s::int[], %s::smallint[])
on conflict do nothing
"""

NOTE_UNKNOWN = """
insert into unknown_channel as u (tenant_id, hub_id, module, input, first_seen, last_seen)
values (%s, %s, %s, %s, %s, %s)
on conflict (tenant_id, module, input) do update set last_seen = excluded.last_seen
"""

REGISTERED_SINCE = """
delete from unknown_channel u using module m, channel c
where m.serial = u.module and m.tenant_id = u.tenant_id and c.module_id = m.id
  and c.input = u.input
returning u.tenant_id, u.module, u.input
"""

RELEASE = """
delete from inbox_quarantine q
using unnest(%s::int[], %s::bigint[], %s::smallint[]) as u (tenant_id, module, input)
where q.tenant_id = u.tenant_id and q.module = u.module and q.input = u.input
  and q.reason = 'unknown channel'
returning q.tenant_id, q.hub_id, q.module, q.input, q.flags, q.hour, q.register
"""

RELEASE_POSSIBLE = """
delete from inbox_quarantine where reason = %s and hour between %s and %s
returning tenant_id, hub_id, module, input, flags, hour, register
"""
