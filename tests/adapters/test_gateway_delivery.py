"""The gateway as a process between simulated modules and a fake head-end: all but the happy way."""

import asyncio
import contextlib
import resource
from collections.abc import AsyncIterator, Iterator, Sized
from functools import partial
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from tests.adapters.test_gateway import T0, Bench, bench_on, until

from balans.adapters.localmqtt import LocalBroker
from balans.adapters.mqtt import Link
from balans.core.hours import EPOCH_UNIX_S, HOUR_S
from balans.core.words import Phase, PointRole, Resource
from balans.protocols import hub, module
from balans.protocols.hub import (
    EntryKind,
    Found,
    HoursGone,
    ModuleNews,
    News,
    ReadNoted,
    ReadNow,
    ReadResult,
    ReadState,
    Wanted,
    WantedHours,
    decode_news,
)
from balans.protocols.hub.holes import FIRST_ASK_S
from balans.protocols.readings import Reading, pack, readings_of
from balans.simulator.answering import Answering, Reply
from balans.simulator.modules import ModuleBank
from balans.simulator.spec import ChannelSpec, ModuleSpec

HOUR = int((T0 - EPOCH_UNIX_S) // HOUR_S)
RING = 50


def module_spec(serial: int, hub_code: str) -> ModuleSpec:
    channels = tuple(
        ChannelSpec(n, Resource.GAS, 1, 0, "m", "p", "n", PointRole.CONSUMER, Phase.L1)
        for n in (1, 2)
    )
    return ModuleSpec(serial, hub_code, adapter=False, channels=channels)


class Modules:
    """Simulated modules on the site bus; `deaf` ones hear nothing and say nothing."""

    def __init__(self, url: str, site: str, hub_code: str, serials: tuple[int, ...]) -> None:
        self.topics, self.hub = module.Topics(site), hub_code
        specs = [module_spec(serial, hub_code) for serial in serials]
        self.bank = ModuleBank(specs, resend_s=0.3, ring_hours=RING)
        self.now = np.arange(2 * len(specs)) + 7_000
        self.answering = Answering(specs, self.bank, lambda: self.now)
        self.asked: list[module.Ask | module.HoursWanted] = []
        self.known: list[module.Known] = []
        self.deaf = False
        topics = (self.topics.known, self.topics.received(hub_code), self.topics.ask(hub_code))
        self.link = Link(url, f"modules-{uuid4().hex}", [(t, 1) for t in topics], self._hear)

    async def run(self) -> None:
        """Report and announce, as modules do."""
        while True:
            await asyncio.sleep(0.05)
            now_s = asyncio.get_running_loop().time()
            if self.deaf or not self.link.connected:
                continue
            for report in self.bank.due(now_s):
                await self._say(self.topics.report(self.hub), report.message)
            for announce in self.answering.announcements(now_s):
                await self._say(self.topics.announce, announce)

    async def _hear(self, _topic: str, data: bytes) -> None:
        message = module.decode(data)
        match message:
            case module.Known():
                self.known.append(message)
                self.answering.take_known(message)
            case module.ReportReceived():
                self.bank.received(message)
            case module.Ask():
                self.asked.append(message)
                await self._reply(self.answering.answer(message, T0 + 5))
            case module.HoursWanted():
                self.asked.append(message)
                await self._reply(self.answering.report_again(message))
            case _:
                pytest.fail(f"not for a module: {message}")

    async def _reply(self, reply: Reply | None) -> None:
        if reply is not None and not self.deaf:
            await self._say(self.topics.answer(reply.hub), reply.message)

    async def _say(self, topic: str, message: module.FromModule) -> None:
        await self.link.publish(topic, module.encode(message), qos=1)


class Server:
    """Asks, and hears the results; `notes` tells whether it says that it has them."""

    def __init__(self, bench: Bench) -> None:
        self.topics = bench.head_end.topics
        self.results: list[ReadResult] = []
        self.notes = True
        url = bench.head_end.url
        self.link = Link(url, f"asking-{uuid4().hex}", [(self.topics.answer, 1)], self._hear)

    async def ask(self, request: ReadNow) -> None:
        assert await self.link.publish(self.topics.read, hub.encode(request), qos=1)

    async def want(self, *hours: WantedHours) -> None:
        assert await self.link.publish(self.topics.wanted, hub.encode(Wanted(hours)), qos=1)

    async def _hear(self, _topic: str, data: bytes) -> None:
        result = hub.decode(data)
        assert isinstance(result, ReadResult)
        self.results.append(result)
        if self.notes:
            await self.link.publish(self.topics.read, hub.encode(ReadNoted(result.id)), qos=1)


class Scene(Bench):
    """A bench with modules and a server that asks."""

    modules: Modules
    server: Server

    def news(self) -> list[News]:
        """Return what the hub has told of its modules, in the order of the journal."""
        found = []
        for _, entry in sorted(self.head_end.stored.items(), key=lambda item: item[0]):
            if entry.kind not in {EntryKind.READINGS, EntryKind.COMMAND}:
                found.append(decode_news(entry.kind, entry.data))
        return found

    def readings(self) -> list[Reading]:
        return [one for data in self.head_end.in_order() for one in readings_of(data)]


@pytest.fixture
async def scene(broker: LocalBroker, tmp_path: Path) -> AsyncIterator[Scene]:
    async with bench_on(tmp_path, broker.url) as bench:
        bench.__class__ = Scene
        assert isinstance(bench, Scene)
        bench.modules = Modules(broker.url, bench.site.site, bench.site.hub, (7, 8))
        bench.server = Server(bench)
        links = [bench.modules.link, bench.server.link]
        tasks = [asyncio.create_task(link.run()) for link in links]
        for link in links:
            await asyncio.wait_for(link.wait_connected(), 10)
        tasks.append(asyncio.create_task(bench.modules.run()))
        await bench.ready()
        yield bench
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def record(scene: Scene, *hours: int) -> None:
    for hour in hours:
        scene.modules.bank.record(hour, np.arange(4) + hour)


async def settled(scene: Scene) -> None:
    await until(lambda: not scene.modules.bank.pending, "confirmations")


async def test_modules_announce_themselves_and_learn_their_hub(scene: Scene) -> None:
    await until(lambda: len(scene.modules.known) >= 2, "Known")
    await until(lambda: len(scene.news()) == 2, "announcements in the journal")
    found = {news.serial: news for news in scene.news() if isinstance(news, Found)}
    assert set(found) == {7, 8}
    assert (found[7].inputs, found[7].kind, found[7].time) == (2, "simulated module", T0)
    assert {(one.serial, one.hub) for one in scene.modules.known} == {
        (7, scene.site.hub),
        (8, scene.site.hub),
    }


def _more_than(known: Sized, count: int) -> bool:
    return len(known) > count


async def test_an_announcement_repeated_is_answered_and_not_journalled_again(scene: Scene) -> None:
    await until(lambda: len(scene.news()) == 2, "announcements in the journal")
    again = module.Announce(9, 1)
    for _ in range(3):
        known = len(scene.modules.known)
        await scene.modules._say(scene.modules.topics.announce, again)
        await until(partial(_more_than, scene.modules.known, known), "Known")
    other = module.Announce(9, 1, software="2.0")
    await scene.modules._say(scene.modules.topics.announce, other)
    await until(lambda: len(scene.news()) == 4, "what is new")
    assert [n.software for n in scene.news() if isinstance(n, Found)][2:] == ["", "2.0"]


async def test_a_module_is_read_now(scene: Scene) -> None:
    await scene.server.ask(ReadNow("r1", 8, 2, 30.0))
    await until(lambda: scene.server.results, "result", 3.0)
    assert scene.server.results == [ReadResult("r1", 8, 2, ReadState.DONE, T0 + 5, 7_003)]
    await scene.server.ask(ReadNow("r1", 8, 2, 30.0))
    await until(lambda: len(scene.server.results) == 2, "the same result again", 3.0)
    assert len(scene.modules.asked) == 1


async def test_what_no_module_answers_fails_in_time(scene: Scene) -> None:
    await scene.server.ask(ReadNow("deaf", 99, 1, 4.0))
    await scene.server.ask(ReadNow("input", 7, 3, 4.0))
    await until(lambda: len(scene.server.results) == 2, "results", 8.0)
    assert {(one.id, one.state, one.detail) for one in scene.server.results} == {
        ("input", ReadState.FAILED, hub.NO_INPUT),
        ("deaf", ReadState.FAILED, hub.NO_ANSWER),
    }


async def test_a_result_is_repeated_until_it_is_noted(scene: Scene) -> None:
    scene.server.notes = False
    await scene.server.ask(ReadNow("r1", 7, 1, 30.0))
    await until(lambda: len(scene.server.results) >= 2, "repetition")
    scene.server.notes = True
    await until(lambda: len(scene.server.results) >= 3, "noted repetition")
    count = len(scene.server.results)
    await asyncio.sleep(4)
    assert len(scene.server.results) == count


async def test_a_module_is_read_now_while_an_archive_is_uploaded(scene: Scene) -> None:
    """The head-end takes nothing, the hub is full of archive, the modules send more of it."""
    scene.head_end.answers = False
    serials = range(1_000, 1_200)
    for serial in serials:
        rows = [Reading(serial, 1, HOUR - 9_000 + hour, hour) for hour in range(600)]
        report = module.ModuleReport(serial, pack(rows))
        await scene.site.publish(scene.site.topics.report(scene.site.hub), report)
    record(scene, *range(HOUR - RING + 1, HOUR + 1))
    began_s = asyncio.get_running_loop().time()
    await scene.server.ask(ReadNow("r1", 7, 1, 40.0))
    await until(lambda: scene.server.results, "result in time", 10.0)
    assert scene.server.results[0].register == 7_000
    assert asyncio.get_running_loop().time() - began_s < 10
    scene.head_end.answers = True
    wanted = 600 * len(serials) + 4 * RING
    await until(lambda: len(scene.readings()) >= wanted, "the archive", 60.0)


async def test_wanted_hours_come_from_the_ring_and_what_it_lacks_is_told_gone(
    scene: Scene,
) -> None:
    record(scene, *range(HOUR - 60, HOUR + 1))
    await settled(scene)
    await until(lambda: len(scene.readings()) == 4 * RING, "all that the rings hold")
    oldest = HOUR - RING + 1
    await scene.server.want(
        WantedHours(7, 1, ((oldest - 5, oldest + 2), (HOUR - 3, HOUR - 1))),
        WantedHours(8, 3, ((HOUR - 2, HOUR),)),
    )
    again = {Reading(7, 1, hour, hour) for hour in (oldest, oldest + 1, HOUR - 3, HOUR - 2)}
    await until(lambda: len(scene.readings()) == 4 * RING + 4, "what was wanted")
    assert set(scene.readings()[4 * RING :]) == again

    def gone() -> set[HoursGone]:
        return {one for one in scene.news() if isinstance(one, HoursGone)}

    await until(lambda: len(gone()) == 2, "what is gone")
    assert {(g.serial, g.input, g.spans, g.oldest) for g in gone()} == {
        (7, 1, ((oldest - 5, oldest),), oldest),
        (8, 3, ((HOUR - 2, HOUR),), oldest),
    }


async def test_what_is_wanted_of_a_deaf_module_is_asked_for_when_it_hears_again(
    scene: Scene,
) -> None:
    record(scene, HOUR - 2, HOUR - 1, HOUR)
    await settled(scene)
    await until(lambda: len(scene.readings()) == 12, "readings")
    scene.modules.deaf = True
    scene.modules.bank.silence(0, HOUR + 2)
    await scene.server.want(WantedHours(7, 1, ((HOUR - 1, HOUR),)))
    await until(lambda: scene.modules.asked, "the question")
    await asyncio.sleep(FIRST_ASK_S)
    scene.modules.deaf = False
    scene.modules.bank.end_silence()
    record(scene, HOUR + 1)
    await until(lambda: len(scene.readings()) == 17, "what was wanted", 10.0)
    assert Reading(7, 1, HOUR - 1, HOUR - 1) in scene.readings()[12:]


async def test_a_hub_learns_from_its_journal_who_has_fallen_silent(scene: Scene) -> None:
    record(scene, HOUR - 1, HOUR)
    await settled(scene)
    await until(lambda: len(scene.readings()) == 8, "readings")
    await scene.stop()
    scene.modules.bank.silence(0, HOUR + 20)
    record(scene, HOUR + 10)
    scene.clock.set(T0 + 10 * HOUR_S)
    await scene.ready()

    def silences() -> list[ModuleNews]:
        return [one for one in scene.news() if isinstance(one, ModuleNews)]

    await until(lambda: any(one.serial == 7 for one in silences()), "news of silence")
    silent = next(one for one in silences() if one.serial == 7)
    assert (silent.silent, silent.last_hour) == (True, HOUR)


@contextlib.contextmanager
def full_disk(scene: Scene) -> Iterator[None]:
    """Let no file of the gateway grow."""
    assert scene.process is not None
    pid = scene.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    yield
    resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


async def test_a_full_disk_is_told_confirms_nothing_and_passes(scene: Scene) -> None:
    await until(lambda: len(scene.news()) == 2, "announcements in the journal")
    record(scene, HOUR - 1)
    await settled(scene)
    with full_disk(scene):
        record(scene, HOUR)
        await until(lambda: scene.head_end.hellos[-1].trouble, "trouble told")
        assert "journal" in scene.head_end.hellos[-1].trouble
        assert scene.modules.bank.pending == 4
        await scene.server.ask(ReadNow("r1", 7, 1, 30.0))
        await until(lambda: scene.server.results, "a module read with a full disk", 3.0)
        known = len(scene.modules.known)
        await scene.modules._say(scene.modules.topics.announce, module.Announce(9, 1))
        await asyncio.sleep(1)
        assert len(scene.modules.known) == known
    await settled(scene)
    await until(lambda: len(scene.readings()) == 8, "all readings, once there is room")
    await until(lambda: not scene.head_end.hellos[-1].trouble, "trouble over")
    await scene.modules._say(scene.modules.topics.announce, module.Announce(9, 1))
    await until(lambda: len(scene.news()) == 3, "the announcement")


async def test_two_hubs_of_one_code_push_out_neither(scene: Scene, tmp_path: Path) -> None:
    """A twin on a disk of its own: both deliver what they confirmed, each under its journal."""
    twin_folder = tmp_path / "twin"
    twin_folder.mkdir()
    text = scene.config.read_text(encoding="utf-8")
    (twin_folder / "gateway.toml").write_text(text, encoding="utf-8")
    own_config, own_process, own_folder = scene.config, scene.process, scene.folder
    scene.config = twin_folder / "gateway.toml"
    await scene.ready()
    twin = scene.process
    scene.config, scene.process, scene.folder = own_config, own_process, own_folder
    try:
        record(scene, *range(HOUR - 10, HOUR + 1))
        await settled(scene)
        wanted = {one for h in range(HOUR - 10, HOUR + 1) for one in hour_of(h)}
        await until(lambda: set(scene.readings()) == wanted, "all readings of both")
        await until(
            lambda: len({journal for journal, _ in scene.head_end.stored}) == 2, "batches of both"
        )
    finally:
        assert twin is not None
        twin.kill()
        await twin.communicate()


def hour_of(hour: int) -> list[Reading]:
    return [Reading(7 + n // 2, n % 2 + 1, hour, n + hour) for n in range(4)]


async def test_rubbish_and_messages_of_others_change_nothing_and_are_counted(scene: Scene) -> None:
    await until(lambda: len(scene.news()) == 2, "announcements in the journal")
    site, server = scene.modules.topics, scene.server.topics
    for topic in (site.announce, site.answer(scene.site.hub), site.report(scene.site.hub)):
        for payload in (b"", b"\xff", module.encode(module.Query(1.0)), bytes(2_000)):
            await scene.modules.link.publish(topic, payload, qos=1)
    for topic in (server.read, server.wanted, server.ack):
        for payload in (b"", b"\xff", hub.encode(hub.Poll(1.0)), bytes(2_000)):
            await scene.server.link.publish(topic, payload, qos=1)
    record(scene, HOUR)
    await settled(scene)
    await until(lambda: len(scene.readings()) == 4, "readings")
    assert len(scene.news()) == 2
    _, log = await scene.stop()
    assert "dropped: " in log
