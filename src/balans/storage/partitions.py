"""Monthly partitions of ``reading_day``, made ahead of the readings. Call inside a system scope."""

from collections.abc import Iterable
from datetime import date

from django.db import connection

from balans.core.errors import InputError

FIRST_YEAR, LAST_YEAR = 2000, 2099


def month_of(day: date) -> date:
    """Return the first day of the month of `day`."""
    return day.replace(day=1)


def next_month(month: date) -> date:
    """Return the first day of the month after `month`."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def ensure_partitions(first: date, last: date) -> list[str]:
    """Make the partitions from the month of `first` to that of `last`; return the new names.

    Raises
    ------
    InputError
        If the months are out of order or outside the years 2000 to 2099.
    """
    if not (date(FIRST_YEAR, 1, 1) <= first <= last <= date(LAST_YEAR, 12, 31)):
        raise InputError(f"partitions from {first} to {last}: out of order or outside 2000-2099")
    months = [month_of(first)]
    while months[-1] < month_of(last):
        months.append(next_month(months[-1]))
    return make_partitions(months)


def make_partitions(months: Iterable[date]) -> list[str]:
    """Make the partitions of `months` (their first days) that are missing; return their names."""
    wanted = {f"reading_day_{month:%Y_%m}": month for month in months}
    with connection.cursor() as cursor:
        cursor.execute(
            "select relname from pg_class"
            " where relname = any(%s) and relnamespace = current_schema()::regnamespace",
            [list(wanted)],
        )
        there = {name for (name,) in cursor.fetchall()}
        missing = sorted(set(wanted) - there)
        for name in missing:
            cursor.execute(_statement(name, wanted[name]))
    return missing


def _statement(name: str, month: date) -> str:
    """Return the SQL of a partition, sealed like its parent against queries of its own name.

    The parent is locked against readers by ``create … partition of``, but not by attaching.
    """
    sees = "tenant_id = (select balans_tenant()) or (select balans_is_system())"
    return f"""
      create table {name} (like reading_day including defaults) with (fillfactor = 75);
      alter table {name} enable row level security;
      alter table {name} force row level security;
      create policy sealed_all on {name} for all using ({sees}) with check ({sees});
      alter table reading_day attach partition {name}
        for values from ('{month}') to ('{next_month(month)}');
    """
