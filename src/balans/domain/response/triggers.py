"""What calls an event by itself: peak tariff, overload, both together, or a price.

A rule looks at a node at a time and says what it wants. It has hysteresis: it begins above one
mark, held for a while, and lets go below a lower one, held for a while, judged by what the node
*would* draw without the event. What comes out is a wish; `bounded` cuts it to what the operator
lets a trigger do by itself, and says what is left for a person to decide.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from balans.core.errors import InputError
from balans.domain.demand.model import DAY_S, Window
from balans.domain.response.thermal import Heating, allowed_va, highest_hot_spot_c

Floats = NDArray[np.float64]


class Cause(StrEnum):
    """Why an event is wanted."""

    PEAK_TARIFF = "peak_tariff"
    MEASURED = "measured"
    FORECAST = "forecast"
    HOT_SPOT = "hot_spot"
    PRICE = "price"


class Mode(StrEnum):
    """Whether a trigger's wish becomes an event, or is shown to a person first."""

    PROPOSE = "propose"
    ACT = "act"


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the node is expected to draw, slot by slot from now on; arrays (n,) [W].

    `high_w` is what is exceeded with a small probability only.
    """

    slot_s: float
    mean_w: Floats
    high_w: Floats


@dataclass(frozen=True, slots=True)
class Seen:
    """A node at a time.

    time_s, local_s, weekday
        Unix seconds, second of the local day, 0 = Monday.
    power_w
        Mean of the last step; None: not known.
    held_w
        What the present event holds back, so that `power_w + held_w` is what the node would draw.
    price
        Per kWh, None: not known.
    """

    time_s: float
    local_s: float
    weekday: int
    power_w: float | None
    held_w: float = 0.0
    outlook: Outlook | None = None
    heating: Heating | None = None
    price: float | None = None


@dataclass(frozen=True, slots=True)
class PeakTariff:
    """Hours in which energy is dear: the power of the node is held to `limit_w` in them."""

    windows: tuple[Window, ...]
    limit_w: float
    weekdays: frozenset[int] = frozenset(range(5))


@dataclass(frozen=True, slots=True)
class Overload:
    """A node or transformer that must not carry more than `limit_w`.

    begin_share, end_share
        Of the limit: the power above which an event begins, and below which it may end.
    held_for_s
        So long the power must lie above, or below; a kettle calls no event.
    lead_s
        How far ahead the outlook is looked at.
    """

    limit_w: float
    begin_share: float = 1.0
    end_share: float = 0.9
    held_for_s: float = 120.0
    lead_s: float = 1800.0

    def __post_init__(self) -> None:
        """Check that the marks leave a gap.

        Raises
        ------
        InputError
            Naming the field.
        """
        if not self.limit_w > 0:
            raise InputError(f"overload: limit_w {self.limit_w:g}: expected more than 0")
        if not 0 < self.end_share < self.begin_share:
            raise InputError(
                f"overload: end_share {self.end_share:g}: expected less than begin_share"
                f" {self.begin_share:g}, or the event would flutter"
            )


@dataclass(frozen=True, slots=True)
class Price:
    """A price per kWh: from `begin` on the node is held to `limit_w`, until it is below `end`."""

    begin: float
    end: float
    limit_w: float


@dataclass(frozen=True, slots=True)
class Rule:
    """What calls for an event at a node: any of these, and together the strictest of them.

    least_s, most_s
        An event lasts at least, and at most, so long; a wish that goes on becomes a longer event
        within `most_s`.
    """

    peak: PeakTariff | None = None
    overload: Overload | None = None
    price: Price | None = None
    least_s: float = 900.0
    most_s: float = 4 * 3600.0


@dataclass(frozen=True, slots=True)
class Memory:
    """What a rule remembers: the call that lasts, and since when the power lies beyond a mark."""

    calling_since_s: float | None = None
    over_since_s: float | None = None
    under_since_s: float | None = None
    dear: bool = False


@dataclass(frozen=True, slots=True)
class Wish:
    """That the node be held to `limit_w` in [start_s, end_s), and why.

    `expected_w` is what it is expected to draw at its highest without the event.
    """

    start_s: float
    end_s: float
    limit_w: float
    expected_w: float
    causes: tuple[Cause, ...]

    @property
    def reduction_w(self) -> float:
        """What has to be given up at the highest moment [W]."""
        return max(0.0, self.expected_w - self.limit_w)


def look(rule: Rule, memory: Memory, seen: Seen) -> tuple[Memory, Wish | None]:
    """Return what the rule remembers next, and what it wants now; None: nothing, let go.

    Call it at every step; a wish that stays is the same event going on. After `most_s` there is
    none for one look: what still lasts is another event, which the caps judge anew.
    """
    memory = _noted(rule, memory, seen)
    found = [wish for wish in _wishes(rule, memory, seen) if wish.end_s > seen.time_s]
    if not found:
        return replace(memory, calling_since_s=None), None
    wish = _together(found)
    since_s = memory.calling_since_s
    if since_s is None and wish.start_s <= seen.time_s:
        since_s = seen.time_s
    begun_s = wish.start_s if since_s is None else since_s
    end_s = min(max(wish.end_s, begun_s + rule.least_s), begun_s + rule.most_s)
    if end_s <= seen.time_s:
        return replace(memory, calling_since_s=None), None
    return replace(memory, calling_since_s=since_s), replace(wish, end_s=end_s)


def _noted(rule: Rule, memory: Memory, seen: Seen) -> Memory:
    """Return the memory with what this look adds: crossings of the marks of power and price."""
    if rule.price is not None and seen.price is not None:
        mark = rule.price.end if memory.dear else rule.price.begin
        memory = replace(memory, dear=seen.price >= mark)
    if rule.overload is None or seen.power_w is None:
        return memory
    would_be_w = seen.power_w + seen.held_w
    over = would_be_w > rule.overload.begin_share * rule.overload.limit_w
    under = would_be_w < rule.overload.end_share * rule.overload.limit_w
    return replace(
        memory,
        over_since_s=_since(memory.over_since_s, seen.time_s) if over else None,
        under_since_s=_since(memory.under_since_s, seen.time_s) if under else None,
    )


def _since(before_s: float | None, now_s: float) -> float:
    return now_s if before_s is None else before_s


def _wishes(rule: Rule, memory: Memory, seen: Seen) -> list[Wish]:
    found = []
    if rule.peak is not None:
        found += _peak_wishes(rule.peak, seen)
    if rule.overload is not None:
        found += _overload_wishes(rule.overload, rule.least_s, memory, seen)
    if rule.price is not None and memory.dear:
        until_s = seen.time_s + rule.least_s
        found.append(_wish(seen, (seen.time_s, until_s), rule.price.limit_w, Cause.PRICE))
    return found


def _peak_wishes(peak: PeakTariff, seen: Seen) -> list[Wish]:
    if seen.weekday not in peak.weekdays:
        return []
    found = []
    for window in peak.windows:
        if window.holds(seen.local_s):
            left_s = (window.to_s - seen.local_s) % DAY_S or DAY_S
            span = (seen.time_s, seen.time_s + left_s)
            found.append(_wish(seen, span, peak.limit_w, Cause.PEAK_TARIFF))
    return found


def _overload_wishes(rule: Overload, least_s: float, memory: Memory, seen: Seen) -> list[Wish]:
    found = []
    if _is_over(rule, memory, seen.time_s):
        span = (seen.time_s, seen.time_s + least_s)
        found.append(_wish(seen, span, rule.limit_w, Cause.MEASURED))
    outlook = seen.outlook
    if outlook is None:
        return found
    slots = min(len(outlook.mean_w), max(1, round(rule.lead_s / outlook.slot_s)))
    over = np.flatnonzero(outlook.high_w[:slots] > rule.begin_share * rule.limit_w)
    if len(over):
        span = _span_of(seen.time_s, outlook.slot_s, over)
        found.append(_wish(seen, span, rule.limit_w, Cause.FORECAST))
    if seen.heating is not None:
        found += _hot_wishes(seen, outlook, seen.heating)
    return found


def _is_over(rule: Overload, memory: Memory, now_s: float) -> bool:
    """Tell whether the measured power calls: over for long enough, or not yet under again."""
    if memory.over_since_s is not None and now_s - memory.over_since_s >= rule.held_for_s:
        return True
    if memory.calling_since_s is None:
        return False
    return memory.under_since_s is None or now_s - memory.under_since_s < rule.held_for_s


def _hot_wishes(seen: Seen, outlook: Outlook, heating: Heating) -> list[Wish]:
    """Return the wish that keeps the hot spot below its limit over the whole outlook."""
    allowed_w = allowed_va(heating, outlook.high_w, outlook.slot_s)
    over = np.flatnonzero(outlook.high_w > allowed_w)
    if not len(over):
        return []
    span = _span_of(seen.time_s, outlook.slot_s, over)
    return [_wish(seen, span, allowed_w, Cause.HOT_SPOT)]


def _span_of(now_s: float, slot_s: float, slots: NDArray[np.intp]) -> tuple[float, float]:
    return now_s + float(slots[0]) * slot_s, now_s + float(slots[-1] + 1) * slot_s


def _wish(seen: Seen, span: tuple[float, float], limit_w: float, cause: Cause) -> Wish:
    would_be_w = [limit_w] if seen.power_w is None else [seen.power_w + seen.held_w]
    if seen.outlook is not None:
        first, last = ((at - seen.time_s) / seen.outlook.slot_s for at in span)
        coming = seen.outlook.high_w[max(0, int(first)) : max(1, int(np.ceil(last)))]
        would_be_w += coming.tolist()
    return Wish(*span, limit_w, max(would_be_w), (cause,))


def _together(wishes: Sequence[Wish]) -> Wish:
    """Return one wish for all that touch the earliest: the strictest limit holds in all of it."""
    ordered = sorted(wishes, key=lambda wish: wish.start_s)
    first, *others = ordered
    for other in others:
        if other.start_s > first.end_s:
            break
        first = Wish(
            first.start_s,
            max(first.end_s, other.end_s),
            min(first.limit_w, other.limit_w),
            max(first.expected_w, other.expected_w),
            tuple(sorted({*first.causes, *other.causes})),
        )
    return first


@dataclass(frozen=True, slots=True)
class Caps:
    """What a trigger may do by itself.

    reduction_w
        So much it may ask for without a person.
    per_day, pause_s
        So many events on a local day, and so long between the end of one and the start of the next.
    """

    mode: Mode
    reduction_w: float
    per_day: int = 3
    pause_s: float = 1800.0


@dataclass(frozen=True, slots=True)
class Bounded:
    """A wish after the caps: whether it may become an event by itself, and why not.

    `codes` names what `because` says in words: ``proposes``, ``cap``, ``per_day``, ``pause``.
    """

    wish: Wish
    acts: bool
    because: tuple[str, ...] = field(default=())
    codes: tuple[str, ...] = field(default=())


def bounded(wish: Wish, caps: Caps, begun_today: int, last_end_s: float | None) -> Bounded:
    """Return whether `wish` may become an event by itself; else it is a proposal, with reasons.

    Parameters
    ----------
    begun_today
        Events that this trigger has begun on the local day.
    last_end_s
        When the last one ended; None: there was none.
    """
    too_much = (
        f"{wish.reduction_w / 1000:.1f} kW is more than its cap of {caps.reduction_w / 1000:.1f} kW"
    )
    too_soon = f"the last event ended less than {caps.pause_s / 60:.0f} min before"
    checks = (
        (caps.mode is Mode.ACT, "proposes", "the trigger only proposes"),
        (wish.reduction_w <= caps.reduction_w, "cap", too_much),
        (begun_today < caps.per_day, "per_day", f"it has begun {begun_today} events today"),
        (last_end_s is None or wish.start_s - last_end_s >= caps.pause_s, "pause", too_soon),
    )
    failed = [(code, reason) for passed, code, reason in checks if not passed]
    return Bounded(
        wish,
        acts=not failed,
        because=tuple(reason for _code, reason in failed),
        codes=tuple(code for code, _reason in failed),
    )


def heat_told(heating: Heating, outlook: Outlook) -> float:
    """Return the hot spot that the outlook leads to without an event [degC], for the page."""
    return highest_hot_spot_c(heating, outlook.high_w, outlook.slot_s)
