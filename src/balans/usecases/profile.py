"""profile.csv -> arrays: when each step begins, what the rest draws, what each load wants.

Two kinds of time axis are taken. With offsets, or naive and uniform in real time, the clock of the
site has its summer time. Naive and uniform as written, it has none (many recorders never change
their clock); hours and zones then follow the clock as written.
"""

import csv
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from balans.core.errors import InputError
from balans.domain.demand.model import DAY_S

STEP_MIN_S, STEP_MAX_S = 1, 900
YEAR_MIN, YEAR_MAX = 1970, 2200
BIGGEST_W = 1e9
OFFSET_GRID_S = 900
"""Offsets of time zones have always changed on a quarter of an hour (tz database, since 1972)."""

Floats = NDArray[np.float64]


class ProfileError(InputError):
    """A profile that cannot be used; the message names file, line, column and value."""

    code = "profile"


@dataclass(frozen=True, slots=True)
class Profile:
    """Uniform steps of mean power; arrays have shape (n,).

    `time_text` is the time as written, `start_s` a steady clock, `local_s` the second of the
    local day, all at the beginning of the step. `ignored` holds columns that nothing asked for.
    """

    time_text: Sequence[str]
    start_s: Floats
    local_s: Floats
    step_s: float
    base_w: Floats
    wanted_w: dict[str, Floats]
    ignored: tuple[str, ...] = ()


def parse_profile(
    text: str,
    loads: Iterable[str],
    timezone: ZoneInfo,
    file: str,
    producers: Collection[str] = (),
) -> Profile:
    """Return the profile in `text`, the content of `file`.

    Parameters
    ----------
    producers
        Those of `loads` that produce: their power is 0 or negative.

    Raises
    ------
    ProfileError
        Naming the line of the first gap, text, NaN, unsorted or repeated time, or uneven step;
        a missing column; or that there are fewer than two rows.
    """
    header, columns = _table(text, file)
    wanted = [f"{name}_w" for name in loads]
    places = _places(header, ["time", "base_w", *wanted], file)
    times = [value.strip() for value in columns[places["time"]]]
    start_s, local_s = _time_axis(times, timezone, file)
    powers = {
        name: _powers(columns[places[name]], name, file)
        for name in ("base_w", *dict.fromkeys(wanted))
    }
    for name in wanted:
        made = name.removesuffix("_w") in producers
        wrong = powers[name] > 0 if made else powers[name] < 0
        expected = "a power of 0 or less, as production is" if made else "a power of 0 or more"
        _check(wrong, columns[places[name]], name, expected, file)
    return Profile(
        times,
        start_s,
        local_s,
        float(start_s[1] - start_s[0]),
        powers["base_w"],
        {name.removesuffix("_w"): powers[name] for name in wanted},
        tuple(name for name in header if name not in places and name.endswith("_w")),
    )


def _table(text: str, file: str) -> tuple[list[str], list[Sequence[str]]]:
    """Return the header and the columns, each of all rows."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").rstrip("\n\r \t\x00")
    if not text:
        raise ProfileError(f"{file}: empty: expected a line of column names and rows")
    lines = text.split("\n")
    if len(lines) < 3:
        raise ProfileError(f"{file}: {len(lines) - 1} rows: expected at least two")
    if '"' in text:
        lines = _unquoted(lines, file)
    header = [name.strip() for name in lines[0].split(",")]
    width = len(header)
    for index, commas in enumerate(line.count(",") for line in lines):
        if commas != width - 1:
            raise ProfileError(
                f"{file}: line {index + 1}: {commas + 1} fields: expected {width}, one per column"
            )
    # One flat list of texts: lists of rows would keep the garbage collector busy for seconds.
    flat = ",".join(lines[1:]).split(",")
    return header, [flat[place::width] for place in range(width)]


def _unquoted(lines: list[str], file: str) -> list[str]:
    try:
        rows = list(csv.reader(lines, strict=True))
    except csv.Error as error:
        raise ProfileError(f"{file}: {error}") from error
    if len(rows) != len(lines):
        raise ProfileError(f"{file}: a quoted field with a line break: expected plain fields")
    return [",".join(field.replace(",", ";") for field in row) for row in rows]


def _places(header: list[str], needed: list[str], file: str) -> dict[str, int]:
    for name in needed:
        if header.count(name) != 1:
            what = "missing" if name not in header else "there twice"
            shown = ", ".join(header)[:200]
            raise ProfileError(f"{file}: line 1: column {name} is {what}; the file has: {shown}")
    return {name: header.index(name) for name in needed}


def _powers(column: Sequence[str], name: str, file: str) -> Floats:
    try:
        values = np.array(list(map(float, column)))
    except ValueError:
        values = np.array([_number(value) for value in column])
    _check(~(np.abs(values) <= BIGGEST_W), column, name, "a power in W", file)
    return values


def _number(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        return math.nan


def _check(
    wrong: NDArray[np.bool_], column: Sequence[str], name: str, expected: str, file: str
) -> None:
    if wrong.any():
        index = int(np.argmax(wrong))
        shown = repr(column[index][:40])
        raise ProfileError(f"{file}: line {index + 2}: {name} = {shown}: expected {expected}")


# --- the time axis ---


def _time_axis(times: list[str], timezone: ZoneInfo, file: str) -> tuple[Floats, Floats]:
    """Return steady seconds and seconds of the local day."""
    moments = _moments(times, file)
    if moments[0].tzinfo is not None:
        seconds = np.array([moment.timestamp() for moment in moments])
        _check_uniform(seconds, times, file)
        return seconds, (seconds + utc_offsets(seconds, timezone)) % DAY_S
    written = _naive_seconds(times, moments)
    real = None
    if np.ptp(np.diff(written)) > 0:
        real = _with_summer_time(moments[0], written, timezone)
    if real is None:
        _check_uniform(written, times, file)
        real = written
    return real, written % DAY_S


def _naive_seconds(times: list[str], moments: list[datetime]) -> Floats:
    try:
        written = np.array(times, dtype="datetime64[us]")  # 20 times faster than from datetimes
    except ValueError:
        written = np.array(moments, dtype="datetime64[us]")
    return np.asarray(written.astype(np.int64) / 1e6, dtype=np.float64)


def _moments(times: list[str], file: str) -> list[datetime]:
    try:
        moments = list(map(datetime.fromisoformat, times))
    except ValueError:
        moments = [_moment(text, index, file) for index, text in enumerate(times)]
    for index in (0, -1):
        if not YEAR_MIN <= moments[index].year <= YEAR_MAX:
            raise ProfileError(
                f"{file}: time = {times[index]!r}: expected years {YEAR_MIN} to {YEAR_MAX}"
            )
    aware = [moment.tzinfo is not None for moment in moments]
    if any(aware) and not all(aware):
        index = aware.index(not aware[0])
        raise ProfileError(
            f"{file}: line {index + 2}: time = {times[index]!r}: expected offsets in all or none"
        )
    return moments


def _moment(text: str, index: int, file: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise ProfileError(
            f"{file}: line {index + 2}: time = {text[:40]!r}: expected one such as "
            "2026-01-31T17:05:00"
        ) from error


def _with_summer_time(first: datetime, written: Floats, timezone: ZoneInfo) -> Floats | None:
    """Return the steady time of local clock readings, None if they do not fit the zone's clock."""
    steps, counts = np.unique(np.diff(written), return_counts=True)
    step_s = float(steps[np.argmax(counts)])
    if not STEP_MIN_S <= step_s <= STEP_MAX_S:
        return None
    for fold in (0, 1):
        begin = first.replace(tzinfo=timezone, fold=fold).timestamp()
        real = begin + np.arange(len(written), dtype=np.float64) * step_s
        if np.array_equal(real + utc_offsets(real, timezone), written):
            return real
    return None


def utc_offsets(seconds: Floats, timezone: ZoneInfo) -> Floats:
    """Return what the clock of `timezone` adds to UTC at each of the Unix times [s]."""
    grid, place = np.unique(seconds // OFFSET_GRID_S, return_inverse=True)
    offsets = [_offset_s(float(number) * OFFSET_GRID_S, timezone) for number in grid]
    return np.array(offsets)[place]


def _offset_s(unix_s: float, timezone: ZoneInfo) -> float:
    offset = datetime.fromtimestamp(unix_s, UTC).astimezone(timezone).utcoffset()
    return offset.total_seconds() if offset else 0.0


def _check_uniform(seconds: Floats, times: list[str], file: str) -> None:
    steps = np.diff(seconds)
    values, counts = np.unique(steps, return_counts=True)
    step_s = float(values[np.argmax(counts)])
    wrong = np.flatnonzero(steps != step_s)
    if len(wrong):
        index = int(wrong[0])
        raise ProfileError(
            f"{file}: line {index + 3}: time = {times[index + 1]!r}: "
            f"{_what_is_wrong(float(steps[index]), step_s)}"
        )
    if not STEP_MIN_S <= step_s <= STEP_MAX_S:
        raise ProfileError(
            f"{file}: step of {step_s:g} s: expected {STEP_MIN_S} to {STEP_MAX_S} seconds, rising"
        )


def _what_is_wrong(found_s: float, step_s: float) -> str:
    if found_s == 0:
        return "the same time as in the line before"
    if found_s < 0:
        return "earlier than the line before"
    if step_s > 0 and found_s > step_s and found_s % step_s == 0:
        return f"a gap: {found_s / step_s - 1:g} steps of {step_s:g} s are missing before it"
    return f"{found_s:g} s after the line before, expected steps of {step_s:g} s"
