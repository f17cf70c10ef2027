"""Who asks: a program by its key, or a person who has logged in."""

from dataclasses import dataclass
from datetime import UTC, datetime

from django.http import HttpRequest
from ninja.errors import AuthenticationError, HttpError
from ninja.security import APIKeyCookie, HttpBearer
from ninja.utils import check_csrf
from typing_extensions import override

from balans.storage.api_keys import Scope, caller_of
from balans.storage.commands import Author
from balans.web.shown.people import person


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, and what for.

    actor
        With what the history signs.
    """

    person: Author
    scopes: frozenset[Scope]
    actor: str


class ApiRequest(HttpRequest):
    """A request whose asker is known."""

    auth: Asker


class ApiKey(HttpBearer):
    """A key of a program, made on the page “Keys for programs”: ``Authorization: Bearer …``."""

    @override
    def authenticate(self, request: HttpRequest, token: str) -> Asker:
        """Return the owner of the key; a key that opens nothing is not passed over."""
        caller = caller_of(token, datetime.now(UTC))
        if caller is None:
            raise AuthenticationError
        return Asker(caller, caller.scopes, f"{caller.username} by key {caller.ident}")


class Session(APIKeyCookie):
    """The login of a browser. What changes something needs the header ``X-CSRFToken`` too."""

    param_name = "sessionid"

    @override
    def _get_key(self, request: HttpRequest) -> str | None:
        return request.COOKIES.get(self.param_name)

    @override
    def authenticate(self, request: HttpRequest, key: str | None) -> Asker | None:
        """Return the person of the session, who may ask for everything that the rights allow."""
        if not request.user.is_authenticated:
            return None
        if check_csrf(request) is not None:
            raise HttpError(403, "the header X-CSRFToken is missing or wrong")
        someone = person(request)
        return Asker(someone, frozenset(Scope), someone.get_username())
