"""A file of readings whose names are known -> registers at full hours, channel by channel."""

from collections.abc import Sequence
from dataclasses import dataclass

from balans.usecases.full_hours import HourRows, at_full_hours, sorted_rows
from balans.usecases.import_findings import Noticing
from balans.usecases.import_readings import Progress, RawReadings
from balans.usecases.reading_findings import tell
from balans.usecases.reading_layout import Layout, Quantity
from balans.usecases.reading_sources import (
    NO_DIALS,
    ChannelRef,
    ReadDials,
    Source,
    channels_of,
    names_of,
    place,
    rows_of,
)
from balans.usecases.used_intervals import Hole, count_up


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a file comes to.

    Parameters
    ----------
    channels
        The channels that `hours` numbers.
    hours
        Registers at full hours; with `from_zero` each channel's are counted from 0.
    holes
        Times of points of which the file says that nothing is known.
    used
        Readings of the file that could be used.
    names, modulus
        What the file calls each of `channels`, and where its register returns to 0.
    points
        The point that a channel serves, by its id.
    dials
        What meters without a channel showed.
    """

    channels: list[ChannelRef]
    hours: HourRows
    from_zero: bool
    holes: list[Hole]
    used: int
    names: list[str]
    modulus: list[int]
    points: dict[int, int]
    dials: ReadDials = NO_DIALS


def prepare(
    raw: RawReadings,
    sources: Sequence[Source],
    layout: Layout,
    noticing: Noticing,
    progress: Progress,
) -> Prepared:
    """Return what the readings of a file come to; what is wrong or odd goes to `noticing`."""
    progress("places", 0, len(raw.line))
    placed, dials = place(raw, sources, layout, noticing)
    channels = channels_of(placed)
    progress("hours", 0, len(placed.line))
    names = names_of(placed, channels, raw.who)
    modulus = rows_of(placed, channels).modulus.tolist()
    points = {
        p.channel.id: p.point_id
        for p in placed.periods
        if p.channel is not None and p.point_id is not None
    }
    if raw.quantity == Quantity.USED:
        counted = count_up(placed, channels, noticing)
        hours, holes, from_zero = counted.hours, counted.holes, True
        return Prepared(channels, hours, from_zero, holes, len(placed.line), names, modulus, points)
    rows = sorted_rows(rows_of(placed, channels))
    hours, noted = at_full_hours(rows, layout.rules)
    tell(rows, hours, noted, names, noticing)
    from_zero = False
    return Prepared(
        channels, hours, from_zero, [], len(rows) + len(dials), names, modulus, points, dials
    )
