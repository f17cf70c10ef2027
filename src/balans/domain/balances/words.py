"""Sides of a balance, how far it reaches, and what can be known of a point in an interval."""

from enum import IntEnum, StrEnum

from balans.domain.metering import Quality


class Side(IntEnum):
    """On which side of its group the energy of a point counts."""

    INFLOW = 1
    PRODUCTION = 2  # adds to what flows in
    OUTFLOW = 3


class Reach(StrEnum):
    """Down to what the outflow of a group is told."""

    METERS = "meters"  # the next inflow meters below, and the consumers before them
    CONSUMERS = "consumers"  # the consumers themselves, through all groups below


class State(IntEnum):
    """What is known of a point in an interval; from `PARTIAL` on its energy is unknown."""

    UNEXPECTED = 0  # before its first meter, or after its last one
    MEASURED = 1
    ESTIMATED = 2
    SUSPECT = 3
    PARTIAL = 4
    MISSING = 5
    INCORRECT = 6
    BROKEN = 7  # the register went back
    UNMETERED = 8  # between two meters


STATE_OF: dict[Quality, State] = {
    Quality.MEASURED: State.MEASURED,
    Quality.ESTIMATED: State.ESTIMATED,
    Quality.SUSPECT: State.SUSPECT,
    Quality.PARTIAL: State.PARTIAL,
    Quality.MISSING: State.MISSING,
    Quality.INCORRECT: State.INCORRECT,
    Quality.UNMETERED: State.UNMETERED,
}


def state_of(quality: Quality, *, known: bool, expected: bool) -> State:
    """Return what a value of `quality` is in a balance.

    Parameters
    ----------
    known
        Whether there is an energy at all.
    expected
        Whether the interval touches the time from the first meter of the point to its last one.

    >>> state_of(Quality.SUSPECT, known=False, expected=True).name
    'BROKEN'
    """
    if not expected:
        return State.UNEXPECTED
    state = STATE_OF[quality]
    return State.BROKEN if state is State.SUSPECT and not known else state


def is_known(state: State) -> bool:
    """Return whether the energy of a point in this state enters sums."""
    return State.MEASURED <= state <= State.SUSPECT
