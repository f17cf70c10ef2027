"""Which loads to hold back when power is above what is allowed.

Green goes before yellow, reducing before stopping. Within a class the fewest loads that suffice
are taken, and among those the ones that have given up least: one never sheds twenty loads where
one is enough, and the same load is not always the victim.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from balans.core.words import LoadClass
from balans.domain.demand.model import Load, LoadKind, LoadState, Recover

RELIEF_SHARE = 0.05
"""A load that draws less than this share of its rated power stands by: no relief in it."""
TINY_W = 1e-6


@dataclass(frozen=True, slots=True)
class Candidate:
    """A load that may be held back: the power it gives up, and what it has given already.

    `gain` is the share of that power which is overload now; `is_stop` tells stopping from reducing.
    """

    index: int
    relief_w: float
    given_wh: float
    gain: float = 1.0
    is_stop: bool = True


def gain_of_shedding(relief_w: float, over_w: float, least: float) -> float | None:
    """Return the share of the held-back energy that is overload now, or None: better not shed.

    Notes
    -----
    Of each Wh held back, ``gain = min(1, over / relief)`` is overload avoided. Of what comes
    back, `least` (see `least_loss`) is overload in the best hour and 1 in the worst. Where a load
    cannot come back inside the limit, shedding pays only if the gain exceeds the middle of the
    two; otherwise it would make the day worse.
    """
    gain = min(1.0, over_w / relief_w)
    return gain if least <= 0 or gain >= (1 + least) / 2 else None


def least_loss(load: Load, allowed_w: float, low_w: float | None) -> float:
    """Return the share of deferred energy that is overload even in the quietest hour (0..1).

    Notes
    -----
    ``(rated + low - allowed) / rated``, between 0 and 1, with `low_w` the power of the rest of
    the site in its quietest hour. Not known yet: 0, hope is not given up before a day has passed.
    """
    if low_w is None or load.recover is Recover.LOSE or load.rated_w <= 0:
        return 0.0
    return min(1.0, max(0.0, (load.rated_w + low_w - allowed_w) / load.rated_w))


def is_wanted(state: LoadState) -> bool:
    """Tell whether a person wants the load kept on."""
    return state.hold is not None and state.hold.on


def may_shed(load: Load, state: LoadState, time_s: float, step_s: float) -> bool:
    """Tell whether the rules of the class let `load` be switched off for the coming step."""
    if load.load_class is LoadClass.RED or not state.on:
        return False
    if load.load_class is LoadClass.YELLOW and load.max_off_s < step_s:
        return False
    return time_s - state.since_s >= load.min_on_s


def reducible_w(load: Load, drawn_w: float) -> float:
    """Return the power that a modulating load can give up without being stopped [W]."""
    return max(0.0, drawn_w - load.min_w) if load.kind is LoadKind.MODULATING else 0.0


def choose(candidates: Sequence[Candidate], over_w: float) -> list[Candidate]:
    """Return the fewest candidates whose relief covers `over_w`, all of them if none suffice.

    Among sets of that size those that have given up least are preferred, then the smaller relief.

    >>> heater, fridge = Candidate(0, 2000, 50.0), Candidate(1, 150, 0.0)
    >>> [c.index for c in choose([heater, fridge], 100)]
    [1]
    >>> [c.index for c in choose([heater, fridge], 1000)]
    [0]
    """
    if over_w <= TINY_W:
        return []
    biggest = sorted(candidates, key=lambda c: (-c.relief_w, c.given_wh, c.index))
    chosen: list[Candidate] = []
    covered_w = 0.0
    for candidate in biggest:
        if covered_w >= over_w - TINY_W:
            break
        chosen.append(candidate)
        covered_w += candidate.relief_w
    return _turn_by_turn(biggest, chosen, covered_w - over_w)


def _turn_by_turn(
    candidates: list[Candidate], chosen: list[Candidate], spare_w: float
) -> list[Candidate]:
    """Replace chosen ones by those that have given up less, as long as the rest still covers."""
    waiting = sorted(candidates[len(chosen) :], key=lambda c: (c.given_wh, c.relief_w, c.index))
    result = []
    for candidate in sorted(chosen, key=lambda c: (-c.given_wh, -c.relief_w, c.index)):
        better = next((w for w in waiting if _is_fairer(w, candidate, spare_w)), None)
        if better:
            waiting.remove(better)
            spare_w -= candidate.relief_w - better.relief_w
        result.append(better or candidate)
    return result


def _is_fairer(waiting: Candidate, chosen: Candidate, spare_w: float) -> bool:
    suffices = chosen.relief_w - waiting.relief_w <= spare_w + TINY_W
    has_given_less = (waiting.given_wh, waiting.relief_w) < (chosen.given_wh, chosen.relief_w)
    return suffices and has_given_less
