"""Who could be asked in an event, what is wanted of them, and the turns they could take."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from balans.core.errors import InputError
from balans.core.words import LoadClass
from balans.domain.response.release import recovery_s
from balans.domain.response.rotation import LONGEST_S, SHORTEST_S, turn_length_s
from balans.domain.response.spread import waited_out_s

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
W_S_PER_KWMIN = 60_000.0


class Bar(StrEnum):
    """Why somebody is never asked."""

    VULNERABLE = "vulnerable"
    EXCLUDED = "excluded"
    NO_CONSENT = "no_consent"
    OPTED_OUT = "opted_out"
    RED = "red"
    TOO_SHORT = "too_short"
    """May not be off for as long as a turn and its release last."""
    NOTHING = "nothing"
    """Nothing to give is expected of it, or only after the event."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A site, or a group of one class of loads in it, that could be asked.

    mean_w, sd_w
        What it is expected to give by slot, or in all slots, and the standard deviation of that.
    discomfort
        Weight of a kilowatt minute of it; 1 is ordinary, more is worse.
    given_kwmin
        What it has given lately, from the ledger.
    bars
        Why it must not be asked; any of them suffices.
    free_from_s
        It is still resting until then, from an earlier event or turn.
    max_off_s
        How long its loads bear to be off (yellow).
    duty, cycle_s, returned
        Share of the time its loads run, length of their cycle (0: not known), and share of the
        energy held back that they draw afterwards. They say what of a turn comes back while the
        event still lasts (`release.recovery_s`).
    """

    name: str
    load_class: LoadClass
    mean_w: ArrayLike
    sd_w: ArrayLike = 0.0
    discomfort: float = 1.0
    given_kwmin: float = 0.0
    bars: frozenset[Bar] = frozenset()
    free_from_s: float = -math.inf
    max_off_s: float = LONGEST_S
    duty: float = 0.3
    cycle_s: float = 0.0
    returned: float = 1.0

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises
        ------
        InputError
            Naming the candidate and the field.
        """
        checks = (
            ("mean_w", self.mean_w, 0.0, math.inf),
            ("sd_w", self.sd_w, 0.0, math.inf),
            ("discomfort", self.discomfort, 0.0, math.inf),
            ("given_kwmin", self.given_kwmin, 0.0, math.inf),
            ("duty", self.duty, 0.0, 1.0),
            ("cycle_s", self.cycle_s, 0.0, math.inf),
            ("returned", self.returned, 0.0, 1.0),
        )
        for field, value, least, most in checks:
            if not _is_within(value, least, most):
                upper = f" to {most:g}" if math.isfinite(most) else " or more"
                raise InputError(f"{self.name}: {field} = {value}: expected {least:g}{upper}")


def _is_within(value: ArrayLike, least: float, most: float) -> bool:
    """Tell whether all of `value` is finite and in [least, most]; single numbers are the rule."""
    array = np.asarray(value, dtype=np.float64)
    if not array.ndim:
        return math.isfinite(only := float(array)) and least <= only <= most
    if not array.size:
        return True
    lowest, highest = float(array.min()), float(array.max())
    return math.isfinite(lowest) and math.isfinite(highest) and least <= lowest and highest <= most


@dataclass(frozen=True, slots=True, eq=False)
class Wanted:
    """What an event wants: less power by slot from `start_s` on, (slots,) [W].

    turn_s
        How long a yellow turn is asked, 7 to 15 minutes, where the loads bear it.
    release_spread_s
        Over which each turn is let go; it shortens the turns (`rotation.turn_length_s`).
    start_spread_s
        Over which each turn begins.
    """

    start_s: float
    power_w: Floats
    slot_s: float = 300.0
    turn_s: float = LONGEST_S
    release_spread_s: float = 0.0
    start_spread_s: float = 0.0

    def __post_init__(self) -> None:
        """Check that slots and turns fit each other.

        Raises
        ------
        InputError
            Naming the field.
        """
        power_w = np.asarray(self.power_w, dtype=np.float64)
        if power_w.ndim != 1 or not len(power_w):
            raise InputError(f"wanted: {power_w.shape} slots: expected one row of at least one")
        if not np.isfinite(power_w).all() or (power_w < 0).any():
            raise InputError("wanted: expected 0 W or more in every slot")
        if not SHORTEST_S <= self.turn_s <= LONGEST_S:
            raise InputError(f"wanted: turn of {self.turn_s:g} s: expected 420 to 900")
        if not 0 < self.slot_s <= self.turn_s:
            raise InputError(
                f"wanted: slot of {self.slot_s:g} s: expected more than 0, at most a turn"
            )
        for name in ("release", "start"):
            spread_s = getattr(self, f"{name}_spread_s")
            if not 0 <= spread_s < math.inf:
                raise InputError(f"wanted: {name} spread {spread_s:g} s: expected 0 or more")

    @classmethod
    def level(cls, start_s: float, end_s: float, power_w: float, slot_s: float = 300.0) -> "Wanted":
        """Return one power wanted from `start_s` to `end_s`, the last slot rounded up."""
        slots = max(1, math.ceil((end_s - start_s) / slot_s - 1e-9))
        return cls(start_s, np.full(slots, float(power_w)), slot_s)

    @property
    def slots(self) -> int:
        """How many slots there are."""
        return len(self.power_w)

    @property
    def goal_w(self) -> Floats:
        """What can be wanted while starts are spread: it grows with those that have begun [W]."""
        asked = np.asarray(self.power_w) > 0
        slot_s = np.arange(self.slots) * self.slot_s
        begins = asked & ~np.r_[False, asked[:-1]]
        since_s = slot_s - np.maximum.accumulate(np.where(begins, slot_s, 0.0))
        begun_s = waited_out_s(since_s + self.slot_s, self.start_spread_s)
        share = (begun_s - waited_out_s(since_s, self.start_spread_s)) / self.slot_s
        return np.asarray(self.power_w * share, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Options:
    """Every turn that could be asked, rows of one candidate together, arrays (options, ...).

    who, first, length_s
        The candidate, the first slot, and for how long.
    blocked
        First slot after the rest, so that turns of one candidate with overlapping
        [first, blocked) exclude each other.
    net_w
        What the event gains by slot, (options, slots): what is given, less what comes back.
    sd_w
        Standard deviation of what is given, (options, slots).
    held_s, kwmin
        For how long it is held in the event, in the mean of all delays, and the energy of that.
    """

    who: Ints
    first: Ints
    length_s: Floats
    blocked: Ints
    net_w: Floats
    sd_w: Floats
    held_s: Floats
    kwmin: Floats


@dataclass(frozen=True, slots=True)
class _Turns:
    """The turns of one candidate: first slots, lengths, and first slots after the rest."""

    first: Ints
    length_s: Floats
    blocked: Ints


def find_bars(candidates: Sequence[Candidate], wanted: Wanted) -> dict[str, Bar]:
    """Return who is not asked, and why: the first of the reasons."""
    found: dict[str, Bar] = {}
    for one in candidates:
        bar = _bar(one, wanted)
        if bar is not None:
            found[one.name] = bar
    return found


def _bar(one: Candidate, wanted: Wanted) -> Bar | None:
    if one.load_class is LoadClass.RED:
        return Bar.RED
    if one.bars:
        return min(one.bars, key=list(Bar).index)
    if _turns(one, wanted) is None:
        return Bar.TOO_SHORT
    end_s = wanted.start_s + wanted.slots * wanted.slot_s
    if not np.any(np.asarray(one.mean_w) > 0) or one.free_from_s >= end_s:
        return Bar.NOTHING
    return None


def find_options(
    candidates: Sequence[Candidate], wanted: Wanted, barred: Mapping[str, Bar]
) -> Options:
    """Return the turns that those who are not barred could take.

    A yellow turn begins at a multiple of its length, and one more ends with the event, so that
    turns hand over to each other. A green one lasts from the first slot in which something is
    wanted to the last. What a turn gives in a slot is the mean over the delays with which it
    begins and is let go, so it is less in its first slot and lasts beyond its end.
    """
    rows: list[tuple[int, _Turns]] = []
    for number, one in enumerate(candidates):
        turns = None if one.name in barred else _turns(one, wanted)
        if turns is not None and len(turns.first):
            rows.append((number, turns))
    if not rows:
        nothing = np.zeros((0, wanted.slots))
        whole, real = np.zeros(0, dtype=np.int64), np.zeros(0)
        return Options(whole, whole, real, whole, nothing, nothing, real, real)
    who = np.concatenate([np.full(len(turns.first), number) for number, turns in rows])
    first, length_s, blocked = (
        np.concatenate([getattr(turns, name) for _, turns in rows])
        for name in ("first", "length_s", "blocked")
    )
    share = _held_share(wanted, first, length_s)
    given_w = share * _by_slot(candidates, "mean_w", wanted)[who]
    sd_w = share * _by_slot(candidates, "sd_w", wanted)[who]
    held_s = share.sum(axis=1) * wanted.slot_s
    kwmin = given_w.sum(axis=1) * wanted.slot_s / W_S_PER_KWMIN
    power_w = np.divide(kwmin * W_S_PER_KWMIN, held_s, out=np.zeros(len(who)), where=held_s > 0)
    back_w = _back_w(candidates, wanted, (who, first, length_s), power_w)
    return Options(who, first, length_s, blocked, given_w - back_w, sd_w, held_s, kwmin)


def _held_share(wanted: Wanted, first: Ints, length_s: Floats) -> Floats:
    """Return what share of each slot each turn is held, in the mean of all delays.

    Who would begin after the turn does not: a delay that is longer than the turn ends with it.
    """
    edges_s = np.arange(wanted.slots + 1) * wanted.slot_s - (first * wanted.slot_s)[:, None]
    begun_s = waited_out_s(np.minimum(edges_s, length_s[:, None]), wanted.start_spread_s)
    after_s = edges_s - length_s[:, None]
    lasting_s = np.maximum(after_s, 0.0) - waited_out_s(after_s, wanted.release_spread_s)
    return np.diff(begun_s + lasting_s, axis=1) / wanted.slot_s


def _turns(one: Candidate, wanted: Wanted) -> _Turns | None:
    """Return the turns that a candidate could take; None: its loads may not be off long enough."""
    return _turns_like(one.load_class is LoadClass.GREEN, one.max_off_s, one.free_from_s, wanted)


@lru_cache(maxsize=256)
def _turns_like(
    is_green: bool,  # noqa: FBT001
    max_off_s: float,
    free_from_s: float,
    wanted: Wanted,
) -> _Turns | None:
    """Return the turns of any candidate like this: there are thousands of them, and few kinds."""
    asked = np.flatnonzero(wanted.power_w > 0)
    last = int(asked[-1]) + 1 if len(asked) else 0
    waits = max(0.0, (free_from_s - wanted.start_s) / wanted.slot_s)
    earliest = math.ceil(min(waits, float(wanted.slots)) - 1e-9)
    if is_green:
        first = np.array([max(earliest, int(asked[0]))] if last > earliest else [], dtype=np.int64)
        held = last - first
        length_s = held.astype(np.float64) * wanted.slot_s
        return _Turns(first, length_s, np.full(len(first), wanted.slots))
    asked_s = turn_length_s(max_off_s, wanted.turn_s, wanted.release_spread_s)
    if asked_s is None or asked_s < wanted.slot_s:
        return None
    held_slots = int(asked_s // wanted.slot_s)
    starts = np.r_[np.arange(0, max(last, 1), held_slots), max(0, last - held_slots)]
    first = np.unique(starts).astype(np.int64)
    first = first[(first >= earliest) & (first < last)]
    rest = math.ceil(2 * asked_s / wanted.slot_s - 1e-9)
    return _Turns(first, np.full(len(first), asked_s), first + rest)


def _by_slot(candidates: Sequence[Candidate], field: str, wanted: Wanted) -> Floats:
    """Return a field of all candidates by slot, (candidates, slots).

    Raises
    ------
    InputError
        If a candidate has a value for another number of slots.
    """
    table = np.empty((len(candidates), wanted.slots))
    for number, one in enumerate(candidates):
        value = np.asarray(getattr(one, field), dtype=np.float64)
        if value.shape not in {(), (1,), (wanted.slots,)}:
            raise InputError(
                f"{one.name}: {field} for {value.size} slots: expected one or {wanted.slots}"
            )
        table[number] = value
    return table


def _back_w(
    candidates: Sequence[Candidate],
    wanted: Wanted,
    turns: tuple[Ints, Ints, Floats],
    power_w: Floats,
) -> Floats:
    """Return what each turn draws more by slot after it, (options, slots) [W].

    The energy held back comes back evenly over the time of recovery, which begins with the delay
    of each release.
    """
    who, first, length_s = turns
    spread_s = wanted.release_spread_s
    duty = np.array([one.duty for one in candidates])[who]
    returned = np.array([one.returned for one in candidates])[who]
    cycle_s = np.array([one.cycle_s for one in candidates])[who]
    held_s = waited_out_s(length_s, wanted.start_spread_s) + spread_s / 2
    over_s = np.maximum(recovery_s(duty, held_s, cycle_s), 1.0)[:, None]
    edges_s = np.arange(wanted.slots + 1) * wanted.slot_s - (first * wanted.slot_s)[:, None]
    after_s = edges_s - length_s[:, None]
    back_s = waited_out_s(after_s, spread_s) - waited_out_s(after_s - over_s, spread_s)
    share = np.diff(back_s, axis=1) / over_s / wanted.slot_s
    return np.asarray((returned * power_w * held_s)[:, None] * share, dtype=np.float64)
