"""Readings of a collection file -> registers at full hours, as the modules counted them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from balans.protocols.collection import Collection
from balans.usecases.full_hours import HourRows
from balans.usecases.import_findings import Noticing
from balans.usecases.import_readings import Who
from balans.usecases.prepare_readings import Prepared
from balans.usecases.reading_sources import ChannelRef, Source

FLAG_BITS = 8
"""The flags of a module stand above the grade of a register."""


def who_in(collection: Collection) -> list[Who]:
    """Return the channels that a collection has readings of, sorted by module and input."""
    keys = np.unique(_keys(collection)).tolist()
    return [Who("channel", f"{key >> 2}-{key & 3}") for key in keys]


def _keys(collection: Collection) -> NDArray[np.int64]:
    records = collection.records
    module: NDArray[np.int64] = records["module"].astype(np.int64)
    return (module << 2) | records["input"].astype(np.int64)


def collected(collection: Collection, sources: Sequence[Source], noticing: Noticing) -> Prepared:
    """Return the readings of channels that are known; tell of the others, by number of reading.

    Parameters
    ----------
    sources
        What each of `who_in` stands for.
    """
    records = collection.records
    names = who_in(collection)
    _, which = np.unique(_keys(collection), return_inverse=True)
    channels: list[ChannelRef] = []
    number = np.full(len(names), -1, np.int64)
    for index, (who, source) in enumerate(zip(names, sources, strict=True)):
        counted = source.periods[0].channel if source.periods else None
        if counted is not None:
            number[index] = len(channels)
            channels.append(counted)
            continue
        here = np.flatnonzero(which == index)
        what = f"{source.fault}; {len(here)} readings"
        noticing.error(int(here[0]) + 1, "channel", f"channel {who.name}", what)
    line = np.arange(1, len(records) + 1)
    known = np.flatnonzero(number[which] >= 0) if len(names) else np.zeros(0, np.intp)
    channel, hour = number[which][known], records["hour"][known].astype(np.int64)
    _, first = np.unique(channel * (1 << 32) + hour, return_index=True)
    grade = records["grade"].astype(np.int64) | records["flags"].astype(np.int64) << FLAG_BITS
    hours = HourRows(
        channel,
        hour,
        records["register"][known].astype(np.int64),
        grade[known],
        line[known],
    ).only(first)
    from_zero = False
    modulus = [2**31] * len(channels)
    called = [f"channel {channel.name}" for channel in channels]
    return Prepared(channels, hours, from_zero, [], len(known), called, modulus, {})
