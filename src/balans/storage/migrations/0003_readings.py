"""Inbox, readings, live picture and findings: tables that only `balans.storage` speaks SQL to.

Every key of a table of readings contains `channel_id`, so that the same tables can be spread
over several servers by it.
"""

from django.db import migrations

from balans.storage.migrations._sql import inside, seal

HOURS = ", ".join(f"h{hour:02d} int" for hour in range(24))

INBOX = """
-- A committed row here is what an acknowledgement stands for. Batches may be cut anew when they
-- are sent again, so their first offset is no key; what was received says hub_journal.
create table inbox_batch (
  id bigint generated always as identity primary key,
  tenant_id int not null references tenant (id),
  hub_id bigint not null,
  journal_id bigint not null,
  first_offset bigint not null,
  n int not null,
  received timestamptz not null,
  payload bytea not null,
  flushed_at timestamptz,
  note text);
alter table inbox_batch alter payload set storage external;
-- a note without flushed_at: put aside, since it cannot be flushed
create index inbox_batch_open on inbox_batch (id) where flushed_at is null and note is null;

create table hub_journal (
  tenant_id int not null references tenant (id),
  hub_id bigint not null,
  journal_id bigint not null,
  received int8multirange not null default '{}',
  lost int8multirange not null default '{}',
  first_seen timestamptz not null,
  last_seen timestamptz not null,
  primary key (hub_id, journal_id));

-- Readings that found no channel, or whose hour cannot be, one row each.
create table inbox_quarantine (
  tenant_id int not null references tenant (id),
  hub_id bigint not null,
  module bigint not null,
  input smallint not null,
  hour int not null,
  register int not null,
  flags smallint not null,
  reason text not null,               -- 'unknown channel' | 'impossible hour'
  received timestamptz not null,
  primary key (tenant_id, module, input, hour, register));

-- What nobody has registered yet, one row an input; when it is, its readings leave quarantine.
create table unknown_channel (
  tenant_id int not null references tenant (id),
  module bigint not null,
  input smallint not null,
  hub_id bigint not null,
  first_seen timestamptz not null,
  last_seen timestamptz not null,
  primary key (tenant_id, module, input));
"""

READINGS = f"""
create table reading_day (
  channel_id int not null,
  day date not null,                  -- UTC
  tenant_id int not null,
  est int,                            -- bit k: the register at hour k was estimated
  suspect int,                        -- bit k: the module doubted its line at hour k
  {HOURS},                            -- register at hh:00 UTC [pulses]; NULL = missing
  primary key (channel_id, day)) partition by range (day);
create index reading_day_day on reading_day
  using brin (day) with (pages_per_range = 16, autosummarize = on);

-- Emptied inside the transaction that fills it, so it never shows a row; hence no policy, which
-- would forbid COPY.
create unlogged table reading_stage (
  channel_id int not null, day date not null, tenant_id int not null, suspect int, {HOURS});
"""

LIVE = """
create table live_status (
  site_id bigint primary key,
  tenant_id int not null references tenant (id),
  at timestamptz not null,
  received timestamptz not null,
  valid_s real not null,
  status bytea not null);

create table site_minute (
  site_id bigint not null,
  minute timestamptz not null,
  tenant_id int not null references tenant (id),
  n int not null,
  power_w real,
  limit_w real,
  reference_w real,
  shed_w real,
  primary key (site_id, minute));

create table study (
  site_id bigint not null,
  name text not null,
  tenant_id int not null references tenant (id),
  result jsonb not null,
  computed_at timestamptz not null,
  primary key (site_id, name));

-- Without a tenant: about something that no tenant owns, such as an unknown hub.
create table finding (
  id bigint generated always as identity primary key,
  tenant_id int references tenant (id),
  place text not null,
  what text not null,
  severity text not null check (severity in ('error', 'warning')),
  detail text not null,
  first_seen timestamptz not null,
  last_seen timestamptz not null,
  n bigint not null default 1,
  unique nulls not distinct (tenant_id, place, what));
"""

SEALED = [
    "inbox_batch",
    "hub_journal",
    "inbox_quarantine",
    "unknown_channel",
    "reading_day",
    "live_status",
    "site_minute",
    "study",
    "finding",
]
REFERENCES = [
    ("inbox_batch", "hub_id", "hub"),
    ("hub_journal", "hub_id", "hub"),
    ("inbox_quarantine", "hub_id", "hub"),
    ("unknown_channel", "hub_id", "hub"),
    ("live_status", "site_id", "node"),
    ("site_minute", "site_id", "node"),
    ("study", "site_id", "node"),
]
SEAL = "".join(seal(table) for table in SEALED) + "".join(inside(*r) for r in REFERENCES)


class Migration(migrations.Migration):
    dependencies = [("storage", "0002_rules")]

    operations = [
        migrations.RunSQL(INBOX),
        migrations.RunSQL(READINGS),
        migrations.RunSQL(LIVE),
        migrations.RunSQL(SEAL),
    ]
