"""Balance groups by hand: their list at a node, their balance, and who belongs to them."""

import re
from collections.abc import Sequence
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import pgettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from balans.core.errors import InputError
from balans.core.words import Resource
from balans.domain.balances import Reach, Side
from balans.storage import access, lookups
from balans.storage.access import Right
from balans.storage.balance_groups import GroupInfo, hand_groups, hand_groups_below
from balans.storage.balance_hand import (
    HandPlan,
    Member,
    MembersRefusedError,
    PlaceTakenError,
    Problem,
    Refusal,
    delete_group,
    members_of,
    save_group,
)
from balans.storage.balance_upkeep import take_news
from balans.storage.records import NodeInfo
from balans.web.console.balance_explained import explained
from balans.web.console.balances import REACHES, Asked, shown
from balans.web.shown import words
from balans.web.shown.names import named
from balans.web.shown.people import person
from balans.web.shown.places import Crumb, crumbs

LINE: Final = re.compile(r"(inflow|outflow|production)\s+(group\s+)?([A-Za-z0-9_.-]{1,64})")
MEMBERS_MAX: Final = 5_000
PROBLEMS: Final[dict[str, Promise]] = {
    Problem.NO_POINT: lazy("there is no such metering point at this node or below it"),
    Problem.OTHER_RESOURCE: lazy("it measures another resource than the group"),
    Problem.TWICE: lazy("it is there twice"),
    Problem.NO_GROUP: lazy("there is no balance group with this code at this node or below it"),
    Problem.ITSELF: lazy("a group cannot contain itself"),
    Problem.CIRCLE: lazy("a group cannot contain itself, not even through others"),
    Problem.PRODUCTION: lazy("a group is inflow or outflow, production is that of a point"),
}
SIDES: Final[dict[str, Promise]] = {
    "inflow": pgettext_lazy("balance", "flows in"),
    "production": pgettext_lazy("balance", "is produced, adds to the inflow"),
    "outflow": pgettext_lazy("balance", "flows out"),
    "outflow group": lazy("what flows into another group, or into a node"),
}
CODE_ERROR: Final = lazy("Use Latin letters, digits, dot, dash and underscore, 64 at most.")


class MembersForm(forms.Form):
    """Name, code and members of a group; code and resource only of a new one."""

    code = forms.RegexField(r"^[A-Za-z0-9_.-]{1,64}$", error_messages={"invalid": CODE_ERROR})
    name = forms.CharField(max_length=200)
    resource = forms.ChoiceField()
    members = forms.CharField(
        required=False,
        max_length=MEMBERS_MAX * 80,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false", "class": "code"}),
    )

    def __init__(self, group: GroupInfo | None, data: Any = None, **options: Any) -> None:
        super().__init__(data, auto_id="id_group_%s", **options)
        resource = self.fields["resource"]
        if isinstance(resource, forms.ChoiceField):
            resource.choices = [(one.value, words.RESOURCES[one]) for one in Resource]
        if group is not None:
            del self.fields["code"], self.fields["resource"]

    def clean_members(self) -> tuple[Member, ...]:
        """Return the members, a line each; empty lines count for nothing."""
        found, wrong = [], []
        self.lines: list[int] = []
        for number, line in enumerate(self.cleaned_data["members"].splitlines(), start=1):
            if not line.strip():
                continue
            match = LINE.fullmatch(line.strip())
            if match is None:
                wrong.append(number)
                continue
            side, group, code = match.groups()
            found.append(Member(Side[side.upper()], code, is_group=bool(group)))
            self.lines.append(number)
        if wrong:
            numbers = ", ".join(map(str, wrong[:10]))
            raise forms.ValidationError(
                _("Line %(lines)s: write “inflow”, “outflow” or “production” and a code.")
                % {"lines": numbers}
            )
        return tuple(found)

    def blame(self, refusals: Sequence[Refusal]) -> None:
        """Show what the storage refused, by line."""
        for one in refusals[:10]:
            problem = words.word(PROBLEMS, one.problem)
            text = f"{one.code}: {problem}"
            if one.number:
                place = _("Line %(line)s") % {"line": self.lines[one.number - 1]}
                text = f"{place}: {text}"
            self.add_error("members", text)


@require_http_methods(["GET", "HEAD", "POST"])
def node_groups(request: HttpRequest, code: str) -> HttpResponse:
    """List the groups by hand at a node and below it; make a new one."""
    node = access.node_for(person(request), code, Right.READINGS)
    take_news(wait=False)
    edits = Right.REGISTRY in access.rights_on(person(request), node)
    form = MembersForm(None, initial={"resource": Resource.ELECTRICITY.value}) if edits else None
    if request.method == "POST":
        access.node_for(person(request), code, Right.REGISTRY)
        form = MembersForm(None, request.POST)
        group = _saved(node, form)
        if group is not None:
            return redirect("balance", group.code, Reach.METERS.value)
    context = {
        "title": named(node.name),
        "crumbs": crumbs(person(request), node, _("Groups by hand")),
        "groups": [_row(group) for group in hand_groups_below(node)],
        "form": form,
        "sides": _sides(),
    }
    return render(request, "console/balance_groups.html", context)


def _row(group: GroupInfo) -> dict[str, str]:
    return {
        "name": group.name or group.code,
        "code": group.code,
        "resource": words.word(words.RESOURCES, group.resource),
        "url": reverse("balance", args=[group.code, Reach.METERS.value]),
    }


def _sides() -> list[dict[str, Any]]:
    """Return how a line of the members begins, and what that means."""
    return [{"word": word, "means": means} for word, means in SIDES.items()]


def _saved(node: NodeInfo, form: MembersForm, group: GroupInfo | None = None) -> GroupInfo | None:
    """Save what was sent, or tell the form why not."""
    if not form.is_valid():
        return None
    given = form.cleaned_data
    code = group.code if group else given["code"]
    resource = group.resource if group else Resource(given["resource"])
    try:
        return save_group(node, HandPlan(code, given["name"], resource, given["members"]))
    except MembersRefusedError as error:
        form.blame(error.refusals)
    except PlaceTakenError:
        form.add_error("code", _("Another group has this code."))
    return None


@require_http_methods(["GET", "HEAD", "POST"])
def members(request: HttpRequest, code: str) -> HttpResponse:
    """Show who belongs to a group by hand, change that, or remove the group."""
    group, node = _group(request, code, Right.REGISTRY)
    if request.POST.get("remove"):
        try:
            delete_group(group)
        except InputError:
            messages.error(request, _("Another group contains this one."))
            return redirect("balance-members", code)
        return redirect("balance-groups", node.code)
    form = MembersForm(group, initial={"name": group.name, "members": _written(group)})
    if request.method == "POST":
        form = MembersForm(group, request.POST)
        if _saved(node, form, group) is not None:
            return redirect("balance", code, Reach.METERS.value)
    path = _path(request, group, node, Reach.METERS)
    context = {
        "title": group.name or group.code,
        "crumbs": [*path, Crumb(_("Members"))],
        "form": form,
        "group": _row(group),
        "sides": _sides(),
    }
    return render(request, "console/balance_members.html", context)


def _written(group: GroupInfo) -> str:
    return "\n".join(
        f"{one.side.name.lower()} {'group ' if one.is_group else ''}{one.code}"
        for one in members_of(group)
    )


@require_safe
def group_balance(request: HttpRequest, code: str, reach: str) -> HttpResponse:
    """Show the balance of a group by hand."""
    asked = _asked(request, code, reach)
    rights = access.rights_on(person(request), asked.node)
    path = _path(request, asked.group, asked.node, asked.reach)
    context = {
        "crumbs": [*path[:-1], Crumb(path[-1].name)],
        "members_url": reverse("balance-members", args=[code]) if Right.REGISTRY in rights else "",
        "reaches": [
            {
                "name": name,
                "url": f"{reverse('balance', args=[code, one.value])}?date={asked.period.iso}",
                "here": one == asked.reach,
            }
            for one, name in REACHES.items()
        ],
        **shown(asked),
    }
    return render(request, "console/balance.html", context)


@require_safe
def group_balance_explained(request: HttpRequest, code: str, reach: str) -> HttpResponse:
    """Show where the balance of a group by hand over ``?from=`` to ``?to=`` comes from."""
    asked = _asked(request, code, reach)
    return explained(request, asked, _path(request, asked.group, asked.node, asked.reach))


def _asked(request: HttpRequest, code: str, reach: str) -> Asked:
    group, node = _group(request, code, Right.READINGS)
    if reach not in set(Reach):
        raise Http404(f"balance group {code}: no balance reaching to {reach}")
    url = reverse("balance", args=[code, reach])
    return Asked.of(request, group, node, Reach(reach), url)


def _group(request: HttpRequest, code: str, right: Right) -> tuple[GroupInfo, NodeInfo]:
    """Return the group by hand with `code` and its node, where the reader has `right`."""
    take_news(wait=False)
    found = hand_groups(person(request).tenant_id, code)
    if not found:
        raise Http404(f"balance group {code}: not found")
    node = lookups.node(found[0].node_id)
    return found[0], access.node_for(person(request), node.code, right)


def _path(request: HttpRequest, group: GroupInfo, node: NodeInfo, reach: Reach) -> list[Crumb]:
    above = crumbs(person(request), node, _("Groups by hand"))
    own = reverse("balance", args=[group.code, reach.value])
    return [
        *above[:-1],
        Crumb(above[-1].name, reverse("balance-groups", args=[node.code])),
        Crumb(group.name or group.code, own),
    ]
