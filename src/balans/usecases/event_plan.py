"""Plan an event: from what its places could give up, to who is asked when, for how much.

A place offers what its green loads draw and what its yellow loads draw. Green may be asked for as
long as the event lasts, yellow in turns; both together make the steps of the place.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from balans.core.words import LoadClass, StepKind
from balans.domain.response.candidates import Bar, Candidate, Wanted
from balans.domain.response.rotation import LONGEST_S, SHORTEST_S, Turn
from balans.domain.response.selection import Rules, Selection, choose, choose_everything
from balans.domain.response.steps import ECO_SHARES

SLOT_S: Final = 300.0
SLOTS_MAX: Final = 96
SPREAD_OF_TURNS_S: Final = 300.0
"""Yellow returns by its own timer; so much of a turn is left to a spread release at most."""
REDUCE_STEP_W: Final = 10.0
"""A reduction that is asked is rounded up to a multiple of this."""
USUAL_DUTY: Final = 0.3
"""Of loads of which nothing is known."""
YELLOW: Final = ":yellow"
"""After the name of a place: its yellow loads. No name of a place holds a colon."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Asked:
    """What an event asks of every place in [start_s, end_s), Unix seconds."""

    start_s: float
    end_s: float
    value: float


@dataclass(frozen=True, slots=True)
class EventPlan:
    """What an event shall be.

    Parameters
    ----------
    kind, steps
        What is asked, in order of time.
    wanted_w
        What shall be held back by all together; None: as much as there is.
    release_spread_s, start_spread_s
        Over which places let go, and begin.
    """

    kind: StepKind
    steps: tuple[Asked, ...]
    wanted_w: float | None = None
    release_spread_s: float = 0.0
    start_spread_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Offered:
    """A mean power with its standard deviation [W], and how its loads come to it.

    Parameters
    ----------
    duty, cycle_s
        Share of the time they run, and length of their cycle (0: not known): what says how soon
        that which they were held back comes back.
    """

    mean_w: float = 0.0
    sd_w: float = 0.0
    duty: float = USUAL_DUTY
    cycle_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Offer:
    """What a place could give up.

    Parameters
    ----------
    name
        Unique among the places.
    green, yellow
        What its loads of each class are expected to draw.
    base_w
        What it draws as a whole; None: not known.
    yellow_off_s
        How long its yellow loads bear to be off.
    given_kwmin
        What it has given lately.
    rests_until_s
        It rests from an earlier event until then.
    """

    name: str
    green: Offered
    yellow: Offered
    base_w: float | None = None
    yellow_off_s: float = LONGEST_S
    given_kwmin: float = 0.0
    rests_until_s: float = -math.inf


@dataclass(frozen=True, slots=True)
class Part:
    """What one place is asked, and what it is expected to hold back while it is asked [W]."""

    name: str
    steps: tuple[Asked, ...]
    expected_w: float
    sd_w: float


@dataclass(frozen=True, slots=True)
class Planned:
    """Who is asked when, and what that gives by slot of `slot_s` from the start on [W].

    Below 0 more is drawn than without the event: what was held back before comes back. `bound_w` is
    what a limit could cut at a time beyond what is wanted.
    """

    parts: tuple[Part, ...]
    start_s: float
    slot_s: float
    expected_w: tuple[float, ...]
    sd_w: tuple[float, ...]
    missing_w: tuple[float, ...]
    discomfort: float
    barred: Mapping[Bar, int] = field(default_factory=dict)
    bound_w: float = 0.0

    @property
    def met(self) -> bool:
        """Whether what is wanted is surely given in every slot."""
        return not any(self.missing_w)

    @property
    def mean_w(self) -> float:
        """Mean over the slots in which something is expected."""
        given = [value for value in self.expected_w if value > 0]
        return sum(given) / len(given) if given else 0.0

    @property
    def mean_sd_w(self) -> float:
        """Mean standard deviation over the same slots."""
        given = [sd for value, sd in zip(self.expected_w, self.sd_w, strict=True) if value > 0]
        return sum(given) / len(given) if given else 0.0

    @property
    def peak_w(self) -> float:
        """The most that is expected at a time, or could be cut."""
        return max(*self.expected_w, self.bound_w, 0.0)


def plan_event(plan: EventPlan, offers: Sequence[Offer]) -> Planned:
    """Return who is asked when, so that what is wanted is given with the least discomfort.

    Raises
    ------
    InputError
        If two places have one name, or the steps make no sense.
    """
    start_s, end_s = plan.steps[0].start_s, plan.steps[-1].end_s
    slot_s = _slot_s(end_s - start_s)
    slots = max(1, math.ceil((end_s - start_s) / slot_s - 1e-9))
    values = _values(plan, start_s, slot_s, slots)
    candidates = [one for offer in offers for one in _candidates(plan.kind, offer, values)]
    wanted = _wanted(plan, candidates, values, start_s, slot_s)
    if plan.wanted_w is None:
        chosen = choose_everything(candidates, wanted, Rules(z=0.0))
    else:
        chosen = choose(candidates, wanted)
    barred: dict[Bar, int] = defaultdict(int)
    for bar in chosen.barred.values():
        barred[bar] += 1
    asked = plan.wanted_w is not None
    return Planned(
        parts=tuple(_parts(plan, chosen.turns)),
        start_s=start_s,
        slot_s=slot_s,
        expected_w=tuple(chosen.expected_w.tolist()),
        sd_w=tuple(chosen.sd_w.tolist()),
        missing_w=tuple(_missing_w(chosen, asked=asked).tolist()),
        discomfort=chosen.price,
        barred=dict(barred),
    )


def _missing_w(chosen: Selection, *, asked: bool) -> Floats:
    return chosen.missing_w if asked else np.zeros(len(chosen.expected_w))


def _slot_s(length_s: float) -> float:
    """Return the length of a slot: five minutes, longer in a long event, at most a turn."""
    return min(max(SLOT_S, math.ceil(length_s / SLOTS_MAX / 60) * 60.0), LONGEST_S)


def _values(plan: EventPlan, start_s: float, slot_s: float, slots: int) -> list[float | None]:
    """Return what is asked in the middle of each slot, None in a gap."""
    middles = [start_s + (slot + 0.5) * slot_s for slot in range(slots)]
    return [
        next((step.value for step in plan.steps if step.start_s <= at < step.end_s), None)
        for at in middles
    ]


def _candidates(
    kind: StepKind, offer: Offer, values: Sequence[float | None]
) -> Iterable[Candidate]:
    """Yield the green and the yellow loads of a place, as far as it has any.

    What is asked of the place comes from its green loads first, as its own controller does it.
    """
    total_w = np.array([_holdable_w(kind, offer, value) for value in values])
    green_w = np.minimum(total_w, offer.green.mean_w)
    shares = (
        (offer.name, LoadClass.GREEN, offer.green, green_w),
        (offer.name + YELLOW, LoadClass.YELLOW, offer.yellow, total_w - green_w),
    )
    for name, load_class, offered, mean_w in shares:
        if offered.mean_w <= 0:
            continue
        yield Candidate(
            name=name,
            load_class=load_class,
            mean_w=np.minimum(mean_w, offered.mean_w),
            sd_w=offered.sd_w * np.minimum(mean_w / offered.mean_w, 1.0),
            given_kwmin=offer.given_kwmin,
            free_from_s=offer.rests_until_s,
            max_off_s=offer.yellow_off_s,
            duty=offered.duty,
            cycle_s=offered.cycle_s,
        )


def _holdable_w(kind: StepKind, offer: Offer, value: float | None) -> float:
    """Return what a step of `value` makes a place hold back [W]."""
    if value is None:
        return 0.0
    most_w = offer.green.mean_w + offer.yellow.mean_w
    if kind is StepKind.ECO:
        return ECO_SHARES[int(value)] * most_w
    if kind is StepKind.REDUCE:
        return min(value, most_w)
    return most_w if offer.base_w is None else min(most_w, max(offer.base_w - value, 0.0))


def _wanted(
    plan: EventPlan,
    candidates: Sequence[Candidate],
    values: Sequence[float | None],
    start_s: float,
    slot_s: float,
) -> Wanted:
    asked = np.array([value is not None for value in values])
    bears_s = [one.max_off_s for one in candidates if one.load_class is LoadClass.YELLOW]
    spare_s = max(min(bears_s, default=LONGEST_S) - SHORTEST_S, 0.0)
    spread_s = min(plan.release_spread_s, SPREAD_OF_TURNS_S, spare_s)
    wanted_w = np.full(len(values), plan.wanted_w or 0.0)
    if plan.wanted_w is None:
        total_w = sum((np.asarray(one.mean_w) for one in candidates), np.zeros(len(values)))
        wanted_w = np.maximum(total_w, 1.0)
    power_w = np.where(asked, wanted_w, 0.0)
    return Wanted(start_s, power_w, slot_s, LONGEST_S, spread_s, plan.start_spread_s)


def _parts(plan: EventPlan, turns: Iterable[Turn]) -> Iterable[Part]:
    """Yield what each place is asked: the event's steps, as far as one of its turns holds."""
    of_place: dict[str, list[Turn]] = defaultdict(list)
    for turn in turns:
        of_place[turn.target.removesuffix(YELLOW)].append(turn)
    for name in sorted(of_place):
        own = of_place[name]
        steps = tuple(_steps(plan, own))
        asked_s = sum(step.end_s - step.start_s for step in steps)
        if not asked_s:
            continue
        held_ws = sum(turn.expected_w * turn.length_s for turn in own)
        spread_ws = math.sqrt(sum((turn.sd_w * turn.length_s) ** 2 for turn in own))
        yield Part(name, steps, held_ws / asked_s, spread_ws / asked_s)


def _steps(plan: EventPlan, turns: Sequence[Turn]) -> Iterable[Asked]:
    """Yield the steps of a place, in order; those that touch and ask the same are one."""
    edges = sorted(
        {edge for turn in turns for edge in (turn.start_s, turn.end_s)}
        | {edge for step in plan.steps for edge in (step.start_s, step.end_s)}
    )
    held: Asked | None = None
    for start_s, end_s in pairwise(edges):
        now = [turn for turn in turns if turn.start_s < end_s and turn.end_s > start_s]
        step = next((one for one in plan.steps if one.start_s <= start_s < one.end_s), None)
        found = None if not now or step is None else _asked(plan, step, now, (start_s, end_s))
        if held is not None and found is not None and _continues(held, found):
            held = Asked(held.start_s, found.end_s, held.value)
            continue
        if held is not None:
            yield held
        held = found
    if held is not None:
        yield held


def _asked(plan: EventPlan, step: Asked, turns: Sequence[Turn], span: tuple[float, float]) -> Asked:
    """Return what a place is asked in `span`; a reduction is no more than what it can give."""
    value = step.value
    if plan.kind is StepKind.REDUCE:
        given_w = sum(turn.expected_w for turn in turns)
        value = min(value, math.ceil(max(given_w, 1.0) / REDUCE_STEP_W) * REDUCE_STEP_W)
    return Asked(*span, value)


def _continues(one: Asked, other: Asked) -> bool:
    return one.end_s == other.start_s and one.value == other.value
