"""Balance groups, and what is kept of them: sums of hours, days, months and years.

No table here is keyed by a channel. `balance_hour` and `balance_period` can be emptied at any
time: what is absent is computed anew from the readings.
"""

from django.db import migrations

from balans.storage.migrations._sql import history, inside, seal, target

GROUPS = """
-- A group of a node follows the registry: its inflow points against what lies below them. A group
-- by hand has members of its own; its node says who may see it, and its time zone.
create table balance_group (
  id int generated always as identity primary key,
  tenant_id int not null references tenant (id),
  node_id bigint not null,
  resource text not null,
  by_hand boolean not null default false,
  code text not null default '',
  name text not null default '',
  parent_id int,                      -- groups of nodes: that of the nearest node above
  metered boolean not null default false,  -- has inflow points of its own
  check (by_hand = (code <> '')),
  check (code ~ '^[A-Za-z0-9_.-]{0,64}$'));
create unique index balance_group_node on balance_group (node_id, resource) where not by_hand;
create unique index balance_group_code on balance_group (tenant_id, code) where by_hand;

-- Members of a group by hand: a metering point, or the inflow of another group.
create table balance_member (
  id bigint generated always as identity primary key,
  tenant_id int not null references tenant (id),
  group_id int not null,
  side text not null check (side in ('inflow', 'production', 'outflow')),
  point_id bigint,
  child_id int,
  check (num_nonnulls(point_id, child_id) = 1),
  check (child_id <> group_id),
  unique nulls not distinct (group_id, point_id, child_id));

-- The points whose energy a group sums itself, by side: 1 inflow, 2 production, 3 outflow.
create table balance_point (
  group_id int not null,
  point_id bigint not null,
  tenant_id int not null references tenant (id),
  side smallint not null,
  primary key (group_id, point_id));
create index balance_point_point on balance_point (point_id);
"""

SUMS = """
-- Sums over the points of a side in the hours of a UTC day. NULL: known as expected; nothing
-- suspect; nothing estimated. `expected` has one element where all hours have the same.
create table balance_hour (
  group_id int not null,
  side smallint not null,
  day date not null,
  tenant_id int not null,
  energy bigint[] not null,           -- of what is known [mWh, mvarh or ml]
  expected int[] not null,
  known int[],
  suspect int[],
  estimated int[],
  primary key (group_id, day, side));

-- The same for a local day (1), month (2) or year (3), from the registers at its ends.
create table balance_period (
  group_id int not null,
  step smallint not null,
  start date not null,
  side smallint not null,
  tenant_id int not null,
  energy bigint not null,
  expected int not null,
  known int not null,
  suspect int not null,
  estimated int not null,
  primary key (group_id, step, start, side));

-- Technical losses in the hours of a UTC day, from whatever computes them; NULL: not computed.
create table balance_loss (
  group_id int not null,
  day date not null,
  tenant_id int not null,
  energy bigint[] not null,
  method text not null,
  computed_at timestamptz not null,
  primary key (group_id, day));
"""

UPKEEP = """
-- UTC days of a group whose registers changed since its sums were computed.
create table balance_dirty (
  group_id int not null,
  day date not null,
  tenant_id int not null,
  n int not null default 1,
  primary key (group_id, day));

-- What changed in the registry or in the validity of points, until it has reached the groups.
-- Without a point: the tree or the points themselves.
create table balance_news (
  id bigint generated always as identity primary key,
  tenant_id int not null,
  point_id bigint,
  first timestamptz,
  last timestamptz);

-- How often news reached the groups: with `balance_news` it tells whether a copy is still true.
create table balance_version (
  tenant_id int primary key,
  version bigint not null);
"""

NEWS = """
create function balans_tree_news() returns trigger language plpgsql as $$
begin
  insert into balance_news (tenant_id) select distinct tenant_id from changed;
  return null;
end $$;

create function balans_mounting_news() returns trigger language plpgsql as $$
begin
  insert into balance_news (tenant_id, point_id, first, last)
    select tenant_id, point_id, valid_from, valid_to from changed;
  return null;
end $$;

create function balans_meter_news() returns trigger language plpgsql as $$
begin
  insert into balance_news (tenant_id, point_id, first, last)
    select m.tenant_id, m.point_id, m.valid_from, m.valid_to
    from changed c join meter_mounting m on m.meter_id = c.id;
  return null;
end $$;

create trigger balance_news_new after insert on node referencing new table as changed
  for each statement execute function balans_tree_news();
create trigger balance_news_both after update on node referencing new table as changed
  for each statement execute function balans_tree_news();
create trigger balance_news_old after delete on node referencing old table as changed
  for each statement execute function balans_tree_news();
create trigger balance_news_new after insert on metering_point referencing new table as changed
  for each statement execute function balans_tree_news();
create trigger balance_news_both after update on metering_point referencing new table as changed
  for each statement execute function balans_tree_news();
create trigger balance_news_old after delete on metering_point referencing old table as changed
  for each statement execute function balans_tree_news();
create trigger balance_news_new after insert on meter_mounting referencing new table as changed
  for each statement execute function balans_mounting_news();
create trigger balance_news_after after update on meter_mounting referencing new table as changed
  for each statement execute function balans_mounting_news();
create trigger balance_news_before after update on meter_mounting referencing old table as changed
  for each statement execute function balans_mounting_news();
create trigger balance_news_old after delete on meter_mounting referencing old table as changed
  for each statement execute function balans_mounting_news();
create trigger balance_news_both after update on meter referencing new table as changed
  for each statement execute function balans_meter_news();
"""

SEALED = (
    "balance_group",
    "balance_member",
    "balance_point",
    "balance_hour",
    "balance_period",
    "balance_loss",
    "balance_dirty",
    "balance_news",
    "balance_version",
)
SEAL = (
    "".join(seal(table) for table in SEALED)
    + target("balance_group")
    + inside("balance_group", "node_id", "node")
    + inside("balance_member", "group_id", "balance_group")
    + inside("balance_member", "child_id", "balance_group")
    + inside("balance_member", "point_id", "metering_point")
    + history("balance_group")
    + history("balance_member")
)


class Migration(migrations.Migration):
    dependencies = [("storage", "0010_validity")]

    operations = [
        migrations.RunSQL(GROUPS),
        migrations.RunSQL(SUMS),
        migrations.RunSQL(UPKEEP),
        migrations.RunSQL(SEAL),
        migrations.RunSQL(NEWS),
    ]
