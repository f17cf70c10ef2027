"""What the page about a trigger shows beside it: its looks, its events, who changed it.

Read only. Call inside a scope, for a trigger that the reader may see.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection

from balans.storage.models import Event
from balans.storage.response_events import event_infos
from balans.storage.response_records import EventInfo
from balans.storage.response_trigger_sight import Sight
from balans.storage.response_triggers import TriggerInfo

CHANGES_MAX: Final = 50


@dataclass(frozen=True, slots=True)
class TriggerChange:
    """What somebody did with a trigger: ``made``, ``changed``, ``on``, ``off`` or ``ended``.

    `before` and `after` hold what was changed: ``mode``, ``cap_kw`` and ``settings``.
    """

    at: datetime
    author: str
    what: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]


def last_sight(trigger: TriggerInfo) -> Sight | None:
    """Return what a trigger saw at its last look; None: it has not looked yet."""
    return Sight.read(trigger.memory.get("last", {}))


def sights_of(trigger: TriggerInfo) -> list[Sight]:
    """Return the looks of a trigger at which something happened, the newest first."""
    found = [Sight.read(one) for one in trigger.memory.get("log", [])]
    return [one for one in reversed(found) if one is not None]


def begun_on(trigger: TriggerInfo, day: str) -> int:
    """Return how many events a trigger has begun on a local day (ISO date)."""
    return int(trigger.memory.get("begun", 0)) if trigger.memory.get("day") == day else 0


def events_of_trigger(trigger: TriggerInfo, n: int) -> list[EventInfo]:
    """Return the last events that a trigger has called or proposed, the latest start first."""
    rows = Event.objects.filter(trigger_id=trigger.id).order_by("-starts", "-id")
    ids = list(rows.values_list("id", flat=True)[:n])
    return event_infos(Event.objects.filter(id__in=ids))


def changes_of_trigger(trigger: TriggerInfo) -> list[TriggerChange]:
    """Return who changed a trigger, the newest first."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select at, actor, old::text, new::text from registry_history"
            " where table_name = 'dr_trigger' and row_id = %s order by id desc limit %s",
            [trigger.id, CHANGES_MAX],
        )
        rows = cursor.fetchall()
    return [
        _change(at, actor, json.loads(old) if old else None, json.loads(new))
        for at, actor, old, new in rows
        if new
    ]


def _change(
    at: datetime, author: str, old: Mapping[str, Any] | None, new: Mapping[str, Any]
) -> TriggerChange:
    if old is None:
        return TriggerChange(at, author, "made", {}, _kept(new))
    if old["ended_at"] != new["ended_at"]:
        what = "ended"
    elif old["enabled"] != new["enabled"]:
        what = "on" if new["enabled"] else "off"
    else:
        what = "changed"
    before, after = _kept(old), _kept(new)
    names = [name for name in before if before[name] != after[name]]
    return TriggerChange(
        at,
        author,
        what,
        {name: before[name] for name in names},
        {name: after[name] for name in names},
    )


def _kept(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "title": row["title"],
        "mode": row["mode"],
        "cap_kw": row["cap_kw"],
        "settings": row["parameters"],
    }
