"""The installer's page on the phone: one module after the other, with as few taps as can be."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from balans.core.errors import InputError
from balans.core.text import printable
from balans.core.words import UNIT, DeviceKind, Phase, Resource
from balans.storage import (
    access,
    mount_tests,
    mounting,
    mounting_places,
    prepared,
    sent_forms,
)
from balans.storage.access import ForbiddenError, NotVisibleError, Right
from balans.storage.commands import Author
from balans.storage.mount_tests import InputTest
from balans.storage.mounting import MountRefusedError
from balans.storage.mounting_places import Place
from balans.storage.records import NodeInfo
from balans.usecases.qr_text import parse_label
from balans.web.clock import site_clock
from balans.web.console.mount_form import MountForm
from balans.web.console.mount_words import TEST_TONES, TESTS, answer_of, answer_shown
from balans.web.shown import words
from balans.web.shown.days import moment
from balans.web.shown.names import named
from balans.web.shown.numbers import decimal
from balans.web.shown.people import person
from balans.web.shown.places import crumbs

KEPT: Final = "mount-form"
RECENT: Final = 8
FINAL: Final = {"done", "failed", "expired", "no_hub", "no_channel"}


@require_safe
def areas(request: HttpRequest) -> HttpResponse:
    """Show the buildings where the person may mount; a single one opens by itself."""
    found = mounting_places.areas_of(person(request))
    if len(found) == 1:
        return redirect(reverse("mount", args=[found[0].node.code]))
    rows = [
        {
            "name": named(area.node.name),
            "url": reverse("mount", args=[area.node.code]),
            "done": decimal(area.done, 0),
            "leaves": decimal(area.leaves, 0),
            "complete": area.done >= area.leaves,
        }
        for area in found
    ]
    return render(request, "console/mount_areas.html", {"areas": rows})


@require_http_methods(["GET", "HEAD", "POST"])
def mount(request: HttpRequest, code: str) -> HttpResponse:
    """Show the form for the places below the node `code`, and take it."""
    user = person(request)
    area = access.node_for(user, code, Right.REGISTRY)
    if request.method == "POST":
        return _take(request, user, area)
    places = mounting_places.places_under(area)
    form = MountForm.blank(request.session.get(KEPT, {}))
    _look_up(user, form, request.GET.get("module", ""))
    form.values["place"] = (
        request.GET.get("place") or form.text("place") or _next(places, request.GET.get("after"))
    )
    return _page(request, user, area, form, places)


@require_POST
def test(request: HttpRequest, code: str) -> HttpResponse:
    """Ask the module of the form for its registers, or tell how the asking stands."""
    user = person(request)
    access.node_for(user, code, Right.REGISTRY)
    text = request.POST.get("module", "")
    serial = int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else -1
    found = mount_tests.try_module(user, serial, datetime.now(UTC))
    if not _wants_json(request):
        for one in found:
            messages.info(request, f"{serial}: {_tested(one)['text']}")
        return redirect(reverse("mount", args=[code]))
    over = all(one.state in FINAL for one in found)
    return JsonResponse({"inputs": [_tested(one) for one in found], "over": over})


def _tested(one: InputTest) -> dict[str, str]:
    word = words.word(TESTS, one.state)
    text = _("Input %(input)s: %(state)s") % {"input": one.number, "state": word}
    if one.register is not None:
        text = _("%(text)s, register %(register)s") % {
            "text": text,
            "register": decimal(one.register, 0),
        }
    return {"text": text, "tone": TEST_TONES.get(one.state, "bad")}


def _take(request: HttpRequest, user: Author, area: NodeInfo) -> HttpResponse:
    form = MountForm.of(request.POST.dict())
    answer = _mounted(user, area, form)
    if answer is None:
        if _wants_json(request):
            return JsonResponse({"errors": form.errors}, status=422)
        places = mounting_places.places_under(area)
        return _page(request, user, area, form, places)
    request.session[KEPT] = form.kept()
    shown = answer_shown(answer)
    if _wants_json(request):
        return JsonResponse({"done": shown})
    messages.success(request, _("%(place)s: saved.") % {"place": shown["title"]})
    return redirect(f"{reverse('mount', args=[area.code])}?after={form.text('place')}")


def _mounted(user: Author, area: NodeInfo, form: MountForm) -> dict[str, Any] | None:
    """Mount what the form says, once; None where it cannot be, then its errors say why."""
    order = form.order()
    if order is None:
        return None
    now = site_clock().now().replace(microsecond=0)

    def work() -> dict[str, Any]:
        return answer_of(area.code, mounting.mount(user, order, now))

    try:
        return sent_forms.once(user, form.token, now, work)
    except MountRefusedError as error:
        form.refuse(error)
    except (NotVisibleError, ForbiddenError):
        form.errors["place"] = _("You may not mount there.")
    return None


def _look_up(user: Author, form: MountForm, text: str) -> None:
    """Fill in what is known of a module that was scanned or chosen before the page came."""
    if not text:
        return
    form.values["module"] = printable(text[:500])
    try:
        label = parse_label(text)
    except InputError:
        return
    form.fill(label)
    if label.kind == DeviceKind.MODULE and not label.meters:
        known = prepared.prepared_module(user, label.serial)
        if known is not None:
            form.values["place"] = known.place
            form.clear_inputs()
            for one in known.inputs:
                form.fill_input(one)


def _page(
    request: HttpRequest,
    user: Author,
    area: NodeInfo,
    form: MountForm,
    places: list[Place],
) -> HttpResponse:
    leaves = [place for place in places if place.leaf]
    done = sum(place.modules > 0 for place in leaves)
    recent = [
        {"at": moment(at, area.timezone), **answer_shown(answer)}
        for at, answer in sent_forms.recent(user, "mount", RECENT)
        if answer["area"] == area.code
    ]
    context = {
        "area": area,
        "title": named(area.name),
        "crumbs": crumbs(user, area, _("Mounting")),
        "form": form,
        "places": list(place_choices(places)),
        "done": decimal(done, 0),
        "leaves": decimal(len(leaves), 0),
        "resources": [(one.value, words.word(words.RESOURCES, one)) for one in Resource],
        "phases": [(phase.value, words.word(words.PHASES, phase)) for phase in Phase],
        "recent": recent,
        "facts": _facts(user, area, places),
    }
    return render(request, "console/mount.html", context, status=422 if form.errors else 200)


def place_choices(places: list[Place]) -> Iterator[dict[str, Any]]:
    """Yield places for a list to choose from, with their path from the top."""
    for place in places:
        path = " · ".join(named(name) for name in place.path[1:]) or named(place.node.name)
        yield {
            "code": place.node.code,
            "name": path,
            "done": place.modules > 0,
            "leaf": place.leaf,
        }


def _facts(user: Author, area: NodeInfo, places: list[Place]) -> dict[str, Any]:
    """Return what the script of the page works with: it needs no network to go on."""
    inside = {place.node.code for place in places}
    waiting = [
        one
        for one in prepared.listed(user)
        if one.kind == DeviceKind.MODULE and one.place in inside and one.done_at is None
    ]
    sheets = {}
    for one in waiting:
        form = MountForm({"place": one.place})
        for order in one.inputs:
            form.fill_input(order)
        sheets[one.code] = form.values
    return {
        "key": f"mount:{user.pk}:{area.code}",
        "units": {word.value: str(words.UNITS[UNIT[word]]) for word in Resource},
        "prepared": sheets,
        "test": reverse("mount-test", args=[area.code]),
        "words": {
            "waiting": _("not sent yet"),
            "sending": _("sending"),
            "saved": _("saved"),
            "faulty": _("needs your attention"),
            "login": _("sign in again, then it is sent"),
            "mend": _("Mend"),
            "drop": _("Discard"),
            "sure": _("Discard this entry? It was not saved."),
            "scan": _("Point the camera at the label: %(field)s"),
            "blocked": _("The camera cannot be used here. Type or paste the text."),
            "place": _("Choose the place."),
            "module": _("Scan the label of the module, or type its number."),
            "meter": _("Give the number of the meter."),
            "pending": _("%(count)s entries are not sent yet. Keep this page open."),
        },
    }


def _next(places: list[Place], after: str | None) -> str:
    """Return the place to go to: the next leaf without a module, after the one just done."""
    leaves = [place for place in places if place.leaf]
    codes = [place.node.code for place in leaves]
    start = codes.index(after) + 1 if after in codes else 0
    order = leaves[start:] + leaves[:start]
    free = next((place for place in order if not place.modules), None)
    return free.node.code if free else (codes[start % len(codes)] if codes else "")


def _wants_json(request: HttpRequest) -> bool:
    return "application/json" in request.headers.get("Accept", "")
