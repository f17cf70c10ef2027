"""What goes first: the rank of an entry of the journal."""

from typing import Final

from balans.protocols.hub.frames import Entry, EntryKind, Rank
from balans.protocols.readings import PackedReadingsError, unpack

CURRENT_H: Final = 3
"""A reading of the last so many hours is current; what is older is archive."""
ALARM_H: Final = 48
"""A doubt about an older register alarms nobody any more."""

URGENT: Final = frozenset({EntryKind.COMMAND, EntryKind.SUPPLY})


def rank_of(entry: Entry, hour: int) -> Rank:
    """Return how urgent `entry` is at `hour`, the present hour by the hub's clock.

    A wrong clock spoils the order and nothing else.
    """
    if entry.kind in {EntryKind.COMMAND, EntryKind.CALL}:
        return Rank.COMMAND
    if entry.kind != EntryKind.READINGS:
        return Rank.CURRENT
    try:
        rows = unpack(entry.data)
    except PackedReadingsError:
        return Rank.CURRENT
    if (rows["hour"][rows["flags"] != 0] > hour - ALARM_H).any():
        return Rank.ALARM
    return Rank.CURRENT if (rows["hour"] > hour - CURRENT_H).any() else Rank.ARCHIVE
