"""Registers read at any times -> registers at full hours, without inventing any.

Rules
-----
1. A register read within `Rules.tolerance_s` of a full hour is the register of that hour.
2. Between two registers not further apart than `Rules.max_gap_s`, of which the later is not the
   smaller, the register of a full hour in between lies on the straight line, rounded down. It is
   *estimated*; where both are equal it is known. Where both were read at full hours, those in
   between were not read, and stay missing.
3. Over a longer gap nothing is made up: the hours are missing, and what was used is told by the
   registers at both sides. Where no full hour lies among registers joined by rule 2, the one
   nearest to a full hour stands for that hour, estimated, so that no use is lost.
4. A register that stands out (up and back again, or down and up again) is reported, and nothing
   is computed from it by rules 2 and 3. One that goes back and stays there begins anew.

Nothing of this replaces validation; the rows of the file are kept as they are.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from balans.core.hours import EPOCH_UNIX_S, HOUR_S
from balans.protocols.readings import Grade

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Rules:
    """How far a reading may be from a full hour, and two readings from one another [s]."""

    tolerance_s: int = 60
    max_gap_s: int = 3 * HOUR_S


@dataclass(frozen=True, slots=True)
class Rows:
    """Registers as they were read, n of them, sorted by channel and time.

    `channel` numbers channels from 0, `time_s` is Unix time, `register` in pulses, `line` the
    line of the file; `modulus` is where the register of a channel returns to 0, by channel.
    """

    channel: Ints
    time_s: Ints
    register: Ints
    grade: Ints
    line: Ints
    modulus: Ints

    def __len__(self) -> int:
        return len(self.channel)

    def only(self, wanted: Any) -> "Rows":
        """Return the rows of a mask or of indices."""
        return Rows(
            self.channel[wanted],
            self.time_s[wanted],
            self.register[wanted],
            self.grade[wanted],
            self.line[wanted],
            self.modulus,
        )

    def same_channel(self) -> Bools:
        """Return for each two neighbours whether they are of one channel (n - 1)."""
        return np.asarray(self.channel[1:] == self.channel[:-1])

    def rise(self) -> Ints:
        """Return what was counted between neighbours, through a roll-over; negative: went back.

        The rule is that of `interval_pulses`.
        """
        counted = np.diff(self.register)
        modulus = self.modulus[self.channel[1:]] if len(self) > 1 else self.modulus[:0]
        wrapped = counted + modulus
        rolled = np.where((counted < 0) & (2 * wrapped < modulus), wrapped, counted)
        return np.where(2 * rolled >= modulus, rolled - modulus, rolled)


@dataclass(frozen=True, slots=True)
class HourRows:
    """Registers at full hours, sorted by channel and hour; `hour` counts from 2000."""

    channel: Ints
    hour: Ints
    register: Ints
    grade: Ints
    line: Ints

    def __len__(self) -> int:
        return len(self.channel)

    def only(self, wanted: Any) -> "HourRows":
        """Return the rows of a mask, of indices or of a slice."""
        return HourRows(
            self.channel[wanted],
            self.hour[wanted],
            self.register[wanted],
            self.grade[wanted],
            self.line[wanted],
        )


@dataclass(frozen=True, slots=True)
class Noted:
    """What was noticed, as indices into the rows that were given.

    `repeated` rows say again what an earlier one says, `other_value` rows something else for the
    same time. `went_back` are smaller than the row before, `out_of_line` stand out. Before those
    `after_gap` nothing was read for longer than the rules bridge, for `gap_s` seconds. `off_hour`
    were read at no full hour.
    """

    repeated: NDArray[np.intp]
    other_value: NDArray[np.intp]
    went_back: NDArray[np.intp]
    out_of_line: NDArray[np.intp]
    after_gap: NDArray[np.intp]
    gap_s: Ints
    off_hour: Bools


def sorted_rows(rows: Rows) -> Rows:
    """Return rows sorted by channel and time; those of one time stay in the order of the file."""
    return rows.only(np.lexsort((rows.time_s, rows.channel)))


def at_full_hours(rows: Rows, rules: Rules = Rules()) -> tuple[HourRows, Noted]:
    """Return registers at full hours from `rows` (sorted), and what was noticed about them."""
    at = np.arange(len(rows))
    same_time = np.zeros(len(rows), np.bool_)
    same_time[1:] = rows.same_channel() & (np.diff(rows.time_s) == 0)
    first = np.maximum.accumulate(np.where(same_time, 0, at))
    other = same_time & (rows.register != rows.register[first])
    single = np.flatnonzero(~same_time)
    kept = rows.only(single)
    inside, rise = kept.same_channel(), kept.rise()
    back = np.flatnonzero(inside & (rise < 0)) + 1
    aside = _out_of_line(kept, inside, rise)
    straight = np.setdiff1d(np.arange(len(kept)), aside)
    used = kept.only(straight)
    gap = np.where(used.same_channel(), np.diff(used.time_s), 0)
    after_gap = np.flatnonzero(gap > rules.max_gap_s) + 1
    off_s = np.abs(_off_hour_s(rows.time_s))
    noted = Noted(
        repeated=np.flatnonzero(same_time & ~other),
        other_value=np.flatnonzero(other),
        went_back=single[back],
        out_of_line=single[aside],
        after_gap=single[straight[after_gap]],
        gap_s=gap[after_gap - 1],
        off_hour=off_s > rules.tolerance_s,
    )
    return _hours(kept, used, rules), noted


def _out_of_line(rows: Rows, inside: Bools, rise: Ints) -> NDArray[np.intp]:
    """Return the rows that go up and back again, or down and up again, past their neighbours."""
    if len(rows) < 3:
        return np.zeros(0, np.intp)
    into, out = rise[:-1], rise[1:]
    amid = inside[:-1] & inside[1:]
    turns = ((into > 0) & (out < 0)) | ((into < 0) & (out > 0))
    goes_on = rows.register[2:] >= rows.register[:-2]
    found: list[int] = []
    for index in (np.flatnonzero(amid & turns & goes_on) + 1).tolist():
        if not found or found[-1] != index - 1:  # its neighbour stands out, not it
            found.append(index)
    return np.array(found, np.intp)


def _off_hour_s(time_s: Ints) -> Ints:
    """Return the distance to the nearest full hour, negative before it [s]."""
    return (time_s - EPOCH_UNIX_S + HOUR_S // 2) % HOUR_S - HOUR_S // 2


def _hours(read: Rows, straight: Rows, rules: Rules) -> HourRows:
    """Apply the rules in turn; of several registers for one hour the first rule's counts.

    `straight` are the rows of `read` that do not stand out.
    """
    rise, gap = straight.rise(), np.diff(straight.time_s)
    joined = straight.same_channel() & (gap <= rules.max_gap_s) & (rise >= 0)
    off_s = _off_hour_s(straight.time_s)
    near = np.abs(off_s) <= rules.tolerance_s
    parts = [
        _exact(read, rules),
        _between(straight, joined & ~(near[:-1] & near[1:]), rise),
        _nearest(straight, joined, off_s),
    ]
    found = HourRows(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    _, kept = np.unique(found.channel * (1 << 32) + found.hour, return_index=True)
    return found.only(kept)


Part = tuple[Ints, Ints, Ints, Ints, Ints]


def _exact(rows: Rows, rules: Rules) -> Part:
    """Rule 1; of several registers for one hour the nearest to it comes first."""
    off_s = np.abs(_off_hour_s(rows.time_s))
    near = np.flatnonzero(off_s <= rules.tolerance_s)
    near = near[np.argsort(off_s[near], kind="stable")]
    hour = (rows.time_s[near] - EPOCH_UNIX_S + HOUR_S // 2) // HOUR_S
    return rows.channel[near], hour, rows.register[near], rows.grade[near], rows.line[near]


def _between(rows: Rows, joined: Bools, rise: Ints) -> Part:
    """Rule 2."""
    since = rows.time_s - EPOCH_UNIX_S
    first = since[:-1] // HOUR_S + 1
    count = np.where(joined, since[1:] // HOUR_S + 1 - first, 0)
    pair = np.repeat(np.arange(len(count)), count)
    within = np.arange(len(pair)) - np.repeat(np.cumsum(count) - count, count)
    hour = first[pair] + within
    gap = since[pair + 1] - since[pair]
    counted = rise[pair] * (hour * HOUR_S - since[pair]) // np.maximum(gap, 1)
    register = (rows.register[pair] + counted) % rows.modulus[rows.channel[pair]]
    worst = np.maximum(rows.grade[pair], rows.grade[pair + 1])
    grade = np.where(rise[pair] > 0, np.maximum(worst, Grade.ESTIMATED), worst)
    return rows.channel[pair], hour, register, grade, rows.line[pair + 1]


def _nearest(rows: Rows, joined: Bools, off_s: Ints) -> Part:
    """Rule 3: one register of each group of joined rows; it counts where no other rule did."""
    group = np.concatenate(([0], np.cumsum(~joined))) if len(rows) else np.zeros(0, np.int64)
    hour = (rows.time_s - EPOCH_UNIX_S) // HOUR_S
    ends = np.flatnonzero(np.diff(group, append=-1))
    starts = np.concatenate(([0], ends[:-1] + 1)) if len(ends) else ends
    without = hour[starts] == hour[ends]  # no full hour lies between its first and last
    order = np.lexsort((np.abs(off_s), group))
    best = order[np.searchsorted(group[order], group[starts[without]])]
    at = (rows.time_s[best] - EPOCH_UNIX_S + HOUR_S // 2) // HOUR_S
    grade = np.maximum(rows.grade[best], Grade.ESTIMATED)
    return rows.channel[best], at, rows.register[best], grade, rows.line[best]
