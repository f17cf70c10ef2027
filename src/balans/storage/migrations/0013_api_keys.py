from django.db import migrations

from balans.storage.migrations._sql import inside, seal

KEYS = """
-- A key of a program. `digest` is the SHA-256 of its secret part, which nobody can tell again.
create table api_key (
  id bigint generated always as identity primary key,
  tenant_id int not null references tenant (id),
  ident text not null unique check (ident ~ '^[a-z0-9]{10}$'),
  digest bytea not null check (length(digest) = 32),
  name text not null check (length(name) between 1 and 100),
  user_id bigint not null,
  node_id bigint not null,
  scopes text[] not null check (cardinality(scopes) > 0),
  created timestamptz not null,
  expires timestamptz,
  last_used timestamptz,
  revoked timestamptz,
  revoked_by text not null default '',
  check (expires is null or expires > created));
create index api_key_tenant on api_key (tenant_id, id);
"""
SEAL = (
    seal("api_key") + inside("api_key", "user_id", "account") + inside("api_key", "node_id", "node")
)
# the time of the last use is no change that anybody made
HISTORY = """
create trigger history after insert or delete or update of name, scopes, expires, revoked on api_key
  for each row execute function balans_history('tenant_id');
"""
DUTIES = """
-- What the worker did last of each of its duties; of no tenant, and nothing of one stands in it.
create table worker_duty (
  name text primary key,
  tick bigint not null,
  begun timestamptz,
  ended timestamptz,
  outcome text not null default '',
  detail text not null default '',
  runs bigint not null default 0,
  failures bigint not null default 0);
"""


class Migration(migrations.Migration):
    dependencies = [("storage", "0012_sealed_months")]
    operations = [
        migrations.RunSQL(KEYS),
        migrations.RunSQL(SEAL),
        migrations.RunSQL(HISTORY),
        migrations.RunSQL(DUTIES),
    ]
