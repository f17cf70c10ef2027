"""Validity: events of channels, edits of registers, marks of points, dials read by eye.

Keys of `channel_event` and `reading_edit` contain `channel_id`, as those of all tables of readings.
"""

import django.db.models.deletion
from django.db import migrations, models

from balans.storage.migrations._sql import history, inside, seal, target

READINGS = """
-- The hours whose registers came with a flag, by UTC year; the union of all that was ever told,
-- hence the same in whatever order and however often it is told.
create table channel_event (
  channel_id int not null,
  kind text not null,
  year smallint not null,
  tenant_id int not null,
  hours int4multirange not null,
  primary key (channel_id, kind, year));
create index channel_event_year on channel_event (tenant_id, year);

-- Edits are added, never changed: of an hour the one with the highest revision counts. What
-- devices sent stays in reading_day, so no repeated batch can undo an edit.
create table reading_edit (
  channel_id int not null,
  hour int not null,
  revision int not null,
  tenant_id int not null,
  kind text not null check (kind in ('correct', 'estimate', 'strike', 'withdraw')),
  register int check (register >= 0),
  before int,
  author text not null,
  reason text not null,
  at timestamptz not null,
  primary key (channel_id, hour, revision),
  check ((register is null) = (kind in ('strike', 'withdraw'))));
create index reading_edit_hour on reading_edit (hour);
"""

PHOTO = """
-- Apart from manual_reading, whose history would repeat it.
create table manual_photo (
  reading_id bigint primary key,
  tenant_id int not null references tenant (id),
  jpeg bytea not null check (octet_length(jpeg) <= 5000000));
alter table manual_photo alter jpeg set storage external;
"""

SEAL = (
    seal("channel_event")
    + seal("reading_edit", commands=("select", "insert"))
    + seal("point_mark")
    + inside("point_mark", "point_id", "metering_point")
    + history("point_mark")
    + seal("manual_reading")
    + inside("manual_reading", "point_id", "metering_point")
    + history("manual_reading")
    + target("manual_reading")
    + seal("manual_photo")
    + inside("manual_photo", "reading_id", "manual_reading")
)


class Migration(migrations.Migration):
    dependencies = [("storage", "0009_found")]

    operations = [
        migrations.CreateModel(
            name="ManualReading",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField()),
                ("dial", models.DecimalField(decimal_places=3, max_digits=18)),
                ("source", models.CharField(max_length=24)),
                ("state", models.CharField(default="proposed", max_length=24)),
                ("note", models.CharField(blank=True, default="", max_length=500)),
                ("author", models.CharField(max_length=150)),
                ("made_at", models.DateTimeField()),
                ("reviewer", models.CharField(blank=True, default="", max_length=150)),
                ("reviewed_at", models.DateTimeField(blank=True, null=True)),
                ("reason", models.CharField(blank=True, default="", max_length=500)),
                (
                    "point",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="storage.meteringpoint",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="storage.tenant",
                    ),
                ),
            ],
            options={
                "db_table": "manual_reading",
                "indexes": [
                    models.Index(fields=["point", "at"], name="manual_reading_point"),
                    models.Index(
                        condition=models.Q(("state", "proposed")),
                        fields=["at"],
                        name="manual_reading_open",
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("source__in", ["consumer", "operator", "walk_by"])),
                        name="manual_reading_source_word",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["proposed", "accepted", "refused"])),
                        name="manual_reading_state_word",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("dial__gte", 0)), name="manual_reading_dial"
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state", "accepted")),
                        fields=("point", "at"),
                        name="manual_reading_accepted_once",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="PointMark",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("valid_from", models.DateTimeField()),
                ("valid_to", models.DateTimeField(blank=True, null=True)),
                ("reason", models.CharField(max_length=500)),
                ("author", models.CharField(max_length=150)),
                ("made_at", models.DateTimeField()),
                ("ended_by", models.CharField(blank=True, default="", max_length=150)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                ("void", models.BooleanField(default=False)),
                (
                    "point",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="storage.meteringpoint",
                    ),
                ),
                (
                    "tenant",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="storage.tenant",
                    ),
                ),
            ],
            options={
                "db_table": "point_mark",
                "indexes": [models.Index(fields=["point", "valid_from"], name="point_mark_point")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("valid_to__isnull", True),
                            ("valid_to__gt", models.F("valid_from")),
                            _connector="OR",
                        ),
                        name="point_mark_period",
                    )
                ],
            },
        ),
        migrations.RunSQL(READINGS),
        migrations.RunSQL(PHOTO),
        migrations.RunSQL(SEAL),
    ]
