"""What to show of a replay: the day that tells most, periods to compare, runs of being off."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from balans.domain.demand.overload import excess_w
from balans.usecases.simulate_site import Replay

DAY_H = 24.0
MANY_DAYS = 62

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class View:
    """A span of steps [first, last) and its name."""

    first: int
    last: int
    title: str

    @property
    def steps(self) -> slice:
        """The span as a slice."""
        return slice(self.first, self.last)


def day_numbers(replay: Replay) -> NDArray[np.intp]:
    """Return which local day, counted from the first, each step belongs to."""
    # An autumn hour that is repeated goes back too, but never by half a day.
    midnight = np.r_[False, np.diff(replay.profile.local_s) < -43_200]
    return np.cumsum(midnight)


def date_of(replay: Replay, step: int) -> str:
    """Return the local date of a step, for people."""
    moment = datetime.fromisoformat(replay.profile.time_text[step])
    if moment.tzinfo:
        moment = moment.astimezone(replay.site.timezone)
    return f"{moment:%A %d %B %Y}"


def telling_view(replay: Replay) -> View:
    """Return the whole replay if it is short, else the day with most overload without control."""
    count, step_h = len(replay.base), replay.profile.step_s / 3600
    if count * step_h <= 2 * DAY_H:
        return View(0, count, "The whole profile")
    days = day_numbers(replay)
    over = np.bincount(days, excess_w(replay.uncontrolled_w, replay.limits))
    worst = int(np.argmax(over))
    steps = np.flatnonzero(days == worst)
    first, last = int(steps[0]), int(steps[-1]) + 1
    return View(first, last, f"The day with most overload: {date_of(replay, first)}")


def period_labels(replay: Replay) -> tuple[NDArray[np.intp], list[str], str]:
    """Return the period of each step, the periods' labels, and their kind: month or day."""
    days = day_numbers(replay)
    first_steps = np.flatnonzero(np.r_[True, np.diff(days) > 0])
    texts = [replay.profile.time_text[step] for step in first_steps.tolist()]
    moments = [datetime.fromisoformat(text) for text in texts]
    by_month = len(moments) > MANY_DAYS
    one_year = moments[0].year == moments[-1].year
    form = ("%b" if one_year else "%b %y") if by_month else "%d %b"
    names = [moment.strftime(form) for moment in moments]
    starts = np.r_[True, [a != b for a, b in zip(names[1:], names, strict=False)]]
    period_of_day = np.cumsum(starts) - 1
    labels = [name for name, is_start in zip(names, starts, strict=True) if is_start]
    return period_of_day[days], labels, "month" if by_month else "day"


def off_runs(is_on: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the runs [first, last) of steps at which a load is off."""
    edges = np.flatnonzero(np.diff(np.r_[False, ~is_on, False]))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
