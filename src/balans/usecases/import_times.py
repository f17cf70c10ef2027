"""Columns of times -> Unix seconds, with the repeated hour of autumn told apart."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from balans.core.errors import InputError
from balans.usecases.cells import DATE_FORMATS

NO_TIME = np.iinfo(np.int64).min
"""Stands where a text is no time, or a local time that never was."""
STEP_S = 900
"""Clocks have always changed on a quarter of an hour (tz database, since 1972)."""
YEARS = range(2000, 2100)
WIDTHS = {"Y": 4, "m": 2, "d": 2, "H": 2, "M": 2, "S": 2}
Ints = NDArray[np.int64]
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # naive, for times that are naive as well
_SECOND = timedelta(seconds=1)


def _of_form(known: str) -> Callable[[str], datetime]:
    return lambda text: datetime.strptime(text, known)  # noqa: DTZ007  # as written


_DAY_FIRST = tuple(map(_of_form, DATE_FORMATS))


def check_format(time_format: str) -> None:
    """Refuse a format that cannot be used.

    Raises
    ------
    InputError
        Naming the format.
    """
    try:
        sample = datetime(2026, 11, 24, 13, 45, 59, tzinfo=UTC).strftime(time_format)
        back = datetime.strptime(sample, time_format).replace(tzinfo=UTC)
    except ValueError as error:
        raise InputError(f"time format {time_format!r}: {error}") from error
    if back.date() != datetime(2026, 11, 24, tzinfo=UTC).date():
        raise InputError(f"time format {time_format!r}: needs at least %Y %m %d")
    if back.hour not in (0, 13):
        raise InputError(f"time format {time_format!r}: needs %p beside %I, or %H")


def written_times(texts: Sequence[str], time_format: str = "") -> tuple[Ints, Ints]:
    """Return times as written [s], and the offset each has [s] or `NO_TIME` for none.

    Parameters
    ----------
    texts
        ISO 8601 (a space or T, with an offset or without), or days first with points.
    time_format
        Another form, in the letters of strptime, such as ``%d/%m/%Y %H:%M:%S``.
    """
    read = _reader(time_format)
    seconds = np.full(len(texts), NO_TIME, np.int64)
    offsets = np.full(len(texts), NO_TIME, np.int64)
    for index, text in enumerate(texts):
        moment = read(text)
        if moment is None or moment.year not in YEARS:
            continue
        offset = moment.utcoffset()
        if offset is not None:
            offsets[index] = offset // _SECOND
            moment = moment.replace(tzinfo=None)
        seconds[index] = (moment - _EPOCH) // _SECOND
    return seconds, offsets


def _reader(time_format: str) -> Callable[[str], datetime | None]:
    if not time_format:
        return _auto
    fast = _slices(time_format)

    def read(text: str) -> datetime | None:
        try:
            if fast is not None and (iso := fast(text)):
                return datetime.fromisoformat(iso)
            return datetime.strptime(text.strip(), time_format)  # noqa: DTZ007  # as written
        except ValueError:
            return None

    return read


def _auto(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return _spaced(text.strip())


def _spaced(text: str) -> datetime | None:
    for read in (datetime.fromisoformat, *_DAY_FIRST):
        try:
            return read(text)
        except ValueError:
            continue
    return None


def _slices(time_format: str) -> Callable[[str], str] | None:
    """Return a cutter of texts of this form into ISO 8601, ten times as fast as strptime.

    It answers "" for a text of another length or with other characters between. None if the
    format has parts of no fixed width.
    """
    at, places, between = 0, {}, []
    for letter, other in re.findall(r"%(.)|([^%])", time_format):
        if other:
            between.append((at, other))
            at += 1
        elif letter in WIDTHS and letter not in places:
            places[letter] = slice(at, at + WIDTHS[letter])
            at += WIDTHS[letter]
        else:
            return None
    if not set("YmdHM") <= set(places):
        return None
    year, month, day, hour, minute = (places[letter] for letter in "YmdHM")
    second = places.get("S")

    def cut(text: str) -> str:
        if len(text) != at or any(text[place] != other for place, other in between):
            return ""
        seconds = text[second] if second else "00"
        return f"{text[year]}-{text[month]}-{text[day]}T{text[hour]}:{text[minute]}:{seconds}"

    return cut


def to_utc(written: Ints, group: Ints, zone: ZoneInfo) -> Ints:
    """Return Unix times of local clock readings, `NO_TIME` for one that never was.

    Parameters
    ----------
    written
        What the clock showed, as seconds since 1970 [s], n of them in the order of the file.
    group
        What was read, n numbers. An hour that comes twice is told apart by the order: the first
        time a group's clock does not advance within it, the second hour has begun. A group whose
        last time lies before its first is read from its end: its newest times come first.
    zone
        Whose clock it is.
    """
    valid = written != NO_TIME
    slots, place = np.unique(np.where(valid, written, 0) // STEP_S, return_inverse=True)
    early, late = (
        np.array([_offset_s(int(slot) * STEP_S, zone, fold) for slot in slots], np.int64)[place]
        for fold in (0, 1)
    )
    found = np.where(valid & (early >= late), written - early, NO_TIME)
    twice = np.flatnonzero(valid & (early > late))
    order = _by_time(written, group, np.flatnonzero(valid), twice)
    second = order[_second_time(written[order], group[order])]
    found[second] = written[second] - late[second]
    return found


def _offset_s(written_s: int, zone: ZoneInfo, fold: int) -> int:
    moment = (_EPOCH + timedelta(seconds=written_s)).replace(tzinfo=zone, fold=fold)
    return (moment.utcoffset() or timedelta()) // _SECOND


def _by_time(
    written: Ints, group: Ints, valid: NDArray[np.intp], wanted: NDArray[np.intp]
) -> NDArray[np.intp]:
    """Return the indices `wanted` (all `valid`), those of groups that fall from last to first."""
    names, first = np.unique(group[valid], return_index=True)
    _, back = np.unique(group[valid][::-1], return_index=True)
    falls = written[valid[::-1][back]] < written[valid[first]]
    falling = falls[np.searchsorted(names, group[wanted])]
    return np.concatenate((wanted[~falling], wanted[falling][::-1]))


def _second_time(written: Ints, group: Ints) -> list[int]:
    """Return the indices of those in the second of two equal hours."""
    latest: dict[tuple[int, int], int] = {}
    begun: set[tuple[int, int]] = set()
    found = []
    for index, (at, who) in enumerate(zip(written.tolist(), group.tolist(), strict=True)):
        key = (who, at // 86_400)
        if key in begun or at <= latest.get(key, -1):
            begun.add(key)
            found.append(index)
        latest[key] = at
    return found


def with_offset(written: Ints, offsets: Ints) -> Ints:
    """Return Unix times of those that have an offset, `NO_TIME` for the others."""
    known = (written != NO_TIME) & (offsets != NO_TIME)
    return np.where(known, written - np.where(known, offsets, 0), NO_TIME)
