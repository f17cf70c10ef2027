"""What many points used in intervals, from their registers. Call inside a scope.

A point that had one meter all the time, as nearly all have, goes the fast way over arrays; the
others go through `balans.storage.profile.point_intervals`. A test holds both together.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Final

import numpy as np
from numpy.typing import NDArray

from balans.core.hours import EPOCH_UNIX_S, HOUR_S
from balans.domain.balances import Cells, Course, State, intervals, state_of
from balans.domain.metering.counter import FOREVER, Micros, micros
from balans.storage import lookups
from balans.storage.balance_dirty import registry_version
from balans.storage.copying import Int8s, any_of, arrays, binary_cursor
from balans.storage.models import MeteringPoint
from balans.storage.profile import point_intervals
from balans.storage.readings import registers

NO_CHANNEL: Final = -1
CHUNK_CELLS: Final = 2_000_000
"""So many registers at a time, which bounds the memory they take."""

REMEMBERED: Final = 8
"""So many sets of points whose mountings are kept in memory."""

_HOUR_US: Final = HOUR_S * 1_000_000
_EPOCH_US: Final = EPOCH_UNIX_S * 1_000_000


def point_cells(point_ids: NDArray[np.integer], bounds: Sequence[datetime]) -> Cells:
    """Return what each of `point_ids` (p,) used between each two neighbours of `bounds`.

    Parameters
    ----------
    point_ids
        Each once, ascending.
    bounds
        Aware instants, rising, n + 1 for n intervals.
    """
    return _Work(point_ids.astype(np.int64), bounds, micros(bounds)).cells()


@dataclass(frozen=True, slots=True)
class _Mounted:
    """Mountings of points, in the order of point and time, (m,) each."""

    point: NDArray[np.intp]  # index of the point
    channel: NDArray[np.int64]
    modulus: NDArray[np.int64]
    start: Micros
    end: Micros
    own_start: NDArray[np.bool_]  # has a register of its own there
    own_end: NDArray[np.bool_]
    worths: tuple[Fraction, ...]
    kind: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class _Work:
    """A question on its way to the answer."""

    points: NDArray[np.int64]
    bounds: Sequence[datetime]
    edges: Micros

    def cells(self) -> Cells:
        """Return the answer."""
        mounted = _mountings(self.points)
        shape = (len(self.points), len(self.edges) - 1)
        expected = self._expected(mounted)
        state = expected * np.uint8(State.UNMETERED)  # else `UNEXPECTED`, which is 0
        cells = Cells(
            np.zeros(shape, np.int64), mounted.worths, np.zeros(shape[0], np.intp), state, {}
        )
        here = np.flatnonzero((mounted.start < self.edges[-1]) & (mounted.end > self.edges[0]))
        plain = self._plain(mounted, here)
        self._fast(cells, mounted, plain)
        left = np.zeros(len(self.points), np.bool_)
        left[mounted.point[here]] = True
        left[mounted.point[plain]] = False
        return self._exact(cells, expected, np.flatnonzero(left)) if left.any() else cells

    def _expected(self, mounted: _Mounted) -> NDArray[np.bool_]:
        """Return which intervals touch the time from the first meter of a point to its last."""
        first = np.full(len(self.points), FOREVER)
        last = np.full(len(self.points), -FOREVER)
        np.minimum.at(first, mounted.point, mounted.start)
        np.maximum.at(last, mounted.point, mounted.end)
        inside: NDArray[np.bool_] = (first[:, None] < self.edges[1:]) & (
            last[:, None] > self.edges[:-1]
        )
        return inside

    def _plain(self, mounted: _Mounted, here: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the mountings, among those `here`, that the fast way can take."""
        if ((self.edges - _EPOCH_US) % _HOUR_US).any():
            return here[:0]
        start, end = self.edges[0], self.edges[-1]
        alone = np.bincount(mounted.point[here], minlength=len(self.points)) == 1
        alone[np.searchsorted(self.points, self._marked())] = False
        first, last = mounted.start[here], mounted.end[here]
        begun = (first < start) | ((first == start) & ~mounted.own_start[here])
        lasts = (last > end) | ((last == end) & ~mounted.own_end[here])
        counted = mounted.channel[here] != NO_CHANNEL
        plain: NDArray[np.intp] = here[alone[mounted.point[here]] & begun & lasts & counted]
        return plain

    def _marked(self) -> list[int]:
        query = _MARKED.format(condition=any_of("point_id", len(self.points), "%b::bigint[]"))
        with binary_cursor() as cursor:
            cursor.execute(query, [self.bounds[-1], self.bounds[0], Int8s(self.points)])
            return [point for (point,) in cursor.fetchall()]

    def _fast(self, cells: Cells, mounted: _Mounted, plain: NDArray[np.intp]) -> None:
        hours = (self.edges - _EPOCH_US) // _HOUR_US
        first, last = int(hours[0]), int(hours[-1]) + 1
        columns = (hours - first).astype(np.intp)
        size = max(1, CHUNK_CELLS // (last - first))
        for part in _parts(plain, size):
            found = registers(mounted.channel[part], first, last)
            course = Course(found.values, found.estimated, found.suspect, mounted.modulus[part])
            rows = _run(mounted.point[part])
            cells.pulses[rows], cells.state[rows] = intervals(course, columns)
            cells.kind[rows] = mounted.kind[part]

    def _exact(self, cells: Cells, expected: NDArray[np.bool_], others: NDArray[np.intp]) -> Cells:
        exact: dict[tuple[int, int], Fraction] = {}
        ids = self.points[others].tolist()
        points = lookups.points(MeteringPoint.objects.filter(id__in=ids))
        for point_id, values in point_intervals(points, self.bounds).items():
            row = int(np.searchsorted(self.points, point_id))
            for column, value in enumerate(values):
                state = state_of(
                    value.quality,
                    known=value.energy is not None,
                    expected=bool(expected[row, column]),
                )
                cells.state[row, column] = state
                if value.energy is not None:
                    exact[row, column] = value.energy
        return Cells(cells.pulses, cells.worths, cells.kind, cells.state, exact)


def _parts(values: NDArray[np.intp], size: int) -> Iterator[NDArray[np.intp]]:
    for first in range(0, len(values), size):
        yield values[first : first + size]


def _run(rows: NDArray[np.intp]) -> NDArray[np.intp] | slice:
    """Return ascending `rows` as a slice, several times faster, where none is left out."""
    first, last = int(rows[0]), int(rows[-1])
    return slice(first, last + 1) if last - first == len(rows) - 1 else rows


def _mountings(points: NDArray[np.int64]) -> _Mounted:
    """Return the mountings of points; remembered until something changes in the registry."""
    key = (registry_version(), points.tobytes())
    if key not in _remembered:
        while len(_remembered) >= REMEMBERED:
            del _remembered[next(iter(_remembered))]
        _remembered[key] = _read_mountings(points)
    return _remembered[key]


_remembered: dict[Hashable, _Mounted] = {}


def _read_mountings(points: NDArray[np.int64]) -> _Mounted:
    found = arrays(_MOUNTINGS, [Int8s(points)], "int8", "int4", *["int8"] * 7, "int4")
    point, channel, *weights, modulus, start, end, own = (
        column.astype(np.int64) for column in found
    )
    kinds: dict[tuple[int, ...], int] = {}
    rows = zip(*(column.tolist() for column in weights), strict=True)
    kind = [kinds.setdefault(one, len(kinds)) for one in rows]
    return _Mounted(
        point=np.searchsorted(points, point),
        channel=channel,
        modulus=modulus,
        start=start,
        end=end,
        own_start=own & 1 > 0,
        own_end=own & 2 > 0,
        worths=tuple(Fraction(a * c, b * d) for a, b, c, d in kinds),
        kind=np.array(kind, np.intp),
    )


_MARKED: Final = """
select distinct point_id from point_mark where not void and valid_from < %b
  and coalesce(valid_to > %b, true) and {condition}
"""
_MOUNTINGS: Final = f"""
select array_agg(point), array_agg(channel), array_agg(weight), array_agg(per),
  array_agg(ratio), array_agg(ratio_to), array_agg(modulus), array_agg(start), array_agg(stop),
  array_agg(own)
from (
  select m.point_id as point, coalesce(m.channel_id, {NO_CHANNEL}) as channel,
    t.pulse_weight_numerator as weight, t.pulse_weight_denominator as per,
    t.transformer_ratio_numerator as ratio, t.transformer_ratio_denominator as ratio_to,
    t.register_modulus as modulus,
    (extract(epoch from m.valid_from) * 1000000)::bigint as start,
    coalesce((extract(epoch from m.valid_to) * 1000000)::bigint, {FOREVER}) as stop,
    (m.register_at_mount is not null)::int + 2 * (m.register_at_removal is not null)::int as own
  from meter_mounting m join meter t on t.id = m.meter_id
  where m.point_id = any(%b) order by m.point_id, m.valid_from) x
"""
