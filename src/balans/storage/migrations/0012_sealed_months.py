"""Sealed months, hours that are not day rows yet, and what the flush of both needs.

`reading_month` has `channel_id` in its key, so that it can be spread over servers beside
`reading_day`. `reading_recent` is what the inbox is: a waiting room, which stays with the
coordinator.
"""

from django.db import migrations

from balans.storage.migrations._sql import seal

SEALED = """
-- Registers of a channel in a UTC month that is over, see balans.domain.metering.sealed.
create table reading_month (
  channel_id int not null,
  month date not null,                -- its first day
  tenant_id int not null,
  base int not null,                  -- the first register that is there [pulses]
  v bytea not null,                   -- a step an hour, of 1, 2 or 4 bytes
  est bytea,                          -- bit k: the register at hour k was estimated
  suspect bytea,                      -- bit k: it is doubted
  primary key (channel_id, month)) partition by range (month);
alter table reading_month alter v set storage main;
create index reading_month_month on reading_month (month);
"""

RECENT = """
-- Registers of one hour of 256 channels with ids next to each other: what much of a city reports
-- at once. When the day is over it becomes day rows.
create table reading_recent (
  tenant_id int not null,
  block int not null,                 -- channel_id / 256
  hour int not null,                  -- since 2000-01-01 00:00 UTC
  v bytea not null check (length(v) = 1024),  -- 256 int4, little-endian, -1 = missing
  est bytea,                          -- bit k: the register of channel k was estimated
  suspect bytea,                      -- bit k: it is doubted
  primary key (block, hour, tenant_id));
create index reading_recent_hour on reading_recent (hour);
alter table reading_recent alter v set storage main;
"""

FLUSH = """
alter table reading_stage add column if not exists est int;
create index inbox_quarantine_hour on inbox_quarantine (reason, hour);
"""

CHANNELS = """
-- Says whether what the flush remembers of modules and inputs is still true: each change of them
-- adds a row. It belongs to no tenant, and tells nothing but that something changed.
create table channel_news (
  id bigint generated always as identity primary key,
  mark uuid not null default gen_random_uuid());

create function balans_channel_news() returns trigger language plpgsql as $$
begin
  insert into channel_news default values;
  return null;
end $$;
create trigger channel_news after insert or update or delete or truncate on channel
  for each statement execute function balans_channel_news();
create trigger channel_news after insert or update or delete or truncate on module
  for each statement execute function balans_channel_news();
"""


class Migration(migrations.Migration):
    dependencies = [("storage", "0011_balances")]

    operations = [
        migrations.RunSQL(SEALED + seal("reading_month")),
        migrations.RunSQL(RECENT + seal("reading_recent")),
        migrations.RunSQL(FLUSH),
        migrations.RunSQL(CHANNELS),
    ]
