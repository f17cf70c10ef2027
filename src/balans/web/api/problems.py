"""What went wrong, as ``application/problem+json`` (RFC 9457), each with a code that stays."""

import logging
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

from django.core.exceptions import BadRequest, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.multipartparser import MultiPartParserError
from ninja import NinjaAPI, Schema
from ninja.errors import AuthenticationError, HttpError, ValidationError

from balans.adapters.pictures.photo import PhotoError
from balans.core.errors import BalansError, InputError, UnavailableError
from balans.storage.access import ForbiddenError, NotVisibleError
from balans.web.faults import RETRY_S, UNAVAILABLE

MEDIA_TYPE: Final = "application/problem+json"
FIELD_CODES: Final = {"reason", "period", "dial", "time", "note", "photo", "register", "empty"}
"""Codes of refusals that name the field that is to blame."""
log = logging.getLogger(__name__)


class FieldProblem(Schema):
    """One thing wrong with the request."""

    field: str
    message: str


class Problem(Schema):
    """What went wrong. `code` stays the same when the wording changes."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldProblem]


class FieldsError(BalansError):
    """The request can be read, but asks for what cannot be.

    Parameters
    ----------
    errors
        Field and message of each thing that is wrong.
    """

    code = "invalid"

    def __init__(self, errors: Sequence[tuple[str, str]]) -> None:
        super().__init__("; ".join(f"{field}: {message}" for field, message in errors))
        self.errors = list(errors)


class TooBigError(BalansError):
    """A file is larger than is taken in one request."""

    code = "too_big"


class ScopeError(BalansError):
    """The key is not for this."""

    code = "scope_missing"


def problem(
    status: int, code: str, detail: str, errors: Sequence[tuple[str, str]] = ()
) -> HttpResponse:
    """Return the answer that says what is wrong."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
        "errors": [{"field": field, "message": message} for field, message in errors],
    }
    response = JsonResponse(body, status=status, content_type=MEDIA_TYPE)
    if status == HTTPStatus.UNAUTHORIZED:
        response["WWW-Authenticate"] = 'Bearer realm="Balans"'
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        response["Retry-After"] = str(RETRY_S)
    response["Cache-Control"] = "no-store"
    return response


def handle_errors_of(api: NinjaAPI) -> None:
    """Let `api` answer every error with a problem."""
    for kind, handler in _HANDLERS.items():
        api.add_exception_handler(kind, handler)


def _unknown_key(_request: HttpRequest, _error: Exception) -> HttpResponse:
    return problem(401, "not_authenticated", "a valid key is needed: Authorization: Bearer …")


def _of_http(_request: HttpRequest, error: HttpError) -> HttpResponse:
    code = "unreadable" if error.status_code == HTTPStatus.BAD_REQUEST else "refused"
    return problem(error.status_code, code, str(error))


def _invalid(_request: HttpRequest, error: ValidationError) -> HttpResponse:
    errors = [(_place(one["loc"]), str(one["msg"])) for one in error.errors]
    return problem(422, "invalid", "the request has values that do not fit", errors)


def _place(location: Sequence[Any]) -> str:
    """Return the field: of a body without the name of the parameter that takes it."""
    source, *rest = location
    return ".".join(str(part) for part in (rest[1:] if source == "body" else rest)) or str(source)


def _fields(_request: HttpRequest, error: FieldsError) -> HttpResponse:
    return problem(422, error.code, str(error), error.errors)


def _bad_photo(_request: HttpRequest, error: PhotoError) -> HttpResponse:
    return problem(422, "invalid", str(error), [("photo", str(error))])


def _bad_input(_request: HttpRequest, error: InputError) -> HttpResponse:
    lines = str(error).splitlines() or [""]
    errors = [(place, message) for place, _, message in (line.partition(": ") for line in lines)]
    return problem(422, "invalid", str(error), errors)


def _not_found(_request: HttpRequest, error: Exception) -> HttpResponse:
    return problem(404, "not_found", str(error) or "there is nothing at this address")


def _too_big(_request: HttpRequest, _error: Exception) -> HttpResponse:
    return problem(413, "too_big", "the body is larger than this server takes")


def _unreadable(_request: HttpRequest, error: Exception) -> HttpResponse:
    return problem(400, "unreadable", str(error) or "the request cannot be read")


def _refused(_request: HttpRequest, error: BalansError) -> HttpResponse:
    """Answer for what the rules of the product refuse: with the field where one is to blame."""
    found = getattr(error, "findings", ())
    errors = [(one.where, one.what) for one in found]
    field = getattr(error, "field", "") or (error.code if error.code in FIELD_CODES else "")
    if field and not errors:
        errors = [(field, str(error))]
    return problem(422 if errors else 409, error.code, str(error), errors)


def _forbidden(_request: HttpRequest, error: BalansError) -> HttpResponse:
    return problem(403, error.code, str(error))


def _away(_request: HttpRequest, _error: Exception) -> HttpResponse:
    return problem(503, "unavailable", "the database does not answer; try again in a moment")


def _fault(request: HttpRequest, error: Exception) -> HttpResponse:
    if isinstance(error, UNAVAILABLE):
        return _away(request, error)
    log.error("%s %s", request.method, request.path, exc_info=error)
    return problem(500, "fault", "the fault is ours and has been written down")


_HANDLERS: Final[dict[type[Exception], Any]] = {
    AuthenticationError: _unknown_key,
    HttpError: _of_http,
    ValidationError: _invalid,
    FieldsError: _fields,
    InputError: _bad_input,
    PhotoError: _bad_photo,
    NotVisibleError: _not_found,
    Http404: _not_found,
    ForbiddenError: _forbidden,
    ScopeError: _forbidden,
    BalansError: _refused,
    RequestDataTooBig: _too_big,
    TooBigError: _too_big,
    SuspiciousOperation: _unreadable,
    MultiPartParserError: _unreadable,
    BadRequest: _unreadable,
    UnavailableError: _away,
    OperationalError: _away,
    InterfaceError: _away,
    Exception: _fault,
}
