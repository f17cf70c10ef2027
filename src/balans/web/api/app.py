"""The API as a whole: its chapters, its description, its addresses."""

from collections.abc import Callable, Iterator
from functools import cache, wraps
from http import HTTPStatus
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import URLPattern, URLResolver
from django.urls import path as address
from django.views.decorators.cache import cache_control
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema
from typing_extensions import override

from balans import __version__
from balans.web.api import (
    balances,
    delivery,
    devices,
    events,
    findings,
    groups,
    imports,
    photos,
    problems,
    readings,
    registry,
    response,
    response_triggers,
    service,
    supply,
    upkeep,
    validity,
)
from balans.web.api.askers import ApiKey, Session
from balans.web.api.operations import MEDIA_KEY
from balans.web.api.problems import MEDIA_TYPE, problem
from balans.web.api.reference import chapters

DESCRIPTION: Final = """\
Reads and writes what the pages show. Ask with a key: `Authorization: Bearer balans_…`; keys are
made on the page “Keys for programs”. A key works on a node and all below it, for the scopes it was
made for, and never does more than its owner may; what it may not see does not exist for it.

Lists come in pages: ask again with `cursor` = `next` until `next` is null. Times are ISO 8601; a
time without an offset is local to the node. Energies and volumes stand in the unit that the answer
names. What is missing is null, never zero. Errors are problems (RFC 9457) with a `code` that stays
and, where fields are wrong, each with its message.
"""
CHAPTERS: Final = (
    registry,
    devices,
    upkeep,
    readings,
    delivery,
    validity,
    photos,
    balances,
    groups,
    events,
    findings,
    response,
    response_triggers,
    supply,
    imports,
    service,
)


class Api(NinjaAPI):
    """Ninja's API with problems as errors, here and in the description."""

    @override
    def get_openapi_schema(
        self, *, path_prefix: str | None = None, path_params: dict[str, Any] | None = None
    ) -> OpenAPISchema:
        """Return the description, with the media type that errors have."""
        found = super().get_openapi_schema(path_prefix=path_prefix, path_params=path_params)
        for operation in _operations(found):
            for status, answer in operation["responses"].items():
                content = answer.get("content", {})
                if "application/json" not in content:
                    continue
                if int(status) >= 400:
                    content[MEDIA_TYPE] = content.pop("application/json")
                elif MEDIA_KEY in operation:
                    content[operation[MEDIA_KEY]] = content.pop("application/json")
        return found


def _operations(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for methods in schema["paths"].values():
        yield from methods.values()


def _make() -> Api:
    made = Api(
        title="Balans",
        version=__version__,
        description=DESCRIPTION,
        auth=[ApiKey(), Session()],
        docs_url=None,
        openapi_url="",
        urls_namespace="api",
    )
    problems.handle_errors_of(made)
    for chapter in CHAPTERS:
        made.add_router("/v1", chapter.operations.router)
    return made


api = _make()


@cache
def description() -> dict[str, Any]:
    """Return the description of the API; it is the same as long as the process runs."""
    return dict(api.get_openapi_schema(path_prefix="/api/"))


@require_safe
@cache_control(max_age=300, public=True)
def openapi(_request: HttpRequest) -> HttpResponse:
    """Give the description of the API; it tells nothing of any tenant."""
    return JsonResponse(description())


@require_safe
def reference_page(request: HttpRequest) -> HttpResponse:
    """Show the description of the API to people."""
    about = [" ".join(paragraph.split()) for paragraph in DESCRIPTION.split("\n\n")]
    context = {"about": about, "chapters": chapters(description())}
    return render(request, "api/reference.html", context)


def nothing_here(_request: HttpRequest, rest: str) -> HttpResponse:
    """Answer for addresses below ``/api/`` that there are not."""
    return problem(404, "not_found", f"there is nothing at {rest[:100]}")


def addresses() -> list[URLPattern | URLResolver]:
    """Return the addresses of the API, to be included below ``api/``."""
    inner = [one for one in api.urls[0] if getattr(one, "name", "") != "api-root"]
    for one in inner:
        _open(one)
    return [
        address("", _without_login(reference_page), name="api-reference"),
        address("openapi.json", _without_login(openapi), name="api-description"),
        *inner,
        address("<path:rest>", _without_login(nothing_here), name="api-nothing"),
    ]


def _open(pattern: URLPattern | URLResolver) -> None:
    if isinstance(pattern, URLPattern):
        pattern.callback = _without_login(_with_problems(pattern.callback))


def _with_problems(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Return `view` with a problem where ninja has plain text."""

    @csrf_exempt  # as ninja's views are: its own authentication asks for the token
    @wraps(view)
    def answering(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        answer = view(request, *args, **kwargs)
        answer.headers.setdefault("Cache-Control", "private, no-cache")
        if answer.status_code != HTTPStatus.METHOD_NOT_ALLOWED:
            return answer
        found = problem(405, "method_not_allowed", f"expected {answer['Allow']}")
        found["Allow"] = answer["Allow"]
        return found

    return answering


def _without_login(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Mark a view that asks for no login page and opens the scope of its tenant itself."""
    view.login_required = False  # type: ignore[attr-defined]
    view.own_scope = True  # type: ignore[attr-defined]
    return view
