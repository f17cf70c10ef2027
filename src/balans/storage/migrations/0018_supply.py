"""Disconnecting and reconnecting whole supplies: devices, protections, rules, orders, contacts."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from balans.storage.migrations._sql import history, inside, seal, target

TABLES = """
-- What was done with an order, by whom; written and read, never changed.
create table supply_step (
  id bigint generated always as identity primary key,
  tenant_id int not null references tenant (id),
  order_id bigint not null,
  state text not null,                    -- that the order entered, or 'heard' by the hub
  at timestamptz not null,
  author text not null,
  detail text not null default '');
create index supply_step_order on supply_step (order_id, id);

-- What the contact of a device says, the newest word; and what it said before.
create table supply_contact (
  device_id bigint primary key,
  tenant_id int not null references tenant (id),
  contact text not null check (contact in ('on', 'off', 'armed_for_manual', 'unknown')),
  since timestamptz not null,
  told_at timestamptz not null,           -- by the module's clock
  order_code text not null default '');   -- that moved it; empty: nobody's order
create table supply_contact_change (
  id bigint generated always as identity primary key,
  tenant_id int not null references tenant (id),
  device_id bigint not null,
  contact text not null,
  since timestamptz not null,
  order_code text not null default '');
create index supply_contact_change_device on supply_contact_change (device_id, id);
"""
RECORDED = ["supply_device", "supply_protection", "supply_rule", "supply_order"]
REFERENCES = [
    ("supply_device", "point_id", "metering_point"),
    ("supply_device", "module_id", "module"),
    ("supply_protection", "point_id", "metering_point"),
    ("supply_rule", "node_id", "node"),
    ("supply_order", "point_id", "metering_point"),
    ("supply_order", "device_id", "supply_device"),
    ("supply_order", "user_id", "account"),
    ("supply_order", "approver_user_id", "account"),
    ("supply_step", "order_id", "supply_order"),
    ("supply_contact", "device_id", "supply_device"),
    ("supply_contact_change", "device_id", "supply_device"),
]
SEAL = (
    "".join(seal(table) for table in RECORDED)
    + seal("supply_contact")
    + seal("supply_step", commands=("select", "insert"))
    + seal("supply_contact_change", commands=("select", "insert"))
    + target("supply_device")
    + target("supply_order")
    + "".join(inside(*reference) for reference in REFERENCES)
    + "".join(history(table) for table in RECORDED)
)
APART = """
-- A module switches loads, or the supply of a point: load control can never cut off a point.
create function balans_supply_apart() returns trigger language plpgsql as $$
begin
  if exists (select from supply_device d join load l on l.actuator_id = d.module_id
             where d.removed_at is null and d.module_id =
               (to_jsonb(new)->>tg_argv[0])::bigint) then
    raise exception 'a module that switches loads cannot switch a supply'
      using errcode = 'check_violation';
  end if;
  return null;
end $$;
create constraint trigger supply_apart after insert or update on supply_device
  for each row execute function balans_supply_apart('module_id');
create constraint trigger supply_apart after insert or update on load
  for each row execute function balans_supply_apart('actuator_id');

-- Whoever carries orders to hubs learns of every change.
create function balans_supply_news() returns trigger language plpgsql as $$
begin
  perform pg_notify('balans_supply', '');
  return null;
end $$;
create trigger supply_news after insert or update on supply_order
  for each statement execute function balans_supply_news();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("storage", "0017_response"),
    ]

    operations = [
        migrations.CreateModel(
            name="SupplyDevice",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("output", models.SmallIntegerField(default=1)),
                ("kind", models.CharField(max_length=24)),
                ("reconnect", models.CharField(max_length=24)),
                ("author", models.CharField(max_length=150)),
                ("added_at", models.DateTimeField()),
                ("removed_at", models.DateTimeField(blank=True, null=True)),
                ("removed_by", models.CharField(blank=True, default="", max_length=150)),
            ],
            options={
                "db_table": "supply_device",
            },
        ),
        migrations.CreateModel(
            name="SupplyOrder",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("code", models.CharField(max_length=64)),
                ("action", models.CharField(max_length=24)),
                ("reason", models.CharField(max_length=24)),
                ("text", models.CharField(max_length=500)),
                ("author", models.CharField(max_length=150)),
                ("created", models.DateTimeField()),
                ("not_before", models.DateTimeField(blank=True, null=True)),
                ("expires", models.DateTimeField()),
                ("state", models.CharField(default="draft", max_length=24)),
                ("second_person", models.BooleanField(default=False)),
                ("checks", models.JSONField(default=list)),
                ("moved", models.BigIntegerField(blank=True, null=True)),
                ("approver", models.CharField(blank=True, default="", max_length=150)),
                ("approved_at", models.DateTimeField(blank=True, null=True)),
                ("sent_at", models.DateTimeField(blank=True, null=True)),
                ("heard_at", models.DateTimeField(blank=True, null=True)),
                ("done_at", models.DateTimeField(blank=True, null=True)),
                ("detail", models.CharField(blank=True, default="", max_length=500)),
            ],
            options={
                "db_table": "supply_order",
            },
        ),
        migrations.CreateModel(
            name="SupplyProtection",
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
                ("end_reason", models.CharField(blank=True, default="", max_length=500)),
            ],
            options={
                "db_table": "supply_protection",
            },
        ),
        migrations.CreateModel(
            name="SupplyRule",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("second_person", models.JSONField(default=list)),
                ("author", models.CharField(max_length=150)),
                ("at", models.DateTimeField()),
            ],
            options={
                "db_table": "supply_rule",
            },
        ),
        migrations.RemoveConstraint(
            model_name="grant",
            name="access_grant_role_word",
        ),
        migrations.AddConstraint(
            model_name="grant",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("role__in", ["operator", "consumer", "manager", "installer", "dispatcher"])
                ),
                name="access_grant_role_word",
            ),
        ),
        migrations.AddField(
            model_name="supplydevice",
            name="module",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="storage.module",
            ),
        ),
        migrations.AddField(
            model_name="supplydevice",
            name="point",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="storage.meteringpoint",
            ),
        ),
        migrations.AddField(
            model_name="supplydevice",
            name="tenant",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="storage.tenant"
            ),
        ),
        migrations.AddField(
            model_name="supplyorder",
            name="approver_user",
            field=models.ForeignKey(
                blank=True,
                db_constraint=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="supplyorder",
            name="device",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="storage.supplydevice",
            ),
        ),
        migrations.AddField(
            model_name="supplyorder",
            name="point",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="storage.meteringpoint",
            ),
        ),
        migrations.AddField(
            model_name="supplyorder",
            name="tenant",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="storage.tenant"
            ),
        ),
        migrations.AddField(
            model_name="supplyorder",
            name="user",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="supplyprotection",
            name="point",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="storage.meteringpoint",
            ),
        ),
        migrations.AddField(
            model_name="supplyprotection",
            name="tenant",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="storage.tenant"
            ),
        ),
        migrations.AddField(
            model_name="supplyrule",
            name="node",
            field=models.ForeignKey(
                db_constraint=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="storage.node",
            ),
        ),
        migrations.AddField(
            model_name="supplyrule",
            name="tenant",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="storage.tenant"
            ),
        ),
        migrations.AddConstraint(
            model_name="supplydevice",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["contactor", "valve"])),
                name="supply_device_kind_word",
            ),
        ),
        migrations.AddConstraint(
            model_name="supplydevice",
            constraint=models.CheckConstraint(
                condition=models.Q(("reconnect__in", ["remote", "manual_only"])),
                name="supply_device_reconnect_word",
            ),
        ),
        migrations.AddConstraint(
            model_name="supplydevice",
            constraint=models.CheckConstraint(
                condition=models.Q(("output__range", (1, 4))), name="supply_device_output"
            ),
        ),
        migrations.AddConstraint(
            model_name="supplydevice",
            constraint=models.UniqueConstraint(
                condition=models.Q(("removed_at__isnull", True)),
                fields=("point",),
                name="supply_device_point",
            ),
        ),
        migrations.AddConstraint(
            model_name="supplydevice",
            constraint=models.UniqueConstraint(
                condition=models.Q(("removed_at__isnull", True)),
                fields=("module", "output"),
                name="supply_device_output_once",
            ),
        ),
        migrations.AddIndex(
            model_name="supplyorder",
            index=models.Index(fields=["point", "-id"], name="supply_order_point"),
        ),
        migrations.AddIndex(
            model_name="supplyorder",
            index=models.Index(
                condition=models.Q(
                    ("state__in", ["draft", "waiting_approval", "approved", "sent"])
                ),
                fields=["expires"],
                name="supply_order_ends",
            ),
        ),
        migrations.AddConstraint(
            model_name="supplyorder",
            constraint=models.UniqueConstraint(fields=("code",), name="supply_order_code"),
        ),
        migrations.AddConstraint(
            model_name="supplyorder",
            constraint=models.CheckConstraint(
                condition=models.Q(("action__in", ["disconnect", "reconnect"])),
                name="supply_order_action_word",
            ),
        ),
        migrations.AddConstraint(
            model_name="supplyorder",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "reason__in",
                        ["non_payment", "danger", "customer_wish", "illegal_connection", "repair"],
                    )
                ),
                name="supply_order_reason_word",
            ),
        ),
        migrations.AddConstraint(
            model_name="supplyorder",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "state__in",
                        [
                            "draft",
                            "waiting_approval",
                            "approved",
                            "sent",
                            "confirmed",
                            "failed",
                            "refused",
                            "expired",
                            "cancelled",
                        ],
                    )
                ),
                name="supply_order_state_word",
            ),
        ),
        migrations.AddConstraint(
            model_name="supplyorder",
            constraint=models.CheckConstraint(
                condition=models.Q(("expires__gt", models.F("created"))), name="supply_order_expiry"
            ),
        ),
        migrations.AddConstraint(
            model_name="supplyorder",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ["approved", "sent", "waiting_approval"])),
                fields=("point",),
                name="supply_order_one_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="supplyorder",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("approver_user__isnull", True),
                    models.Q(("approver_user", models.F("user")), _negated=True),
                    _connector="OR",
                ),
                name="supply_order_two_people",
            ),
        ),
        migrations.AddConstraint(
            model_name="supplyorder",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("state__in", ["approved", "sent", "confirmed", "failed"]), _negated=True
                    ),
                    ("second_person", False),
                    ("approver_user__isnull", False),
                    _connector="OR",
                ),
                name="supply_order_approved",
            ),
        ),
        migrations.AddConstraint(
            model_name="supplyprotection",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["vulnerable", "medical_device", "life_support"])),
                name="supply_protection_kind_word",
            ),
        ),
        migrations.AddConstraint(
            model_name="supplyprotection",
            constraint=models.UniqueConstraint(
                condition=models.Q(("ended_at__isnull", True)),
                fields=("point",),
                name="supply_protection_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="supplyrule",
            constraint=models.UniqueConstraint(fields=("node",), name="supply_rule_node"),
        ),
        migrations.RunSQL(TABLES),
        migrations.RunSQL(SEAL),
        migrations.RunSQL(APART),
    ]
