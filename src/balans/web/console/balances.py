"""Balances of a node: figures, chart, table, what is missing, and the tree of groups below."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_safe

from balans.core.hours import hour_of, time_of
from balans.core.words import Resource
from balans.domain.balances import Reach
from balans.storage import access, lookups
from balans.storage.access import Right
from balans.storage.balance_doubts import doubts
from balans.storage.balance_groups import GroupInfo, groups_below, groups_of
from balans.storage.balance_upkeep import take_news
from balans.storage.balances import Line, Report, Step, balance, balances_of
from balans.storage.records import NodeInfo
from balans.web.clock import site_clock
from balans.web.shown import words
from balans.web.shown.balance_doubt_rows import doubt_rows
from balans.web.shown.balance_rows import (
    Scale,
    charts,
    completeness_text,
    figures,
    rows,
    share_text,
    tone,
)
from balans.web.shown.days import HOUR
from balans.web.shown.names import named
from balans.web.shown.people import person
from balans.web.shown.periods import Period, Span, asked_period, until
from balans.web.shown.places import crumbs

STEPS: Final = {Span.DAY: Step.HOUR, Span.MONTH: Step.DAY, Span.YEAR: Step.MONTH}
WHOLE: Final = {Span.DAY: Step.DAY, Span.MONTH: Step.MONTH, Span.YEAR: Step.YEAR}
SPANS: Final = {Span.DAY: lazy("Day"), Span.MONTH: lazy("Month"), Span.YEAR: lazy("Year")}
INPUTS: Final = {Span.DAY: "date", Span.MONTH: "month", Span.YEAR: "number"}
HEADS: Final = {Span.DAY: lazy("Hour"), Span.MONTH: lazy("Day"), Span.YEAR: lazy("Month")}
REACHES: Final = {
    Reach.METERS: lazy("Down to the next meters"),
    Reach.CONSUMERS: lazy("Down to the consumers"),
}
BRANCHES_MAX: Final = 80
NAMED_MAX: Final = 5_000
"""In groups of more points the missing ones are counted, and named in the groups below."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A group, how far its balance reaches, and the period that an address names.

    `until` is up to when the period can be known, `url` the page without a query, `title` the name
    of the group.
    """

    group: GroupInfo
    node: NodeInfo
    reach: Reach
    period: Period
    until: datetime
    now: datetime
    url: str
    title: str

    @classmethod
    def of(
        cls, request: HttpRequest, group: GroupInfo, node: NodeInfo, reach: Reach, url: str
    ) -> "Asked":
        """Return what `request` asks for of a group at `node`."""
        now = site_clock().now()
        period = asked_period(request, now - HOUR, node.timezone)
        known = until(period, _last_known(group, reach, now), now)
        return cls(group, node, reach, period, known, now, url, group.name or named(node.name))

    def report(self) -> Report:
        """Return the balances of the parts of the period."""
        bounds = self.period.bounds
        if self.period.span is not Span.DAY:
            bounds = [*(bound for bound in bounds if bound < self.until), self.until]
        return balance(self.group, bounds, STEPS[self.period.span], self.now, self.reach)

    def whole(self) -> Report:
        """Return the balance of the period up to now."""
        span = [self.period.start, self.until]
        return balance(self.group, span, WHOLE[self.period.span], self.now, self.reach)

    def explained(self, line: Line) -> str:
        """Return the address of where the figures of an interval come from."""
        ends = (end.astimezone(self.node.timezone).isoformat() for end in (line.start, line.end))
        return f"{self.url}explained/?{urlencode(dict(zip(('from', 'to'), ends, strict=True)))}"


@require_safe
def node_balances(request: HttpRequest, code: str) -> HttpResponse:
    """Lead to the first balance of the node `code`, or say that it has none."""
    node = access.node_for(person(request), code, Right.READINGS)
    take_news(wait=False)
    groups = groups_of(node)
    if groups:
        return redirect("node-balance", code, groups[0].resource.value, Reach.METERS.value)
    context = {
        "title": named(node.name),
        "crumbs": crumbs(person(request), node, _("Balance")),
        "groups_url": reverse("balance-groups", args=[code]),
        "empty": {
            "kind": "setup",
            "title": _("No balance here"),
            "text": _("Nothing flows in through a meter here, and nothing below is metered."),
        },
    }
    return render(request, "console/balance.html", context)


@require_safe
def node_balance(request: HttpRequest, code: str, resource: str, reach: str) -> HttpResponse:
    """Show the balance of a resource at the node `code`."""
    asked = asked_of_node(request, code, resource, reach)
    groups = groups_of(asked.node)
    context = {
        "crumbs": crumbs(person(request), asked.node, _("Balance")),
        "groups_url": reverse("balance-groups", args=[code]),
        "resources": [
            {
                "name": words.word(words.RESOURCES, group.resource),
                "url": _node_url(code, group.resource, asked.reach),
                "here": group.id == asked.group.id,
            }
            for group in groups
        ],
        "reaches": [
            {
                "name": name,
                "url": f"{_node_url(code, asked.group.resource, one)}?date={asked.period.iso}",
                "here": one == asked.reach,
            }
            for one, name in REACHES.items()
        ],
        **shown(asked),
        **_tree(asked),
    }
    return render(request, "console/balance.html", context)


def asked_of_node(request: HttpRequest, code: str, resource: str, reach: str) -> Asked:
    """Return what an address below a node asks for.

    Raises
    ------
    Http404
        If there is no such balance.
    """
    node = access.node_for(person(request), code, Right.READINGS)
    take_news(wait=False)
    group = next((one for one in groups_of(node) if one.resource == resource), None)
    if group is None or reach not in set(Reach):
        raise Http404(f"node {code}: no balance of {resource} reaching to {reach}")
    url = _node_url(code, Resource(resource), Reach(reach))
    return Asked.of(request, group, node, Reach(reach), url)


def _last_known(group: GroupInfo, reach: Reach, now: datetime) -> datetime | None:
    """Return the end of the newest full hour of which something is known, of the last few."""
    end = time_of(hour_of(now))
    bounds = [end - n * HOUR for n in (3, 2, 1, 0)]
    lines = balance(group, bounds, Step.HOUR, now, reach).lines
    complete = [one.end for one in lines if 0 < one.balance.expected == one.balance.known]
    partly = [one.end for one in lines if one.balance.known]
    return max(complete, default=max(partly, default=None))


def _node_url(code: str, resource: Resource, reach: Reach) -> str:
    return reverse("node-balance", args=[code, resource.value, reach.value])


def shown(asked: Asked) -> dict[str, Any]:
    """Return what the page shows of a group, whether of a node or by hand."""
    period = asked.period
    context: dict[str, Any] = {
        "title": asked.title,
        "about": words.word(words.RESOURCES, asked.group.resource),
        "period": period,
        "path": asked.url,
        "input": INPUTS[period.span],
        "head": HEADS[period.span],
        "spans": _spans(asked),
    }
    if asked.until <= period.start:
        return context | {"empty": _to_come()}
    report, whole = asked.report(), asked.whole()
    if not whole.lines[0].balance.expected:
        return context | {"empty": _nothing()}
    scale = Scale.of(asked.group.resource, [*report.lines, *whole.lines])
    return context | {
        "figures": figures(whole.lines[0].balance, scale, metered=bool(report.terms.inflow)),
        "explained": asked.explained(whole.lines[0]),
        "unit": scale.unit,
        "charts": charts(report, period, scale),
        "rows": rows(report, period, asked.until, scale, asked.explained),
        "uncovered": report.uncovered,
        "metered": bool(report.terms.inflow),
        **_missing(asked, report),
    }


def _spans(asked: Asked) -> list[dict[str, Any]]:
    dates = asked.period.others(asked.now.astimezone(asked.node.timezone).date())
    return [
        {"name": name, "date": dates[span], "here": span == asked.period.span}
        for span, name in SPANS.items()
    ]


def _missing(asked: Asked, report: Report) -> dict[str, Any]:
    lines = [line for line in report.lines if line.end <= asked.until]
    if max((line.balance.expected for line in lines), default=0) > NAMED_MAX:
        return {}
    over = replace(report, lines=tuple(lines))
    found, more = doubt_rows(doubts(over), asked.period.iso)
    return {"doubts": found, "more_doubts": more}


def _tree(asked: Asked) -> dict[str, Any]:
    """Return the groups below, two levels deep while they are few, with their balances."""
    if asked.until <= asked.period.start:
        return {}
    below = groups_below(asked.node, asked.group.resource)
    children: dict[int, list[GroupInfo]] = {}
    for group in below:
        if group.parent_id is not None:
            children.setdefault(group.parent_id, []).append(group)
    first = children.get(asked.group.id, [])[:BRANCHES_MAX]
    second = [one for group in first for one in children.get(group.id, ())]
    second = second if len(first) + len(second) <= BRANCHES_MAX else []
    picked = [asked.group, *first, *second]
    if len(picked) == 1:
        return {}
    span = (asked.period.start, asked.until)
    found = balances_of(picked, asked.node, span, asked.now, asked.reach)
    metered = _with_meters(below)
    nodes = {node.id: node for node in lookups.nodes_by_id({one.node_id for one in picked})}
    scale = Scale.of(asked.group.resource, [Line(*span, one) for one in found.values()])

    def branch(group: GroupInfo, shown: Sequence[GroupInfo]) -> dict[str, Any]:
        one, node = found[group.id], nodes[group.node_id]
        url = _node_url(node.code, group.resource, asked.reach)
        return {
            "name": named(node.name),
            "kind": words.word(words.NODE_KINDS, node.kind),
            "url": f"{url}?date={asked.period.iso}",
            "here": group.id == asked.group.id,
            "flow": scale.text(one.inflow if group.metered or one.inflow else one.outflow),
            "imbalance": scale.text(one.imbalance),
            "share": share_text(one) if group.id in metered else _("no inflow meter"),
            "tone": tone(one),
            "completeness": completeness_text(one) if one.known < one.expected else "",
            "children": [branch(child, ()) for child in shown],
        }

    def listed(group: GroupInfo) -> list[GroupInfo]:
        return [child for child in second if child.parent_id == group.id]

    root = branch(asked.group, ())
    root["children"] = [branch(group, listed(group)) for group in first]
    more = len(children.get(asked.group.id, ())) - len(first)
    return {"tree": [root], "more_branches": max(0, more), "tree_unit": scale.unit}


def _with_meters(groups: Sequence[GroupInfo]) -> set[int]:
    """Return the groups that have inflow meters of their own or below them."""
    parent = {group.id: group.parent_id for group in groups}
    found: set[int] = set()
    for group in groups:
        at: int | None = group.id if group.metered else None
        while at is not None and at not in found:
            found.add(at)
            at = parent.get(at)
    return found


def _to_come() -> dict[str, str]:
    return {
        "kind": "none",
        "title": _("This time has not come yet"),
        "text": _("What happens in it appears here as it comes in."),
    }


def _nothing() -> dict[str, str]:
    return {
        "kind": "none",
        "title": _("No meters in this time"),
        "text": _("The meters of this balance were mounted later, or are gone."),
    }
