"""Where a figure of a balance comes from: points, their meters, and the registers of those.

Call inside a scope.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Final

import numpy as np
from django.db import connection

from balans.domain.balances import Side, State, Sums, Term
from balans.domain.metering import MISSING
from balans.domain.metering.counter import Counter, micros
from balans.storage.balance_cells import point_cells
from balans.storage.balance_groups import GroupInfo, by_id
from balans.storage.balance_sums import Places
from balans.storage.balance_upkeep import members
from balans.storage.balances import Line, Report, Summed
from balans.storage.models import MeteringPoint
from balans.storage.mountings import Mounting, counters_of, mountings_of

MOST_POINTS: Final = 400
"""More points than these are told as sums of the groups they belong to."""


@dataclass(frozen=True, slots=True)
class MeterPart:
    """What one meter of a point counted between two instants.

    Parameters
    ----------
    channel
        Serial number of the module and its input; empty for a meter that is read by eye.
    before, after
        Registers at both instants [pulses]; None where missing.
    worth
        Of a pulse [Wh, varh or l].
    energy
        The difference times the worth; None where it cannot be told.
    """

    meter: str
    channel: str
    start: datetime
    end: datetime
    before: int | None
    after: int | None
    worth: Fraction
    energy: Fraction | None


@dataclass(frozen=True, slots=True)
class PointShare:
    """What a point adds to a side of a balance, or takes off with `sign` -1."""

    code: str
    name: str
    node_name: str
    side: Side
    sign: int
    energy: Fraction | None
    state: State
    parts: tuple[MeterPart, ...]


@dataclass(frozen=True, slots=True)
class GroupShare:
    """What all points of a side of another group add to a side of the balance."""

    group: GroupInfo
    side: Side
    sign: int
    sums: Sums


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that the balance of one interval was put together from, by side."""

    line: Line
    inflow: tuple[PointShare | GroupShare, ...]
    outflow: tuple[PointShare | GroupShare, ...]


def explain(report: Report, number: int, now: datetime) -> Explanation:
    """Return where interval `number` of `report` comes from."""
    line = report.lines[number]
    told = _Told(report, line, now)
    return Explanation(line, told.side(report.terms.inflow), told.side(report.terms.outflow))


@dataclass(slots=True)
class _Told:
    report: Report
    line: Line
    now: datetime

    def side(self, terms: Sequence[Term]) -> tuple[PointShare | GroupShare, ...]:
        """Return the shares of one side, points as far as they are few."""
        held = members([term.group_id for term in terms])
        slot_of = {slot: number for number, slot in enumerate(held.places.slots)}
        points: list[tuple[Term, int]] = []
        groups: list[Term] = []
        for term in terms:
            slot = slot_of.get((term.group_id, term.side))
            if slot is None:
                continue
            mine = held.point[held.place == slot].tolist()
            own = term.group_id == self.report.group.id
            if len(points) + len(mine) <= MOST_POINTS or (own and not points):
                points += [(term, point) for point in mine[:MOST_POINTS]]
            else:
                groups.append(term)
        return (*self._points(points), *self._groups(groups))

    def _points(self, wanted: Sequence[tuple[Term, int]]) -> list[PointShare]:
        if not wanted:
            return []
        ids = np.unique([point for _, point in wanted])
        bounds = [self.line.start, self.line.end]
        cells = point_cells(ids, bounds)
        parts = _parts(ids.tolist(), bounds)
        about = {
            row.pk: row
            for row in MeteringPoint.objects.filter(id__in=ids.tolist()).select_related("node")
        }
        shares = []
        for term, point in wanted:
            row = int(np.searchsorted(ids, point))
            found = about[point]
            shares.append(
                PointShare(
                    found.code,
                    found.name,
                    found.node.name,
                    term.side,
                    term.sign,
                    cells.energy(row, 0),
                    State(int(cells.state[row, 0])),
                    tuple(parts[point]),
                )
            )
        return sorted(shares, key=lambda share: (share.side, share.code))

    def _groups(self, terms: Sequence[Term]) -> list[GroupShare]:
        if not terms:
            return []
        about = by_id({term.group_id for term in terms})
        places = Places([(term.group_id, term.side) for term in terms])
        bounds = [self.line.start, self.line.end]
        found = Summed.of(places, bounds, self.report.step, self.now, self.report.zone)
        return [
            GroupShare(about[term.group_id], term.side, term.sign, found.sums[number])
            for number, term in enumerate(terms)
        ]


def _parts(point_ids: list[int], bounds: Sequence[datetime]) -> dict[int, list[MeterPart]]:
    mountings = mountings_of(point_ids, bounds[0], bounds[-1])
    counters = counters_of(mountings, bounds[0], bounds[-1])
    channels = _channel_names({m.channel_id for m in mountings if m.channel_id is not None})
    found: dict[int, list[MeterPart]] = defaultdict(list)
    at: dict[int, int] = defaultdict(int)
    for mounting in mountings:
        counter = counters[mounting.point_id][at[mounting.point_id]]
        at[mounting.point_id] += 1
        name = "" if mounting.channel_id is None else channels[mounting.channel_id]
        found[mounting.point_id].append(_part(mounting, counter, name, bounds))
    return found


def _part(
    mounting: Mounting, counter: Counter, channel: str, bounds: Sequence[datetime]
) -> MeterPart:
    start = max(bounds[0], mounting.valid_from)
    end = bounds[-1] if mounting.valid_to is None else min(bounds[-1], mounting.valid_to)
    edges = micros([start, end])
    levels = counter.at(edges)
    whole = bool(levels.known.all()) and levels.segment[0] == levels.segment[1]
    registers = dict(zip(counter.time.tolist(), counter.raw.tolist(), strict=True))
    before, after = (registers.get(edge, MISSING) for edge in edges.tolist())
    return MeterPart(
        meter=mounting.meter,
        channel=channel,
        start=start,
        end=end,
        before=None if before == MISSING else before,
        after=None if after == MISSING else after,
        worth=counter.worth,
        energy=(levels.level(1) - levels.level(0)) * counter.worth if whole else None,
    )


def _channel_names(channel_ids: set[int]) -> dict[int, str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "select c.id, m.serial || '-' || c.input from channel c"
            " join module m on m.id = c.module_id where c.id = any(%s)",
            [sorted(channel_ids)],
        )
        return dict(cursor.fetchall())
