"""Login: users are looked up before it is known which tenant they belong to."""

from typing import Any

from asgiref.sync import sync_to_async
from django.contrib.auth.backends import ModelBackend
from django.contrib.sessions.models import Session
from django.http import HttpRequest
from django.utils import timezone
from typing_extensions import override

from balans.storage.models import User
from balans.storage.scope import system_scope


class SealedBackend(ModelBackend):
    """Django's login by name and password, reading across tenants for this one question."""

    @override
    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        """Return the user with this name and password, or None."""
        with system_scope(actor="login"):
            return super().authenticate(request, username, password, **kwargs)

    @override
    def get_user(self, user_id: int) -> User | None:
        """Return the user of a session, or None."""
        with system_scope():
            return super().get_user(user_id)

    @override
    async def aauthenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> User | None:
        """Return what `authenticate` returns; transactions need a thread."""
        return await sync_to_async(self.authenticate)(request, username, password, **kwargs)

    @override
    async def aget_user(self, user_id: int) -> User | None:
        """Return what `get_user` returns."""
        return await sync_to_async(self.get_user)(user_id)


def forget_sessions() -> int:
    """Delete sessions that have ended; return how many. Opens a scope of its own.

    Raises
    ------
    UnavailableError
        If the database cannot be used now.
    """
    with system_scope(actor="worker"):
        count, _ = Session.objects.filter(expire_date__lt=timezone.now()).delete()
    return count


def user_by_name(username: str) -> User:
    """Return the user with `username`, who must exist. Opens a scope of its own."""
    with system_scope():
        return User.objects.get(username=username)
