"""Read a table of a TOML file field by field; each complaint names place, value and remedy."""

import math
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import time
from difflib import get_close_matches
from typing import Any

from balans.core.errors import InputError

BIGGEST = 1e9
_CLOCK = re.compile(r"(\d{2}):(\d{2})(?::(\d{2}))?")


class SiteFileError(InputError):
    """A site file that cannot be used; the message names file, table, field and value."""

    code = "site_file"


@dataclass(slots=True)
class TomlTable:
    """One table and the place it stands at; `finish` complains about keys nobody asked for."""

    file: str
    place: str
    values: dict[str, Any]
    _asked: set[str] = field(default_factory=set)

    def fail(self, key: str, expected: str) -> SiteFileError:
        """Return the error for field `key`, telling what was `expected`."""
        where = f"{self.place}.{key}" if self.place else key
        if key not in self.values:
            return SiteFileError(f"{self.file}: {where} is missing: expected {expected}")
        shown = repr(self.values[key])
        shown = shown if len(shown) <= 60 else shown[:57] + "..."
        return SiteFileError(f"{self.file}: {where} = {shown}: expected {expected}")

    def has(self, key: str) -> bool:
        """Tell whether the field is given."""
        self._asked.add(key)
        return key in self.values

    def text(self, key: str, expected: str = "a text") -> str:
        """Return a text that is not empty."""
        self._asked.add(key)
        value = self.values.get(key)
        if not isinstance(value, str) or not value.strip():
            raise self.fail(key, expected)
        return value

    def name(self, key: str = "name") -> str:
        """Return a name fit for columns, topics and codes."""
        value = self.text(key, "a name")
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", value):
            raise self.fail(key, "1 to 64 of the characters A-Z a-z 0-9 _ . -")
        return value

    def choice(self, key: str, options: Iterable[str], default: str | None = None) -> str:
        """Return one of `options`."""
        if default is not None and not self.has(key):
            return default
        options = list(options)
        expected = "one of " + ", ".join(options)
        value = self.text(key, expected)
        if value not in options:
            raise self.fail(key, expected)
        return value

    def number(
        self, key: str, low: float, high: float = BIGGEST, default: float | None = None
    ) -> float:
        """Return a number from `low` to `high`."""
        if default is not None and not self.has(key):
            return default
        self._asked.add(key)
        value = self.values.get(key)
        top = f" to {high:g}" if high < BIGGEST else " up"
        expected = f"a number from {low:g}{top}"
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.fail(key, expected)
        if not math.isfinite(value) or not low <= value <= high:
            raise self.fail(key, expected)
        return float(value)

    def flag(self, key: str, *, default: bool) -> bool:
        """Return true or false."""
        if not self.has(key):
            return default
        value = self.values[key]
        if not isinstance(value, bool):
            raise self.fail(key, "true or false")
        return value

    def day_second(self, key: str) -> int:
        """Return a local time of day, ``HH:MM`` or ``HH:MM:SS``, as seconds since midnight."""
        self._asked.add(key)
        value = self.values.get(key)
        if isinstance(value, time):
            return value.hour * 3600 + value.minute * 60 + value.second
        match = _CLOCK.fullmatch(value) if isinstance(value, str) else None
        if match:
            hour, minute, second = (int(part or 0) for part in match.groups())
            if (hour < 24 and minute < 60 and second < 60) or (hour, minute, second) == (24, 0, 0):
                return hour * 3600 + minute * 60 + second
        raise self.fail(key, "a local time such as 07:00")

    def finish(self) -> None:
        """Complain about the first key that nobody asked for."""
        for key in self.values:
            if key not in self._asked:
                near = get_close_matches(key, self._asked, 1)
                hint = f"did you mean {near[0]}?" if near else "known: " + _listed(self._asked)
                where = f"{self.place}.{key}" if self.place else key
                raise SiteFileError(f"{self.file}: {where} is not known here; {hint}")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def parse_toml(text: str, file: str) -> TomlTable:
    """Return the root table of `text`.

    Raises
    ------
    SiteFileError
        If the text is no TOML; the message holds line and column.
    """
    try:
        return TomlTable(file, "", tomllib.loads(text))
    except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        raise SiteFileError(f"{file}: {error}") from error


def sub_tables(root: TomlTable, key: str) -> Sequence[TomlTable]:
    """Return the tables of ``[[key]]``, none if absent."""
    if not root.has(key):
        return []
    rows = root.values[key]
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise root.fail(key, f"tables written as [[{key}]]")
    return [TomlTable(root.file, f"{key}[{index}]", row) for index, row in enumerate(rows)]


def one_table(root: TomlTable, key: str) -> TomlTable:
    """Return the table ``[key]``."""
    root.has(key)
    row = root.values.get(key)
    if not isinstance(row, dict):
        raise root.fail(key, f"a table written as [{key}]")
    return TomlTable(root.file, key, row)
