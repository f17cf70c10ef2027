"""What the owner of loads decides: an own stricter limit, pauses, consent. Others may look on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from django.contrib import messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.views.decorators.http import require_http_methods

from balans.core.words import LimitSource, LoadClass
from balans.storage import access, consents, live, lookups, own_limits, plans
from balans.storage.access import Right
from balans.storage.commands import Author
from balans.storage.consents import ConsentRefusedError
from balans.storage.own_limits import OwnLimitRefusedError
from balans.storage.records import LoadInfo
from balans.web.cabinet.own_forms import LimitForm, PauseForm, owned
from balans.web.cabinet.own_words import (
    Seen,
    consent_rows,
    gateway_limits,
    limit_rows,
    limit_words,
    meaning,
    other_limits,
    past_rows,
)
from balans.web.clock import site_clock
from balans.web.shown.days import moment
from balans.web.shown.parts import parts_version
from balans.web.shown.people import person
from balans.web.shown.places import crumbs
from balans.web.shown.sites import SiteView, any_view

PAST_SHOWN: Final = 12
REFUSALS: Final = {
    "too_many": lazy("There are five own limits already: take one back first."),
    "no_gateway": lazy("This place is under no load control."),
}


@dataclass(slots=True)
class Desk:
    """One visit of one person to the page of a node."""

    request: HttpRequest
    user: Author
    view: SiteView
    seen: Seen
    limit: LimitForm
    pause: PauseForm
    titles: dict[str, str] = field(default_factory=dict)

    @property
    def pausable(self) -> bool:
        """Whether there is a load that can be left alone."""
        return any(load.load_class != LoadClass.RED for load in self.view.loads)

    @property
    def may_decide(self) -> bool:
        """Whether the person is the owner here."""
        return Right.CONSENT in self.view.rights

    @property
    def confirmed(self) -> bool:
        """Whether the person has read what it means."""
        return self.request.POST.get("confirmed") == "yes"

    def load(self) -> LoadInfo:
        """Return the load that a button of the page names.

        Raises
        ------
        BadRequest
            If there is no such load here, which no button says.
        """
        name = self.request.POST.get("load", "")
        found = next((load for load in self.view.loads if load.name == name), None)
        if found is None:
            raise BadRequest("no such load here")
        return found


Answer = HttpResponse | None
"""None: show the page itself, with what is wrong in its forms."""


@require_http_methods(["GET", "HEAD", "POST"])
def own(request: HttpRequest, code: str) -> HttpResponse:
    """Show what is set for the node `code`, and let its owner change it."""
    user = person(request)
    desk = _desk(request, user, any_view(user, access.node_for(user, code, Right.LIVE)))
    if request.method == "POST":
        if not desk.may_decide:
            raise PermissionDenied("no right to decide here")
        action = ACTIONS.get(request.POST.get("action", ""))
        if action is None:
            raise BadRequest("no such action")
        answer = action(desk)
        if answer is not None:
            return answer
    wrong = desk.limit.errors or desk.pause.errors
    return render(request, "cabinet/own.html", _page(desk), status=422 if wrong else 200)


def _desk(request: HttpRequest, user: Author, view: SiteView) -> Desk:
    now, zone = site_clock().now(), view.site.timezone
    titles = {load.name: view.title_of(load) for load in view.loads}
    action = request.POST.get("action")
    pausable = owned(view.loads, titles)
    return Desk(
        request,
        user,
        view,
        Seen(zone, now),
        LimitForm(zone, now, request.POST if action == "limit" else None),
        PauseForm(pausable, zone, now, request.POST if action == "pause" else None),
        titles,
    )


def _page(desk: Desk) -> dict[str, Any]:
    view, now = desk.view, desk.seen.now
    last = live.latest_status(view.site.id)
    status = last.status if last else None
    plan = plans.latest(view.site.id)
    mine = own_limits.own_limits_of(view.node, now)
    audit = Right.AUDIT in view.rights
    past = own_limits.past_own_limits(view.node, now, PAST_SHOWN) if audit else []
    changed = consents.history(view.loads, PAST_SHOWN) if audit else []
    return {
        "site": view.site,
        "node": view.node,
        "whole": view.whole,
        "title": view.title,
        "crumbs": crumbs(desk.user, view.node, _("Limits and consent")),
        "picture": view.picture(last),
        "parts": parts_version(last, plan.made if plan else None),
        "tree": view.tree(last),
        "limits": limit_rows(mine, desk.seen, status, view.node_name),
        "at_gateway": gateway_limits(status, view.node_name),
        "others": _others(desk),
        "consents": consent_rows(view.loads, desk.titles, desk.seen, status),
        "past": past_rows(changed, [*mine, *past], desk.titles, desk.seen)[:PAST_SHOWN],
        "limit_form": desk.limit if desk.may_decide else None,
        "pause_form": desk.pause if desk.may_decide and desk.pausable else None,
        "may_decide": desk.may_decide,
        "now": moment(now, desk.seen.zone),
    }


def _others(desk: Desk) -> list[str]:
    """Return the limits of others at the node, which hold beside the own."""
    found = lookups.limits_of(desk.view.node, desk.seen.now)
    return other_limits([one for one in found if one.source != LimitSource.CUSTOMER])


def _set_limit(desk: Desk) -> Answer:
    form = desk.limit
    if not form.is_valid():
        return None
    wish = form.wish()
    if not desk.confirmed:
        held = [
            desk.titles[load.name] for load in desk.view.loads if load.load_class != LoadClass.RED
        ]
        effects = [
            _("%(place)s shall draw %(limit)s.")
            % {"place": desk.view.title, "limit": _limit(desk)},
            _("To keep it, load control may hold back: %(loads)s.") % {"loads": ", ".join(held)},
            _("What is red is never switched, so it alone may still draw more."),
            _("Stricter limits of others go on to hold; yours never loosens them."),
        ]
        return _confirm(desk, _("Set this limit?"), effects)
    try:
        own_limits.set_own_limit(desk.user, desk.view.node, wish, desk.seen.now)
    except OwnLimitRefusedError as error:
        form.add_error(None, str(REFUSALS.get(error.code, error)))
        return None
    return _done(desk, _("Your limit is set."))


def _limit(desk: Desk) -> str:
    return limit_words(desk.limit.wish(), desk.seen)


def _end_limit(desk: Desk) -> Answer:
    text = desk.request.POST.get("limit", "")
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0
    if own_limits.end_own_limit(desk.user, desk.view.node, number, desk.seen.now):
        return _done(desk, _("Your limit is taken back."))
    return _done(desk, _("That limit held no more."))


def _pause(desk: Desk) -> Answer:
    form = desk.pause
    if not form.is_valid():
        return None
    until = form.cleaned_data["end"]
    if not desk.confirmed:
        names = ", ".join(desk.titles[name] for name in form.names)
        effects = [
            _("Until %(time)s load control leaves alone: %(loads)s.")
            % {"time": moment(until, desk.seen.zone), "loads": names},
            _("What is held back now comes back at once."),
            _("Others have to give up more meanwhile, and limits may be exceeded."),
        ]
        return _confirm(desk, _("Pause load control?"), effects)
    try:
        consents.set_paused(desk.user, desk.view.site, form.names, until=until, now=desk.seen.now)
    except ConsentRefusedError as error:
        form.add_error(None, str(error))
        return None
    return _done(desk, _("The pause is set."))


def _resume(desk: Desk) -> Answer:
    load = desk.load()
    consents.set_paused(desk.user, desk.view.site, [load.name], until=None, now=desk.seen.now)
    return _done(desk, _("The pause is over."))


def _release(desk: Desk) -> Answer:
    load = desk.load()
    if not desk.confirmed:
        effects = [
            f"{desk.titles[load.name]}: {meaning(load)}",
            _("You can take this back any time."),
        ]
        return _confirm(desk, _("Release this load to load control?"), effects)
    return _consent(desk, load, released=True)


def _withdraw(desk: Desk) -> Answer:
    load = desk.load()
    if not desk.confirmed:
        effects = [
            _("Load control never switches %(load)s again, until you release it.")
            % {"load": desk.titles[load.name]},
            _("What is held back now comes back at once."),
            _("Others have to give up more instead."),
        ]
        return _confirm(desk, _("Take back your consent?"), effects)
    return _consent(desk, load, released=False)


def _consent(desk: Desk, load: LoadInfo, *, released: bool) -> Answer:
    try:
        consents.set_released(
            desk.user, desk.view.site, [load.name], released=released, now=desk.seen.now
        )
    except ConsentRefusedError as error:
        raise BadRequest(str(error)) from error
    return _done(desk, _("The load is released.") if released else _("Your consent is taken back."))


ACTIONS: Final[dict[str, Callable[[Desk], Answer]]] = {
    "limit": _set_limit,
    "end": _end_limit,
    "pause": _pause,
    "resume": _resume,
    "release": _release,
    "withdraw": _withdraw,
}


def _confirm(desk: Desk, title: str, effects: list[str]) -> HttpResponse:
    given = [
        (name, value)
        for name, value in desk.request.POST.items()
        if name not in {"csrfmiddlewaretoken", "confirmed"}
    ]
    context = {
        "site": desk.view.site,
        "node": desk.view.node,
        "whole": desk.view.whole,
        "crumbs": crumbs(desk.user, desk.view.node, _("Limits and consent")),
        "title": title,
        "effects": effects,
        "given": given,
    }
    return render(desk.request, "cabinet/confirm.html", context)


def _done(desk: Desk, text: str) -> HttpResponse:
    messages.success(desk.request, text)
    return redirect(reverse("own", args=[desk.view.node.code]))
