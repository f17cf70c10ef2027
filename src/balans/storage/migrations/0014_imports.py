"""Imported files, kept as they came, with what was noticed about them."""

from django.db import migrations

from balans.storage.migrations._sql import seal

IMPORTS = """
-- A reading handed over from elsewhere may be an estimate.
alter table reading_stage add column if not exists est int;

-- Content is gzip. Rows are never changed, so nothing is lost of what does not fit into hourly
-- registers.
create table import_file (
  id bigint generated always as identity primary key,
  tenant_id int not null references tenant (id),
  kind text not null check (kind in ('registry', 'readings')),
  name text not null,
  options jsonb not null,
  sha256 bytea not null,
  size bigint not null,               -- of the file [bytes]
  content bytea not null,
  author text not null,
  received timestamptz not null,
  state text not null check (state in ('checked', 'refused', 'applied')),
  result jsonb not null);            -- counts
alter table import_file alter content set storage external;
create index import_file_newest on import_file (tenant_id, id desc);
create index import_file_same on import_file (tenant_id, sha256);
alter table import_file add constraint import_file_inside_key unique (tenant_id, id);

create table import_finding (
  import_id bigint not null,
  n int not null,
  tenant_id int not null references tenant (id),
  sheet text not null,
  line int not null,                  -- 0: the file as a whole
  code text not null,                 -- kind of fault, to count and filter by
  item text not null,                 -- which meter, point, …
  what text not null,
  severity text not null check (severity in ('error', 'warning')),
  primary key (import_id, n),
  constraint import_finding_import_id_inside
    foreign key (tenant_id, import_id) references import_file (tenant_id, id) on delete cascade);
"""
SEAL = seal("import_file") + seal("import_finding")


class Migration(migrations.Migration):
    dependencies = [("storage", "0013_api_keys")]
    operations = [migrations.RunSQL(IMPORTS), migrations.RunSQL(SEAL)]
