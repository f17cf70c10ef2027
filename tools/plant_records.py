"""Recorded appliances: reading them, and what is measured of a recording or of a plant alike.

Appliances are day files of tracebase (``dd/mm/yyyy HH:MM:SS;W over 1 s;W over 8 s``, gzipped); the
water heater is column ``Sub_metering_3`` of the house of Sceaux (Wh a minute).
"""

import gzip
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from balans.core.errors import InputError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

DAY_S, DAY_MIN = 86_400, 1_440
HOLD_S = 60
"""A value holds until the next one, at most this long; then nothing was drawn."""

ON_W = 20.0
"""Above this an appliance works; below it stands by."""

GAP_S, SHORT_S = 30, 60
"""Shorter breaks do not end a run; shorter runs are none."""

HEATER_ON_W = 600.0


class RecordError(InputError):
    """A recording that cannot be read."""

    code = "plant_record"


def read_trace(path: Path) -> Floats:
    """Return the power of a day file by second of the day [W], array of 86,400.

    Raises
    ------
    RecordError
        If a line has another form, with file and line.
    """
    seconds, watts = [], []
    try:
        with gzip.open(path, "rt", encoding="ascii") as lines:
            for number, line in enumerate(lines, start=1):
                second, power = _trace_line(path, number, line)
                seconds.append(second)
                watts.append(power)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise RecordError(f"{path}: {error}") from error
    if not seconds:
        raise RecordError(f"{path}: empty")
    order = np.argsort(seconds, kind="stable")
    at, held = np.array(seconds)[order], np.array(watts, dtype=np.float64)[order]
    grid = np.arange(DAY_S)
    last = np.searchsorted(at, grid, side="right") - 1
    fresh = (last >= 0) & (grid - at[np.maximum(last, 0)] <= HOLD_S)
    return np.where(fresh, held[np.maximum(last, 0)], 0.0)


def _trace_line(path: Path, number: int, line: str) -> tuple[int, float]:
    parts = line.split(";")
    try:
        moment = datetime.strptime(parts[0].strip(), "%d/%m/%Y %H:%M:%S")  # noqa: DTZ007
        power = float(parts[1])
    except (ValueError, IndexError):
        expected = "expected dd/mm/yyyy HH:MM:SS;watts;watts"
        raise RecordError(f"{path}: line {number}: {line.strip()[:40]!r}, {expected}") from None
    return moment.hour * 3_600 + moment.minute * 60 + moment.second, power


def read_heater(path: Path) -> Floats:
    """Return the power of the water heater by day and minute [W], array (days, 1440).

    Raises
    ------
    RecordError
        If the column is missing, a value is no number, or the days are not whole.
    """
    values = []
    try:
        with gzip.open(path, "rt", encoding="ascii") as lines:
            names = next(lines, "").rstrip().split(",")
            if "Sub_metering_3" not in names:
                raise RecordError(f"{path}: line 1: no column Sub_metering_3")
            column = names.index("Sub_metering_3")
            for number, line in enumerate(lines, start=2):
                try:
                    values.append(60 * float(line.split(",")[column]))
                except (ValueError, IndexError):
                    raise RecordError(f"{path}: line {number}: {line.strip()[:40]!r}") from None
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise RecordError(f"{path}: {error}") from error
    if not values or len(values) % DAY_MIN:
        raise RecordError(f"{path}: {len(values)} minutes, expected whole days")
    return np.array(values).reshape(-1, DAY_MIN)


class Run(NamedTuple):
    """An appliance at work between two indices of its recording."""

    begin: int
    end: int


def runs_of(on: Bools, gap: int = GAP_S, short: int = SHORT_S) -> list[Run]:
    """Return the runs of `on`, breaks up to `gap` closed, runs below `short` dropped."""
    padded = np.concatenate(([0], on.astype(np.int8), [0]))
    edges = np.flatnonzero(np.diff(padded)).reshape(-1, 2).tolist()
    joined: list[Run] = []
    for begin, end in edges:
        if joined and begin - joined[-1].end <= gap:
            joined[-1] = Run(joined[-1].begin, end)
        else:
            joined.append(Run(begin, end))
    return [run for run in joined if run.end - run.begin >= short]


def cold_features(power_w: Floats, step_s: float) -> dict[str, float]:
    """Return what is measured of a refrigerator or freezer; runs cut off at an end are left out."""
    scale = int(1 / step_s) if step_s < 1 else 1 / step_s
    runs = runs_of(power_w > ON_W, int(GAP_S * scale), int(SHORT_S * scale))
    whole = [run for run in runs if run.begin > 0 and run.end < len(power_w)]
    if len(whole) < 3:
        raise RecordError(f"{len(whole)} whole runs, at least 3 are needed")
    running = np.concatenate([power_w[run.begin : run.end] for run in whole])
    on_s = np.array([run.end - run.begin for run in whole]) * step_s
    starts = np.array([run.begin for run in whole]) * step_s
    first, last = whole[0].begin, whole[-1].begin
    window = power_w[first:last]
    energy_wh = float(window.sum()) * step_s / 3_600
    return {
        "power on [W]": float(np.median(running)),
        "run [min]": float(np.median(on_s)) / 60,
        "period [min]": float(np.median(np.diff(starts))) / 60,
        "duty [%]": 100 * float((window > ON_W).mean()),
        "energy a day [Wh]": energy_wh * DAY_S / ((last - first) * step_s),
    }


def start_ratio(power_w: Floats) -> float:
    """Return the peak of the first ten seconds of a run by its running power.

    Needs a step of one second. Recorders that skip seconds miss peaks, so it is the upper
    quartile over the runs.
    """
    ratios = []
    for run in runs_of(power_w > ON_W):
        if run.begin:
            body = float(np.median(power_w[run.begin : run.end]))
            ratios.append(float(power_w[run.begin : run.begin + 10].max()) / body)
    return float(np.quantile(ratios, 0.75))


def program_features(power_w: Floats) -> dict[str, float]:
    """Return what is measured of one programme, from start to end by second [W].

    Its length is the time in which it uses the middle 99 % of its energy: pumps that clear their
    throat a quarter of an hour after the end are left out.
    """
    heating = power_w > HEATER_ON_W
    heats = bool(heating.any())
    used = np.cumsum(power_w)
    begin, end = np.searchsorted(used, (0.005 * used[-1], 0.995 * used[-1]))
    return {
        "energy [Wh]": float(used[-1]) / 3_600,
        "length [min]": float(end - begin) / 60,
        "power heating [W]": float(np.median(power_w[heating])) if heats else 0.0,
        "heating [min]": float(heating.sum()) / 60,
        "until heating [min]": float(max(np.argmax(heating) - begin, 0)) / 60
        if heats
        else len(power_w) / 60,
    }


def programs_of(power_w: Floats, break_s: int) -> Iterator[Floats]:
    """Yield the programmes of a day; a machine idle for `break_s` begins a new one."""
    for run in runs_of(power_w > ON_W, break_s, 900):
        yield power_w[run.begin : run.end]


def heater_features(power_w: Floats) -> dict[str, float]:
    """Return what is measured of a water heater, from days by minute [W], array (days, 1440)."""
    flat = power_w.ravel()
    on = flat > HEATER_ON_W
    lengths = np.array([run.end - run.begin for run in runs_of(on, 0, 1)])
    days = flat.size / DAY_MIN
    return {
        "power on [W]": float(np.median(flat[on])),
        "duty [%]": 100 * float(on.mean()),
        "energy a day [Wh]": float(flat[on].sum()) / 60 / days,
        "runs a day": len(lengths) / days,
        "run, median [min]": float(np.median(lengths)),
        "run, 90 % [min]": float(np.quantile(lengths, 0.9)),
    }
