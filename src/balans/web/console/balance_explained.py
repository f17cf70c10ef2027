"""Where the figures of a balance come from: points, meters, registers."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from balans.core.words import UNIT
from balans.domain.balances import in_milli
from balans.storage import lookups
from balans.storage.balance_explain import (
    GroupShare,
    MeterPart,
    PointShare,
    explain,
)
from balans.storage.balances import Step, balance
from balans.web.console.balances import Asked, asked_of_node
from balans.web.shown import words
from balans.web.shown.asked import SHOWN_LETTERS, UnreadableError
from balans.web.shown.balance_doubt_rows import QUALITY_OF, SIDES, state_word
from balans.web.shown.balance_rows import Scale, figures
from balans.web.shown.days import full_moment
from balans.web.shown.names import named
from balans.web.shown.numbers import decimal
from balans.web.shown.people import person
from balans.web.shown.periods import Period, Span
from balans.web.shown.places import Crumb, crumbs


@require_safe
def node_balance_explained(
    request: HttpRequest, code: str, resource: str, reach: str
) -> HttpResponse:
    """Show where the balance of a node over ``?from=`` to ``?to=`` comes from."""
    asked = asked_of_node(request, code, resource, reach)
    path = crumbs(person(request), asked.node, _("Balance"))
    return explained(request, asked, path)


def explained(request: HttpRequest, asked: Asked, path: list[Crumb]) -> HttpResponse:
    """Show where the balance of a group over ``?from=`` to ``?to=`` comes from."""
    start, end = (_instant(request, name) for name in ("from", "to"))
    if start >= end:
        raise _unreadable(request.GET.get("to", ""))
    report = balance(asked.group, [start, end], Step.DAY, asked.now, asked.reach)
    found = explain(report, 0, asked.now)
    zone = asked.node.timezone
    asked = replace(asked, period=Period(Span.DAY, start.astimezone(zone).date(), zone))
    scale = Scale(words.word(words.UNITS, UNIT[asked.group.resource]), 6)
    above = f"{asked.url}?date={asked.period.iso}"
    context = {
        "title": asked.title,
        "about": words.word(words.RESOURCES, asked.group.resource),
        "crumbs": [*path[:-1], Crumb(path[-1].name, above), Crumb(_("Explanation"))],
        "period": f"{full_moment(start, zone)} – {full_moment(end, zone)}",
        "figures": figures(
            found.line.balance,
            Scale.of(asked.group.resource, [found.line]),
            metered=bool(report.terms.inflow),
        ),
        "unit": scale.unit,
        "sides": [
            _side(_("Inflow"), found.inflow, found.line.balance.inflow_known, asked, scale),
            _side(_("Outflow"), found.outflow, found.line.balance.outflow_known, asked, scale),
        ],
    }
    return render(request, "console/balance_explained.html", context)


def _instant(request: HttpRequest, name: str) -> datetime:
    text = request.GET.get(name, "")
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise _unreadable(text) from error
    if found.tzinfo is None or not 2000 < found.year < 2099:
        raise _unreadable(text)
    return found


def _unreadable(given: str) -> UnreadableError:
    shown = "".join(letter for letter in given if letter.isprintable())[:SHOWN_LETTERS]
    return UnreadableError(_("“%(given)s” is no time that can be explained.") % {"given": shown})


def _side(
    title: str,
    shares: Sequence[PointShare | GroupShare],
    known: int,
    asked: Asked,
    scale: Scale,
) -> dict[str, Any]:
    return {
        "title": title,
        "sum": scale.text(known),
        "points": [_point(one, asked, scale) for one in shares if isinstance(one, PointShare)],
        "groups": _groups([one for one in shares if isinstance(one, GroupShare)], asked, scale),
    }


def _point(share: PointShare, asked: Asked, scale: Scale) -> dict[str, Any]:
    return {
        "name": named(share.name),
        "place": named(share.node_name),
        "url": f"{reverse('point', args=[share.code])}?date={asked.period.iso}",
        "side": words.word(SIDES, share.side.name),
        "energy": _energy(share.energy, share.sign, scale),
        "state": state_word(share.state),
        "quality": QUALITY_OF[share.state],
        "parts": [_part(part, scale) for part in share.parts],
    }


def _energy(energy: Fraction | None, sign: int, scale: Scale) -> str:
    return scale.text(None if energy is None else sign * in_milli(energy))


def _part(part: MeterPart, scale: Scale) -> dict[str, str]:
    worth = part.worth / 1000
    exact = worth.denominator == 1 or 10**6 % worth.denominator == 0
    return {
        "meter": part.meter,
        "channel": part.channel,
        "before": decimal(part.before, 0),
        "after": decimal(part.after, 0),
        "worth": decimal(float(worth), 6) if exact else f"{worth.numerator}/{worth.denominator}",
        "energy": _energy(part.energy, 1, scale),
    }


def _groups(shares: Sequence[GroupShare], asked: Asked, scale: Scale) -> list[dict[str, Any]]:
    nodes = {one.id: one for one in lookups.nodes_by_id({s.group.node_id for s in shares})}
    return [
        {
            "name": named(share.group.name or nodes[share.group.node_id].name),
            "url": reverse(
                "node-balance",
                args=[
                    nodes[share.group.node_id].code,
                    share.group.resource.value,
                    asked.reach.value,
                ],
            )
            + "?"
            + urlencode({"date": asked.period.iso}),
            "side": words.word(SIDES, share.side.name),
            "energy": scale.text(share.sign * int(share.sums.energy[0])),
            "known": f"{share.sums.known[0]} / {share.sums.expected[0]}",
        }
        for share in shares
    ]
