"""What stands between the server and the views: static files, and the seal of the tenant."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import iscoroutinefunction
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import translation
from django.utils.deprecation import MiddlewareMixin
from typing_extensions import override
from whitenoise.middleware import WhiteNoiseMiddleware

from balans.storage.access import ForbiddenError, NotVisibleError
from balans.storage.scope import tenant_scope

View = Callable[..., HttpResponseBase]


class StaticFilesMiddleware(WhiteNoiseMiddleware):  # type: ignore[misc]  # it has no types
    """WhiteNoise with whole bodies: the files are small, and an ASGI server wants no iterator."""

    @override
    @staticmethod
    def serve(static_file: Any, request: HttpRequest) -> HttpResponse:
        """Answer with the file, or with 304 when the browser has it."""
        found = static_file.get_response(request.method, request.META)
        body = b""
        if found.file is not None:
            with found.file:
                body = found.file.read()
        response = HttpResponse(body, status=int(found.status))
        for name, value in found.headers:
            response[name] = value
        return response


class UserLanguageMiddleware(MiddlewareMixin):
    """Speaks the language of the account, unless another was chosen in this browser."""

    def process_request(self, request: HttpRequest) -> None:
        """Change the language that `LocaleMiddleware` took from the browser."""
        if settings.LANGUAGE_COOKIE_NAME in request.COOKIES or not request.user.is_authenticated:
            return
        language = request.user.language
        if language in dict(settings.LANGUAGES):
            translation.activate(language)
            request.LANGUAGE_CODE = translation.get_language()


class TenantMiddleware(MiddlewareMixin):
    """Runs the view in a transaction that sees one tenant only.

    It stands last, so that what refuses a request (login, CSRF) has already done so. An error
    of the view leaves the transaction as an exception and takes everything back; the answer is
    made outside. Asynchronous views stream for hours: they open short scopes of their own, as do
    views with ``own_scope``, whose tenant is not that of a login.
    """

    def process_view(
        self, request: HttpRequest, view: View, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponseBase | None:
        """Answer by the view inside the scope; None leaves it to Django."""
        user = request.user
        if getattr(view, "own_scope", False) or iscoroutinefunction(view):
            return None
        if not user.is_authenticated:
            return None
        with tenant_scope(user.tenant_id, actor=user.get_username()), http_errors():
            request.in_scope = True  # type: ignore[attr-defined]  # for the bar at the top
            try:
                response = view(request, *args, **kwargs)
            finally:
                del request.in_scope  # type: ignore[attr-defined]
        response.headers.setdefault("Cache-Control", "private, no-cache")
        return response


@contextmanager
def http_errors() -> Iterator[None]:
    """Turn the refusals of `storage.access` into those of HTTP."""
    try:
        yield
    except NotVisibleError as error:
        raise Http404(str(error)) from error
    except ForbiddenError as error:
        raise PermissionDenied(str(error)) from error
