"""What a trigger saw and did at its looks, for the page about it; JSON types, with its memory."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from typing import Any, Final

from balans.domain.response.triggers import Seen, Wish, heat_told

LOG_MAX: Final = 30


class Did(StrEnum):
    """What a look came to."""

    NOTHING = "nothing"
    CALLED = "called"
    FOLLOWS = "follows"
    CHANGED = "changed"
    PROPOSES = "proposes"
    WITHDREW = "withdrew"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Sight:
    """One look.

    Parameters
    ----------
    at_s
        When [Unix s].
    did, why, event
        What it came to, the codes that say why not more, and the event that it is about.
    power_w, held_w, price, hot_c
        What the node drew, what was held back there at most, the price per kWh, and the hot spot
        that is expected without an event [degC]; None: not known, or not looked for.
    causes, limit_w, expected_w
        Of the wish; without causes there was none.
    """

    at_s: float
    did: str = Did.NOTHING
    why: tuple[str, ...] = ()
    event: str = ""
    power_w: float | None = None
    held_w: float = 0.0
    price: float | None = None
    hot_c: float | None = None
    causes: tuple[str, ...] = ()
    limit_w: float | None = None
    expected_w: float | None = None

    @classmethod
    def of(cls, seen: Seen, wish: Wish | None) -> "Sight":
        """Return what `seen` and the wish that came of it tell, before anything was done."""
        hot_c = None
        if seen.heating is not None and seen.outlook is not None:
            hot_c = round(heat_told(seen.heating, seen.outlook), 1)
        plain = cls(seen.time_s, power_w=seen.power_w, held_w=seen.held_w, price=seen.price)
        plain = replace(plain, hot_c=hot_c)
        if wish is None:
            return plain
        causes = tuple(cause.value for cause in wish.causes)
        return replace(plain, causes=causes, limit_w=wish.limit_w, expected_w=wish.expected_w)

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> "Sight | None":
        """Return what was stored; None: nothing was."""
        known = {one.name for one in fields(cls)}
        values = {name: value for name, value in stored.items() if name in known}
        if "at_s" not in values:
            return None
        for name in ("why", "causes"):
            values[name] = tuple(values.get(name, ()))
        return cls(**values)

    def is_news(self, before: "Sight | None") -> bool:
        """Return whether this look came to something else than the one that was noted before."""
        if self.did in {Did.CALLED, Did.CHANGED, Did.WITHDREW}:
            return True
        return self.kept() != (("",) if before is None else before.kept())

    def kept(self) -> tuple[str, ...]:
        """Return what stays the same from look to look while nothing happens."""
        if self.did in {Did.NOTHING, Did.WITHDREW}:
            return ("",)
        if self.did in {Did.CALLED, Did.CHANGED, Did.FOLLOWS}:
            return (self.event,)
        return (self.did, *self.why)  # a proposal is made anew until somebody decides


def logged(log: list[dict[str, Any]], sight: Sight) -> list[dict[str, Any]]:
    """Return the log with `sight` at its end, if that is news; the oldest are forgotten."""
    before = Sight.read(log[-1]) if log else None
    return [*log, asdict(sight)][-LOG_MAX:] if sight.is_news(before) else log
