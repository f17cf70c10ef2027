"""What people set, at the server and at the gateway's own page, on a real broker and disk."""

import asyncio
import signal
from collections.abc import AsyncIterator
from http.client import HTTPConnection
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlencode

import pytest
from tests.adapters.test_gateway import LIMIT_S, Bench, bench_on, until

from balans.adapters.localmqtt import LocalBroker
from balans.gateway.site_control import SILENT_S
from balans.protocols import hub
from balans.protocols.hub import Consents, ConsentSetting

KEY = "correct horse"
PAGE = f"""
[page]
port = 0
key = "{KEY}"
"""


class Visitor:
    """A browser at the gateway's page."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookie = ""

    def ask(self, method: str, path: str, **fields: str) -> tuple[int, str]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=LIMIT_S)
        headers = {"Cookie": self.cookie, "Content-Type": "application/x-www-form-urlencoded"}
        connection.request(method, path, urlencode(fields) if fields else None, headers)
        response = connection.getresponse()
        body = response.read().decode()
        cookie = response.getheader("Set-Cookie")
        if cookie:
            morsels = SimpleCookie(cookie).items()
            self.cookie = "; ".join(f"{key}={morsel.value}" for key, morsel in morsels)
        connection.close()
        return response.status, body

    def sign_in(self) -> None:
        assert self.ask("POST", "/login", key=KEY)[0] == 303

    def send(self, path: str, **fields: str) -> tuple[int, str]:
        _, body = self.ask("GET", "/settings")
        token = body.split('name="token" value="')[1].split('"')[0]
        return self.ask("POST", path, token=token, **fields)


@pytest.fixture
async def bench(broker: LocalBroker, tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench_on(tmp_path, broker.url) as bench:
        bench.config.write_text(bench.config.read_text() + PAGE)
        await bench.ready()
        yield bench


async def visitor_of(bench: Bench) -> Visitor:
    """Return a browser at the page, whose port the gateway told in its log."""
    assert bench.process is not None
    assert bench.process.stderr is not None
    line = ""
    async with asyncio.timeout(LIMIT_S):
        while "local page: http://127.0.0.1:" not in line:
            line = (await bench.process.stderr.readline()).decode()
            assert line, "the gateway has ended"
    port = int(line.rsplit(":", 1)[1].strip(" /\n"))
    visitor = Visitor(port)
    await asyncio.to_thread(visitor.sign_in)
    return visitor


async def shed(bench: Bench) -> None:
    assert not (await bench.step(3500, 2000)).loads[0].on
    assert not bench.site.on


async def say(bench: Bench, *settings: ConsentSetting) -> None:
    """Tell consents as the head-end does, but not retained: a gateway that starts hears none."""
    topic, message = bench.head_end.topics.consents, Consents(1, settings)
    assert await bench.head_end.link.publish(topic, hub.encode(message), qos=1)


async def test_consent_withdrawn_at_the_server_brings_back_and_outlives_a_kill(
    bench: Bench,
) -> None:
    await shed(bench)
    await say(bench, ConsentSetting("heater", released=False))
    await until(lambda: bench.site.on, "the heater comes back")
    assert bench.site.switches[-1].reason == "consent_withdrawn"
    await until((bench.folder / "data" / "consents").exists, "consents kept on the disk")
    await bench.stop(signal.SIGKILL)
    await bench.ready()
    told = [await bench.step(3500, 2000) for _ in range(7)]
    assert all(status.loads[0].on for status in told)
    assert not told[-1].loads[0].released


async def test_the_effect_of_a_shed_is_reported(bench: Bench) -> None:
    await shed(bench)
    await bench.step(1500, 0)
    await until(
        lambda: (
            [r.achieved_w for r in bench.head_end.all_reports() if r.achieved_w is not None]
            == [-2000.0]
        ),
        "report with the effect",
    )


async def test_an_own_limit_is_set_at_the_page_obeyed_told_and_kept(bench: Bench) -> None:
    visitor = await visitor_of(bench)
    assert (await bench.step(2500, 2000)).loads[0].on
    status, body = await asyncio.to_thread(visitor.send, "/limit", do="set", kw="2", node="")
    assert (status, "It holds from now on." in body) == (200, True)
    told = await bench.step(2500, 2000)
    assert not told.loads[0].on
    assert (told.limit, told.limit_w) == ("own", 2000.0)
    assert [limit.limit_w for limit in told.own_limits] == [2000.0]
    await until((bench.folder / "data" / "own").exists, "own limit on the disk")
    await bench.stop(signal.SIGKILL)
    await bench.ready()
    assert (await bench.step(1500, 0)).limit == "own"


async def test_the_page_works_while_the_server_is_away(tmp_path: Path) -> None:
    """Site bus and server are brokers of their own; the server's is stopped."""
    with LocalBroker(tmp_path / "site") as site_bus, LocalBroker(tmp_path / "server") as server:
        async with bench_on(tmp_path, site_bus.url, server.url) as bench:
            bench.config.write_text(bench.config.read_text() + PAGE)
            await bench.ready()
            visitor = await visitor_of(bench)
            await shed(bench)
            server.stop()
            status, _ = await asyncio.to_thread(
                visitor.send, "/pause", load="", long="hours_1", do="pause"
            )
            assert status == 200
            await until(lambda: bench.site.on, "the heater comes back")
            await until_shown(visitor, "The server is out of reach")
            await until_shown(visitor, "Load control is paused until")
            await until_shown(visitor, "load control was paused")


async def until_shown(visitor: Visitor, text: str) -> None:
    async with asyncio.timeout(LIMIT_S):
        while text not in (await asyncio.to_thread(visitor.ask, "GET", "/part"))[1]:
            await asyncio.sleep(0.05)


async def test_withdrawn_at_the_page_it_comes_back_and_is_never_touched_again(
    bench: Bench,
) -> None:
    visitor = await visitor_of(bench)
    await shed(bench)
    status, _ = await asyncio.to_thread(
        visitor.send, "/consent", load="heater", released="false", back="/"
    )
    assert status == 303
    await until(lambda: bench.site.on, "the heater comes back")
    switched = len(bench.site.switches)
    for _ in range(8):
        assert (await bench.step(3500, 2000)).loads[0].on
    assert len(bench.site.switches) == switched


async def test_sigterm_ends_the_page_too(bench: Bench) -> None:
    visitor = await visitor_of(bench)
    assert visitor.ask("GET", "/part")[0] == 200
    async with asyncio.timeout(LIMIT_S):
        code, _ = await bench.stop()
    assert code == 0
    with pytest.raises(OSError, match="refused"):
        visitor.ask("GET", "/part")


async def test_a_silent_sensor_is_said_on_the_page_and_counts_as_overload(bench: Bench) -> None:
    visitor = await visitor_of(bench)
    await bench.step(2000, 1800)
    bench.clock.set(bench.site.now_s + 200)
    bench.site.now_s += 200
    await until(lambda: not bench.site.on, "a shed without a sensor", limit_s=SILENT_S + LIMIT_S)
    await until_shown(visitor, "The power sensor is silent")
