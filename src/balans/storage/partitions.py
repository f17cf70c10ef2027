"""Partitions of the tables of readings: made ahead, and dropped when empty. In a system scope.

Day rows have one for each month, sealed months one for each year.
"""

from collections.abc import Iterable
from datetime import date, datetime

from django.db import OperationalError, connection, transaction

from balans.core.errors import InputError

FIRST_YEAR, LAST_YEAR = 2000, 2099
AHEAD = 3
"""Months for which partitions are there before their first reading."""
BIG = 1_000
"""So many channels make an installation big: whole days are written at once, see `recent`."""
FILL_BIG, FILL_SMALL = 95, 50
"""Share of a page that is filled at first [%]; a small installation widens its rows every hour."""
LOCK_WAIT, LOCK_TIMEOUT = "2s", "55P03"
ATTEMPTS = 15


def month_of(day: date) -> date:
    """Return the first day of the month of `day`."""
    return day.replace(day=1)


def next_month(month: date) -> date:
    """Return the first day of the month after `month`."""
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def months_before(month: date, count: int) -> date:
    """Return the first day of the month `count` months before that of `month`.

    >>> months_before(date(2026, 2, 17), 3).isoformat()
    '2025-11-01'
    """
    number = month.year * 12 + month.month - 1 - count
    return date(number // 12, number % 12 + 1, 1)


def is_big() -> bool:
    """Return whether the installation is a big one."""
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from (select from channel limit %s) first", [BIG])
        return bool(cursor.fetchone()[0] >= BIG)


def make_ahead(now: datetime, months: int = AHEAD) -> list[str]:
    """Make the partitions of the present month and `months` more; return the new names."""
    return ensure_partitions(now.date(), months_before(now.date(), -months))


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
    missing = _missing(wanted)
    fill = (FILL_BIG if is_big() else FILL_SMALL) if missing else 0
    for name in missing:
        month = wanted[name]
        _make(name, "reading_day", month, next_month(month), f"with (fillfactor = {fill})")
    return missing


def make_years(years: Iterable[int]) -> list[str]:
    """Make the partitions of sealed months of `years` that are missing; return their names."""
    wanted = {f"reading_month_{year}": year for year in years}
    missing = _missing(wanted)
    for name in missing:
        year = wanted[name]
        _make(name, "reading_month", date(year, 1, 1), date(year + 1, 1, 1))
    return missing


def months_there() -> list[date]:
    """Return the months for which day rows have a partition, the first one first."""
    return sorted(
        date(int(name[-7:-3]), int(name[-2:]), 1) for name in _partitions_of("reading_day")
    )


def years_there() -> list[int]:
    """Return the years for which sealed months have a partition, the first one first."""
    return sorted(int(name[-4:]) for name in _partitions_of("reading_month"))


def drop_empty(before: date) -> list[str]:
    """Drop the partitions of day rows of months before `before` that are empty; return their names.

    One that readers hold longer than two seconds stays for the next time.
    """
    dropped = []
    for month in months_there():
        name = f"reading_day_{month:%Y_%m}"
        empty = f"select not exists (select from {name})"
        if month < before and _drop(name, "reading_day", empty):
            dropped.append(name)
    return dropped


def drop_year(year: int) -> bool:
    """Drop the partition of the sealed months of `year`; return False if readers held it too long.

    Who comes meanwhile waits two seconds at most.
    """
    name = f"reading_month_{year}"
    return any(_drop(name, "reading_month", "select true") for _ in range(ATTEMPTS))


def _drop(name: str, parent: str, condition: str) -> bool:
    """Drop a partition if `condition` holds and nobody reads it; return whether it was.

    The parent is locked first, as by readers: else each could wait for what the other has.
    """
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(condition)  # before anybody has to wait
            if not cursor.fetchone()[0]:
                return False
            cursor.execute(f"set local lock_timeout = '{LOCK_WAIT}'")
            cursor.execute(f"lock table only {parent} in access exclusive mode")
            cursor.execute(condition)
            if not cursor.fetchone()[0]:
                return False
            cursor.execute(f"drop table {name}")
            cursor.execute("set local lock_timeout to default")
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) == LOCK_TIMEOUT:
            return False
        raise
    return True


def _partitions_of(table: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid"
            " where i.inhparent = %s::regclass",
            [table],
        )
        return [name for (name,) in cursor.fetchall()]


def _missing(names: Iterable[str]) -> list[str]:
    wanted = set(names)
    with connection.cursor() as cursor:
        cursor.execute(
            "select relname from pg_class"
            " where relname = any(%s) and relnamespace = current_schema()::regnamespace",
            [list(wanted)],
        )
        return sorted(wanted - {name for (name,) in cursor.fetchall()})


def _make(name: str, parent: str, start: date, end: date, options: str = "") -> None:
    """Make a partition, sealed like its parent against queries of its own name.

    The parent is locked against readers by ``create … partition of``, but not by attaching.
    """
    sees = "tenant_id = (select balans_tenant()) or (select balans_is_system())"
    with connection.cursor() as cursor:
        cursor.execute(f"""
          create table {name} (like {parent} including defaults including storage) {options};
          alter table {name} enable row level security;
          alter table {name} force row level security;
          create policy sealed_all on {name} for all using ({sees}) with check ({sees});
          alter table {parent} attach partition {name} for values from ('{start}') to ('{end}');
        """)
