"""Demand response by the operator: programmes, events, whom they ask, what came of it, keys."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from balans.storage.migrations._sql import history, inside, seal, target

CALLS = """
-- Grows with every change of a call: who has heard a number takes no smaller one.
create sequence dr_epoch;

-- What was done with an event, by whom and why; written and read, never changed.
create table dr_event_change (
  id bigint generated always as identity primary key,
  tenant_id int not null references tenant (id),
  event_id bigint not null,
  at timestamptz not null,
  author text not null,
  what text not null,
  reason text not null default '',
  detail jsonb not null default '{}');
create index dr_event_change_event on dr_event_change (event_id, id);

-- Which of a programme's groups a hub belongs to.
create table dr_member (
  programme_id bigint not null,
  hub_id bigint not null,
  tenant_id int not null references tenant (id),
  shard smallint not null,
  primary key (programme_id, hub_id));
create index dr_member_hub on dr_member (hub_id);

-- A place that an event asks. Times are those of the sites; power in W, consumption positive.
create table dr_target (
  id bigint generated always as identity primary key,
  tenant_id int not null references tenant (id),
  event_id bigint not null,
  site_id bigint not null,
  node_id bigint not null,
  hub_id bigint not null,
  shard smallint not null,
  steps jsonb not null,                       -- [[start, end, kind, value], …], Unix seconds
  expected_w float8 not null,
  sd_w float8 not null,
  state text not null check (state in ('queued', 'sent', 'heard', 'active', 'done', 'failed',
    'released', 'refused', 'opted_out')),
  epoch bigint not null default 0,            -- the newest that its site has reported on
  sent_at timestamptz,
  heard_at timestamptz,
  active_at timestamptz,
  done_at timestamptz,
  released_at timestamptz,
  failed_at timestamptz,
  opted_out_at timestamptz,
  reported_at timestamptz,                    -- time of the newest report, which the powers are of
  before_w float8,
  now_w float8,
  promised_w float8,                          -- what the site itself expected to hold back
  achieved_w float8,
  measured boolean not null default false,    -- achieved_w is from readings, else from reports
  detail text not null default '',
  loads text[] not null default '{}',
  held bytea not null default '',             -- bitmaps over loads
  failed bytea not null default '',
  unique (event_id, site_id, node_id));
create index dr_target_site on dr_target (site_id, event_id);
create index dr_target_node on dr_target (node_id, event_id);
create index dr_target_hub on dr_target (hub_id);

-- What gateways told of their places, each once: the state of a target follows from all of them in
-- the order of their times, whatever the order in which they came.
create table dr_report (
  target_id bigint not null,
  at timestamptz not null,
  state text not null check (state in ('heard', 'active', 'done', 'failed', 'released', 'refused')),
  tenant_id int not null references tenant (id),
  epoch bigint not null,
  received timestamptz not null,
  detail text not null,
  before_w float8,
  now_w float8,
  expected_w float8,
  loads text[] not null,
  held bytea not null,
  failed bytea not null,
  primary key (target_id, at, state));

-- What a place has given in an event [kW min].
create table dr_ledger (
  event_id bigint not null,
  node_id bigint not null,
  tenant_id int not null references tenant (id),
  site_id bigint not null,
  at timestamptz not null,
  given_kwmin float8 not null check (given_kwmin >= 0),
  primary key (event_id, node_id));
create index dr_ledger_node on dr_ledger (node_id, at);
create index dr_ledger_time on dr_ledger (tenant_id, at);

create table dr_trigger_state (
  trigger_id bigint primary key,
  tenant_id int not null references tenant (id),
  at timestamptz not null,
  memory jsonb not null default '{}',
  outcome text not null default '');
"""
KEYS = """
-- Public halves of the keys that a tenant's head-end signs with; the private ones are files.
create table signing_key (
  id bigint generated always as identity primary key,
  tenant_id int not null references tenant (id),
  ident text not null check (ident ~ '^[0-9a-f]{16}$'),
  public bytea not null check (octet_length(public) = 32),
  created timestamptz not null,
  author text not null,
  not_before timestamptz not null,
  not_after timestamptz,
  unique (tenant_id, ident),
  check (not_after is null or not_after > not_before));
"""
SEALED = [
    "dr_programme",
    "dr_enrolment",
    "dr_exemption",
    "dr_event",
    "dr_member",
    "dr_target",
    "dr_report",
    "dr_ledger",
    "dr_opt_out",
    "dr_trigger",
    "dr_trigger_state",
    "signing_key",
]
RECORDED = [
    "dr_programme",
    "dr_enrolment",
    "dr_exemption",
    "dr_event",
    "dr_opt_out",
    "dr_trigger",
    "signing_key",
]
REFERENCES = [
    ("dr_programme", "node_id", "node"),
    ("dr_enrolment", "programme_id", "dr_programme"),
    ("dr_enrolment", "node_id", "node"),
    ("dr_exemption", "node_id", "node"),
    ("dr_event", "programme_id", "dr_programme"),
    ("dr_event", "node_id", "node"),
    ("dr_event", "user_id", "account"),
    ("dr_event", "approver_user_id", "account"),
    ("dr_event", "trigger_id", "dr_trigger"),
    ("dr_event_change", "event_id", "dr_event"),
    ("dr_member", "programme_id", "dr_programme"),
    ("dr_member", "hub_id", "hub"),
    ("dr_target", "event_id", "dr_event"),
    ("dr_target", "site_id", "node"),
    ("dr_target", "node_id", "node"),
    ("dr_target", "hub_id", "hub"),
    ("dr_report", "target_id", "dr_target"),
    ("dr_ledger", "event_id", "dr_event"),
    ("dr_ledger", "node_id", "node"),
    ("dr_ledger", "site_id", "node"),
    ("dr_opt_out", "event_id", "dr_event"),
    ("dr_opt_out", "node_id", "node"),
    ("dr_trigger", "programme_id", "dr_programme"),
    ("dr_trigger", "node_id", "node"),
    ("dr_trigger_state", "trigger_id", "dr_trigger"),
]
SEAL = (
    "".join(seal(table) for table in SEALED)
    + seal("dr_event_change", commands=("select", "insert"))
    + "".join(target(table) for table in ("dr_programme", "dr_event", "dr_target", "dr_trigger"))
    + "".join(inside(*reference) for reference in REFERENCES)
    + "".join(history(table) for table in RECORDED)
)
NEWS = """
-- Whoever carries calls, groups and keys to gateways learns of every change, whoever made it.
create function balans_response_news() returns trigger language plpgsql as $$
begin
  perform pg_notify(tg_argv[0], '');
  return null;
end $$;
""" + "".join(
    f"create trigger response_news after insert or update or delete on {table}\n"
    f"  for each statement execute function balans_response_news('{channel}');\n"
    for table, channel in (
        ("dr_event", "balans_calls"),
        ("dr_programme", "balans_groups"),
        ("dr_enrolment", "balans_groups"),
        ("signing_key", "balans_groups"),
    )
)


class Migration(migrations.Migration):
    dependencies = [
        ("storage", "0016_periods_by_zone"),
    ]

    operations = [
        migrations.CreateModel(
            name="Programme",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("code", models.CharField(max_length=32)),
                ("title", models.CharField(max_length=200)),
                ("state", models.CharField(default="draft", max_length=24)),
                ("load_classes", models.JSONField(default=list)),
                ("tariffs", models.JSONField(default=list)),
                ("incentive", models.CharField(blank=True, default="", max_length=1000)),
                ("consent_needed", models.BooleanField(default=True)),
                ("priority", models.SmallIntegerField(default=5)),
                ("notice_s", models.IntegerField(default=0)),
                ("max_event_s", models.IntegerField(default=14400)),
                ("max_per_day", models.IntegerField(default=1)),
                ("max_per_month", models.IntegerField(default=10)),
                ("pause_s", models.IntegerField(default=0)),
                ("opt_out_s", models.IntegerField(default=0)),
                ("opt_out_within", models.BooleanField(default=True)),
                (
                    "second_person_kw",
                    models.DecimalField(blank=True, decimal_places=3, max_digits=12, null=True),
                ),
                ("start_spread_s", models.IntegerField(default=0)),
                ("release_spread_s", models.IntegerField(default=600)),
                ("fallback_w", models.FloatField(blank=True, null=True)),
                ("fallback_after_s", models.IntegerField(default=120)),
                ("fallback_hold_s", models.IntegerField(default=300)),
                ("author", models.CharField(max_length=150)),
                ("created", models.DateTimeField()),
                (
                    "node",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="storage.node",
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
                "db_table": "dr_programme",
            },
        ),
        migrations.CreateModel(
            name="Enrolment",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("joined_at", models.DateTimeField()),
                ("joined_by", models.CharField(max_length=150)),
                ("left_at", models.DateTimeField(blank=True, null=True)),
                ("left_by", models.CharField(blank=True, default="", max_length=150)),
                (
                    "node",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="storage.node",
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
                (
                    "programme",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="storage.programme",
                    ),
                ),
            ],
            options={
                "db_table": "dr_enrolment",
            },
        ),
        migrations.CreateModel(
            name="Trigger",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("code", models.CharField(max_length=64)),
                ("title", models.CharField(blank=True, max_length=200)),
                ("kind", models.CharField(max_length=24)),
                ("parameters", models.JSONField(default=dict)),
                ("mode", models.CharField(default="propose", max_length=24)),
                ("cap_kw", models.DecimalField(decimal_places=3, max_digits=12)),
                ("enabled", models.BooleanField(default=True)),
                ("author", models.CharField(max_length=150)),
                ("created", models.DateTimeField()),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                (
                    "node",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="storage.node",
                    ),
                ),
                (
                    "programme",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="storage.programme",
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
                "db_table": "dr_trigger",
            },
        ),
        migrations.CreateModel(
            name="Event",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("code", models.CharField(max_length=64)),
                ("kind", models.CharField(max_length=24)),
                ("state", models.CharField(default="draft", max_length=24)),
                ("emergency", models.BooleanField(default=False)),
                ("priority", models.SmallIntegerField()),
                ("steps", models.JSONField()),
                ("starts", models.DateTimeField()),
                ("ends", models.DateTimeField()),
                ("reason", models.CharField(max_length=500)),
                ("author", models.CharField(max_length=150)),
                ("approver", models.CharField(blank=True, default="", max_length=150)),
                ("approved_at", models.DateTimeField(blank=True, null=True)),
                ("created", models.DateTimeField()),
                ("announced_at", models.DateTimeField(blank=True, null=True)),
                ("active_at", models.DateTimeField(blank=True, null=True)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                ("settled_at", models.DateTimeField(blank=True, null=True)),
                (
                    "wanted_kw",
                    models.DecimalField(blank=True, decimal_places=3, max_digits=12, null=True),
                ),
                ("expected_kw", models.FloatField(blank=True, null=True)),
                ("expected_sd_kw", models.FloatField(blank=True, null=True)),
                ("preview", models.JSONField(blank=True, null=True)),
                ("result", models.JSONField(blank=True, null=True)),
                ("seed", models.BigIntegerField()),
                ("start_spread_s", models.IntegerField()),
                ("release_spread_s", models.IntegerField()),
                ("expires", models.DateTimeField(blank=True, null=True)),
                ("epoch", models.BigIntegerField(default=0)),
                ("called_at", models.DateTimeField(blank=True, null=True)),
                ("topics", models.JSONField(default=list)),
                (
                    "approver_user",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "node",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="storage.node",
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
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "programme",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="storage.programme",
                    ),
                ),
                (
                    "trigger",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="storage.trigger",
                    ),
                ),
            ],
            options={
                "db_table": "dr_event",
            },
        ),
        migrations.CreateModel(
            name="Exemption",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(max_length=24)),
                ("reason", models.CharField(max_length=500)),
                ("author", models.CharField(max_length=150)),
                ("at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                ("ended_by", models.CharField(blank=True, default="", max_length=150)),
                (
                    "node",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="storage.node",
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
                "db_table": "dr_exemption",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ["excluded", "vulnerable"])),
                        name="dr_exemption_kind_word",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at__isnull", True)),
                        fields=("node", "kind"),
                        name="dr_exemption_once",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="OptOut",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("at", models.DateTimeField()),
                ("author", models.CharField(max_length=150)),
                ("reason", models.CharField(blank=True, default="", max_length=500)),
                (
                    "event",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="storage.event",
                    ),
                ),
                (
                    "node",
                    models.ForeignKey(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="storage.node",
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
                "db_table": "dr_opt_out",
                "constraints": [
                    models.UniqueConstraint(fields=("event", "node"), name="dr_opt_out_once")
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="programme",
            constraint=models.UniqueConstraint(
                fields=("tenant", "code"), name="dr_programme_code_unique"
            ),
        ),
        migrations.AddConstraint(
            model_name="programme",
            constraint=models.CheckConstraint(
                condition=models.Q(("code__regex", "^[A-Za-z0-9_.-]{1,64}$")),
                name="dr_programme_code_format",
            ),
        ),
        migrations.AddConstraint(
            model_name="programme",
            constraint=models.CheckConstraint(
                condition=models.Q(("state__in", ["draft", "open", "closed"])),
                name="dr_programme_state_word",
            ),
        ),
        migrations.AddConstraint(
            model_name="programme",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("fallback_after_s__range", (60, 86400)),
                    ("fallback_hold_s__range", (0, 86400)),
                    ("max_event_s__range", (60, 86400)),
                    ("max_per_day__range", (1, 96)),
                    ("max_per_month__range", (1, 1000)),
                    ("notice_s__range", (0, 604800)),
                    ("opt_out_s__range", (0, 604800)),
                    ("pause_s__range", (0, 604800)),
                    ("priority__range", (0, 9)),
                    ("release_spread_s__range", (0, 7200)),
                    ("start_spread_s__range", (0, 3600)),
                ),
                name="dr_programme_ranges",
            ),
        ),
        migrations.AddConstraint(
            model_name="enrolment",
            constraint=models.UniqueConstraint(
                condition=models.Q(("left_at__isnull", True)),
                fields=("programme", "node"),
                name="dr_enrolment_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="enrolment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("left_at__isnull", True),
                    ("left_at__gte", models.F("joined_at")),
                    _connector="OR",
                ),
                name="dr_enrolment_period",
            ),
        ),
        migrations.AddConstraint(
            model_name="trigger",
            constraint=models.UniqueConstraint(
                fields=("tenant", "code"), name="dr_trigger_code_unique"
            ),
        ),
        migrations.AddConstraint(
            model_name="trigger",
            constraint=models.CheckConstraint(
                condition=models.Q(("code__regex", "^[A-Za-z0-9_.-]{1,64}$")),
                name="dr_trigger_code_format",
            ),
        ),
        migrations.AddConstraint(
            model_name="trigger",
            constraint=models.CheckConstraint(
                condition=models.Q(("mode__in", ["propose", "act"])), name="dr_trigger_mode_word"
            ),
        ),
        migrations.AddConstraint(
            model_name="trigger",
            constraint=models.CheckConstraint(
                condition=models.Q(("cap_kw__range", (0, 10000000))), name="dr_trigger_cap"
            ),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(fields=["programme", "-starts"], name="dr_event_of_programme"),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                condition=models.Q(("state__in", ["announced", "active"])),
                fields=["starts"],
                name="dr_event_live",
            ),
        ),
        migrations.AddConstraint(
            model_name="event",
            constraint=models.UniqueConstraint(
                fields=("tenant", "code"), name="dr_event_code_unique"
            ),
        ),
        migrations.AddConstraint(
            model_name="event",
            constraint=models.CheckConstraint(
                condition=models.Q(("code__regex", "^[A-Za-z0-9_.-]{1,64}$")),
                name="dr_event_code_format",
            ),
        ),
        migrations.AddConstraint(
            model_name="event",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["limit", "reduce", "eco"])),
                name="dr_event_kind_word",
            ),
        ),
        migrations.AddConstraint(
            model_name="event",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("state__in", ["draft", "announced", "active", "ended", "cancelled"])
                ),
                name="dr_event_state_word",
            ),
        ),
        migrations.AddConstraint(
            model_name="event",
            constraint=models.CheckConstraint(
                condition=models.Q(("ends__gt", models.F("starts"))), name="dr_event_period"
            ),
        ),
        migrations.AddConstraint(
            model_name="event",
            constraint=models.CheckConstraint(
                condition=models.Q(("priority__range", (0, 9))), name="dr_event_priority"
            ),
        ),
        migrations.RunSQL(CALLS),
        migrations.RunSQL(KEYS),
        migrations.RunSQL(SEAL),
        migrations.RunSQL(NEWS),
    ]
