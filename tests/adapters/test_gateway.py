"""The gateway as a process on a real broker, with a fake site and a fake head-end."""

import asyncio
import contextlib
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from uuid import uuid4

import pytest

from balans.adapters.clock import SharedClockWriter
from balans.adapters.localmqtt import LocalBroker
from balans.adapters.mqtt import Link
from balans.core.words import CommandState, LimitSource
from balans.gateway.site_control import SILENT_S
from balans.protocols import hub, module
from balans.protocols.hub import (
    Ack,
    Batch,
    CommandReport,
    Entry,
    EntryKind,
    Hello,
    Ranges,
    SiteStatus,
)
from balans.protocols.module import ActuatorState, ModuleReport, PowerSample, Query, Switch
from balans.protocols.readings import Reading, pack

T0 = 1_768_172_400.0
STEP_S = 60.0
LIMIT_S = 20.0
CONFIG = """
[gateway]
hub = "{hub}"
site = "{site}"
data_dir = "data"
mqtt_url = "{mqtt_url}"
server_mqtt_url = "{server_url}"
metrics_port = 0
health_file = "health"

[site]
name = "house"
timezone = "Europe/Paris"

[[limit]]
name = "fuse"
kw = 3.0

[[load]]
name = "heater"
class = "yellow"
rated_w = 2000
max_off_s = 900
min_on_s = 300

[[load]]
name = "kitchen"
class = "red"
rated_w = 2000
"""


async def until(condition: Callable[[], object], what: str, limit_s: float = LIMIT_S) -> None:
    try:
        async with asyncio.timeout(limit_s):
            while not condition():
                await asyncio.sleep(0.01)
    except TimeoutError:
        pytest.fail(f"not within {limit_s} s: {what}")


@dataclass
class FakeHeadEnd:
    """Stores batches in a dictionary; acknowledges only while `answers`."""

    hub: str
    url: str
    answers: bool = True
    stored: dict[tuple[int, int], Entry] = field(default_factory=dict)
    settled: dict[int, Ranges] = field(default_factory=dict)
    hellos: list[Hello] = field(default_factory=list)
    statuses: list[SiteStatus] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.topics = hub.Topics(self.hub)
        self.link = Link(
            self.url, f"headend-{self.hub}", [(f"{self.topics.root}/up/+", 1)], self.on_message
        )

    async def on_message(self, _topic: str, data: bytes) -> None:
        message = hub.decode(data)
        match message:
            case SiteStatus():
                self.statuses.append(message)
            case Hello():
                self.hellos.append(message)
                await self.acknowledge(message.journal, 0, message.first)
            case Batch() if self.answers:
                for offset, entry in enumerate(message.entries, message.first):
                    old = self.stored.setdefault((message.journal, offset), entry)
                    assert old == entry
                await self.acknowledge(message.journal, message.first, message.end)

    async def acknowledge(self, journal: int, start: int, end: int) -> None:
        held = self.settled.get(journal, Ranges()).add(start, end)
        self.settled[journal] = held
        mark = held.contiguous_from(0)
        last = held.spans[-1][1] if held.spans else 0
        ack = Ack(journal, mark, last, held.missing(mark, last).spans)
        if self.answers:
            await self.link.publish(self.topics.ack, hub.encode(ack), qos=1)

    def readings(self) -> set[bytes]:
        entries = self.stored.values()
        return {entry.data for entry in entries if entry.kind == EntryKind.READINGS}

    def in_order(self) -> list[bytes]:
        entries = (entry for _, entry in sorted(self.stored.items(), key=lambda item: item[0]))
        return [entry.data for entry in entries if entry.kind == EntryKind.READINGS]

    def reports(self) -> list[CommandReport]:
        """Return what was told of commands, but what they achieved."""
        return [report for report in self.all_reports() if report.achieved_w is None]

    def all_reports(self) -> list[CommandReport]:
        entries = self.stored.values()
        return [
            hub.decode_command_report(entry.data)
            for entry in entries
            if entry.kind == EntryKind.COMMAND
        ]


@dataclass
class FakeSite:
    """A sensor, one actuator that obeys at once, and modules that only note confirmations."""

    site: str
    hub: str
    url: str
    on: bool = True
    since: float = T0 - 86_400
    command: str = ""
    switches: list[Switch] = field(default_factory=list)
    obeyed: list[str] = field(default_factory=list)
    queries: int = 0
    received: list[module.ReportReceived] = field(default_factory=list)
    now_s: float = T0
    seq: int = 0

    def __post_init__(self) -> None:
        self.topics = module.Topics(self.site)
        root = self.topics.root
        filters = [
            (f"{root}/switch/+", 1),
            (self.topics.query, 1),
            (self.topics.received(self.hub), 1),
        ]
        self.link = Link(self.url, f"site-{self.hub}", filters, self.on_message)

    async def on_message(self, _topic: str, data: bytes) -> None:
        message = module.decode(data)
        match message:
            case Switch():
                self.switches.append(message)
                if message.id not in self.obeyed:
                    self.obeyed.append(message.id)
                    self.on, self.since, self.command = message.on, self.now_s, message.id
                await self.tell()
            case Query():
                self.queries += 1
                await self.tell()
            case module.ReportReceived():
                self.received.append(message)
            case _:
                pytest.fail(f"not for a site: {message}")

    async def tell(self) -> None:
        state = ActuatorState("heater", self.on, self.since, self.now_s, self.command)
        await self.link.publish(self.topics.state("heater"), module.encode(state), qos=1)

    async def publish(self, topic: str, message: module.frames.Message) -> None:
        assert await self.link.publish(topic, module.encode(message), qos=1)

    async def report(self, serial: int, hours: range) -> ModuleReport:
        rows = [Reading(serial, 1, 227_000 + hour, 100 * hour) for hour in hours]
        report = ModuleReport(serial, pack(rows))
        await self.publish(self.topics.report(self.hub), report)
        return report


class Bench:
    """A gateway process between a fake site and a fake head-end."""

    def __init__(self, folder: Path, site_url: str, server_url: str) -> None:
        name = uuid4().hex[:8]
        self.folder = folder
        self.config = folder / "gateway.toml"
        text = CONFIG.format(
            hub=f"hub-{name}", site=f"site-{name}", mqtt_url=site_url, server_url=server_url
        )
        self.config.write_text(text, encoding="utf-8")
        self.clock = SharedClockWriter(folder / "clock")
        self.clock.set(T0)
        self.site = FakeSite(f"site-{name}", f"hub-{name}", site_url)
        self.head_end = FakeHeadEnd(f"hub-{name}", server_url)
        self.process: asyncio.subprocess.Process | None = None
        self.program = ["-m", "balans"]

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            *self.program,
            "gateway",
            str(self.config),
            env={**os.environ, "BALANS_CLOCK_FILE": str(self.folder / "clock")},
            stderr=asyncio.subprocess.PIPE,
        )

    async def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Send a signal; return the exit code and the log."""
        assert self.process is not None
        self.process.send_signal(number)
        _, log = await self.process.communicate()
        code = self.process.returncode
        assert code is not None
        self.process = None
        return code, log.decode()

    async def ready(self) -> None:
        """Start the gateway, and wait until it hears both sides."""
        hellos, queries = len(self.head_end.hellos), self.site.queries
        await self.start()
        await until(lambda: len(self.head_end.hellos) > hellos, "Hello")
        await until(lambda: self.site.queries > queries, "Query")

    async def step(self, site_w: float, heater_w: float) -> SiteStatus:
        """Publish a sample, and return the status that answers it."""
        site = self.site
        site.now_s += STEP_S
        site.seq += 1
        self.clock.set(site.now_s)
        sample = PowerSample(site.seq, site.now_s, STEP_S, site_w, {"heater": heater_w})
        await site.publish(site.topics.power, sample)
        statuses = self.head_end.statuses
        await until(
            lambda: statuses and statuses[-1].seq == site.seq, f"status of sample {site.seq}"
        )
        return statuses[-1]


@contextlib.asynccontextmanager
async def bench_on(
    folder: Path, site_url: str, server_url: str | None = None
) -> AsyncIterator[Bench]:
    bench = Bench(folder, site_url, server_url or site_url)
    links = [bench.site.link, bench.head_end.link]
    tasks = [asyncio.create_task(link.run()) for link in links]
    try:
        for link in links:
            await asyncio.wait_for(link.wait_connected(), LIMIT_S)
        yield bench
    finally:
        if bench.process is not None:
            bench.process.kill()
            await bench.process.communicate()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        bench.clock.close()


@pytest.fixture
async def bench(broker: LocalBroker, tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench_on(tmp_path, broker.url) as bench:
        await bench.ready()
        yield bench


async def test_readings_are_confirmed_to_the_module_and_reach_the_head_end(bench: Bench) -> None:
    sent = [await bench.site.report(serial, range(serial)) for serial in range(1, 20)]
    await until(lambda: len(bench.site.received) >= len(sent), "confirmations")
    confirmed = {(r.serial, r.readings) for r in bench.site.received}
    assert confirmed == {(r.serial, r.readings) for r in sent}
    wanted = {report.readings for report in sent}
    await until(lambda: bench.head_end.readings() == wanted, "readings at the head-end")


async def test_a_shed_is_ordered_confirmed_and_reported(bench: Bench) -> None:
    assert (await bench.step(2500, 2000)).loads[0].on
    status = await bench.step(3500, 2000)
    heater = status.loads[0]
    assert (heater.name, heater.on, heater.reason) == ("heater", False, "over_limit")
    assert not bench.site.on
    order = bench.site.switches[-1]
    assert (order.author, order.max_off_s) == ("dlm", 900)
    states = [CommandState.SENT, CommandState.CONFIRMED]
    await until(
        lambda: [r.state for r in bench.head_end.reports() if r.id == order.id] == states,
        "reports of the command",
    )


async def test_an_operator_switches_and_every_state_is_reported(bench: Bench) -> None:
    await bench.step(1000, 800)
    now_s = bench.site.now_s
    commands = [
        hub.Command("op1", "heater", False, now_s, now_s + 120, "anna", "away"),  # noqa: FBT003
        hub.Command("op2", "kitchen", False, now_s, now_s + 120, "anna", "away"),  # noqa: FBT003
    ]
    for command in (*commands, *commands):
        topic = bench.head_end.topics.command
        assert await bench.head_end.link.publish(topic, hub.encode(command), qos=1)
    await until(lambda: len(bench.head_end.reports()) >= 3, "reports")
    told = {(r.id, r.state, r.detail) for r in bench.head_end.reports()}
    assert told == {
        ("op1", CommandState.SENT, ""),
        ("op1", CommandState.CONFIRMED, ""),
        ("op2", CommandState.FAILED, "red_load"),
    }
    assert bench.site.obeyed == ["op1"]


async def test_nothing_is_lost_when_the_gateway_is_killed(bench: Bench) -> None:
    bench.head_end.answers = False
    sent = [await bench.site.report(serial, range(serial)) for serial in range(1, 30)]
    await until(lambda: len(bench.site.received) >= len(sent), "confirmations")
    await bench.step(3500, 2000)
    code, _ = await bench.stop(signal.SIGKILL)
    assert code == -signal.SIGKILL
    bench.head_end.answers = True
    await bench.ready()
    wanted = {report.readings for report in sent}
    await until(lambda: bench.head_end.readings() == wanted, "readings after the kill")
    await until(lambda: len(bench.head_end.reports()) >= 2, "reports after the kill")
    assert len({journal for journal, _ in bench.head_end.stored}) == 1  # nothing came before


async def test_a_kill_in_the_middle_of_a_shed_keeps_its_timer(bench: Bench) -> None:
    await bench.step(3500, 2000)
    off_since = bench.site.now_s
    await bench.step(2900, 0)
    await bench.stop(signal.SIGKILL)
    await bench.ready()
    while not bench.site.on:
        await bench.step(2900, 0)
        assert bench.site.now_s - off_since <= 900
    assert bench.site.now_s - off_since == 900
    assert bench.site.switches[-1].reason == "off_time_used_up"


async def test_control_goes_on_without_the_server(broker: LocalBroker, tmp_path: Path) -> None:
    """The server's broker is away from the start; it comes up later and gets everything."""
    with LocalBroker(tmp_path / "server") as server:
        server_url = server.url
        server.stop()
        bench = Bench(tmp_path, broker.url, server_url)
        site_task = asyncio.create_task(bench.site.link.run())
        await bench.site.link.wait_connected()
        await bench.start()
        await until(lambda: bench.site.queries, "Query")
        report = await bench.site.report(7, range(5))
        await until(lambda: bench.site.received, "confirmation without the server")
        site = bench.site
        site.now_s += STEP_S
        bench.clock.set(site.now_s)
        await site.publish(
            site.topics.power, PowerSample(1, site.now_s, STEP_S, 3500, {"heater": 2000})
        )
        await until(lambda: not site.on, "shed without the server")
        server.start()
        assert server.url == server_url
        server_task = asyncio.create_task(bench.head_end.link.run())
        wanted = {report.readings}
        await until(lambda: bench.head_end.readings() == wanted, "readings after the server came")
        await until(lambda: len(bench.head_end.reports()) >= 2, "reports after the server came")
        await bench.stop()
        for task in (site_task, server_task):
            task.cancel()
        await asyncio.gather(site_task, server_task, return_exceptions=True)
        bench.clock.close()


async def test_control_goes_on_while_the_disk_is_full(bench: Bench) -> None:
    """Reports wait in memory, modules keep their readings; both arrive when there is room."""
    assert bench.process is not None
    pid = bench.process.pid
    previous = resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    await bench.step(3500, 2000)
    assert not bench.site.on
    report = await bench.site.report(7, range(5))
    await bench.step(2900, 0)
    assert bench.site.received == []
    assert bench.head_end.stored == {}
    resource.prlimit(pid, resource.RLIMIT_FSIZE, previous)
    await bench.site.publish(bench.site.topics.report(bench.site.hub), report)  # it repeats
    await until(lambda: bench.site.received, "confirmation when there is room")
    order = bench.site.switches[0]
    states = [CommandState.SENT, CommandState.CONFIRMED]
    await until(
        lambda: [r.state for r in bench.head_end.reports() if r.id == order.id] == states,
        "reports that had waited",
    )


async def test_control_goes_on_while_the_disk_stalls(bench: Bench, tmp_path: Path) -> None:
    """A flush of the disk that never returns holds up no switching; reports follow."""
    await bench.stop()
    stall = tmp_path / "stall"
    bench.program = ["-c", STALLING, str(stall)]
    await bench.ready()
    stall.touch()
    await bench.step(3500, 2000)
    while len(bench.site.obeyed) < 2:  # off, and on again when its time is used up
        await bench.step(2900, 0)
    assert bench.head_end.reports() == []
    stall.unlink()
    await until(lambda: len(bench.head_end.reports()) >= 4, "reports that had waited")


async def test_a_report_as_large_as_the_wire_carries_stops_nothing(bench: Bench) -> None:
    large = await bench.site.report(8, range(62_000))
    await until(lambda: bench.site.received, "confirmation of the large report")
    assert bench.site.received[0].readings == large.readings
    await bench.site.report(7, range(2))
    await until(lambda: len(bench.site.received) == 2, "confirmation of the next report")
    assert not (await bench.step(3500, 2000)).loads[0].on
    await until(
        lambda: b"".join(bench.head_end.in_order()).startswith(large.readings), "all readings"
    )


async def test_a_limit_of_an_unknown_zone_holds_and_is_told(bench: Bench) -> None:
    cap = hub.LimitSetting("cap", LimitSource.OPERATOR, 1000.0, zone="peak")
    topic = bench.head_end.topics.limits
    assert await bench.head_end.link.publish(topic, hub.encode(hub.Limits(1, (cap,))), qos=1)
    await until((bench.folder / "data" / "limits").exists, "limits kept")
    assert (await bench.step(900, 0)).limit == "cap"
    _, log = await bench.stop()
    assert "limit 'cap': zone 'peak' is none of the site, so it holds always" in log


async def test_a_poll_is_answered_with_a_hello(bench: Bench) -> None:
    count = len(bench.head_end.hellos)
    poll = hub.encode(hub.Poll(bench.site.now_s))
    assert await bench.head_end.link.publish(hub.Topics.POLL, poll, qos=1)
    await until(lambda: len(bench.head_end.hellos) > count, "Hello")
    assert bench.head_end.hellos[-1].software.startswith("balans ")


async def test_limits_of_the_server_hold_over_a_restart_without_it(bench: Bench) -> None:
    limits = hub.Limits(1, (hub.LimitSetting("cap", LimitSource.OPERATOR, 1000.0),))
    topic = bench.head_end.topics.limits
    assert await bench.head_end.link.publish(topic, hub.encode(limits), qos=1)
    data = bench.folder / "data" / "limits"
    await until(data.exists, "limits kept")
    assert (await bench.step(900, 0)).limit_w == 1000.0
    await bench.stop(signal.SIGKILL)
    await bench.ready()
    assert (await bench.step(900, 0)).limit == "cap"


async def test_malformed_and_foreign_messages_are_dropped_and_counted(bench: Bench) -> None:
    topics, link = bench.site.topics, bench.site.link
    report = topics.report(bench.site.hub)
    switch = Switch("a", "heater", False, T0, T0, 0, "x", "y")  # noqa: FBT003
    for topic, payload in [
        (topics.power, b"\x00rubbish"),
        (topics.power, module.encode(Query(T0))),
        (topics.state("heater"), module.encode(switch)),
        (topics.state("kitchen"), module.encode(ActuatorState("heater", True, T0, T0))),  # noqa: FBT003
        (report, module.encode(ModuleReport(1, b"123"))),
        (report, module.encode(ModuleReport(1, b""))),
        (report, module.encode(ModuleReport(1, pack([Reading(2, 1, 1, 1)])))),
    ]:
        assert await link.publish(topic, payload, qos=1)
    head_end = bench.head_end
    for topic, payload in [
        (head_end.topics.ack, b""),
        (head_end.topics.command, hub.encode(Ack(1, 0, 0))),
        (
            head_end.topics.limits,
            hub.encode(hub.Limits(1, (hub.LimitSetting("x", LimitSource.OPERATOR, -1.0),))),
        ),
    ]:
        assert await head_end.link.publish(topic, payload, qos=1)
    assert (await bench.step(1000, 0)).limit == "fuse"
    assert bench.site.received == []
    code, log = await bench.stop()
    assert code == 0
    assert f"site broker, {topics.power}: dropped: malformed message of 8 bytes" in log
    assert f"{topics.state('kitchen')}: dropped: a ActuatorState does not belong here" in log
    assert "limit 'x': limit_w -1 is negative" in log
    assert "Traceback" not in log


async def test_a_stale_sensor_sheds_and_says_so(bench: Bench) -> None:
    await bench.step(1000, 800)
    bench.site.now_s += 3 * STEP_S
    bench.clock.set(bench.site.now_s)
    await until(lambda: not bench.site.on, "shed without a sensor")
    await until(lambda: not bench.head_end.statuses[-1].sensor_ok, "status of a lost sensor")
    assert bench.head_end.statuses[-1].loads[0].reason == "sensor_lost"


async def test_a_gateway_that_stood_still_does_not_blame_the_sensor(bench: Bench) -> None:
    await bench.step(1000, 800)
    assert bench.process is not None
    bench.process.send_signal(signal.SIGSTOP)
    bench.site.now_s += 3 * STEP_S
    await asyncio.sleep(SILENT_S + 0.5)  # the gateway's own time is what this is about
    resume = asyncio.get_running_loop().call_later(0.2, bench.process.send_signal, signal.SIGCONT)
    status = await bench.step(1000, 800)
    resume.cancel()
    assert status.sensor_ok
    assert bench.site.switches == []


async def test_sigterm_ends_cleanly_and_health_is_shown_until_then(bench: Bench) -> None:
    health = bench.folder / "health"
    await until(lambda: health.exists() and health.read_text() == "ok\n", "health file")
    code, log = await bench.stop()
    assert code == 0
    assert not health.exists()
    assert "Traceback" not in log


async def test_a_second_gateway_on_the_same_journal_is_refused(bench: Bench) -> None:
    second = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "balans",
        "gateway",
        str(bench.config),
        stderr=asyncio.subprocess.PIPE,
    )
    _, log = await asyncio.wait_for(second.communicate(), LIMIT_S)
    assert second.returncode == 1
    assert b"another process owns it" in log


STALLING = """
import os, sys, time
from pathlib import Path
stall, flush = Path(sys.argv.pop(1)), os.fdatasync
def slow(fd):
    while stall.exists():
        time.sleep(0.01)
    flush(fd)
os.fdatasync = slow
from balans.cli.main import main
main()
"""

CHECK = """
import sys
from balans.cli.main import main
try:
    main(["gateway", sys.argv[1], "--check"])
except SystemExit as error:
    assert error.code in (0, None), error.code
import balans.gateway.daemon
loaded = {"django", "psycopg", "balans.storage", "balans.web"} & set(sys.modules)
sys.exit(f"loaded: {loaded}" if loaded else 0)
"""


async def test_the_gateway_loads_neither_django_nor_the_database(tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    url = "mqtt://127.0.0.1:1"
    config.write_text(CONFIG.format(hub="h", site="s", mqtt_url=url, server_url=url))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHECK, str(config), stdout=-1, stderr=-1
    )
    out, log = await process.communicate()
    assert (process.returncode, log) == (0, b"")
    assert b"usable" in out


def test_health_and_figures_are_served() -> None:
    from prometheus_client import CollectorRegistry, Counter

    from balans.adapters.monitor import Monitor

    registry = CollectorRegistry()
    Counter("tested_things", "Things", registry=registry).inc(3)
    troubles: list[str] = []
    with Monitor(registry, lambda: troubles, port=0) as monitor:
        root = f"http://127.0.0.1:{monitor.port}"
        assert page(f"{root}/healthz") == (200, "ok\n")
        assert "tested_things_total 3.0" in page(f"{root}/metrics")[1]
        troubles.append("no connection")
        assert page(f"{root}/healthz") == (503, "no connection\n")
        assert page(f"{root}/else")[0] == 404


def page(url: str) -> tuple[int, str]:
    host, path = url.removeprefix("http://").split("/", 1)
    connection = HTTPConnection(host)
    connection.request("GET", f"/{path}")
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text
