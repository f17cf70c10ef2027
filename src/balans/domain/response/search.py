"""The search for turns that give what is wanted; its rules are told in `selection`."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from balans.domain.response.candidates import W_S_PER_KWMIN, Bar, Candidate, Options, Wanted
from balans.domain.response.chosen import LEAST_W, Rules, Selection
from balans.domain.response.rotation import Turn

Floats = NDArray[np.float64]
LEAST_DISCOMFORT = 1e-9
LEAST_KWMIN = 1e-9
IMPROVED = 60
"""Up to so many turns are looked at once more, one by one."""
PART = 0.125
"""Of what a slot lacks, taken before the worth of the others is looked at again."""
HOLDING = 0.01
"""What it counts that power is held at all, if all of it comes back."""
MANY = 1_000
"""Of so many turns several are taken at a time."""


class Search:
    """The options while some of them are taken."""

    def __init__(
        self, candidates: Sequence[Candidate], wanted: Wanted, rules: Rules, options: Options
    ) -> None:
        self.candidates, self.wanted, self.rules, self.options = candidates, wanted, rules, options
        self.goal_w = wanted.goal_w
        self.asked = self.goal_w > 0
        self.given = np.array([one.given_kwmin for one in candidates])
        weights = np.array([one.discomfort for one in candidates])
        self.weight = np.maximum(weights, LEAST_DISCOMFORT)
        self.scale = self._scale()
        self.taken: list[int] = []
        self.open = np.ones(len(options.who), dtype=np.bool_)
        self.net_w = np.zeros(wanted.slots)
        self.spread_w = np.zeros(wanted.slots)
        self.squares = np.zeros(wanted.slots)
        self.gain_w = self._gain_w()

    def _scale(self) -> float:
        """Return what a candidate has given and will be asked in the mean [kW min]."""
        able = np.unique(self.options.who)
        wanted_kwmin = float(self.wanted.power_w.sum()) * self.wanted.slot_s / W_S_PER_KWMIN
        total = float(self.given[able].sum()) + wanted_kwmin
        return total / len(able) if len(able) and total > 0 else 1.0

    def _gain_w(self) -> Floats:
        """Return what each option adds to what is sure, in a choice of the size that is needed.

        The deviation that one more adds depends on who else is chosen. Were the first judged
        alone, nobody would ever seem worth asking, for a thermostat may well be off.
        """
        options, rules = self.options, self.rules
        gain_w = options.net_w.copy()
        if not len(gain_w) or rules.z == 0:
            return gain_w[:, self.asked]
        gives = options.sd_w > 0
        count = np.maximum(gives.sum(axis=0), 1)
        typical_sd = options.sd_w.sum(axis=0) / count
        typical_w = np.where(gives, options.net_w, 0.0).sum(axis=0) / count
        number = np.maximum(1.0, self.wanted.power_w / np.maximum(typical_w, LEAST_W))
        number = np.minimum(number, count)
        sum_sd = number * typical_sd
        sd = np.sqrt((1 - rules.rho) * number * typical_sd**2 + rules.rho * sum_sd**2)
        sd = np.maximum(sd, LEAST_W)
        own = (1 - rules.rho) * options.sd_w**2 / (2 * sd)
        common = rules.rho * sum_sd / sd * options.sd_w
        gain_w -= rules.z * (own + common)
        return gain_w[:, self.asked]

    def _sd_w(self) -> Floats:
        rho = self.rules.rho
        variance = (1 - rho) * self.squares + rho * self.spread_w**2
        return np.sqrt(np.maximum(variance, 0.0))

    def _lacking_w(self) -> Floats:
        """Return what is missing in the slots in which something is wanted; negative: surplus."""
        lacking_w = self.goal_w - self.net_w + self.rules.z * self._sd_w()
        return np.asarray(lacking_w[self.asked])

    def _prices(self, rows: NDArray[np.int64]) -> Floats:
        """Return what each of `rows` would cost now."""
        who, kwmin = self.options.who[rows], self.options.kwmin[rows]
        share = (self.given[who] + kwmin / 2) / self.scale
        return np.asarray(self.weight[who] * kwmin * (1 + self.rules.fairness * share))

    @property
    def reached(self) -> bool:
        """Whether nothing lacks."""
        return not (self._lacking_w() > LEAST_W).any()

    def fill(self) -> None:
        """Take turns until nothing lacks, or none is of use in itself."""
        rows = self._open_rows()
        price = self._prices(rows)
        while len(rows):
            lacking_w = self._lacking_w()
            before_w = np.maximum(lacking_w, 0.0)
            useful_w = before_w.sum() - np.maximum(lacking_w - self.gain_w[rows], 0.0).sum(axis=1)
            best = self._best(rows, useful_w / price, useful_w, before_w)
            if not len(best):
                return
            for row in best.tolist():
                if self.open[row]:
                    self._take(row)
            keep = self.open[rows] & (useful_w > 0)
            rows, price = rows[keep], price[keep]
            own = np.isin(self.options.who[rows], self.options.who[best])
            price[own] = self._prices(rows[own])

    def _best(
        self, rows: NDArray[np.int64], worth: Floats, useful_w: Floats, lacking_w: Floats
    ) -> NDArray[np.int64]:
        """Return the turns to be taken next: the best, and of many so many that little changes.

        As long as no slot is nearly full the worth of the others stays what it is, so those that
        come next are taken with the best one, at most a part of what each slot lacks and one turn
        of a candidate.
        """
        if len(rows) <= MANY:
            best = int(np.argmax(worth))
            return rows[best : best + 1] if useful_w[best] > LEAST_W else rows[:0]
        order = np.argsort(-worth, kind="stable")
        order = order[useful_w[order] > LEAST_W]
        _, first = np.unique(self.options.who[rows[order]], return_index=True)
        order = order[np.sort(first)]
        gain_w = np.cumsum(np.maximum(self.gain_w[rows[order]], 0.0), axis=0)
        full = ~(gain_w <= PART * lacking_w)[:, lacking_w > 0].all(axis=1)
        count = int(np.argmax(full)) if np.any(full) else len(order)
        return rows[order[: max(count, 1)]]

    def take_everything(self) -> None:
        """Take of each candidate the turns that give most together, however much is wanted.

        What comes back counts against them; turns that exclude each other are weighed exactly. Of
        those that give the same in the end the ones that hold more are taken.
        """
        held_w = self.options.kwmin * W_S_PER_KWMIN / self.wanted.slot_s
        worth = self.gain_w.sum(axis=1) + HOLDING * held_w
        for rows in np.split(np.arange(len(worth)), np.flatnonzero(np.diff(self.options.who)) + 1):
            for row in self._heaviest(rows[worth[rows] > LEAST_W].tolist(), worth):
                self._take(row)

    def _heaviest(self, rows: list[int], worth: Floats) -> list[int]:
        """Return which of the turns of one candidate have the largest worth and are apart."""
        first, blocked = self.options.first, self.options.blocked
        rows.sort(key=lambda row: int(blocked[row]))
        best: list[tuple[float, list[int]]] = [(0.0, [])]
        for place, row in enumerate(rows):
            before = sum(blocked[other] <= first[row] for other in rows[:place])
            value, taken = best[before]
            with_it = (value + float(worth[row]), [*taken, row])
            best.append(with_it if with_it[0] > best[-1][0] else best[-1])
        return best[-1][1]

    def fill_in_order(self) -> None:
        """Fill each slot that lacks from the first on, by turns that leave least to the later."""
        for slot in range(int(self.asked.sum())):
            while (lacking_w := self._lacking_w())[slot] > LEAST_W:
                rows = self._open_rows()
                rows = rows[self.gain_w[rows, slot] > LEAST_W]
                if not len(rows):
                    break
                before_w = np.maximum(lacking_w, 0.0)
                change_w = before_w - np.maximum(lacking_w - self.gain_w[rows], 0.0)
                gained_w = np.maximum(change_w, 0.0).sum(axis=1)
                left_w = np.maximum(-change_w, 0.0).sum(axis=1)
                worth = gained_w**2 / (self._prices(rows) * (gained_w + left_w))
                self._take_several(rows[np.argsort(-worth, kind="stable")], slot)

    def _take_several(self, rows: NDArray[np.int64], slot: int) -> None:
        """Take the first of `rows`, and of the others as many as fill a part of what lacks."""
        enough_w = self._lacking_w()[slot] * PART
        for row in rows.tolist():
            if self.open[row]:
                self._take(row)
                enough_w -= self.gain_w[row, slot]
            if enough_w <= 0:
                return

    def _open_rows(self) -> NDArray[np.int64]:
        return np.flatnonzero(self.open & (self.options.kwmin > LEAST_KWMIN)).astype(np.int64)

    def _take(self, row: int) -> int:
        """Take a turn; return the candidate."""
        options = self.options
        self._add(row, 1)
        self.taken.append(row)
        self.open[self._clash(row)] = False
        return int(options.who[row])

    def _clash(self, row: int) -> NDArray[np.bool_]:
        """Return which turns cannot be taken beside `row`, itself among them."""
        options = self.options
        return np.asarray(
            (options.who == options.who[row])
            & (options.first < options.blocked[row])
            & (options.first[row] < options.blocked)
        )

    def _add(self, row: int, sign: int) -> None:
        options = self.options
        self.net_w += sign * options.net_w[row]
        self.spread_w += sign * options.sd_w[row]
        self.squares += sign * options.sd_w[row] ** 2
        self.given[options.who[row]] += sign * options.kwmin[row]

    def prune(self) -> None:
        """Drop turns without which nothing more would lack, the dearest first."""
        rows = np.array(self.taken, dtype=np.int64)
        short_w = np.maximum(self._lacking_w(), LEAST_W)
        for row in rows[np.argsort(-self._prices(rows), kind="stable")].tolist():
            self._add(row, -1)
            if (self._lacking_w() <= short_w).all():
                self.taken.remove(row)
            else:
                self._add(row, 1)

    def improve(self) -> None:
        """Do without one turn after the other, the dearest first, where others are cheaper.

        Among few turns one more or less weighs much; among many the greedy rule is close.
        """
        if len(self.taken) > IMPROVED:
            return
        rows = np.array(self.taken, dtype=np.int64)
        for row in rows[np.argsort(-self._prices(rows), kind="stable")].tolist():
            if row in self.taken:
                kept, price = list(self.taken), self._price()
                self._take_again([one for one in kept if one != row])
                self.open[row] = False
                self.fill()
                self.fill_in_order()
                self.prune()
                if not self.reached or self._price() >= price:
                    self._take_again(kept)

    def _take_again(self, rows: Sequence[int]) -> None:
        """Hold exactly the turns `rows`."""
        for row in self.taken:
            self._add(row, -1)
        self.taken = []
        self.open[:] = True
        for row in rows:
            self._take(row)

    def selection(self, barred: Mapping[str, Bar]) -> Selection:
        """Return what was chosen."""
        turns = sorted(map(self._turn, self.taken), key=lambda turn: (turn.start_s, turn.target))
        return Selection(
            tuple(turns),
            self.wanted.goal_w,
            self.net_w,
            self._sd_w(),
            self.rules.z,
            self._price(),
            barred,
        )

    def _price(self) -> float:
        before = np.array([one.given_kwmin for one in self.candidates])
        given = self.given - before
        share = (before + given / 2) / self.scale
        return float((self.weight * given * (1 + self.rules.fairness * share)).sum())

    def _turn(self, row: int) -> Turn:
        options, wanted = self.options, self.wanted
        start_s = wanted.start_s + float(options.first[row]) * wanted.slot_s
        length_s = float(options.length_s[row])
        held_s = float(options.held_s[row])
        given_w = float(options.kwmin[row]) * W_S_PER_KWMIN / held_s
        sd_w = float(options.sd_w[row].sum()) * wanted.slot_s / held_s
        name = self.candidates[options.who[row]].name
        return Turn(name, start_s, start_s + length_s, given_w, sd_w)
