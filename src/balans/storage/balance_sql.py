"""SQL of the upkeep of balances."""

LOCK = "select pg_advisory_xact_lock(%s)"
TRY_LOCK = "select pg_try_advisory_xact_lock(%s)"

_BUMP = """
bumped as (
  insert into balance_version as v (tenant_id, version) select distinct tenant_id, 1 from news
  on conflict (tenant_id) do update set version = v.version + 1)
"""
"""In the statement that takes the news, so that no copy outlives what it was made from."""

TREE_NEWS = f"""
with news as (delete from balance_news where point_id is null returning tenant_id), {_BUMP}
select distinct tenant_id from news
"""

POINT_NEWS = f"""
with news as (
  delete from balance_news where point_id is not null
  returning tenant_id, point_id, first, last),
{_BUMP},
wide as (
  select distinct n.point_id,
    coalesce((select max(m.valid_to) from meter_mounting m
              where m.point_id = n.point_id and m.valid_to <= n.first), n.first) as first,
    coalesce((select min(m.valid_from) from meter_mounting m
              where m.point_id = n.point_id and m.valid_from >= n.last), n.last) as last
  from news n),
hit as (
  select p.group_id, p.tenant_id,
    coalesce((w.first at time zone 'UTC')::date, '-infinity') as first,
    coalesce((w.last at time zone 'UTC')::date, 'infinity') as last
  from wide w join balance_point p on p.point_id = w.point_id),
periods as (
  delete from balance_period b using hit h
  where b.group_id = h.group_id and b.start <= h.last + 1
    and (b.start + make_interval(days => (b.step = 1)::int, months => (b.step = 2)::int,
                                 years => (b.step = 3)::int))::date >= h.first - 1)
insert into balance_dirty as d (group_id, day, tenant_id)
select distinct h.group_id, b.day, h.tenant_id
from hit h join balance_hour b on b.group_id = h.group_id
  and b.day between h.first - 1 and h.last + 1
order by 1, 2
on conflict (group_id, day) do update set n = d.n + 1
"""
"""A mounting tells of the time between it and its neighbours too, when no meter was there."""

TAKE_MARKS = """
delete from balance_dirty d using (
  select group_id, day from balance_dirty order by day, group_id limit %s
  for update skip locked) x
where d.group_id = x.group_id and d.day = x.day
returning d.group_id, d.day
"""

_MINE = "group_id = any(%s::int[]) and day between %s and %s"
SEE_MARKS = f"select exists (select from balance_dirty where {_MINE})"
TAKE_THESE_MARKS = f"""
delete from balance_dirty d using (
  select group_id, day from balance_dirty where {_MINE} order by group_id, day
  for update skip locked) x
where d.group_id = x.group_id and d.day = x.day
returning d.group_id, d.day
"""
"""Marks that a flush is setting right now stay: what it writes cannot be seen yet."""

MEMBERS = """
select array_agg(group_id), array_agg(side), array_agg(point_id), array_agg(tenant_id)
from (select * from balance_point where group_id = any(%b)
      order by group_id, side, point_id) x
"""
