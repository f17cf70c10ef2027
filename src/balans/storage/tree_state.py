"""How complete the branches of the object tree are: readings of the last 24 hours, and the newest.

Call inside a scope. One answer for many branches at once, in a fixed number of queries.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from balans.core.hours import day_of, hour_of, time_of
from balans.domain.metering import MISSING
from balans.storage.readings import registers
from balans.storage.records import NodeInfo

WINDOW_H: Final = 24
COUNTED_MAX: Final = 20_000
"""Of branches with more metering points only their number is told: a page must not wait."""


@dataclass(frozen=True, slots=True)
class BranchState:
    """What the metering points of a node and of all below it have delivered.

    points
        Metering points.
    known, expected
        Hours of the window that are there, and that are due: those since the first register of
        each channel. None where nobody counted (see `COUNTED_MAX`).
    silent
        Points with a channel of which no hour of the window is there; None likewise.
    last
        Time of the newest register within the window.
    """

    points: int = 0
    known: int | None = None
    expected: int | None = None
    silent: int | None = None
    last: datetime | None = None


def branch_states(nodes: Sequence[NodeInfo], now: datetime) -> dict[int, BranchState]:
    """Return the state of each of `nodes` with all below it, by id.

    The window ends with the last full hour before `now`.
    """
    with connection.cursor() as cursor:
        cursor.execute(_POINTS, [[node.id for node in nodes], [node.path for node in nodes]])
        points = dict(cursor.fetchall())
    counted = [node for node in nodes if points.get(node.id, 0) > 0]
    total, small = 0, []
    for node in sorted(counted, key=lambda node: points[node.id]):
        total += points[node.id]
        if total <= COUNTED_MAX:
            small.append(node)
    states = {node.id: BranchState(points.get(node.id, 0)) for node in nodes}
    return states | _count(small, points, now)


def _count(
    nodes: Sequence[NodeInfo], points: dict[int, int], now: datetime
) -> dict[int, BranchState]:
    served = _served(nodes, now)
    end = hour_of(now) + 1
    channels = sorted({channel for _, channel in served})
    there = registers(channels, end - WINDOW_H, end).values != MISSING
    known = there.sum(axis=1)
    last = np.where(known > 0, WINDOW_H - 1 - there[:, ::-1].argmax(axis=1), -1)
    due = np.where(known > 0, WINDOW_H - there.argmax(axis=1), 0)
    older = _with_older([channels[row] for row in np.flatnonzero(due < WINDOW_H)], end - WINDOW_H)
    due[[row for row, channel in enumerate(channels) if channel in older]] = WINDOW_H
    row_of = {channel: row for row, channel in enumerate(channels)}
    rows_of: dict[int, list[int]] = {node.id: [] for node in nodes}
    for node_id, channel in served:
        rows_of[node_id].append(row_of[channel])
    return {
        node_id: _state(points[node_id], rows, (known, due, last), end - WINDOW_H)
        for node_id, rows in rows_of.items()
    }


def _state(
    points: int,
    rows: list[int],
    counts: tuple[NDArray[Any], NDArray[Any], NDArray[Any]],
    start: int,
) -> BranchState:
    known, due, last = (count[rows] for count in counts)
    newest = int(last.max(initial=-1))
    return BranchState(
        points,
        int(known.sum()),
        int(due.sum()),
        int(np.count_nonzero(known == 0)),
        time_of(start + newest) if newest >= 0 else None,
    )


def _served(nodes: Sequence[NodeInfo], now: datetime) -> list[tuple[int, int]]:
    """Return (node, channel) for each channel that serves a point of a branch at `now`."""
    if not nodes:
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            _SERVED, [[node.id for node in nodes], [node.path for node in nodes], now, now]
        )
        return [(int(node_id), int(channel)) for node_id, channel in cursor.fetchall()]


def _with_older(channels: Sequence[int], hour: int) -> frozenset[int]:
    """Return those of `channels` that have registers of days before that of `hour`."""
    if not channels:
        return frozenset()
    day = day_of(hour)
    with connection.cursor() as cursor:
        cursor.execute(_OLDER, [list(channels), day, day])
        return frozenset(channel for (channel,) in cursor.fetchall())


_POINTS = """
select a.id, count(p.id)
from unnest(%s::bigint[], %s::text[]) as a (id, path)
join node n on n.path <@ a.path::ltree join metering_point p on p.node_id = n.id
group by a.id
"""
_SERVED = """
select a.id, mm.channel_id
from unnest(%s::bigint[], %s::text[]) as a (id, path)
join node n on n.path <@ a.path::ltree join metering_point p on p.node_id = n.id
join meter_mounting mm on mm.point_id = p.id and mm.channel_id is not null
  and mm.valid_from <= %s and (mm.valid_to is null or mm.valid_to > %s)
"""
_OLDER = """
select c.id from unnest(%s::int[]) as c (id)
where exists (select from reading_day r where r.channel_id = c.id and r.day < %s)
  or exists (select from reading_month r where r.channel_id = c.id and r.month < %s)
"""
