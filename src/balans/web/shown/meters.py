"""Metering points in a list: newest register, and how much of the last day is there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.urls import reverse
from django.utils.translation import gettext as _

from balans.storage.completeness import PointState, point_states
from balans.storage.records import PointInfo
from balans.web.shown import words
from balans.web.shown.days import moment
from balans.web.shown.names import named
from balans.web.shown.numbers import MISSING, decimal

GOOD, POOR = 0.999, 0.9


@dataclass(frozen=True, slots=True)
class MeterRow:
    """A line of the list, in the reader's language."""

    url: str
    name: str
    place: str
    resource: str
    phase: str
    register: str
    last: str
    last_iso: str
    completeness: str
    tone: str


@dataclass(frozen=True, slots=True)
class Completeness:
    """Readings of the last 24 hours that are there, of all that are due."""

    known: int
    expected: int

    @property
    def share(self) -> float | None:
        """Between 0 and 1; None while nothing is due."""
        return self.known / self.expected if self.expected else None

    @property
    def percent(self) -> str:
        """The share for people; never rounded up to 100 %."""
        if self.share is None:
            return MISSING
        return f"{decimal(int(self.share * 1000) / 10, 1)} %"

    @property
    def tone(self) -> str:
        """How good that is."""
        if self.share is None:
            return "quiet"
        return "good" if self.share >= GOOD else "warn" if self.share >= POOR else "bad"


def states_of(points: Sequence[PointInfo], now: datetime) -> dict[int, PointState]:
    """Return what each point has delivered by `now`."""
    return point_states(points, now)


def total(states: dict[int, PointState]) -> Completeness:
    """Return the completeness of all points together."""
    return Completeness(
        sum(state.known for state in states.values()),
        sum(state.expected for state in states.values()),
    )


def meter_rows(
    points: Sequence[PointInfo],
    states: dict[int, PointState],
    zone: ZoneInfo,
    places: dict[int, str],
) -> list[MeterRow]:
    """Return the lines of the list; `places` names the node of each point, by its id."""
    return [_row(point, states[point.id], zone, places) for point in points]


def _row(point: PointInfo, state: PointState, zone: ZoneInfo, places: dict[int, str]) -> MeterRow:
    share = Completeness(state.known, state.expected)
    return MeterRow(
        url=reverse("point", args=[point.code]),
        name=named(point.name),
        place=places.get(point.node_id, ""),
        resource=words.word(words.RESOURCES, point.resource),
        phase=words.word(words.PHASES, point.phase) if point.phase else "",
        register=_("%(count)s pulses") % {"count": decimal(state.register, 0)}
        if state.register is not None
        else MISSING,
        last=moment(state.last, zone) if state.last else "",
        last_iso=state.last.isoformat() if state.last else "",
        completeness=share.percent,
        tone=share.tone if state.last else "",
    )
