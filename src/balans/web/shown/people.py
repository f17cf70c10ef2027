"""Who asks."""

from typing import cast

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from balans.storage.commands import Author


def person(request: HttpRequest) -> Author:
    """Return the person who has logged in.

    Raises
    ------
    PermissionDenied
        If nobody has; the login that every view needs has then been left out by mistake.
    """
    if not request.user.is_authenticated:
        raise PermissionDenied("nobody has logged in")
    return cast("Author", request.user)
