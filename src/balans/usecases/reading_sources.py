"""Whose readings are whose: names in a file -> channels, and values -> registers in pulses."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from balans.core.words import Resource
from balans.usecases.full_hours import Rows
from balans.usecases.import_findings import Noticing
from balans.usecases.import_readings import PARTS, RawReadings, Who
from balans.usecases.import_times import NO_TIME, to_utc, with_offset
from balans.usecases.reading_layout import UNITS, Layout, Quantity

REGISTER_MAX = 2**31 - 1
FAR = 2**62
"""Beyond all times and registers."""

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ChannelRef:
    """A channel, as tables and as people name it."""

    id: int
    module: int
    input: int

    @property
    def name(self) -> str:
        """Serial number of the module and input."""
        return f"{self.module}-{self.input}"


@dataclass(frozen=True, slots=True)
class SourcePeriod:
    """What counts for a name from `start_s` until before `end_s` (Unix time).

    Without a `channel` there is a meter that only people read. `worth` is what a pulse stands for
    [Wh, varh or l], through transformers of `ratio` that the dial does not know of; at the
    register `register_origin` the meter showed `dial_origin` [thousandths of them].
    """

    start_s: int
    end_s: int
    channel: ChannelRef | None
    worth: Fraction | None = None
    ratio: Fraction = Fraction(1)
    modulus: int = 2**31
    register_origin: int = 0
    dial_origin: int = 0
    point_id: int | None = None
    resource: Resource | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A name in the file: what it is, where its clock is, and what counts for it when.

    `fault` says why it cannot be used at all.
    """

    zone: ZoneInfo | None = None
    periods: tuple[SourcePeriod, ...] = ()
    fault: str = ""


@dataclass(frozen=True, slots=True)
class ReadDials:
    """What meters without a channel showed, n of them: [thousandths of Wh, varh or l]."""

    point_id: Ints
    time_s: Ints
    dial: Ints
    line: Ints

    def __len__(self) -> int:
        return len(self.point_id)


@dataclass(frozen=True, slots=True)
class Placed:
    """Readings whose channel is known, n of them in the order of the file.

    `period` is the place in `periods` of what counts for each. `value` is a register [pulses], or
    what was used [thousandths of Wh, varh or l] if the file tells that.
    """

    periods: list[SourcePeriod]
    period: Ints
    source: Ints
    time_s: Ints
    value: Ints
    grade: Ints
    line: Ints


NO_DIALS = ReadDials(*(np.zeros(0, np.int64) for _ in range(4)))


def place(
    raw: RawReadings, sources: Sequence[Source], layout: Layout, noticing: Noticing
) -> tuple[Placed, ReadDials]:
    """Return the readings whose time and channel are known, and dials; tell of the others."""
    good = _known_names(raw, sources, noticing)
    good &= _right_units(raw, sources, noticing)
    time_s = _times(raw, sources, layout)
    never = good & (time_s == NO_TIME)
    for index in np.flatnonzero(never).tolist():
        noticing.error(int(raw.line[index]), "time", *_no_time(raw, sources, index, layout))
    good &= ~never
    periods, period = _periods(raw, sources, time_s, good)
    by_eye = good & _without_channel(periods, period)
    dials = (
        _dials(raw, periods, period, time_s, by_eye) if raw.quantity == Quantity.DIAL else NO_DIALS
    )
    unmounted = good & ((period < 0) | by_eye)
    if raw.quantity == Quantity.DIAL:
        unmounted &= ~by_eye
        good &= ~by_eye
    _tell_unmounted(raw, unmounted, noticing)
    good &= ~unmounted
    placed = Placed(
        periods, *(c[good] for c in (period, raw.source, time_s, raw.value, raw.grade, raw.line))
    )
    if raw.quantity == Quantity.USED:
        return placed, dials
    return _as_registers(placed, raw, noticing), dials


def rows_of(placed: Placed, channels: Sequence[ChannelRef]) -> Rows:
    """Return registers as rows of `channels`, numbered in their order.

    Periods in which no reading lies may have a channel that is not among them.
    """
    of_period = numbers_of(placed, channels)
    modulus = np.full(len(channels), 2**31, np.int64)
    for index, one in zip(of_period.tolist(), placed.periods, strict=True):
        if index >= 0:
            modulus[index] = one.modulus
    channel = of_period[placed.period] if len(placed.periods) else placed.period
    return Rows(channel, placed.time_s, placed.value, placed.grade, placed.line, modulus)


def numbers_of(placed: Placed, channels: Sequence[ChannelRef]) -> Ints:
    """Return which of `channels` each period has; -1 for one that is not among them."""
    number = {channel.id: index for index, channel in enumerate(channels)}
    return np.array(
        [number.get(p.channel.id, -1) if p.channel else -1 for p in placed.periods], np.int64
    )


def channels_of(placed: Placed) -> list[ChannelRef]:
    """Return the channels that have readings, sorted by module and input."""
    used = {placed.periods[index].channel for index in np.unique(placed.period).tolist()}
    return sorted(filter(None, used), key=lambda channel: (channel.module, channel.input))


def names_of(placed: Placed, channels: Sequence[ChannelRef], who: Sequence[Who]) -> list[str]:
    """Return what the file calls each of `channels`."""
    names = {channel.id: channel.name for channel in channels}
    for pair in np.unique(placed.period * len(who) + placed.source).tolist() if who else []:
        period, source = divmod(pair, len(who))
        channel = placed.periods[period].channel
        if channel is not None:
            names[channel.id] = f"{who[source].kind} {who[source].name}"
    return [names[channel.id] for channel in channels]


def _known_names(raw: RawReadings, sources: Sequence[Source], noticing: Noticing) -> Bools:
    """Return which rows are of a name that is known; tell once of each that is not."""
    unknown = np.array([bool(source.fault) for source in sources], np.bool_)
    wrong = unknown[raw.source] if len(sources) else np.zeros(len(raw.source), np.bool_)
    numbers, first, counts = np.unique(raw.source[wrong], return_index=True, return_counts=True)
    for number, at, n in zip(numbers.tolist(), first.tolist(), counts.tolist(), strict=True):
        who = raw.who[number]
        what = f"{sources[number].fault}; {n} rows"
        noticing.error(int(raw.line[wrong][at]), who.kind, f"{who.kind} {who.name}", what)
    return ~wrong


def _right_units(raw: RawReadings, sources: Sequence[Source], noticing: Noticing) -> Bools:
    """Return which rows are of a name whose units fit what is measured there."""
    bad = set()
    for number, unit in sorted(raw.units):
        fits = UNITS[unit][1]
        resources = {p.resource for p in sources[number].periods if p.resource is not None}
        if resources and not resources <= fits:
            bad.add(number)
            who = raw.who[number]
            line = int(next(iter(raw.line[raw.source == number]), 0))
            what = f"unit: {unit} does not measure {', '.join(sorted(resources - fits))}"
            noticing.error(line, "unit", f"{who.kind} {who.name}", what)
    return ~np.isin(raw.source, sorted(bad))


def _times(raw: RawReadings, sources: Sequence[Source], layout: Layout) -> Ints:
    found = with_offset(raw.written_s, raw.offset_s)
    naive = raw.offset_s == NO_TIME
    zones = [layout.timezone or source.zone for source in sources]
    for zone in {zone for zone in zones if zone is not None}:
        own = np.array([other == zone for other in zones], np.bool_)
        here = np.flatnonzero(naive & own[raw.source])
        found[here] = to_utc(raw.written_s[here], raw.source[here], zone)
    return found


def _no_time(
    raw: RawReadings, sources: Sequence[Source], index: int, layout: Layout
) -> tuple[str, str]:
    number = int(raw.source[index])
    who = raw.who[number]
    zone = layout.timezone or sources[number].zone
    if zone is None:
        return f"{who.kind} {who.name}", "time: needs an offset, for no time zone is known"
    return f"{who.kind} {who.name}", f"time: the clock of {zone.key} never showed this one"


def _periods(
    raw: RawReadings, sources: Sequence[Source], time_s: Ints, good: Bools
) -> tuple[list[SourcePeriod], Ints]:
    """Return all periods, and for each row which one counts; -1 where none does.

    What stood there at its end counts as the last of a meter; what is used from then on does not.
    """
    periods = [period for source in sources for period in source.periods]
    ends = np.cumsum([len(source.periods) for source in sources])
    found = np.full(len(time_s), -1, np.int64)
    if not periods:
        return periods, found
    starts = np.array([period.start_s for period in periods], np.int64)
    stops = np.array([period.end_s for period in periods], np.int64)
    first = (ends - [len(source.periods) for source in sources])[raw.source]
    last = ends[raw.source]
    most = max(len(source.periods) for source in sources)
    for step in range(most):  # periods of a name are few: one meter after the other
        at = np.minimum(first + step, len(periods) - 1)
        before = time_s < stops[at] if raw.quantity == Quantity.USED else time_s <= stops[at]
        fits = (first + step < last) & (starts[at] <= time_s) & before
        found = np.where(good & fits, at, found)
    return periods, found


def _without_channel(periods: Sequence[SourcePeriod], period: Ints) -> Bools:
    """Return which rows are of a meter that no channel counts."""
    without = np.array([one.channel is None for one in periods] + [False], np.bool_)
    return np.asarray(without[period])


def _dials(
    raw: RawReadings,
    periods: Sequence[SourcePeriod],
    period: Ints,
    time_s: Ints,
    wanted: Bools,
) -> ReadDials:
    points = np.array([one.point_id or 0 for one in periods] + [0], np.int64)
    return ReadDials(points[period][wanted], time_s[wanted], raw.value[wanted], raw.line[wanted])


def _tell_unmounted(raw: RawReadings, unmounted: Bools, noticing: Noticing) -> None:
    numbers, first, counts = np.unique(raw.source[unmounted], return_index=True, return_counts=True)
    for number, at, n in zip(numbers.tolist(), first.tolist(), counts.tolist(), strict=True):
        who = raw.who[number]
        what = f"no meter with a channel was mounted then; {n} rows"
        line = int(raw.line[unmounted][at])
        noticing.error(line, "unmounted", f"{who.kind} {who.name}", what)


def _as_registers(placed: Placed, raw: RawReadings, noticing: Noticing) -> Placed:
    """Return registers in whole pulses; dials by the worth of a pulse, rounded down."""
    register = np.zeros(len(placed.value), np.int64)
    rounded, below = np.zeros((2, len(placed.value)), np.bool_)
    for number, here in grouped(placed.period):
        period = placed.periods[number]
        if raw.quantity == Quantity.REGISTER:
            register[here] = placed.value[here] // PARTS
        else:
            register[here], rounded[here] = dial_registers(placed.value[here], period)
            below[here] = below_mounting(placed.value[here], period)
    _tell_rounded(placed, raw, rounded & ~below, noticing)
    _tell_below(placed, raw, below, noticing)
    fits = (register >= 0) & (register <= REGISTER_MAX)
    for index in np.flatnonzero(~fits).tolist():
        who = raw.who[int(placed.source[index])]
        what = f"register of {register[index]} pulses: expected 0 to {REGISTER_MAX}"
        noticing.error(int(placed.line[index]), "register", f"{who.kind} {who.name}", what)
    fits &= ~below
    columns = (placed.period, placed.source, placed.time_s, register, placed.grade, placed.line)
    return Placed(placed.periods, *(column[fits] for column in columns))


def grouped(numbers: Ints) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Yield each of `numbers` with the places where it stands.

    >>> [(number, at.tolist()) for number, at in grouped(np.array([5, 2, 5]))]
    [(2, [1]), (5, [0, 2])]
    """
    order = np.argsort(numbers, kind="stable")
    starts = np.flatnonzero(np.diff(numbers[order], prepend=-1))
    for at in np.split(order, starts[1:]) if len(order) else ():
        yield int(numbers[at[0]]), at


def dial_registers(value: Ints, period: SourcePeriod) -> tuple[Ints, Bools]:
    """Return registers that belong to dials, and which of them lie between two pulses."""
    worth = (period.worth or Fraction(1)) / period.ratio * PARTS
    rise = value - period.dial_origin
    pulses, rest = whole_pulses(rise, worth)
    return (pulses + period.register_origin) % period.modulus, rest


def below_mounting(value: Ints, period: SourcePeriod) -> Bools:
    """Return which dials are below that at the mounting, but for a roll-over.

    As between any two registers, what would be more than half of a round went back.
    """
    worth = (period.worth or Fraction(1)) / period.ratio * PARTS
    rise = np.minimum(value - period.dial_origin, 0)
    pulses, _ = whole_pulses(rise, worth)
    return np.asarray((rise < 0) & (2 * (pulses % period.modulus) >= period.modulus))


def whole_pulses(value: Ints, worth: Fraction) -> tuple[Ints, Bools]:
    """Return how many pulses of `worth` [thousandths] make up each value, and whether one is left.

    >>> whole_pulses(np.array([5000, 7000]), Fraction(5000, 3))[0].tolist()
    [3, 4]
    """
    above, below = worth.denominator, worth.numerator
    most = int(np.abs(value).max(initial=0))
    if max(below, most * above) > FAR:
        wide = [divmod(int(one) * above, below) for one in value]
        return (
            np.array([min(max(pulses, -1), FAR) for pulses, _ in wide], np.int64),
            np.array([bool(rest) for _, rest in wide], np.bool_),
        )
    pulses, rest = np.divmod(value * above, below)
    return pulses, rest != 0


def _tell_below(placed: Placed, raw: RawReadings, below: Bools, noticing: Noticing) -> None:
    for index in np.flatnonzero(below).tolist():
        who = raw.who[int(placed.source[index])]
        origin = placed.periods[int(placed.period[index])].dial_origin
        what = f"dial {placed.value[index] / PARTS:.15g}: the meter showed {origin / PARTS:.15g}"
        what += " at its mounting [Wh, varh or l]"
        noticing.error(int(placed.line[index]), "dial", f"{who.kind} {who.name}", what)


def _tell_rounded(placed: Placed, raw: RawReadings, rounded: Bools, noticing: Noticing) -> None:
    numbers, first, counts = np.unique(
        placed.source[rounded], return_index=True, return_counts=True
    )
    for number, at, n in zip(numbers.tolist(), first.tolist(), counts.tolist(), strict=True):
        who = raw.who[number]
        what = f"{n} values lie between two pulses of the meter and were rounded down"
        line = int(placed.line[rounded][at])
        noticing.warn(line, "rounded", f"{who.kind} {who.name}", what)
