"""Bounds what a request may send, before anything of it is read or written to a disk."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias

Scope: TypeAlias = dict[str, Any]
Message: TypeAlias = Mapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

USUAL: Final = 21_000_000
"""A photo of 20 MB and its form."""
FILES: Final = 101_000_000
FILE_PATHS: Final = ("/imports/", "/api/v1/imports/")


class BodyLimit:
    """An ASGI application in front of another: larger bodies are answered with 413.

    A body that does not say how large it is, and turns out larger, is cut off as if its sender
    had gone.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let the application answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = FILES if scope["path"].startswith(FILE_PATHS) else USUAL
        if _declared(scope) > limit:
            await _refuse(send, limit)
            return
        await self._app(scope, _bounded(receive, limit), send)


def _declared(scope: Scope) -> int:
    value = next((v for k, v in scope["headers"] if k.lower() == b"content-length"), b"0")
    return int(value) if value.isdigit() else 0


def _bounded(receive: Receive, limit: int) -> Receive:
    received = 0

    async def bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        return {"type": "http.disconnect"} if received > limit else message

    return bounded


async def _refuse(send: Send, limit: int) -> None:
    text = f"too large: at most {limit} bytes\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(text)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": text})
