"""Who did what with a module or a hub, from the history of the registry, newest first.

Call inside a scope of the tenant, for a device that the reader may see.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from django.db import connection

SHOWN: Final = 100


class Deed(StrEnum):
    """What was done."""

    REGISTERED = "registered"
    MOVED = "moved"
    REMOVED = "removed"
    RETURNED = "returned"
    HUB = "hub"
    RENAMED = "renamed"
    CONTROL = "control"
    MOUNTED = "mounted"
    ENDED = "ended"
    CORRECTED = "corrected"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class DeviceEvent:
    """One deed. `before` and `after` are names; which ones depends on the deed.

    Of a mounting `meter`, `point` and `input` say what was mounted where.
    """

    at: datetime
    actor: str
    deed: Deed
    before: str = ""
    after: str = ""
    meter: str = ""
    point: str = ""
    input: int | None = None


def module_history(module_id: int, limit: int = SHOWN) -> list[DeviceEvent]:
    """Return what was done with a module and with the meters on its inputs."""
    names = _Names()
    events = [
        event
        for at, actor, old, new in _rows(_MODULE, [module_id, limit])
        for event in _device_events(at, actor, old, new, names)
    ]
    for at, actor, old, new in _rows(_MOUNTINGS, [module_id, limit]):
        events.append(_mounting_event(at, actor, old, new, names))
    return sorted(events, key=lambda event: event.at, reverse=True)[:limit]


def hub_history(hub_id: int, limit: int = SHOWN) -> list[DeviceEvent]:
    """Return what was done with a hub."""
    names = _Names()
    return [
        event
        for at, actor, old, new in _rows(_HUB, [hub_id, limit])
        for event in _device_events(at, actor, old, new, names)
    ]


Row = dict[str, Any]


class _Names:
    """Names behind the ids of history, asked once each; what is gone has none."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], str] = {}

    def of(self, table: str, row_id: int | None) -> str:
        """Return the name of a row, "" for none."""
        if row_id is None:
            return ""
        key = (table, row_id)
        if key not in self._known:
            with connection.cursor() as cursor:
                cursor.execute(_NAME_OF[table], [row_id])
                row = cursor.fetchone()
            self._known[key] = str(row[0]) if row else ""
        return self._known[key]


def _device_events(
    at: datetime, actor: str, old: Row | None, new: Row | None, names: _Names
) -> list[DeviceEvent]:
    if new is None:
        return [DeviceEvent(at, actor, Deed.DELETED)]
    place = "site_id" if "site_id" in new else "node_id"
    if old is None:
        return [DeviceEvent(at, actor, Deed.REGISTERED, after=names.of("node", new[place]))]
    events = []
    if old[place] != new[place]:
        before, after = names.of("node", old[place]), names.of("node", new[place])
        events.append(DeviceEvent(at, actor, Deed.MOVED, before, after))
    if old.get("removed_at") != new.get("removed_at"):
        deed = Deed.REMOVED if new["removed_at"] else Deed.RETURNED
        events.append(DeviceEvent(at, actor, deed))
    elif old.get("hub_id") != new.get("hub_id"):
        before, after = names.of("hub", old["hub_id"]), names.of("hub", new["hub_id"])
        events.append(DeviceEvent(at, actor, Deed.HUB, before, after))
    elif old.get("name") != new.get("name"):
        events.append(DeviceEvent(at, actor, Deed.RENAMED, old["name"], new["name"]))
    elif old.get("controls") != new.get("controls"):
        events.append(DeviceEvent(at, actor, Deed.CONTROL, after=str(new["controls"])))
    return events


def _mounting_event(
    at: datetime, actor: str, old: Row | None, new: Row | None, names: _Names
) -> DeviceEvent:
    row = new or old or {}
    if new is None:
        deed = Deed.DELETED
    elif old is None:
        deed = Deed.MOUNTED
    else:
        deed = Deed.ENDED if new["valid_to"] and not old["valid_to"] else Deed.CORRECTED
    number = names.of("channel", row["channel_id"])
    return DeviceEvent(
        at,
        actor,
        deed,
        meter=names.of("meter", row["meter_id"]),
        point=names.of("metering_point", row["point_id"]),
        input=int(number) if number else None,
    )


def _rows(sql: str, values: Sequence[Any]) -> list[tuple[datetime, str, Row | None, Row | None]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return [(at, actor, _row(old), _row(new)) for at, actor, old, new in cursor.fetchall()]


def _row(stored: Any) -> Row | None:
    found: Row | None = json.loads(stored) if isinstance(stored, str) else stored
    return found


_NAME_OF: Final = {
    "node": "select name from node where id = %s",
    "hub": "select code from hub where id = %s",
    "meter": "select serial from meter where id = %s",
    "metering_point": "select code from metering_point where id = %s",
    "channel": "select input from channel where id = %s",
}
_READ = "select at, actor, old, new from registry_history h"
_MODULE = f"{_READ} where table_name = 'module' and row_id = %s order by h.id desc limit %s"
_HUB = f"{_READ} where table_name = 'hub' and row_id = %s order by h.id desc limit %s"
_MOUNTINGS = f"""
{_READ} join meter_mounting mm on mm.id = h.row_id join channel c on c.id = mm.channel_id
where h.table_name = 'meter_mounting' and c.module_id = %s order by h.id desc limit %s
"""
