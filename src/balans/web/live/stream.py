"""The address of the live streams."""

from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.utils.translation import get_language

from balans.core.errors import UnavailableError
from balans.storage import access
from balans.storage.access import Right
from balans.storage.scope import tenant_scope
from balans.web.live.events import Stream
from balans.web.live.feed import Feeds
from balans.web.live.hub import broadcast
from balans.web.middleware import http_errors
from balans.web.shown.sites import SiteView, any_view

LATEST_UNIX_S = 4_102_444_800  # the year 2100


@cache
def _feeds() -> Feeds:
    return Feeds(broadcast())


async def stream(request: HttpRequest, code: str) -> StreamingHttpResponse:
    """Stream the changes of a site, or of the loads of a flat, as server-sent events."""
    view = await sync_to_async(_open, thread_sensitive=False)(request.user, code)

    async def allowed() -> bool:
        return await sync_to_async(_still_allowed, thread_sensitive=False)(request, code)

    events = Stream(view, get_language(), _since(request), allowed).events(
        _feeds().of(view.site), broadcast()
    )
    response = StreamingHttpResponse(events, content_type="text/event-stream")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response


def _open(user: Any, code: str) -> SiteView:
    with tenant_scope(user.tenant_id, actor=user.get_username()), http_errors():
        return any_view(user, access.node_for(user, code, Right.LIVE))


def _still_allowed(request: HttpRequest, code: str) -> bool:
    """Ask again: the session may have ended, the account or its grants may be gone."""
    engine = import_module(settings.SESSION_ENGINE)
    fresh = HttpRequest()
    fresh.session = engine.SessionStore(request.session.session_key)
    try:
        user = get_user(fresh)
        if not user.is_authenticated:
            return False
        _open(user, code)
    except (Http404, PermissionDenied):
        return False
    except UnavailableError:
        return True  # nobody can be asked now; the stream gives nothing new meanwhile
    return True


def _since(request: HttpRequest) -> datetime | None:
    """Return the newest minute that the reader has, from a reconnection or the page's address."""
    text = request.headers.get("Last-Event-ID") or request.GET.get("from", "")
    if not text.isascii() or not text.isdigit() or int(text) > LATEST_UNIX_S:
        return None
    return datetime.fromtimestamp(int(text), UTC)
