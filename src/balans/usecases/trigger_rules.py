"""What a trigger is told to do, read from what people typed or a file holds, with clear refusals.

The settings of a trigger are JSON types::

    {"overload": {"limit_kw": 60, "begin_share": 1.0, "end_share": 0.9, "held_for_s": 120,
                  "lead_s": 1800},
     "transformer": {"kva": 63, "power_factor": 0.95, "ambient_c": 20,
                     "loading": "normal_cyclic"},
     "peak": {"windows": [["17:00", "21:00"]], "weekdays": [0, 1, 2, 3, 4], "limit_kw": 50},
     "price": {"begin": 0.40, "end": 0.30, "limit_kw": 50},
     "least_s": 900, "most_s": 14400, "per_day": 3, "pause_s": 1800}

At least one of overload, peak and price is there; what is left out has the values of the domain.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from typing import Any, Final

from balans.core.errors import InputError
from balans.domain.demand.model import Window
from balans.domain.response.triggers import Overload, PeakTariff, Price, Rule
from balans.domain.transformer import Loading

KW_MAX: Final = 1e7
DAY_S: Final = 86_400.0
KINDS: Final = ("overload", "peak", "price", "combined")
_ROOT: Final = (
    "overload",
    "transformer",
    "peak",
    "price",
    "least_s",
    "most_s",
    "per_day",
    "pause_s",
)


@dataclass(frozen=True, slots=True)
class Rated:
    """The transformer that feeds the node: its rating [kVA], and how it may be loaded."""

    kva: float
    power_factor: float = 0.95
    ambient_c: float = 20.0
    loading: Loading = Loading.NORMAL_CYCLIC


@dataclass(frozen=True, slots=True)
class Settings:
    """What a trigger looks for, and how often it may begin an event."""

    rule: Rule
    rated: Rated | None = None
    per_day: int = 3
    pause_s: float = 1800.0

    @property
    def kind(self) -> str:
        """One of `KINDS`."""
        rule = self.rule
        parts = {"overload": rule.overload, "peak": rule.peak, "price": rule.price}
        named = [name for name, part in parts.items() if part is not None]
        return named[0] if len(named) == 1 else "combined"


def read_settings(found: Any) -> Settings:
    """Return the settings in `found`.

    Raises
    ------
    InputError
        Naming the setting, its value and what is expected.
    """
    table = _Table("", found)
    table.only(*_ROOT)
    overload, peak, price = (table.part(name) for name in ("overload", "peak", "price"))
    if overload is None and peak is None and price is None:
        raise InputError("nothing to look for: expected overload, peak or price")
    rated = table.part("transformer")
    least_s = table.number("least_s", 60, DAY_S, 900.0)
    rule = Rule(
        peak=None if peak is None else _peak(peak),
        overload=None if overload is None else _overload(overload),
        price=None if price is None else _price(price),
        least_s=least_s,
        most_s=table.number("most_s", least_s, DAY_S, max(4 * 3600.0, least_s)),
    )
    if rated is not None and overload is None:
        raise InputError("transformer: expected overload beside it, whose limit it refines")
    return Settings(
        rule,
        None if rated is None else _rated(rated),
        int(table.number("per_day", 1, 96, 3)),
        table.number("pause_s", 0, DAY_S, 1800.0),
    )


def _overload(table: "_Table") -> Overload:
    table.only("limit_kw", "begin_share", "end_share", "held_for_s", "lead_s")
    return Overload(
        table.power_w(),
        table.number("begin_share", 0.1, 3, 1.0),
        table.number("end_share", 0.1, 3, 0.9),
        table.number("held_for_s", 0, 3600, 120.0),
        table.number("lead_s", 0, DAY_S, 1800.0),
    )


def _peak(table: "_Table") -> PeakTariff:
    table.only("windows", "weekdays", "limit_kw")
    windows = table.found.get("windows")
    if not isinstance(windows, list) or not windows:
        raise table.fail("windows", 'a list of hours such as [["17:00", "21:00"]]')
    days = table.found.get("weekdays", list(range(5)))
    if not isinstance(days, list) or not all(type(day) is int and 0 <= day <= 6 for day in days):
        raise table.fail("weekdays", "a list of 0 (Monday) to 6 (Sunday)")
    read = tuple(_window(table, window) for window in windows)
    return PeakTariff(read, table.power_w(), frozenset(days))


def _window(table: "_Table", found: Any) -> Window:
    try:
        first, last = (time.fromisoformat(text) for text in found)
    except (TypeError, ValueError) as error:
        raise table.fail("windows", 'pairs of hours such as ["17:00", "21:00"]') from error
    return Window(*(at.hour * 3600 + at.minute * 60 for at in (first, last)))


def _price(table: "_Table") -> Price:
    table.only("begin", "end", "limit_kw")
    begin = table.number("begin", -1e6, 1e6)
    end = table.number("end", -1e6, 1e6, begin)
    if end > begin:
        raise table.fail("end", f"at most begin, {begin:g}")
    return Price(begin, end, table.power_w())


def _rated(table: "_Table") -> Rated:
    table.only("kva", "power_factor", "ambient_c", "loading")
    word = table.found.get("loading", Loading.NORMAL_CYCLIC.value)
    if word not in list(Loading):
        raise table.fail("loading", f"one of {', '.join(Loading)}")
    return Rated(
        table.number("kva", 0.1, 1e6),
        table.number("power_factor", 0.1, 1, 0.95),
        table.number("ambient_c", -50, 60, 20.0),
        Loading(word),
    )


class _Table:
    """An object of JSON with the place where it stands, for what is told of it."""

    def __init__(self, place: str, found: Any) -> None:
        if not isinstance(found, Mapping):
            raise InputError(f"{place or 'settings'}: {_short(found)}: expected an object")
        self.place = place
        self.found = found

    def fail(self, name: str, expected: str) -> InputError:
        place = f"{self.place}.{name}" if self.place else name
        there = _short(self.found[name]) if name in self.found else "nothing"
        return InputError(f"{place}: {there}: expected {expected}")

    def only(self, *names: str) -> None:
        for name in self.found:
            if name not in names:
                place = f" of {self.place}" if self.place else ""
                known = ", ".join(names)
                raise InputError(f"{_short(name)}: no setting{place}: expected one of {known}")

    def part(self, name: str) -> "_Table | None":
        return _Table(name, self.found[name]) if self.found.get(name) is not None else None

    def power_w(self) -> float:
        return 1000 * self.number("limit_kw", 0.001, KW_MAX)

    def number(self, name: str, low: float, high: float, usual: float | None = None) -> float:
        value = self.found.get(name, usual)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not low <= value <= high:
            raise self.fail(name, f"a number from {low:g} to {high:g}")
        return float(value)


def _short(found: Any) -> str:
    return repr(found)[:64]
