"""Which points keep a balance from being told, or make it doubtful. Call inside a scope."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from balans.domain.balances import Side, State, Terms
from balans.storage.balance_cells import point_cells
from balans.storage.balance_upkeep import members, runs
from balans.storage.balances import Report
from balans.storage.models import MeteringPoint

DOUBTFUL = (State.SUSPECT, State.PARTIAL, State.MISSING, State.INCORRECT, State.BROKEN,
            State.UNMETERED)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Doubt:
    """A point whose energy is unknown in an interval, or known and suspect."""

    point_id: int
    code: str
    name: str
    side: Side
    state: State


def doubts(report: Report) -> list[tuple[Doubt, ...]]:
    """Return what is doubtful in each interval of `report`, points by code."""
    found: list[list[tuple[int, Side, State]]] = [[] for _ in report.lines]
    wanted = [
        number
        for number, line in enumerate(report.lines)
        if line.balance.known < line.balance.expected or line.balance.suspect
    ]
    for run in runs(wanted):
        bounds = [report.lines[run[0]].start, *(report.lines[n].end for n in run)]
        _collect(report.terms, bounds, found[run[0] : run[-1] + 1])
    names = _names({point for line in found for point, _, _ in line})
    return [
        tuple(sorted((Doubt(one[0], *names[one[0]], *one[1:]) for one in line), key=_by_code))
        for line in found
    ]


def _by_code(doubt: Doubt) -> str:
    return doubt.code


def _collect(
    terms: Terms, bounds: Sequence[datetime], into: Sequence[list[tuple[int, Side, State]]]
) -> None:
    slots = {(term.group_id, term.side) for term in (*terms.inflow, *terms.outflow)}
    for part in members(terms.group_ids).parts(_columns(bounds)):
        points, first = np.unique(part.point, return_index=True)
        taking_part = np.array([slot in slots for slot in part.places.slots], np.bool_)
        cells = point_cells(points, bounds)
        for row, column in _doubtful(cells.state):
            place = int(part.place[first[row]])
            if taking_part[place]:
                side, state = part.places.slots[place][1], State(int(cells.state[row, column]))
                into[column].append((int(points[row]), side, state))


def _doubtful(state: NDArray[np.uint8]) -> list[tuple[int, int]]:
    rows, columns = np.nonzero(np.isin(state, DOUBTFUL))
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


def _columns(bounds: Sequence[datetime]) -> int:
    return int((bounds[-1] - bounds[0]).total_seconds() // 3600) + 1


def _names(point_ids: set[int]) -> dict[int, tuple[str, str]]:
    rows = MeteringPoint.objects.filter(id__in=point_ids)
    return {pk: (code, name) for pk, code, name in rows.values_list("id", "code", "name")}
