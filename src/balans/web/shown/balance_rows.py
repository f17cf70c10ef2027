"""Balances for pages: figures, charts, rows, and the colour of an imbalance."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from balans.core.words import UNIT, Resource
from balans.domain.balances import Balance
from balans.storage.balances import Line, Report
from balans.web.shown import words
from balans.web.shown.numbers import MISSING, decimal
from balans.web.shown.periods import Period
from balans.web.shown.usage import percent

MILLI_PER_UNIT: Final = 1_000_000
"""mWh, mvarh or ml in the kWh, kvarh or m³ that is shown."""

FINE_BELOW, COARSE_FROM = 1_000, 100_000
GOOD_SHARE, POOR_SHARE = 0.03, 0.10
"""An imbalance up to the first share of the inflow is usual, beyond the second it is not."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Unit and decimals of all figures of a page."""

    unit: str
    digits: int

    @classmethod
    def of(cls, resource: Resource, lines: Sequence[Line]) -> "Scale":
        """Return what fits the largest figure of `lines`."""
        top = max((abs(line.balance.inflow_known) for line in lines), default=0)
        top = max(top, *(abs(line.balance.outflow_known) for line in lines), 0)
        top //= MILLI_PER_UNIT
        digits = 3 if top < FINE_BELOW else 1 if top < COARSE_FROM else 0
        return cls(words.word(words.UNITS, UNIT[resource]), digits)

    def text(self, value: int | None) -> str:
        """Return an energy for people."""
        return decimal(in_unit(value), self.digits)


def in_unit(value: int | None) -> float | None:
    """Return an energy or volume in the unit that is shown."""
    return None if value is None else value / MILLI_PER_UNIT


def tone(balance: Balance) -> str:
    """Return how grave an imbalance is; unknown is quiet, never good."""
    share = balance.share
    if balance.imbalance is None or share is None:
        return "good" if balance.imbalance == 0 else "quiet"
    if abs(share) <= GOOD_SHARE:
        return "good"
    return "warn" if abs(share) <= POOR_SHARE else "bad"


def share_text(balance: Balance) -> str:
    """Return the imbalance as a percentage of the inflow."""
    share = balance.share
    if share is None:
        return "" if balance.imbalance == 0 else _("unknown")
    sign = "−" if round(share, 3) < 0 else ""
    return f"{sign}{decimal(abs(100 * share), 1)} %"


def completeness_text(balance: Balance) -> str:
    """Return the completeness; never rounded up to 100 %."""
    share = balance.completeness
    return MISSING if share is None else f"{percent(share)} %"


def figures(balance: Balance, scale: Scale, *, metered: bool) -> list[dict[str, str]]:
    """Return the sums of a whole period; without an inflow meter there is consumption only."""
    of_known = _("of the points that are known")
    sides = (
        (_("Inflow"), balance.inflow, balance.inflow_known),
        (_("Outflow"), balance.outflow, balance.outflow_known),
    )
    rows = [
        {
            "title": title,
            "value": scale.text(known if value is None and known else value),
            "unit": scale.unit,
            "note": of_known if value is None and known else "",
        }
        for title, value, known in (sides if metered else sides[1:])
    ]
    points = ngettext(
        "%(known)s of %(total)s point known", "%(known)s of %(total)s points known",
        balance.expected,
    ) % {"known": decimal(balance.known, 0), "total": decimal(balance.expected, 0)}  # fmt: skip
    completeness = {
        "title": _("Completeness"),
        "value": completeness_text(balance),
        "unit": "",
        "note": points,
    }
    if not metered:
        return [*rows, completeness]
    return [
        *rows,
        {
            "title": _("Technical loss"),
            "value": scale.text(balance.loss),
            "unit": scale.unit if balance.loss is not None else "",
            "note": "" if balance.loss is not None else _("not computed"),
        },
        {
            "title": _("Imbalance"),
            "value": scale.text(balance.imbalance),
            "unit": scale.unit if balance.imbalance is not None else "",
            "note": share_text(balance),
            "tone": tone(balance),
        },
        completeness,
    ]


def rows(
    report: Report, period: Period, until: datetime, scale: Scale, link: Callable[[Line], str]
) -> list[dict[str, Any]]:
    """Return the table: a row an interval; `link` leads to where its figures come from."""
    return [
        {
            "label": period.label(line.start),
            "url": link(line) if line.start < until else "",
            "inflow": scale.text(line.balance.inflow),
            "outflow": scale.text(line.balance.outflow),
            "loss": scale.text(line.balance.loss),
            "imbalance": scale.text(line.balance.imbalance),
            "share": share_text(line.balance) if line.end <= until else _("not yet"),
            "tone": tone(line.balance),
            "completeness": completeness_text(line.balance) if line.end <= until else MISSING,
            "suspect": line.balance.suspect,
            "unknown": line.balance.imbalance is None,
        }
        for line in report.lines
    ]


def charts(report: Report, period: Period, scale: Scale) -> list[dict[str, Any]]:
    """Return both sides as one chart, and the imbalance below it as another."""
    lines = report.lines
    base = {
        "unit": scale.unit,
        "digits": scale.digits,
        "x": [line.start.timestamp() for line in lines],
        "at": [period.label(line.start) for line in lines],
        "ticks": [[line.start.timestamp(), period.tick(line.start)] for line in lines],
        "width": min(((one.end - one.start).total_seconds() for one in lines), default=0.0),
    }
    sides = [
        _series(_("Inflow"), "inflow", [line.balance.inflow for line in lines]),
        _series(_("Outflow"), "outflow", [line.balance.outflow for line in lines]),
    ]
    if not report.terms.inflow:
        used = {"id": "sides", "label": _("Outflow"), "chart": base | {"series": sides[1:]}}
        return [used]
    gap = _series(_("Imbalance"), "bar", [line.balance.imbalance for line in lines])
    return [
        {"id": "sides", "label": _("Inflow and outflow"), "chart": base | {"series": sides}},
        {
            "id": "imbalance",
            "label": _("Imbalance"),
            "low": True,
            "chart": base | {"series": [gap], "tones": [tone(line.balance) for line in lines]},
        },
    ]


def _series(name: str, style: str, values: Sequence[int | None]) -> dict[str, Any]:
    return {"name": name, "style": style, "values": [in_unit(value) for value in values]}
