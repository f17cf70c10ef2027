"""Delivery: what was asked for, when it came, what will never come, and reading now."""

from django.db import migrations

from balans.storage.migrations._sql import inside, seal

INBOX = """
alter table inbox_batch add column rank smallint not null default 2;   -- protocols.hub.Rank
drop index inbox_batch_open;
create index inbox_batch_open on inbox_batch (rank, id) where flushed_at is null and note is null;
create table hub_state (
  hub_id bigint primary key,
  tenant_id int not null references tenant (id),
  hello_at timestamptz not null,
  software text not null,
  site text not null,
  trouble text not null,
  trouble_since timestamptz,
  doubled_at timestamptz,                -- when two hubs of this code were last heard by turns
  looked_at timestamptz);                -- when its modules' hours were last looked at for holes
"""

ARRIVALS = """
-- When the readings of an hour came by a hub: the first of them, and the last that was new.
create table hub_arrival (
  hub_id bigint not null,
  hour int not null,
  tenant_id int not null references tenant (id),
  first timestamptz not null,
  last timestamptz not null,
  primary key (hub_id, hour));
create index hub_arrival_hour on hub_arrival using brin (hour);

-- Readings that came much later than those of their hub's other modules; keyed by channel.
create table channel_late (
  channel_id int not null,
  hour int not null,
  tenant_id int not null,
  received timestamptz not null,
  primary key (channel_id, hour));
create index channel_late_hour on channel_late using brin (hour);

create table channel_delivery (
  channel_id int primary key,
  tenant_id int not null,
  duplicates bigint not null default 0,      -- readings that came again
  contradictions bigint not null default 0,  -- of them with another register
  wanted int4multirange not null default '{}',
  asked_at timestamptz,
  asks int not null default 0,
  gone int4multirange not null default '{}', -- the module no longer holds them
  gone_at timestamptz,
  oldest int);                               -- oldest hour that its ring held then

create table module_news (
  tenant_id int not null references tenant (id),
  hub_id bigint not null,
  serial bigint not null,
  silent boolean not null,
  last_hour int,
  at timestamptz not null,
  primary key (tenant_id, hub_id, serial));
"""

READING_NOW = """
create table read_request (
  id bigint generated always as identity primary key,
  tenant_id int not null references tenant (id),
  channel_id int not null,
  point_id int not null,                     -- whose meter the channel counted when it was asked
  code text not null unique,                 -- on the wire
  user_id bigint,
  author text not null,
  reason text not null,
  state text not null check (state in ('queued', 'sent', 'done', 'failed', 'expired')),
  created timestamptz not null,
  deadline timestamptz not null,
  sent_at timestamptz,
  done_at timestamptz,
  register int,
  read_at timestamptz,
  flags smallint not null default 0,
  detail text not null default '');
create index read_request_point on read_request (point_id, id desc);
create unique index read_request_open on read_request (channel_id) where state in ('queued', 'sent');
"""

SEALED = [
    "hub_state",
    "hub_arrival",
    "channel_late",
    "channel_delivery",
    "module_news",
    "read_request",
]
REFERENCES = [
    ("hub_state", "hub_id", "hub"),
    ("hub_arrival", "hub_id", "hub"),
    ("module_news", "hub_id", "hub"),
    ("read_request", "channel_id", "channel"),
    ("read_request", "point_id", "metering_point"),
    ("read_request", "user_id", "account"),
]
SEAL = "".join(seal(table) for table in SEALED) + "".join(inside(*r) for r in REFERENCES)


class Migration(migrations.Migration):
    dependencies = [("storage", "0007_words_of_metering")]
    operations = [
        migrations.RunSQL(INBOX),
        migrations.RunSQL(ARRIVALS),
        migrations.RunSQL(READING_NOW),
        migrations.RunSQL(SEAL),
    ]
