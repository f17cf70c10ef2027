"""Whom to ask, and when, so that what is wanted is given with the least discomfort, and fairly.

**Enough.** What the chosen are expected to give together, less `z` standard deviations, must
reach what is wanted in every slot. What a candidate of expectation m and deviation s really gives
differs from m by a part of its own and by a part that all have in common (the weather, the hour):
with the common share `rho` of its variance,

    sd^2 = (1 - rho) sum s^2 + rho (sum s)^2

so that asking more people helps against chance, and not against being wrong about all of them.
What a yellow turn holds back returns while the event lasts, and is taken off (`candidates`).

**Least discomfort, and fair.** A candidate that has given g lately and gives e now [kW min] costs

    discomfort x e x (1 + fairness x (g + e / 2) / scale)

where the scale is the mean of what everyone has given and will be asked. The second part adds up
to the squares of what each has given: for a given sum, Jain's index is the higher the smaller they
are. With `fairness` 0 only discomfort counts.

**How.** The turn with the largest useful reduction for its cost is taken, again and again; useful
is what fills a slot that lacks, less what comes back into others. A turn whose energy comes back
while the event lasts is of no use by that count, and yet needed where nothing else is left: so then
the slots are filled one after another from the first on, each turn charged with what it leaves to
the later ones. Turns that turned out to be needless are dropped, the dearest first. Covering
problems are hard; the greedy rule without what comes back is known to be within a logarithm of the
best (V. Chvatal, Mathematics of Operations Research 4 (1979) 233), and how far it is in small cases
is measured against the exact optimum in the tests.

**Too little.** Where what is wanted cannot be had, the same share of it in all slots is tried, and
the choice that leaves least missing is returned: what is held in the first quarter of an hour must
not come back as a peak in the third.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from balans.core.errors import InputError
from balans.domain.response.candidates import (
    W_S_PER_KWMIN,
    Bar,
    Candidate,
    Options,
    Wanted,
    find_bars,
    find_options,
)
from balans.domain.response.rotation import Turn

Floats = NDArray[np.float64]
LEAST_W = 1e-6
LEAST_DISCOMFORT = 1e-9
TRIES = 5
IMPROVED = 60
"""Up to so many turns are looked at once more, one by one."""
PART = 0.125
"""Of what a slot lacks, taken before the worth of the others is looked at again."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How sure the reduction must be, what errors have in common, and what fairness weighs.

    z
        Standard deviations below the expectation that must still suffice; 1.28 is the 90 % point
        of a normal distribution.
    rho
        Share of each candidate's variance that is common to all, 0 to 1. Houses deviate by 1.5 to
        2 times their mean, since a thermostat runs or rests; with 0.01 that is an error of 15 to
        20 % that all make together.
    fairness
        What having given counts beside discomfort, 0 or more.
    """

    z: float = 1.28
    rho: float = 0.01
    fairness: float = 4.0

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises
        ------
        InputError
            Naming the field.
        """
        if not 0 <= self.z < math.inf:
            raise InputError(f"rules: z = {self.z}: expected 0 or more")
        if not 0 <= self.rho <= 1:
            raise InputError(f"rules: rho = {self.rho}: expected 0 to 1")
        if not 0 <= self.fairness < math.inf:
            raise InputError(f"rules: fairness = {self.fairness}: expected 0 or more")


@dataclass(frozen=True)
class Selection:
    """Who is asked when, and what that is expected to give by slot, arrays (slots,) [W].

    expected_w, sd_w
        What is given less what comes back, and its standard deviation.
    price
        What it costs by the rule above.
    barred
        Who was never considered, and why.
    """

    turns: tuple[Turn, ...]
    wanted_w: Floats
    expected_w: Floats
    sd_w: Floats
    z: float
    price: float
    barred: Mapping[str, Bar]

    @property
    def sure_w(self) -> Floats:
        """What is given at least, `z` standard deviations below the expectation."""
        return self.expected_w - self.z * self.sd_w

    @property
    def missing_w(self) -> Floats:
        """What is still missing by slot; 0 where enough is given."""
        short_w = self.wanted_w - self.sure_w
        return np.where((self.wanted_w > 0) & (short_w > LEAST_W), short_w, 0.0)

    @property
    def met(self) -> bool:
        """Whether what is wanted is given in every slot."""
        return not self.missing_w.any()

    @cached_property
    def given_kwmin(self) -> dict[str, float]:
        """What each of the chosen is expected to give [kW min]."""
        found: dict[str, float] = {}
        for turn in self.turns:
            found[turn.target] = found.get(turn.target, 0.0) + turn.expected_kwmin
        return found


def choose(
    candidates: Sequence[Candidate], wanted: Wanted, rules: Rules | None = None
) -> Selection:
    """Return the turns that give what is wanted; where it cannot be met, what there is.

    Vulnerable, excluded, not consenting and red candidates, and those that have opted out, are
    never chosen.

    Raises
    ------
    InputError
        If two candidates have one name, or values for another number of slots.
    """
    names = [one.name for one in candidates]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"candidates: {twice} is given twice")
    rules = rules or Rules()
    barred = find_bars(candidates, wanted)
    options = find_options(candidates, wanted, barred)
    best = _run(candidates, wanted, rules, options, 1.0).selection(barred)
    if best.met:
        return best
    found = [best, _run(candidates, wanted, rules, options, 0.0).selection(barred)]
    low, high = 0.0, min(1.0, _share_there_is(options, wanted))
    for _ in range(TRIES):
        share = (low + high) / 2
        search = _run(candidates, wanted, rules, options, share)
        low, high = (share, high) if search.reached else (low, share)
        found.append(search.selection(barred))
    return min(found, key=lambda one: round(float(one.missing_w.sum())))


def _share_there_is(options: Options, wanted: Wanted) -> float:
    """Return what share of the wanted energy all together could hold back at most."""
    most: dict[int, float] = {}
    for who, kwmin in zip(options.who.tolist(), options.kwmin.tolist(), strict=True):
        most[who] = most.get(who, 0.0) + kwmin
    wanted_kwmin = float(np.sum(wanted.power_w)) * wanted.slot_s / W_S_PER_KWMIN
    return sum(most.values()) / max(wanted_kwmin, LEAST_W)


def _run(
    candidates: Sequence[Candidate], wanted: Wanted, rules: Rules, options: Options, share: float
) -> "_Search":
    """Return the search that is done, for a `share` of what is wanted.

    With a share of 0 only turns that are of use in themselves are taken, for all that is wanted.
    """
    search = _Search(candidates, wanted, rules, options)
    if share > 0:
        search.goal_w = search.goal_w * share
    search.fill()
    if share > 0:
        search.fill_in_order()
    search.prune()
    if search.reached:
        search.improve()
    return search


class _Search:
    """The options while some of them are taken."""

    def __init__(
        self, candidates: Sequence[Candidate], wanted: Wanted, rules: Rules, options: Options
    ) -> None:
        self.candidates, self.wanted, self.rules, self.options = candidates, wanted, rules, options
        self.goal_w = np.asarray(wanted.power_w, dtype=np.float64)
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
            best = int(np.argmax(useful_w / price))
            if useful_w[best] <= LEAST_W:
                return
            who = self._take(int(rows[best]))
            keep = self.open[rows] & (useful_w > 0)
            rows, price = rows[keep], price[keep]
            own = self.options.who[rows] == who
            price[own] = self._prices(rows[own])

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
        return np.flatnonzero(self.open & (self.options.kwmin > 0)).astype(np.int64)

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
            np.asarray(self.wanted.power_w, dtype=np.float64),
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
        held = max(1, int(length_s // wanted.slot_s))
        given_w = float(options.kwmin[row]) * W_S_PER_KWMIN / (held * wanted.slot_s)
        sd_w = float(options.sd_w[row].sum()) / held
        name = self.candidates[options.who[row]].name
        return Turn(name, start_s, start_s + length_s, given_w, sd_w)
