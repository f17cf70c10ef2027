"""Nobody fills memory or a disk with a request, whatever it says about its size."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from balans.web.body_limit import FILES, USUAL, BodyLimit

Message = Mapping[str, Any]
MEGABYTE = b"x" * 1_000_000


def ask(path: str, chunks: int, *, declared: int | None = None) -> tuple[int, int, str]:
    """Send so many megabytes; return the status, what the application got, and its last message."""
    got, last = 0, ""
    sent: list[Message] = []
    rest = iter(range(chunks, -1, -1))

    async def application(_scope: dict[str, Any], receive: Any, send: Any) -> None:
        nonlocal got, last
        more = True
        while more:
            message = await receive()
            last = message["type"]
            got += len(message.get("body", b""))
            more = bool(message.get("more_body"))
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> Message:
        left = next(rest)
        return {"type": "http.request", "body": MEGABYTE if left else b"", "more_body": left > 0}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [] if declared is None else [(b"Content-Length", str(declared).encode())]
    scope = {"type": "http", "path": path, "headers": headers}
    asyncio.run(BodyLimit(application)(scope, receive, send))
    return sent[0]["status"], got, last


@pytest.mark.parametrize("path", ["/points/x/dials/", "/login/", "/imports/x"])
def test_a_usual_request_passes_whole(path: str) -> None:
    assert ask(path, 3, declared=3_000_000) == (200, 3_000_000, "http.request")


@pytest.mark.parametrize(
    ("path", "declared"), [("/login/", USUAL + 1), ("/imports/", FILES + 1), ("/", 10**15)]
)
def test_what_says_it_is_too_large_is_not_read(path: str, declared: int) -> None:
    assert ask(path, 1, declared=declared) == (413, 0, "")


def test_what_grows_too_large_is_cut_off() -> None:
    status, got, last = ask("/login/", 60)
    assert (status, last) == (200, "http.disconnect")
    assert got <= USUAL
    assert ask("/imports/", 60)[1] == 60_000_000


def test_what_is_no_request_passes() -> None:
    seen = []

    async def application(scope: dict[str, Any], _receive: Any, _send: Any) -> None:
        seen.append(scope["type"])

    async def nothing(*_args: Any) -> Any:
        return {}

    asyncio.run(BodyLimit(application)({"type": "lifespan"}, nothing, nothing))
    assert seen == ["lifespan"]
