"""The meters that were at metering points, as counters over time. Call inside a scope."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Final

from django.db.models import Q

from balans.core.hours import EPOCH, hour_of, time_of
from balans.domain.metering import ManualState, Registers
from balans.domain.metering.counter import (
    FOREVER,
    Counter,
    Mounted,
    dial_counter,
    micros,
    pulse_counter,
)
from balans.storage.models import ManualReading, MeterMounting
from balans.storage.readings import registers

DIAL_PARTS: Final = 1000
"""Dials are kept in thousandths of a Wh, varh or l."""
HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Mounting:
    """A meter at a point for a period, with all that turns registers and dials into energy.

    `pulse_weight` is what a pulse moves the dial by, `ratio` that of the transformers between
    meter and network: the dial shows what is behind them.
    """

    id: int
    point_id: int
    meter: str
    channel_id: int | None
    valid_from: datetime
    valid_to: datetime | None
    register_at_mount: int | None
    register_at_removal: int | None
    dial_at_mount: Decimal | None
    dial_at_removal: Decimal | None
    pulse_weight: Fraction
    ratio: Fraction
    register_modulus: int

    @property
    def pulse_worth(self) -> Fraction:
        """What a pulse is worth in the network [Wh, varh or l]."""
        return self.pulse_weight * self.ratio

    def mounted(self, *, follows: bool = False, goes_on: bool = False) -> Mounted:
        """Return what the domain needs of it.

        Without a register of its own at an end within an hour it counts for the full hours only,
        unless another meter stood there right before (`follows`) or after (`goes_on`): then what
        both counted in that hour is missing.
        """
        start, end = self.valid_from, self.valid_to
        if self.register_at_mount is None and not follows:
            start = time_of(-((EPOCH - start) // HOUR))
        if end is not None and self.register_at_removal is None and not goes_on:
            end = max(start, time_of(hour_of(end)))
        return Mounted(
            micro(start),
            FOREVER if end is None else micro(end),
            self.pulse_worth,
            self.register_modulus,
            self.register_at_mount,
            self.register_at_removal,
        )


def micro(time: datetime) -> int:
    """Return an instant as `counter.micros` writes it [µs]."""
    return int(micros([time])[0])


def mountings_of(point_ids: Sequence[int], start: datetime, end: datetime) -> list[Mounting]:
    """Return the mountings at points that overlap [start, end), in the order of time."""
    rows = MeterMounting.objects.filter(
        Q(valid_to__isnull=True) | Q(valid_to__gt=start),
        point_id__in=point_ids,
        valid_from__lt=end,
    )
    return [
        Mounting(
            id=row.pk,
            point_id=row.point_id,
            meter=row.meter.serial,
            channel_id=row.channel_id,
            valid_from=row.valid_from,
            valid_to=row.valid_to,
            register_at_mount=row.register_at_mount,
            register_at_removal=row.register_at_removal,
            dial_at_mount=row.dial_at_mount,
            dial_at_removal=row.dial_at_removal,
            pulse_weight=row.meter.pulse_weight,
            ratio=row.meter.transformer_ratio,
            register_modulus=row.meter.register_modulus,
        )
        for row in rows.select_related("meter").order_by("valid_from")
    ]


def counters_of(
    mountings: Sequence[Mounting], start: datetime, end: datetime
) -> dict[int, list[Counter]]:
    """Return the counters of `mountings` by point, with the registers of [start, end].

    They are in the order of `mountings`.
    """
    channels = sorted({m.channel_id for m in mountings if m.channel_id is not None})
    first, last = hour_of(start), hour_of(end)
    found = registers(channels, first, last + 1)
    row_of = {channel: row for row, channel in enumerate(channels)}
    dials = _dials([m.point_id for m in mountings if m.channel_id is None])
    counters: dict[int, list[Counter]] = defaultdict(list)
    starts = {(one.point_id, one.valid_from) for one in mountings}
    ends = {(one.point_id, one.valid_to) for one in mountings}
    for one in mountings:
        if one.channel_id is None:
            counters[one.point_id].append(_by_hand(one, dials[one.point_id]))
        else:
            mounted = one.mounted(
                follows=(one.point_id, one.valid_from) in ends,
                goes_on=(one.point_id, one.valid_to) in starts,
            )
            counters[one.point_id].append(_by_pulses(mounted, found, row_of[one.channel_id]))
    return counters


def _by_pulses(mounted: Mounted, found: Registers, row: int) -> Counter:
    return pulse_counter(
        mounted,
        found.start_hour,
        found.values[row],
        found.estimated[row],
        found.suspect[row],
    )


def _by_hand(mounting: Mounting, dials: Sequence[tuple[int, int]]) -> Counter:
    start = micro(mounting.valid_from)
    end = FOREVER if mounting.valid_to is None else micro(mounting.valid_to)
    ends = ((start, mounting.dial_at_mount), (end, mounting.dial_at_removal))
    within = [dial for dial in dials if start <= dial[0] <= end]
    own = [(time, _parts(dial)) for time, dial in ends if dial is not None]
    return dial_counter(start, end, [*within, *own], mounting.ratio / DIAL_PARTS)


def _dials(point_ids: Sequence[int]) -> dict[int, list[tuple[int, int]]]:
    """Return the accepted dials of points: instants [µs] and `DIAL_PARTS`."""
    found: dict[int, list[tuple[int, int]]] = defaultdict(list)
    if not point_ids:
        return found
    rows = ManualReading.objects.filter(
        point_id__in=point_ids, state=ManualState.ACCEPTED.value
    ).order_by("at")
    for point_id, at, dial in rows.values_list("point_id", "at", "dial"):
        found[point_id].append((micro(at), _parts(dial)))
    return found


def _parts(dial: Decimal) -> int:
    return int(dial * DIAL_PARTS)
