"""Asking before doing: a page that says what will happen, with the form kept until it is sure."""

from collections.abc import Sequence
from uuid import uuid4

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from balans.web.shown.places import Crumb


def is_confirmed(request: HttpRequest) -> bool:
    """Return whether the person has read what it means."""
    return request.POST.get("confirmed") == "yes"


def ask(
    request: HttpRequest,
    title: str,
    effects: Sequence[str],
    back: str,
    path: Sequence[Crumb],
) -> HttpResponse:
    """Ask whether the effects are wanted; the form comes again with "confirmed" and a token."""
    given = [
        (name, value)
        for name, value in request.POST.items()
        if name not in {"csrfmiddlewaretoken", "confirmed"}
    ]
    if "token" not in request.POST:
        given.append(("token", str(uuid4())))
    context = {
        "title": title,
        "effects": effects,
        "given": given,
        "back": back,
        "crumbs": path,
    }
    return render(request, "console/ask.html", context)
