"""Rules that the database keeps itself: paths of the tree, periods, inputs, history."""

from django.db import migrations

from balans.storage.migrations._sql import exclusive, history, seal

TREE = """
create index node_path on node using gist (path);
create index access_grant_path on access_grant using gist (path);

-- The path follows the parent. A statement that writes the path itself has no effect: only the
-- cascade below, one trigger deeper, may.
create function balans_node_path() returns trigger language plpgsql as $$
declare above ltree;
begin
  if tg_op = 'UPDATE' and pg_trigger_depth() > 1 then
    return new;
  end if;
  if new.parent_id is not null then
    select path into above from node where id = new.parent_id;
    if above is null then
      raise exception 'parent % of node % does not exist', new.parent_id, new.code
        using errcode = 'foreign_key_violation';
    end if;
    if above ~ ('*.n' || new.id || '.*')::lquery then
      raise exception 'node % cannot lie below itself', new.code using errcode = 'check_violation';
    end if;
    new.path := above || ('n' || new.id)::ltree;
  else
    new.path := ('n' || new.id)::ltree;
  end if;
  return new;
end $$;
create trigger node_path before insert or update on node
  for each row execute function balans_node_path();

create function balans_node_moved() returns trigger language plpgsql as $$
begin
  update node set path = case when path = old.path then new.path
                              else new.path || subpath(path, nlevel(old.path)) end
    where path <@ old.path and id <> new.id;
  update access_grant set path = case when path = old.path then new.path
                                      else new.path || subpath(path, nlevel(old.path)) end
    where path <@ old.path;
  return null;
end $$;
create trigger node_moved after update on node
  for each row when (pg_trigger_depth() = 0 and old.path <> new.path)
  execute function balans_node_moved();

create function balans_grant_path() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' or pg_trigger_depth() = 1 then
    select path into new.path from node where id = new.node_id;
  end if;
  return new;
end $$;
create trigger access_grant_path before insert or update on access_grant
  for each row execute function balans_grant_path();
"""

PERIODS = (
    exclusive("meter_mounting", "point_id")
    + exclusive("meter_mounting", "channel_id")
    + exclusive("meter_mounting", "meter_id")
    + exclusive("contract", "node_id", "resource")
    + exclusive("tariff_zone", "node_id", "name")
    + exclusive("site_limit", "node_id", "name")
)

INPUTS = """
create function balans_check_inputs() returns trigger language plpgsql as $$
begin
  if exists (select from channel c join module m on m.id = c.module_id
             where m.has_adapter and c.input > 2
               and m.id = case when tg_table_name = 'module' then (to_jsonb(new)->>'id')::bigint
                               else (to_jsonb(new)->>'module_id')::bigint end) then
    raise exception 'a module with a switching adapter has inputs 1 and 2 only'
      using errcode = 'check_violation';
  end if;
  return null;
end $$;
create constraint trigger channel_inputs after insert or update on channel
  for each row execute function balans_check_inputs();
create constraint trigger module_inputs after update on module
  for each row execute function balans_check_inputs();
"""

HISTORY = """
create table registry_history (
  id bigint generated always as identity primary key,
  tenant_id int not null references tenant (id),
  table_name text not null,
  row_id bigint not null,
  op text not null,
  at timestamptz not null default now(),
  actor text not null,
  old jsonb,
  new jsonb);
create index registry_history_row on registry_history (table_name, row_id);

-- Passwords leave no trace but the fact that they were changed.
create function balans_history() returns trigger language plpgsql as $$
declare
  was jsonb := case when tg_op <> 'INSERT' then to_jsonb(old) end;
  becomes jsonb := case when tg_op <> 'DELETE' then to_jsonb(new) end;
  row_now jsonb := coalesce(becomes, was);
begin
  if was is not distinct from becomes then
    return null;
  end if;
  insert into registry_history (tenant_id, table_name, row_id, op, actor, old, new)
  values ((row_now->>tg_argv[0])::int, tg_table_name, (row_now->>'id')::bigint, lower(tg_op),
          coalesce(current_setting('balans.actor', true), ''),
          was - 'password', becomes - 'password');
  return null;
end $$;
"""
REGISTRY_TABLES = [
    "access_grant",
    "account",
    "channel",
    "contract",
    "customer",
    "hub",
    "load",
    "meter",
    "meter_mounting",
    "metering_point",
    "module",
    "node",
    "site_limit",
    "tariff_zone",
]
HISTORY_TRIGGERS = (
    # history is written and read, never changed
    seal("registry_history", commands=("select", "insert"))
    + history("tenant", "id")
    + "".join(history(table) for table in REGISTRY_TABLES)
)


class Migration(migrations.Migration):
    dependencies = [("storage", "0001_registry")]

    operations = [
        migrations.RunSQL(TREE),
        migrations.RunSQL(PERIODS),
        migrations.RunSQL(INPUTS),
        migrations.RunSQL(HISTORY),
        migrations.RunSQL(HISTORY_TRIGGERS),
    ]
