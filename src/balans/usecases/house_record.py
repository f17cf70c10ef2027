"""A recorded house for the planner's benchmark: counters by the hour -> what can be moved.

The file is that of Open Power System Data "household_data" (CoSSMic project, ISC Konstanz), with
cumulative counters in kWh. What is movable is not recorded but inferred, by the rules of
`Assumptions`; they are the same for every controller compared.
"""

import csv
import io
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from balans.core.errors import InputError
from balans.domain.demand.model import DAY_S
from balans.usecases.profile import utc_offsets

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
PARTS = ("dishwasher", "ev", "grid_export", "grid_import", "heat_pump", "pv", "washing_machine")
CYCLE_PARTS = ("dishwasher", "washing_machine")
HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What the record does not tell.

    Parameters
    ----------
    session_kwh
        An hour with more than this at the charger belongs to a session.
    session_gap_h
        Sessions with no more idle hours between them are one.
    plug_hour, leave_hour
        A car is plugged in at `plug_hour` of the local clock on the evening before it was recorded
        to charge, or when it charged if that was later in the evening, and leaves at the first
        `leave_hour` after it was recorded to end; sessions do not overlap.
    cycle_kwh
        An hour with more than this belongs to a run of a washer or dishwasher.
    cycle_delay_h
        A run may start this much later than it did.
    """

    session_kwh: float = 0.2
    session_gap_h: int = 2
    plug_hour: int = 18
    leave_hour: int = 7
    cycle_kwh: float = 0.1
    cycle_delay_h: int = 8


@dataclass(frozen=True, slots=True)
class Session:
    """A car at the charger in the hours [first, last); energy in kWh, power at most in kW."""

    first: int
    last: int
    energy_kwh: float


@dataclass(frozen=True, slots=True)
class Run:
    """A run of an appliance: recorded in the hour `first`, with `power_kw` hour by hour."""

    name: str
    first: int
    latest: int
    power_kw: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class House:
    """The recorded hours, kW; `known` tells which hours have every counter.

    `rest_kw` is what cannot be moved, without production (`pv_kw`, positive here).
    """

    begin: tuple[str, ...]
    start_s: Floats
    known: Flags
    rest_kw: Floats
    pv_kw: Floats
    heat_kw: Floats
    ev_kw: Floats
    cycles_kw: Floats
    sessions: tuple[Session, ...]
    runs: tuple[Run, ...]


def read_house(
    text: str,
    file: str,
    timezone: ZoneInfo,
    assumed: Assumptions = Assumptions(),
) -> House:
    """Return the house recorded in `text`, the content of `file`.

    Raises
    ------
    InputError
        Naming the column that is missing, or the line that cannot be read.
    """
    start_s, counters, begin = _counters(text, file)
    power = {name: np.diff(values) for name, values in counters.items()}
    known = np.all([np.isfinite(values) for values in power.values()], axis=0)
    power = {name: np.where(known, values, 0.0) for name, values in power.items()}
    load = power["grid_import"] + power["pv"] - power["grid_export"]
    hour = _local_hour(start_s[:-1], timezone)
    sessions, ev_kw = _sessions(power["ev"], hour, assumed)
    runs: list[Run] = []
    cycles_kw = np.zeros_like(load)
    for name in CYCLE_PARTS:
        found, drawn = _runs(name, power[name], assumed)
        runs += found
        cycles_kw += drawn
    # What the counters' resolution makes negative is no load.
    rest_kw = np.maximum(0.0, load - ev_kw - power["heat_pump"] - cycles_kw)
    return House(
        begin,
        start_s[:-1],
        known,
        np.where(known, rest_kw, np.nan),
        np.where(known, power["pv"], np.nan),
        np.where(known, power["heat_pump"], np.nan),
        ev_kw,
        cycles_kw,
        tuple(sessions),
        tuple(sorted(runs, key=lambda run: run.first)),
    )


def _counters(text: str, file: str) -> tuple[Floats, dict[str, Floats], tuple[str, ...]]:
    reader = csv.DictReader(io.StringIO(text))
    names = reader.fieldnames or []
    columns = {
        part: next((name for name in names if name.endswith(f"_{part}")), None) for part in PARTS
    }
    missing = [part for part, name in columns.items() if name is None]
    if missing or "utc_timestamp" not in names:
        wanted = missing[0] if missing else "utc_timestamp"
        raise InputError(f"{file}: column {wanted} is missing: expected counters of a house in kWh")
    rows = list(reader)
    if len(rows) < 2:
        raise InputError(f"{file}: {len(rows)} rows: expected two or more")
    values: dict[str, list[float]] = {part: [] for part in PARTS}
    start_s = []
    for line, row in enumerate(rows, start=2):
        try:
            start_s.append(datetime.fromisoformat(row["utc_timestamp"]).timestamp())
            for part, name in columns.items():
                values[part].append(float(row[str(name)] or "nan"))
        except (ValueError, TypeError) as error:
            raise InputError(f"{file}: line {line}: {error}") from error
    begin = tuple(row["utc_timestamp"] for row in rows)
    seconds = np.array(start_s)
    uneven = np.flatnonzero(np.diff(seconds) != HOUR_S)
    if len(uneven):
        raise InputError(f"{file}: line {uneven[0] + 3}: not an hour after the line before")
    return seconds, {part: np.array(found) for part, found in values.items()}, begin


def stretches(flags: Flags, gap: int) -> list[tuple[int, int]]:
    """Return first and last+1 of each stretch of True; `gap` False in between do not part it.

    >>> stretches(np.array([True, False, True, False, False, True]), 1)
    [(0, 3), (5, 6)]
    """
    found: list[tuple[int, int]] = []
    for place in np.flatnonzero(flags).tolist():
        if found and place - found[-1][1] <= gap:
            found[-1] = (found[-1][0], place + 1)
        else:
            found.append((place, place + 1))
    return found


def _local_hour(start_s: Floats, timezone: ZoneInfo) -> Floats:
    hour: Floats = (start_s + utc_offsets(start_s, timezone)) % DAY_S // HOUR_S
    return hour


def _sessions(ev_kw: Floats, hour: Floats, assumed: Assumptions) -> tuple[list[Session], Floats]:
    spans = stretches(ev_kw > assumed.session_kwh, assumed.session_gap_h)
    movable = np.zeros_like(ev_kw)
    found: list[Session] = []
    for place, (first, end) in enumerate(spans):
        following = spans[place + 1][0] if place + 1 < len(spans) else len(ev_kw)
        free_from = found[-1].last if found else 0
        came = first - int((hour[first] - assumed.plug_hour) % 24)
        goes = end + int((assumed.leave_hour - hour[end - 1] - 1) % 24)
        last = min(max(goes, end), following)
        movable[first:end] = ev_kw[first:end]
        came = min(max(came, free_from), first)
        found.append(Session(came, last, float(ev_kw[first:end].sum())))
    return found, movable


def _runs(name: str, power_kw: Floats, assumed: Assumptions) -> tuple[list[Run], Floats]:
    drawn = np.zeros_like(power_kw)
    spans = stretches(power_kw > assumed.cycle_kwh, 0)
    found = []
    for place, (first, end) in enumerate(spans):
        following = spans[place + 1][0] if place + 1 < len(spans) else len(power_kw)
        latest = max(first, min(first + assumed.cycle_delay_h, following - (end - first)))
        drawn[first:end] = power_kw[first:end]
        found.append(Run(name, first, latest, tuple(power_kw[first:end].tolist())))
    return found, drawn
