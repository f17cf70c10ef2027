"""Devices that announced themselves, places prepared for devices, forms that came already."""

from django.db import migrations, models

from balans.storage.migrations._sql import history, inside, seal

FOUND = """
-- Without a tenant: a hub that nobody has claimed; only the system sees it, and whoever shows the
-- secret of its label may make it theirs.
create table found_device (
  id bigint generated always as identity primary key,
  tenant_id int references tenant (id),
  kind text not null check (kind in ('hub', 'module')),
  code text not null,                  -- a hub's code, a module's serial number
  hub_id bigint,                       -- a module: which hub heard it last
  state text not null default 'found' check (state in ('found', 'accepted', 'refused')),
  inputs smallint not null default 0,  -- how many; 0: it does not say
  has_adapter boolean not null default false,
  model text not null default '',
  software text not null default '',
  claim text not null default '',
  claim_seen timestamptz,
  other_claim_seen timestamptz,        -- another device says it has the same code
  first_seen timestamptz not null,
  last_seen timestamptz not null,
  n bigint not null default 1,
  decided_at timestamptz,
  decided_by text not null default '',
  reason text not null default '',
  unique nulls not distinct (tenant_id, kind, code));
create index found_device_open on found_device (tenant_id, last_seen) where state = 'found';

create table prepared_device (
  id bigint generated always as identity primary key,
  tenant_id int not null references tenant (id),
  kind text not null check (kind in ('hub', 'module')),
  code text not null,
  node_id bigint not null,             -- where a module shall hang, the site of a hub
  name text not null default '',
  controls boolean not null default false,
  has_adapter boolean not null default false,
  claim text not null default '',      -- of the secret on the label, which is not kept itself
  inputs jsonb not null default '[]',  -- what shall hang on each input
  state text not null default 'waiting'
    check (state in ('waiting', 'accepted', 'faulty', 'withdrawn')),
  detail text not null default '',
  author text not null,
  created timestamptz not null,
  done_at timestamptz,
  unique (tenant_id, kind, code));
create index prepared_device_code on prepared_device (kind, code) where state = 'waiting';

-- The answer to a form, so that a form that is sent again gets the same one and changes nothing.
create table sent_form (
  tenant_id int not null references tenant (id),
  account_id bigint not null,
  token uuid not null,
  at timestamptz not null,
  answer jsonb not null,
  primary key (tenant_id, account_id, token));
create index sent_form_at on sent_form (at);
"""
SEAL = (
    seal("found_device")
    + seal("prepared_device")
    + seal("sent_form")
    + inside("found_device", "hub_id", "hub")
    + inside("prepared_device", "node_id", "node")
    + inside("sent_form", "account_id", "account")
    + history("prepared_device")
)


class Migration(migrations.Migration):
    dependencies = [("storage", "0008_delivery")]

    operations = [
        migrations.AddField("hub", "removed_at", models.DateTimeField(blank=True, null=True)),
        migrations.AddField("module", "removed_at", models.DateTimeField(blank=True, null=True)),
        migrations.RunSQL(FOUND),
        migrations.RunSQL(SEAL),
    ]
