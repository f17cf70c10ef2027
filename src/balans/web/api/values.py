"""Kinds of values that operations share: codes, times, energies."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from ninja import Field, Path
from pydantic import BaseModel, ConfigDict

from balans.web.api.problems import FieldsError


class Body(BaseModel):
    """What a request brings. Fields that are not known are refused: they are slips of the pen."""

    model_config = ConfigDict(extra="forbid")


TEXT: Final = r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f]*$"
"""Text without control characters but for tab and line break."""
BIGGEST: Final = 2**63 - 1
CODE: Final = r"^[A-Za-z0-9_.-]{1,64}$"
EARLIEST = datetime(2000, 1, 2, tzinfo=UTC)
LATEST = datetime(2099, 12, 30, tzinfo=UTC)
DIGITS: Final = 9
PER_UNIT: Final = 1000

Reason = Annotated[str, Field(min_length=1, max_length=500, pattern=TEXT)]
Note = Annotated[str, Field(max_length=500, pattern=TEXT)]
Time = Annotated[
    str,
    Field(
        max_length=40,
        description="ISO 8601; without an offset it is local to the node; a date is its midnight.",
        examples=["2026-01-12T17:00", "2026-01-12T16:00:00Z"],
    ),
]
Serial = Annotated[int, Path(..., ge=0, le=2**32 - 1, description="Serial number of a module.")]
Number = Annotated[int, Path(..., ge=1, le=BIGGEST)]
NodeCode = Annotated[str, Path(..., pattern=CODE, description="Code of the node.")]
HubCode = Annotated[str, Path(..., pattern=CODE, description="Code of the hub.")]
GroupCode = Annotated[str, Path(..., pattern=CODE, description="Code of the group by hand.")]
PointCode = Annotated[str, Path(..., pattern=CODE, description="Code of the metering point.")]
Under = Annotated[str | None, Field(pattern=CODE, description="On this node and below it.")]
When = Annotated[
    str | None,
    Field(
        max_length=40,
        description="ISO 8601; without an offset it is local to the node; a date is its midnight.",
        examples=["2026-01-12", "2026-01-12T17:00", "2026-01-12T16:00:00Z"],
    ),
]


def moment(field: str, text: str, zone: ZoneInfo) -> datetime:
    """Return the time that `text` says, in UTC; without an offset it is in `zone`.

    Raises
    ------
    FieldsError
        If it is no time of the years 2000 to 2099.
    """
    try:
        found = datetime.fromisoformat(text)
        aware = found if found.tzinfo else found.replace(tzinfo=zone)
        at = aware.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise FieldsError([(field, "expected a time as ISO 8601")]) from error
    if not EARLIEST <= at <= LATEST:
        raise FieldsError([(field, f"expected {EARLIEST.date()} to {LATEST.date()}")])
    return at


def period(
    start: str | None, end: str | None, zone: ZoneInfo, default_end: datetime, most: timedelta
) -> tuple[datetime, datetime]:
    """Return what ``from`` and ``to`` ask for; absent: the local day before `default_end`.

    Raises
    ------
    FieldsError
        If one is no time, or they are out of order, or further apart than `most`.
    """
    until = default_end if end is None else moment("to", end, zone)
    since = until - timedelta(days=1) if start is None else moment("from", start, zone)
    if since >= until:
        raise FieldsError([("from", "expected a time before `to`")])
    if until - since > most:
        raise FieldsError([("from", f"expected at most {most.days} days before `to`")])
    return since, until


def day_of(field: str, text: str) -> date:
    """Return the date that `text` says; errors as `moment`."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise FieldsError([(field, "expected a date as ISO 8601")]) from error


def amount(energy: Fraction | Decimal | None) -> float | None:
    """Return an energy or volume [Wh, varh or l] in the unit that is shown [kWh, kvarh or m³]."""
    return None if energy is None else round(float(energy / PER_UNIT), DIGITS)


def local(time: datetime | None, zone: ZoneInfo) -> datetime | None:
    """Return `time` with the offset of `zone`."""
    return None if time is None else time.astimezone(zone)
