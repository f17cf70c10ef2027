"""The live stream of an event of demand response: it tells when the page has changed."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib import import_module
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, StreamingHttpResponse

from balans.core.errors import UnavailableError
from balans.storage.response_events import event_for
from balans.storage.scope import tenant_scope
from balans.web.live.hub import event_broadcast
from balans.web.middleware import http_errors

GAP_S: Final = 1.0
TICK_S: Final = 1.0
REFRESH_S: Final = 30.0
"""So often the page is fetched anew without any report: minutes go on."""
RECHECK_S: Final = 10.0
RETRY_MS: Final = 2000


async def event_stream(request: HttpRequest, code: str) -> StreamingHttpResponse:
    """Stream that something of the event `code` has changed, as server-sent events."""
    event_id = await sync_to_async(_open, thread_sensitive=False)(request.user, code)

    async def allowed() -> bool:
        return await sync_to_async(_still_allowed, thread_sensitive=False)(request, code)

    response = StreamingHttpResponse(
        _changes(str(event_id), allowed), content_type="text/event-stream"
    )
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response


async def _changes(topic: str, allowed: Callable[[], Awaitable[bool]]) -> AsyncIterator[str]:
    """Yield until the reader leaves, may no longer read, or the process ends."""
    yield f"retry: {RETRY_MS}\n\n"
    told_s = checked_s = time.monotonic()
    known = event_broadcast().version(topic)
    with event_broadcast().subscribed(topic) as changed:
        while not event_broadcast().stopped:
            changed.clear()
            version = event_broadcast().version(topic)
            if version != known or time.monotonic() - told_s > REFRESH_S:
                known, told_s = version, time.monotonic()
                yield "event: changed\ndata: {}\n\n"
            if time.monotonic() - checked_s > RECHECK_S:
                checked_s = time.monotonic()
                yield ": still here\n\n"
                if not await allowed():
                    return
            await _wait(changed)


async def _wait(changed: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(TICK_S):
            await changed.wait()
    except TimeoutError:
        return
    await asyncio.sleep(GAP_S)


def _open(user: Any, code: str) -> int:
    with tenant_scope(user.tenant_id, actor=user.get_username()), http_errors():
        return event_for(user, code).id


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
        return True
    return True
