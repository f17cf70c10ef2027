"""Kinds of cells in a registry file: from text to a value and back.

A parser raises ValueError whose text says what was expected.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from fractions import Fraction
from typing import Any, Final

TRUE = frozenset({"yes", "true", "1", "x", "да", "da"})
FALSE = frozenset({"no", "false", "0", "", "нет", "nu"})
LONGEST = 200
FORMULA: Final = re.compile(r"'*(?:[=@]|[+-](?![\w.-]*\Z))")
"""How text begins that a spreadsheet may take for a formula, which can fetch and run things."""
DATE_FORMATS = ("%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%Y")
"""Beside ISO 8601; with points the day comes first everywhere."""
YEARS: Final = range(1900, 2200)
"""Near the years 1 and 9999 a time cannot be told in every zone, nor a day added to it."""


@dataclass(frozen=True, slots=True)
class Kind:
    """How the cells of a column are read and written, and what messages and documents say of it."""

    expected: str
    parse: Callable[[str], Any]
    show: Callable[[Any], str] = str


def _text(text: str) -> str:
    if len(text) > LONGEST:
        raise ValueError("too long")
    return text


def _guarded(text: str) -> str:
    """Return a text so that no spreadsheet takes it for a formula: with ' before it.

    >>> _guarded("=1+1"), _guarded("'=1"), _guarded("-7"), _guarded("it's")
    ("'=1+1", "''=1", '-7', "it's")
    """
    return f"'{text}" if FORMULA.match(text) else text


def _unguarded(text: str) -> str:
    return _text(text[1:] if text[:1] == "'" and FORMULA.match(text[1:]) else text)


def _integer(text: str) -> int:
    if len(text) > 20:
        raise ValueError("too long")
    return int(text)


def decimal_of(text: str) -> Decimal:
    """Return a number with a decimal point, or a comma.

    >>> decimal_of("1,5")
    Decimal('1.5')
    """
    if len(text) > 40:
        raise ValueError("too long")
    try:
        value = Decimal(text.replace(",", "."))
    except InvalidOperation as error:
        raise ValueError("no number") from error
    if not value.is_finite() or abs(value.adjusted()) > 30:
        raise ValueError("no number")
    return value


def fraction_of(text: str) -> Fraction:
    """Return a number or a fraction.

    >>> fraction_of("5/3"), fraction_of("0,5")
    (Fraction(5, 3), Fraction(1, 2))
    """
    above, slash, below = text.partition("/")
    try:
        return Fraction(decimal_of(above)) / (Fraction(decimal_of(below)) if slash else 1)
    except ZeroDivisionError as error:
        raise ValueError("division by zero") from error


def _fraction_text(value: Fraction) -> str:
    return str(value)


def _flag(text: str) -> bool:
    if text.lower() in TRUE:
        return True
    if text.lower() in FALSE:
        return False
    raise ValueError("neither yes nor no")


def _of_form(known: str) -> Callable[[str], datetime]:
    return lambda text: datetime.strptime(text, known)  # noqa: DTZ007  # the caller adds the zone


_DAY_FIRST: Final = tuple(map(_of_form, DATE_FORMATS))


def moment_of(text: str) -> datetime:
    """Return a time; without an offset it is naive: local to a place that the caller knows.

    >>> moment_of("31.01.2026 18:00").isoformat()
    '2026-01-31T18:00:00'
    """
    for read in (datetime.fromisoformat, *_DAY_FIRST):
        try:
            moment = read(text)
        except ValueError:
            continue
        if moment.year not in YEARS:
            raise ValueError("another year")
        return moment
    raise ValueError("no time")


def _clock(text: str) -> time:
    value = time.fromisoformat(text.rjust(5, "0"))
    if value.tzinfo is not None:
        raise ValueError("has an offset")
    return value


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(_integer(part) for part in text.replace(",", " ").split())


def _grants(text: str) -> tuple[tuple[str, str], ...]:
    pairs = [part.partition("@") for part in text.split()]
    if any(not (role and node) for role, _, node in pairs):
        raise ValueError("no grant")
    return tuple((role, node) for role, _, node in pairs)


TEXT = Kind(f"text of at most {LONGEST} characters", _unguarded, _guarded)
SECRET = Kind(f"text of at most {LONGEST} characters", _text)
NUMBER = Kind("a whole number", _integer)
DECIMAL = Kind("a number such as 12.5", decimal_of, lambda value: f"{value:f}")
FLOAT = Kind("a number such as 12.5", lambda t: float(decimal_of(t)), lambda v: f"{v:.15g}")
FRACTION = Kind("a number or a fraction, such as 0.5 or 5/3", fraction_of, _fraction_text)
FLAG = Kind("yes or no", _flag, lambda value: "yes" if value else "no")
MOMENT = Kind(
    "a time of 1900 to 2199 such as 2026-01-31T18:00+02:00, 2026-01-31 or 31.01.2026 18:00",
    moment_of,
    datetime.isoformat,
)
CLOCK = Kind("a time of day such as 07:00", _clock, time.isoformat)
NUMBERS = Kind("whole numbers such as 1 2 3", _numbers, lambda v: " ".join(map(str, v)))
GRANTS = Kind(
    "grants such as operator@city consumer@flat-7",
    _grants,
    lambda value: " ".join(f"{role}@{node}" for role, node in value),
)


def word_kind(words: type[StrEnum]) -> Kind:
    """Return the kind of cells that hold one of `words`."""
    names = tuple(word.value for word in words)

    def parse(text: str) -> str:
        if text.lower() not in {name.lower() for name in names}:
            raise ValueError("not among them")
        return next(name for name in names if name.lower() == text.lower())

    return Kind("one of " + ", ".join(names), parse)
