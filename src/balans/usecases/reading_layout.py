"""How a file of readings is laid out: which column is what, in which unit, by which clock."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from balans.core.errors import InputError
from balans.core.hours import HOUR_S
from balans.core.words import Resource
from balans.usecases.full_hours import Rules
from balans.usecases.import_times import check_format

WHO = ("channel", "point", "meter")
"""Columns that tell whose reading it is; the first that is filled in counts."""


class Quantity(StrEnum):
    """What the numbers are."""

    REGISTER = "register"  # cumulative, in pulses of the channel
    DIAL = "dial"  # what the face of the meter shows, cumulative, in `unit`
    USED = "used"  # of the interval that begins at the time, in `unit`


COLUMNS = (*WHO, "time", *Quantity, "unit", "quality")
_ENERGY = frozenset({Resource.ELECTRICITY, Resource.HEAT})
_REACTIVE = frozenset({Resource.REACTIVE})
_VOLUME = frozenset({Resource.COLD_WATER, Resource.HOT_WATER, Resource.GAS, Resource.FUEL})
UNITS: dict[str, tuple[Fraction, frozenset[Resource]]] = {
    "Wh": (Fraction(1), _ENERGY),
    "kWh": (Fraction(1000), _ENERGY),
    "MWh": (Fraction(1_000_000), _ENERGY),
    "MJ": (Fraction(2500, 9), _ENERGY),
    "GJ": (Fraction(2_500_000, 9), _ENERGY),
    "varh": (Fraction(1), _REACTIVE),
    "kvarh": (Fraction(1000), _REACTIVE),
    "l": (Fraction(1), _VOLUME),
    "m3": (Fraction(1000), _VOLUME),
    "m³": (Fraction(1000), _VOLUME),
}
"""Wh, varh or l in a unit, and the resources that are measured in it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What is told about a file beside its content.

    Parameters
    ----------
    columns
        The file's name for each of `COLUMNS` that is called otherwise.
    wide
        Every column but the time is a metering point, and holds this quantity.
    unit
        Of dials and of what was used, where no column tells it.
    time_format
        In the letters of strptime; "" for ISO 8601 and for days first with points.
    timezone
        Zone of times without an offset; None: that of the place.
    zero_is_missing
        A zero of what was used may stand for a gap, so it is taken for unknown.
    rules
        How registers at full hours are told from readings at other times.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    wide: Quantity | None = None
    unit: str = ""
    time_format: str = ""
    timezone: ZoneInfo | None = None
    zero_is_missing: bool = False
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self) -> None:
        for name in self.columns:
            if name not in COLUMNS:
                raise InputError(f"column {name}: expected one of {', '.join(COLUMNS)}")
        if self.unit and self.unit not in UNITS:
            raise InputError(f"unit {self.unit!r}: expected one of {', '.join(UNITS)}")
        if self.time_format:
            check_format(self.time_format)
        if not 0 <= self.rules.tolerance_s <= 900:
            raise InputError(f"tolerance of {self.rules.tolerance_s} s: expected 0 to 900")
        if not 0 <= self.rules.max_gap_s <= 31 * 24 * HOUR_S:
            raise InputError(f"gap of {self.rules.max_gap_s} s: expected at most 31 days")

    def column(self, name: str) -> str:
        """Return what the file calls a column."""
        return self.columns.get(name, name)

    def as_json(self) -> dict[str, object]:
        """Return the layout as it is kept with the file."""
        return {
            "columns": dict(self.columns),
            "wide": self.wide.value if self.wide else None,
            "unit": self.unit,
            "time_format": self.time_format,
            "timezone": self.timezone.key if self.timezone else None,
            "zero_is_missing": self.zero_is_missing,
            "tolerance_s": self.rules.tolerance_s,
            "max_gap_s": self.rules.max_gap_s,
        }


def layout_of(kept: Mapping[str, Any]) -> Layout:
    """Return the layout that was kept with a file, as `Layout.as_json` gives it."""
    return Layout(
        columns=kept.get("columns", {}),
        wide=Quantity(kept["wide"]) if kept.get("wide") else None,
        unit=kept.get("unit", ""),
        time_format=kept.get("time_format", ""),
        timezone=ZoneInfo(kept["timezone"]) if kept.get("timezone") else None,
        zero_is_missing=kept.get("zero_is_missing", False),
        rules=Rules(
            kept.get("tolerance_s", Rules().tolerance_s), kept.get("max_gap_s", Rules().max_gap_s)
        ),
    )
