"""Who has given up how much, and whether that is shared evenly."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.utils.translation import gettext as _

from balans.protocols.hub import SiteStatus
from balans.storage.records import LoadInfo
from balans.web.shown.names import named
from balans.web.shown.numbers import decimal

EVEN: Final = 0.8
HALF: Final = 0.5


@dataclass(frozen=True, slots=True)
class Share:
    """What one load, or all loads at one place, have given up."""

    name: str
    place: str
    given: str
    width: str


def fairness_view(
    status: SiteStatus | None, loads: Sequence[LoadInfo], places: dict[int, str]
) -> dict[str, Any]:
    """Return what each of `loads` and each place has given up, the most first.

    Parameters
    ----------
    places
        Names of the nodes that loads stand at, by id.
    """
    given = {load.name: load.given_kwmin for load in status.loads} if status else {}
    known = [(load, given[load.name]) for load in loads if load.name in given]
    by_place: dict[str, float] = defaultdict(float)
    for load, kwmin in known:
        by_place[places.get(load.node_id, "")] += kwmin
    fairness = status.fairness if status else None
    return {
        "anything": any(kwmin > 0 for _load, kwmin in known),
        "total": decimal(sum(kwmin for _load, kwmin in known), 0),
        "by_place": _shares((("", place, kwmin) for place, kwmin in by_place.items())),
        "by_load": _shares(
            (named(load.title), places.get(load.node_id, ""), kwmin) for load, kwmin in known
        ),
        "loads": _index(fairness.jain_loads if fairness else None),
        "nodes": _index(fairness.jain_nodes if fairness else None),
    }


def _shares(rows: Iterable[tuple[str, str, float]]) -> list[Share]:
    ordered = sorted(rows, key=lambda row: -row[2])
    most = max((kwmin for _name, _place, kwmin in ordered), default=0) or 1
    return [
        Share(name, place, decimal(kwmin, 0), f"{100 * kwmin / most:.1f}%")
        for name, place, kwmin in ordered
    ]


def _index(value: float | None) -> dict[str, str] | None:
    """Return Jain's index with what it means, None where there is nothing to share."""
    if value is None:
        return None
    tone = "good" if value >= EVEN else "warn" if value >= HALF else "bad"
    word = {
        "good": _("shared evenly"),
        "warn": _("some give up more"),
        "bad": _("few carry most"),
    }[tone]
    return {"value": decimal(value, 2), "tone": tone, "word": word}
