"""An import that tells how far it is: a line of JSON for each step, the last with an address.

The form works without it; this is for browsers that run the page's script.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.translation import gettext as _

from balans.core.errors import InputError, UnavailableError
from balans.storage.access import ForbiddenError
from balans.storage.scope import tenant_scope
from balans.web.console import import_form, import_work
from balans.web.console.import_form import Filled

TOLD_EVERY_S: Final = 0.2
Line = dict[str, Any]


async def run(request: HttpRequest) -> HttpResponseBase:
    """Take the file of the form and stream what is being done."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    try:
        filled = await sync_to_async(import_form.filled_in)(request)
    except InputError as error:
        return HttpResponse(_json({"fault": str(error)}), "application/x-ndjson", status=422)
    response = StreamingHttpResponse(
        _lines(await request.auser(), filled), content_type="application/x-ndjson"
    )
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response


async def _lines(user: Any, filled: Filled) -> AsyncIterator[str]:
    """Yield the newest step now and then, and at last where the outcome is to be seen."""
    newest: Line = {"step": "rows", "done": 0, "total": 0}

    def progress(step: str, done: int, total: int) -> None:
        newest.update(step=step, done=done, total=total)

    def work() -> Line:
        return _take(user, filled, progress)

    task = asyncio.ensure_future(sync_to_async(work, thread_sensitive=False)())
    told: Line = {}
    while not task.done():
        if newest != told:
            told = dict(newest)
            yield _json(told)
        await asyncio.wait([task], timeout=TOLD_EVERY_S)
    yield _json(task.result())


def _take(user: Any, filled: Filled, progress: Any) -> Line:
    try:
        with tenant_scope(user.tenant_id, actor=user.get_username()):
            outcome = import_work.take(user, filled, progress)
    except InputError as error:
        return {"fault": str(error)}
    except ForbiddenError:
        return {"fault": _("Your account may see this, but not do it.")}
    except UnavailableError:
        return {"fault": _("The database does not answer. Try again in a moment.")}
    return {"url": reverse("import", args=[outcome.import_id])}


def _json(line: Line) -> str:
    return json.dumps(line, ensure_ascii=False) + "\n"
