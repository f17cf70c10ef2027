"""Serves the page beside load control, in the same loop."""

import asyncio
import contextlib
import logging
import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol

from balans.core.errors import InputError
from balans.gateway.config import LEAST_KEY
from balans.gateway.page.app import PageApp

CONNECTIONS_MAX = 40
ANSWERED_S = 15.0
"""So long a connection may be without a request that was completed and answered."""
log = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    """A server that leaves signals to the process it is a part of."""

    @contextlib.contextmanager
    @override
    def capture_signals(self) -> Iterator[None]:
        yield


class _Guarded(H11Protocol):
    """A connection that cannot stay for nothing: descriptors belong to load control first.

    It is ended when it brings no whole request in time, or does not take its answer. When there
    are too many the one that has waited longest without a request makes room.
    """

    _doom: asyncio.TimerHandle | None = None
    since_s = 0.0

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_again()
        if len(self.connections) > CONNECTIONS_MAX:
            others = [one for one in self.connections if isinstance(one, _Guarded)]
            idle = [one for one in others if one.cycle is None or one.cycle.response_complete]
            min(idle or [self], key=lambda one: one.since_s).drop()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._doom is not None:
            self._doom.cancel()
        super().connection_lost(exc)

    @override
    def on_response_complete(self) -> None:
        self._wait_again()
        super().on_response_complete()

    def drop(self) -> None:
        """End the connection at once; what was not sent yet is lost."""
        self.connections.discard(self)
        self.transport.abort()

    def _wait_again(self) -> None:
        if self._doom is not None:
            self._doom.cancel()
        self.since_s = self.loop.time()
        self._doom = self.loop.call_later(ANSWERED_S, self.drop)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket on `host` and `port`; 0 takes a free one.

    Raises
    ------
    InputError
        Naming both, if that cannot be.
    """
    try:
        listener = socket.create_server((host, port), family=_family(host), backlog=CONNECTIONS_MAX)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"page: {host} port {port}: {reason}") from error
    # Connections inherit it. Without it a body waits 40 ms for the head to be acknowledged.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


async def serve(app: PageApp, listening: socket.socket) -> None:
    """Serve until cancelled."""
    config = uvicorn.Config(
        app,
        lifespan="off",
        access_log=False,
        log_config=None,
        log_level="warning",
        server_header=False,
        backlog=CONNECTIONS_MAX,
        timeout_keep_alive=10,
        timeout_graceful_shutdown=1,
        h11_max_incomplete_event_size=16_384,
        http=_Guarded,
        ws="none",
    )
    server = _Server(config)
    serving = asyncio.ensure_future(server.serve(sockets=[listening]))
    try:
        await asyncio.shield(serving)
    finally:
        server.should_exit = True
        await serving


def house_key(path: Path) -> str:
    """Return the key in the file at `path`, which is made with a new one where it is missing.

    Raises
    ------
    InputError
        If it cannot be read or made, or holds a key that is too short.
    """
    try:
        with contextlib.suppress(FileExistsError):
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(fd, "w", encoding="ascii") as file:
                file.write(secrets.token_urlsafe(12) + "\n")
            log.info("a new key for the local page is in %s", path)
        key = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: key of the local page: {error}") from error
    if len(key) < LEAST_KEY:
        raise InputError(f"{path}: key of the local page: expected at least {LEAST_KEY} letters")
    return key
