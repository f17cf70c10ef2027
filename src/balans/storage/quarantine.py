"""Readings that cannot be stored yet or at all, kept apart so that they block no others.

They leave by themselves: when their input is registered, and when their hour is no longer
impossible. The latter is seldom the reading's merit. A clock that was wrong and has been set
makes everything possible at once; but the reading of a module whose clock is ahead becomes
possible, too, when its hour comes, and is wrong all the same. Stored values win, so it is let in
only some time after its hour, when the true register has had its chance to come first.

Call inside a system scope.
"""

from collections.abc import Iterable
from datetime import datetime

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from balans.core.hours import time_of
from balans.core.words import DeviceKind
from balans.storage import findings, flush_sql
from balans.storage import found as devices
from balans.storage.dayrows import READING, by_input
from balans.storage.findings import Noticed, Severity
from balans.storage.found import Heard

UNKNOWN = "unknown channel"
IMPOSSIBLE = "impossible hour"
_INPUT = ["tenant", "hub", "module", "input"]


def release(oldest: int, latest: int) -> NDArray[np.void]:
    """Return the readings (n,) that may be stored now, and forget them here.

    Those of inputs registered since, and those of a once impossible hour in [oldest, latest].
    """
    with connection.cursor() as cursor:
        cursor.execute(flush_sql.RELEASE_POSSIBLE, [IMPOSSIBLE, oldest, latest])
        rows = cursor.fetchall()
        cursor.execute(flush_sql.REGISTERED_SINCE)
        registered = cursor.fetchall()
        if registered:
            tenants, modules, inputs = (list(column) for column in zip(*registered, strict=True))
            cursor.execute(flush_sql.RELEASE, [tenants, modules, inputs])
            rows += cursor.fetchall()
    found = np.zeros(len(rows), READING)
    names = ("tenant", "hub", "module", "input", "flags", "hour", "register")
    for name, column in zip(names, zip(*rows, strict=True), strict=False):
        found[name] = column
    return found


def keep(readings: NDArray[np.void], reason: str, at: datetime) -> int:
    """Put `readings` (n,) of type `READING` aside for `reason`; return how many."""
    if not len(readings):
        return 0
    columns = ("tenant", "hub", "module", "input", "hour", "register", "flags")
    with connection.cursor() as cursor:
        lists = [readings[name].tolist() for name in columns]
        cursor.execute(flush_sql.QUARANTINE, [reason, at, *lists])
        kept = cursor.rowcount
        inputs = by_input(readings)
        if reason == UNKNOWN:
            rows = [[*one[_INPUT].item(), at, at] for one, _ in inputs]
            cursor.executemany(flush_sql.NOTE_UNKNOWN, rows)
            devices.note(_heard(inputs), at)
    findings.record((_noticed(one, n, reason) for one, n in inputs), at)
    return int(kept)


def _heard(inputs: Iterable[tuple[np.void, int]]) -> list[Heard]:
    """Return the modules behind inputs that nobody has registered: their readings tell of them."""
    known: dict[tuple[int, int], Heard] = {}
    for one, _ in inputs:
        key = (int(one["tenant"]), int(one["module"]))
        before = known[key].inputs if key in known else 0
        known[key] = Heard(
            kind=DeviceKind.MODULE,
            code=str(key[1]),
            tenant_id=key[0],
            hub_id=int(one["hub"]),
            inputs=max(before, int(one["input"])),
        )
    return list(known.values())


def _noticed(example: np.void, n: int, reason: str) -> Noticed:
    place = f"module {example['module']} input {example['input']}"
    detail = f"register {example['register']} at {time_of(int(example['hour'])).isoformat()}"
    return Noticed(int(example["tenant"]), place, reason, detail, Severity.WARNING, n)
