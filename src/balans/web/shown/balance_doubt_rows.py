"""Which points keep balances from being told, for pages."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, pgettext_lazy

from balans.domain.balances import Side, State
from balans.storage.balance_doubts import Doubt
from balans.web.shown import words
from balans.web.shown.names import named

MOST: Final = 50

STATES: Final[dict[str, Promise]] = {
    State.UNEXPECTED.name: _("no meter"),
    State.MEASURED.name: _("measured"),
    State.ESTIMATED.name: _("estimated"),
    State.SUSPECT.name: _("doubtful"),
    State.PARTIAL.name: pgettext_lazy("state of a point", "part of the time"),
    State.MISSING.name: _("missing"),
    State.INCORRECT.name: _("temporarily incorrect"),
    State.BROKEN.name: pgettext_lazy("state of a point", "register went back"),
    State.UNMETERED.name: pgettext_lazy("state of a point", "no meter for a time"),
}
QUALITY_OF: Final[dict[State, str]] = {state: state.name.lower() for state in State} | {
    State.UNEXPECTED: "unmetered",
    State.BROKEN: "suspect",
}
"""The colour and shape of a state, by the name of a quality."""

SIDES: Final[dict[str, Promise]] = {
    Side.INFLOW.name: _("inflow"),
    Side.PRODUCTION.name: _("production"),
    Side.OUTFLOW.name: _("consumption"),
}


def doubt_rows(lines: Sequence[Sequence[Doubt]], date: str) -> tuple[list[dict[str, Any]], int]:
    """Return the points that are doubtful in any interval, the worst first, and how many more.

    `date` names the period to the page of a point.
    """
    count: Counter[int] = Counter()
    worst: dict[int, Doubt] = {}
    for line in lines:
        for one in line:
            count[one.point_id] += 1
            if one.point_id not in worst or one.state > worst[one.point_id].state:
                worst[one.point_id] = one
    ranked = sorted(worst.values(), key=lambda one: (-count[one.point_id], one.code))
    found = [
        {
            "name": named(one.name),
            "code": one.code,
            "url": f"{reverse('point', args=[one.code])}?date={date}",
            "side": words.word(SIDES, one.side.name),
            "state": state_word(one.state),
            "quality": QUALITY_OF[one.state],
            "count": ngettext("%(n)d interval", "%(n)d intervals", count[one.point_id])
            % {"n": count[one.point_id]},
        }
        for one in ranked[:MOST]
    ]
    return found, max(0, len(ranked) - MOST)


def state_word(state: State) -> str:
    """Return the word for what is known of a point."""
    return words.word(STATES, state.name)
