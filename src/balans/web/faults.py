"""Pages for what went wrong: they say what happened and what to do, in the reader's language."""

import sys
from typing import Final

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from balans.core.errors import UnavailableError
from balans.web.shown.asked import UnreadableError

# Django calls these with all arguments by name, so names that are not used stay as they are.
# ruff: noqa: ARG001

UNAVAILABLE: Final = (UnavailableError, OperationalError, InterfaceError)
RETRY_S: Final = 5


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400."""
    text = str(exception) if isinstance(exception, UnreadableError) else _("Go back and try again.")
    return _page(request, 400, _("This request cannot be read"), text)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 403."""
    text = _("Your account may see this, but not do it. The operator can change your rights.")
    return _page(request, 403, _("Not allowed"), text)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form whose token is missing or old."""
    text = _("The page was open for too long, or cookies are blocked. Reload it and try again.")
    return _page(request, 403, _("The form has expired"), text)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 404. What a person may not see is answered the same way."""
    text = _("There is nothing at this address, or it is not yours to see.")
    return _page(request, 404, _("Not found"), text)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 503 while the database is away, else 500."""
    if isinstance(sys.exc_info()[1], UNAVAILABLE):
        text = _("The database does not answer. Metering and load control go on without it.")
        response = _page(request, 503, _("Back in a moment"), text)
        response["Retry-After"] = str(RETRY_S)
        return response
    text = _("The fault is ours and has been written down. Please try again.")
    return _page(request, 500, _("Something went wrong"), text)


def _page(request: HttpRequest, code: int, title: str, text: str) -> HttpResponse:
    return render(
        request, "balans/fault.html", {"code": code, "title": title, "text": text}, status=code
    )
