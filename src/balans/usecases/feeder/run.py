"""One replay of a street: a share of its flats under control, the others as they please.

The loop is the one of `simulate_site`, over arrays: the decision for a step takes the step before
it and nothing later, and steps on which nothing is held back and all limits are kept are skipped.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from balans.core.words import LoadClass
from balans.domain.demand.lowest_hour import lowest_hours
from balans.domain.demand.unrest import margin_w, unrests_w
from balans.usecases.feeder.control import Control, Limits, Reflex, Seen
from balans.usecases.feeder.street import MINUTE_S, UNITS_PER_W, Street

Wide = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(slots=True)
class Tally:
    """What a replay did to each controlled load, (loads,); energies in 0.01 W x 1 min.

    delayed
        Not drawn in the minute in which it was wanted.
    waited
        Backlog, summed over the minutes: energy times the time it waited.
    late
        Backlog at each deadline.
    lost
        Not drawn before a vehicle left.
    backlog
        Still waiting at the end.
    """

    delayed: Wide
    waited: Wide
    late: Wide
    lost: Wide
    backlog: Wide
    drawn: Wide
    wanted: Wide
    switches: Wide
    off_min: Wide
    longest_off_min: Wide

    @classmethod
    def of(cls, loads: int) -> "Tally":
        """Return a tally of nothing."""
        return cls(*(np.zeros(loads, dtype=np.int64) for _ in range(10)))


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a replay.

    `rows` are the loads under control, `flat_of` their flats; `site_w` (steps,) and `phase_w`
    (3, steps) are powers [W]. `flats_over_w` is by how much the flats taking part were above their
    own limits, together, (steps,) [W]; `others_w` is what nobody controls, (steps,) [W].
    """

    share: float
    chosen: Flags
    rows: NDArray[np.int64]
    flat_of: NDArray[np.int64]
    site_w: Floats
    phase_w: Floats
    flats_over_w: Floats
    others_w: Floats
    tally: Tally


def uncoordinated_phase_w(street: Street) -> Floats:
    """Return what each phase carries when nothing is controlled, (3, steps) [W]."""
    return np.asarray(_base_phase_w(street) + street.phase_share @ street.wanted.T / UNITS_PER_W)


def _base_phase_w(street: Street) -> Floats:
    of_phase = [street.base[street.phase == n].sum(axis=0, dtype=np.int64) for n in (1, 2, 3)]
    return np.array(of_phase) / UNITS_PER_W


def replay(street: Street, share: float, limits: Limits) -> Run:
    """Replay `street` with `share` of its flats taking part."""
    chosen = street.taking_part(share)
    rows = np.flatnonzero(chosen[street.flat_of])
    loads = tuple(street.loads[row] for row in rows.tolist())
    loop = _Loop(street, rows, limits)
    if loads:
        loop.run(Reflex(loads, limits))
    else:
        loop.finish()
    return Run(
        share,
        chosen,
        rows,
        street.flat_of[rows],
        loop.site / UNITS_PER_W,
        loop.phase_w,
        loop.flats_over / UNITS_PER_W,
        loop.base / UNITS_PER_W,
        loop.tally,
    )


class _Loop:
    """The closed loop over the loads in `rows`."""

    def __init__(self, street: Street, rows: NDArray[np.int64], limits: Limits) -> None:
        self.street, self.rows, self.limits = street, rows, limits
        self.loads = [street.loads[row] for row in rows.tolist()]
        self.wanted = street.wanted[:, rows]
        self.rated = np.array([round(x.rated_w * UNITS_PER_W) for x in self.loads], dtype=np.int64)
        self.share = street.phase_share[:, rows]
        self._sum_up()
        self._sum_up_flats()
        self.unrest_w = unrests_w(self.base / UNITS_PER_W)
        self.alarms = np.flatnonzero(self._is_over()[:-1]) + 1
        self.low_w = lowest_hours(street.step_s, self.base / UNITS_PER_W)
        self.tally = Tally.of(len(rows))
        self.last = (0, self.wanted[0])
        self.leaving = self._leaving()
        self.deadline = np.array([-1 if x.deadline_s is None else x.deadline_s for x in self.loads])

    def _sum_up(self) -> None:
        """Add up what is not controlled, and the whole as if nothing were."""
        street = self.street
        others = np.ones(len(street.loads), dtype=np.bool_)
        others[self.rows] = False
        self.base = street.base.sum(axis=0, dtype=np.int64)
        self.base += street.wanted[:, others].sum(axis=1, dtype=np.int64)
        self.site = self.base + self.wanted.sum(axis=1, dtype=np.int64)
        other = street.phase_share[:, others] @ street.wanted[:, others].T
        self.base_phase_w = _base_phase_w(street) + other / UNITS_PER_W
        self.phase_w = self.base_phase_w + self.share @ self.wanted.T / UNITS_PER_W

    def _sum_up_flats(self) -> None:
        """Add up what each flat taking part draws, where flats have limits of their own."""
        self.flats_over = np.zeros(self.street.steps)
        self.flat_base = np.zeros((self.street.steps, 0), dtype=np.int64)
        if self.limits.flat_w == np.inf or not len(self.rows):
            return
        flats, self.flat_place = np.unique(self.street.flat_of[self.rows], return_inverse=True)
        self.first_load = np.searchsorted(self.flat_place, np.arange(len(flats)))
        self.flat_base = self.street.base[flats].T.astype(np.int64)
        for step in range(self.street.steps):
            self.flats_over[step] = self._flats_over(self._flat_units(step, self.wanted[step]))

    def _flat_units(self, step: int, power: Wide) -> Wide:
        """Return what each flat draws when its loads draw `power`; loads stand flat by flat."""
        if not self.flat_base.shape[1]:
            return np.zeros(0, dtype=np.int64)
        return np.asarray(self.flat_base[step] + np.add.reduceat(power, self.first_load))

    def _flats_over(self, flat_units: Wide) -> float:
        return float(np.maximum(flat_units - self.limits.flat_w * UNITS_PER_W, 0.0).sum())

    def _is_over(self) -> Flags:
        """Return at which steps a limit is exceeded if nothing is controlled."""
        relief_w = float(self.rated.mean()) / UNITS_PER_W if len(self.rated) else 0.0
        margin = np.maximum(np.nan_to_num(margin_w(self.unrest_w, relief_w)), 0.0)
        over = self.site / UNITS_PER_W > self.limits.site_w - np.r_[margin[1:], 0.0]
        over |= (self.phase_w > self.limits.phase_w).any(axis=0)
        return np.asarray(over | (self.flats_over > 0), dtype=np.bool_)

    def _leaving(self) -> dict[int, list[int]]:
        place = {row: index for index, row in enumerate(self.rows.tolist())}
        found: dict[int, list[int]] = {}
        for step, row in self.street.leaves:
            if row in place:
                found.setdefault(step, []).append(place[row])
        return found

    def run(self, control: Control) -> None:
        """Go through the steps, skipping those on which there is nothing to do."""
        step, steps = 1, self.street.steps
        while step < steps:
            if control.quiet and not self.tally.backlog.any():
                later = int(np.searchsorted(self.alarms, step))
                step = int(self.alarms[later]) if later < len(self.alarms) else steps
            if step < steps:
                control.decide(self._seen(step))
                self._draw(step, control.ceiling)
            step += 1
        self.finish()

    def finish(self) -> None:
        """Add up what was wanted and drawn."""
        self.tally.wanted += self.wanted.sum(axis=0, dtype=np.int64)
        self.tally.drawn += self.tally.wanted - self.tally.lost - self.tally.backlog

    def _seen(self, step: int) -> Seen:
        """Return what was measured over the step before `step`."""
        before, drawn = self.last
        if before != step - 1:
            drawn = self.wanted[step - 1]
        low_w, unrest_w = float(self.low_w[step]), float(self.unrest_w[step])
        return Seen(
            float(self.street.step_s[step]),
            float(self.street.local_s[step]),
            float(self.site[step - 1]) / UNITS_PER_W,
            self.phase_w[:, step - 1],
            self._flat_units(step - 1, drawn) / UNITS_PER_W,
            drawn / UNITS_PER_W,
            None if np.isnan(low_w) else low_w,
            None if np.isnan(unrest_w) else unrest_w,
        )

    def _draw(self, step: int, ceiling: Wide) -> None:
        """Let every load draw: what it wants and has waiting, up to its rating and its ceiling."""
        tally, wanted = self.tally, self.wanted[step].astype(np.int64)
        for index in self.leaving.get(step, ()):
            tally.lost[index] += tally.backlog[index]
            tally.backlog[index] = 0
        due = wanted + tally.backlog
        power = np.minimum(np.maximum(wanted, np.minimum(self.rated, due)), ceiling)
        tally.backlog = due - power
        tally.waited += tally.backlog
        tally.delayed += np.maximum(wanted - power, 0)
        self._count(step, ceiling == 0)
        self.site[step] = self.base[step] + power.sum()
        self.phase_w[:, step] = self.base_phase_w[:, step] + self.share @ power / UNITS_PER_W
        if self.flat_base.shape[1]:
            self.flats_over[step] = self._flats_over(self._flat_units(step, power))
        self.last = (step, power)

    def _count(self, step: int, is_off: Flags) -> None:
        tally = self.tally
        tally.switches += is_off != (tally.off_min > 0)
        tally.off_min = np.where(is_off, tally.off_min + 1, 0)
        np.maximum(tally.longest_off_min, tally.off_min, out=tally.longest_off_min)
        end_s = (float(self.street.local_s[step]) + MINUTE_S) % 86_400
        due = self.deadline == end_s
        tally.late[due] += tally.backlog[due]


def longest_yellow_off_s(street: Street, run: Run) -> float:
    """Return the longest time a yellow load was off [s]."""
    yellow = [street.loads[row].load_class is LoadClass.YELLOW for row in run.rows.tolist()]
    return float(run.tally.longest_off_min[yellow].max(initial=0)) * MINUTE_S
