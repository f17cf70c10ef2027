"""The page on a socket: nobody holds connections that load control needs."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import ClassVar

import pytest
from tests.unit.gateway.page_bench import KEY, NOW_S, ZONE, board

from balans.gateway.page import server as server_module
from balans.gateway.page.app import Clocks, PageApp
from balans.gateway.page.hosts import Hosts
from balans.gateway.page.server import CONNECTIONS_MAX, listen, serve
from balans.gateway.page.session import Sessions

LIMIT_S = 10.0
SHORT_S = 0.5
SIGN_IN = b"GET /login HTTP/1.1\r\nHost: localhost\r\n\r\n"


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[int]:
    clocks = Clocks(ZONE, lambda: NOW_S, time.monotonic)
    app = PageApp(board(), Sessions(KEY), clocks, lambda _own: None, Hosts())
    listening = listen("127.0.0.1", 0)
    task = asyncio.ensure_future(serve(app, listening))
    try:
        yield listening.getsockname()[1]
    finally:
        for caller in Caller.opened:
            caller.writer.close()
        Caller.opened.clear()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Caller:
    """One connection to the page."""

    opened: ClassVar[list["Caller"]] = []

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def at(cls, port: int) -> "Caller":
        caller = cls(*await asyncio.open_connection("127.0.0.1", port))
        cls.opened.append(caller)
        return caller

    async def answer(self) -> bytes:
        """Return the first line of the next answer, b"" when the connection was ended."""
        async with asyncio.timeout(LIMIT_S):
            try:
                head = await self.reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                return b""
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await self.reader.readexactly(length)
            return head.split(b"\r\n")[0]

    async def ended(self) -> bool:
        """Tell whether the other side ends the connection."""
        try:
            async with asyncio.timeout(LIMIT_S):
                while await self.reader.read(65_536):
                    pass
        except ConnectionError:
            return True
        except TimeoutError:
            return False
        return True


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "ANSWERED_S", SHORT_S)


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /login HTTP/1.1\r\nHost: loc",
        b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nkey=",
        SIGN_IN,
        SIGN_IN + b"GET /lo",
    ],
)
async def test_a_connection_without_a_whole_request_ends(sent: bytes) -> None:
    async with serving() as port:
        caller = await Caller.at(port)
        caller.writer.write(sent)
        assert await caller.ended()


@pytest.mark.usefixtures("short")
async def test_one_that_trickles_ends_too() -> None:
    async with serving() as port:
        caller = await Caller.at(port)

        async def trickle() -> None:
            with contextlib.suppress(ConnectionError):
                for letter in SIGN_IN * 100:
                    caller.writer.write(bytes([letter]))
                    await asyncio.sleep(0.05)

        trickling = asyncio.ensure_future(trickle())
        began_s = time.monotonic()
        assert await caller.ended()
        assert time.monotonic() - began_s < LIMIT_S / 2
        trickling.cancel()


@pytest.mark.usefixtures("short")
async def test_one_that_asks_again_and_again_stays() -> None:
    async with serving() as port:
        caller = await Caller.at(port)
        for _ in range(6):
            caller.writer.write(SIGN_IN)
            assert await caller.answer() == b"HTTP/1.1 200 OK"
            await asyncio.sleep(SHORT_S / 3)


async def test_idle_connections_are_few_and_the_owner_is_answered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    async with serving() as port:
        idle = [await Caller.at(port) for _ in range(3 * CONNECTIONS_MAX)]
        owner = await Caller.at(port)
        owner.writer.write(SIGN_IN)
        assert await owner.answer() == b"HTTP/1.1 200 OK"
        await until(lambda: sum(not one.reader.at_eof() for one in idle) <= CONNECTIONS_MAX)
        held = [one for one in idle if not one.reader.at_eof()]
        assert held == idle[-len(held) :]
    assert caplog.records == []


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not condition():
            await asyncio.sleep(0.01)
