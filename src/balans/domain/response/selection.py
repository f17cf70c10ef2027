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

from collections import Counter
from collections.abc import Sequence

import numpy as np

from balans.core.errors import InputError
from balans.domain.response.candidates import (
    W_S_PER_KWMIN,
    Candidate,
    Options,
    Wanted,
    find_bars,
    find_options,
)
from balans.domain.response.chosen import LEAST_W, Rules, Selection
from balans.domain.response.search import Search

__all__ = ["Rules", "Selection", "choose", "choose_everything"]

TRIES = 5


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
    _check_names(candidates)
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


def choose_everything(
    candidates: Sequence[Candidate], wanted: Wanted, rules: Rules | None = None
) -> Selection:
    """Return the turns that give most together, whatever is wanted; errors as `choose`."""
    _check_names(candidates)
    barred = find_bars(candidates, wanted)
    options = find_options(candidates, wanted, barred)
    search = Search(candidates, wanted, rules or Rules(), options)
    search.take_everything()
    return search.selection(barred)


def _check_names(candidates: Sequence[Candidate]) -> None:
    names = [one.name for one in candidates]
    if len(set(names)) < len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise InputError(f"candidates: {twice} is given twice")


def _share_there_is(options: Options, wanted: Wanted) -> float:
    """Return what share of the wanted energy all together could hold back at most."""
    most: dict[int, float] = {}
    for who, kwmin in zip(options.who.tolist(), options.kwmin.tolist(), strict=True):
        most[who] = most.get(who, 0.0) + kwmin
    wanted_kwmin = float(np.sum(wanted.power_w)) * wanted.slot_s / W_S_PER_KWMIN
    return sum(most.values()) / max(wanted_kwmin, LEAST_W)


def _run(
    candidates: Sequence[Candidate], wanted: Wanted, rules: Rules, options: Options, share: float
) -> Search:
    """Return the search that is done, for a `share` of what is wanted.

    With a share of 0 only turns that are of use in themselves are taken, for all that is wanted.
    """
    search = Search(candidates, wanted, rules, options)
    if share > 0:
        search.goal_w = search.goal_w * share
    search.fill()
    if share > 0:
        search.fill_in_order()
    search.prune()
    if search.reached:
        search.improve()
    return search
