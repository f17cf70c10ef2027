"""The tables of readings can be spread over servers by channel: the rules hold in the schema."""

import pytest
from django.db import connection

from balans.core.errors import InputError
from balans.storage import distribution
from balans.storage.scope import system_scope

pytestmark = pytest.mark.django_db
STAY = {
    "meter_mounting",  # of the registry: at most a few rows a channel
    "channel_delivery",  # a row a channel, beside the registry
    "read_request",
    "found_device",
}
"""Tables with a channel that stay with the coordinator."""


def execute(statement: str) -> list[tuple[object, ...]]:
    with system_scope(), connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []


def test_every_table_of_readings_is_spread() -> None:
    found = {
        name
        for (name,) in execute(
            "select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid"
            " where a.attname = 'channel_id' and c.relkind in ('r', 'p')"
            " and c.relnamespace = 'public'::regnamespace and not c.relispartition"
        )
    }
    assert found - STAY == set(distribution.TABLES)


def test_the_steps_can_be_told_without_citus() -> None:
    steps = distribution.plan()
    assert [step.table for step in steps] == list(distribution.TABLES)
    assert steps[0].statement == "select create_distributed_table('reading_day', 'channel_id')"
    assert all("colocate_with => 'reading_day'" in step.statement for step in steps[1:])
    assert not any(step.done for step in steps)


def test_without_citus_nothing_is_spread() -> None:
    with pytest.raises(InputError, match="no extension citus"):
        distribution.distribute()


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ("create unique index other on reading_stage (day)", "reading_stage: key other lacks"),
        (
            "create trigger t after insert on reading_month execute function balans_channel_news()",
            "reading_month: trigger t",
        ),
        (
            "alter table reading_month add foreign key (channel_id) references channel",
            "reading_month: foreign key reading_month_channel_id_fkey",
        ),
    ],
)
def test_what_cannot_be_spread_is_named(statement: str, complaint: str) -> None:
    execute(statement)
    with pytest.raises(InputError, match=complaint):
        distribution.plan()
