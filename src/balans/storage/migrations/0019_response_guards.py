"""What must only ever grow or outlast a change: calls, groups, beats; and who loosens a mark."""

from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from balans.storage.migrations._sql import history, inside, seal

NUMBERS = """
select set_config('balans.tenant', 'all', true);

-- The latest end that a call of the event ever had: who missed the newest goes by an older one
-- until then, so as long the broker holds the newest.
alter table dr_event add column held_until timestamptz;
update dr_event set held_until = expires where announced_at is not null;

-- What each hub is told of its groups. A number is never used again, whatever is deleted.
create sequence dr_groups_version;
select setval('dr_groups_version', coalesce((select max(id) from registry_history), 0) + 1);
create table dr_told_groups (
  hub_id bigint primary key,
  tenant_id int not null references tenant (id),
  version bigint not null,
  told jsonb not null);

-- The number of the newest beat to the hubs of a tenant, of whichever head-end.
create table dr_beat (
  tenant_id int primary key references tenant (id),
  count bigint not null);
"""
SEAL = (
    seal("dr_told_groups")
    + seal("dr_beat")
    + seal("dr_mark_change")
    + inside("dr_told_groups", "hub_id", "hub")
    + inside("dr_mark_change", "programme_id", "dr_programme")
    + inside("dr_mark_change", "user_id", "account")
    + inside("dr_mark_change", "decider_user_id", "account")
    + history("dr_mark_change")
)


def _key(to: str, *, constraint: bool = False, null: bool = False) -> "models.ForeignKey[Any, Any]":
    return models.ForeignKey(
        to,
        db_constraint=constraint,
        on_delete=django.db.models.deletion.PROTECT,
        related_name="+",
        blank=null,
        null=null,
    )


class Migration(migrations.Migration):
    dependencies = [("storage", "0018_supply")]

    operations = [
        migrations.CreateModel(
            name="MarkChange",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kw", models.DecimalField(blank=True, decimal_places=3, max_digits=12, null=True)),
                ("author", models.CharField(max_length=150)),
                ("created", models.DateTimeField()),
                ("verdict", models.CharField(default="open", max_length=24)),
                ("decider", models.CharField(blank=True, default="", max_length=150)),
                ("decided_at", models.DateTimeField(blank=True, null=True)),
                ("tenant", _key("storage.tenant", constraint=True)),
                ("programme", _key("storage.programme")),
                ("user", _key(settings.AUTH_USER_MODEL)),
                ("decider_user", _key(settings.AUTH_USER_MODEL, null=True)),
            ],
            options={
                "db_table": "dr_mark_change",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("verdict__in", ["open", "approved", "withdrawn"])),
                        name="dr_mark_change_verdict_word",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("decider_user__isnull", False),
                            models.Q(("decider_user", models.F("user")), _negated=True),
                        )
                        | models.Q(("verdict", "approved"), _negated=True),
                        name="dr_mark_change_two",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("verdict", "open")),
                        fields=("programme",),
                        name="dr_mark_change_once",
                    ),
                ],
            },
        ),
        migrations.RunSQL(NUMBERS),
        migrations.RunSQL(SEAL),
    ]
