"""How an operation is declared: with its scope, its answers, and the transaction it runs in."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, Final, TypeVar, get_args

from django.http import HttpRequest, HttpResponse
from ninja import Router
from ninja.responses import Status

from balans.storage.api_keys import Scope
from balans.storage.scope import tenant_scope
from balans.web.api.problems import FieldsError, Problem, ScopeError
from balans.web.api.repeats import IDEMPOTENCY_KEY, repeatable

V = TypeVar("V", bound=Callable[..., Any])
SCOPE_KEY: Final = "x-scope"
MEDIA_KEY: Final = "x-media-type"
ANY: Final = (401, 403, 404, 422, 503)
CHANGES: Final = (400, 409, 413)


class Operations:
    """The operations of one chapter.

    Parameters
    ----------
    chapter
        Heading under which they stand in the description.
    """

    def __init__(self, chapter: str) -> None:
        self.router = Router(tags=[chapter])

    def get(self, path: str, scope: Scope, response: Any, **options: Any) -> Callable[[V], V]:
        """Declare an operation that reads."""
        return self._declare("GET", path, scope, (200, response), **options)

    def post(
        self, path: str, scope: Scope, response: Any, *, status: int = 201, **options: Any
    ) -> Callable[[V], V]:
        """Declare an operation that makes something or lets something happen."""
        return self._declare("POST", path, scope, (status, response), **options)

    def _declare(
        self, method: str, path: str, scope: Scope, good: tuple[int, Any], **options: Any
    ) -> Callable[[V], V]:
        codes = [*ANY, *(CHANGES if method != "GET" else ())]
        codes += options.pop("also", ())
        media_type = options.pop("media_type", "")
        extra: dict[str, Any] = {SCOPE_KEY: scope.value}
        if media_type:
            extra[MEDIA_KEY] = media_type
        if method == "POST":
            extra["parameters"] = [IDEMPOTENCY_KEY]
        answers = {good[0]: good[1], **dict.fromkeys(sorted(codes), Problem)}

        def declare(view: V) -> V:
            self.router.api_operation(
                [method],
                path,
                response=answers,
                operation_id=view.__name__,
                description=f"{(view.__doc__ or '').strip()}\n\nScope: `{scope}`.",
                openapi_extra=extra,
                **options,
            )(_guarded(view, scope, good[0]))
            return view

        return declare


def _parameters(view: Callable[..., Any]) -> frozenset[str]:
    """Return the names that a query may have: those of the model that `view` takes as ``asked``."""
    model = inspect.signature(view).parameters.get("asked")
    if model is None:
        return frozenset()
    fields = get_args(model.annotation)[0].model_fields
    return frozenset(field.alias or name for name, field in fields.items())


def _guarded(view: Callable[..., Any], scope: Scope, status: int) -> Callable[..., Any]:
    """Return `view` in a transaction of the asker's tenant, if the asker is here for this."""
    known = _parameters(view)

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        asker = request.auth  # type: ignore[attr-defined]  # set by ninja's authentication
        if scope not in asker.scopes:
            raise ScopeError(f"the key has not the scope {scope}")
        unknown = sorted(set(request.GET) - known)
        if unknown:
            expected = ", ".join(sorted(known)) or "none"
            raise FieldsError([(name, f"is not known; known: {expected}") for name in unknown])
        with tenant_scope(asker.person.tenant_id, actor=asker.actor):
            if "Idempotency-Key" in request.headers and request.method == "POST":
                return Status(status, repeatable(request, lambda: view(request, *args, **kwargs)))
            found = view(request, *args, **kwargs)
            return found if isinstance(found, HttpResponse) else Status(status, found)

    return guarded
