"""The town over real brokers, met by a scripted gateway that is no part of the product."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from pathlib import Path

import aiomqtt
import numpy as np
import pytest

from balans.adapters.localmqtt import LocalBroker, Mosquitto
from balans.core.errors import InputError
from balans.core.words import LoadClass
from balans.protocols import hub, module
from balans.protocols.address import parse_broker_address
from balans.protocols.readings import Reading, readings_of
from balans.simulator import runner as runner_module
from balans.simulator.faults import FaultPlan
from balans.simulator.ledger import read
from balans.simulator.link import NO_DELAY
from balans.simulator.runner import Progress, RunOptions, TownRunner
from balans.simulator.town import demo_town

SPEC = demo_town()
SERIAL_OF = {
    code: module.serial for code, (module, _) in zip(SPEC.channel_codes, SPEC.channels, strict=True)
}
INPUT_OF = {
    code: channel.input
    for code, (_, channel) in zip(SPEC.channel_codes, SPEC.channels, strict=True)
}
HEAT = [load.name for load in SPEC.loads if load.load_class is LoadClass.YELLOW]
QUICK = RunOptions(gateway_s=10.0, drain_s=20.0)

Script = Callable[[module.PowerSample], Iterable[module.Switch]]


def stay_out(_: module.PowerSample) -> Iterable[module.Switch]:
    return ()


class FakeGateway:
    """Plays all hubs of the site and remembers what it saw.

    It does not hear the first `deaf_reports` reports, so that modules have to repeat them.
    """

    def __init__(self, url: str, script: Script = stay_out, deaf_reports: int = 0) -> None:
        self.readings: dict[tuple[int, int, int], int] = {}
        self.reports = 0
        self.samples: list[module.PowerSample] = []
        self.states: list[module.ActuatorState] = []
        self.connected = asyncio.Event()
        self._deaf_reports = deaf_reports
        self._address = parse_broker_address(url)
        self._script = script
        self._topics = module.Topics(SPEC.sites[0].code)
        self._hub_of = {found.serial: found.hub for found in SPEC.modules}

    async def run(self) -> None:
        while True:
            client = aiomqtt.Client(
                self._address.host,
                self._address.port,
                username=self._address.username,
                password=self._address.password,
                timeout=3,
                socket_options=[NO_DELAY],
            )
            with contextlib.suppress(aiomqtt.MqttError):
                async with client:
                    await self._serve(client)
            if client._disconnected.done():
                client._disconnected.exception()  # or asyncio complains that nobody looked
            await asyncio.sleep(0.05)

    async def _serve(self, client: aiomqtt.Client) -> None:
        for topic in ("power", "state/+", "report/+"):
            await client.subscribe(f"{self._topics.root}/{topic}", 1)
        await client.publish(self._topics.query, module.encode(module.Query(0)), 1)
        self.connected.set()
        async for message in client.messages:
            await self._on_message(client, bytes(message.payload))

    async def _on_message(self, client: aiomqtt.Client, payload: bytes) -> None:
        match module.decode(payload):
            case module.PowerSample() as sample:
                await self._control(client, sample)
            case module.ModuleReport() as report:
                await self._confirm(client, report)
            case module.ActuatorState() as state:
                self.states.append(state)
            case _:
                pytest.fail("nobody but a gateway sends this")

    async def _control(self, client: aiomqtt.Client, sample: module.PowerSample) -> None:
        self.samples.append(sample)
        for switch in self._script(sample):
            await client.publish(self._topics.switch(switch.load), module.encode(switch), 1)
        status = hub.SiteStatus(sample.seq, sample.time, sample.step_s, None, None, "", ())
        await client.publish(hub.Topics("hub-1").status, hub.encode(status), 0)

    async def _confirm(self, client: aiomqtt.Client, report: module.ModuleReport) -> None:
        self.reports += 1
        if self.reports <= self._deaf_reports:
            return
        for reading in readings_of(report.readings):
            self._remember(reading)
        topic = self._topics.received(self._hub_of[report.serial])
        received = module.ReportReceived(report.serial, report.readings)
        await client.publish(topic, module.encode(received), 1)

    def _remember(self, reading: Reading) -> None:
        key = (reading.module, reading.input, reading.hour)
        assert self.readings.setdefault(key, reading.register) == reading.register


@contextlib.asynccontextmanager
async def serving(gateway: FakeGateway) -> AsyncIterator[FakeGateway]:
    task = asyncio.create_task(gateway.run())
    try:
        await asyncio.wait_for(gateway.connected.wait(), 10)
        yield gateway
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def of_ledger(path: Path) -> dict[tuple[int, int, int], int]:
    return {
        (SERIAL_OF[code], INPUT_OF[code], hour): register
        for (code, hour), register in read(path).items()
    }


def off(load: str, sample: module.PowerSample, max_off_s: float = 900.0) -> module.Switch:
    return module.Switch(
        id=f"{load}-{sample.seq}",
        load=load,
        on=False,
        issued=sample.time,
        expires=sample.time + 30,
        max_off_s=max_off_s,
        author="dlm",
        reason="over_limit",
    )


@pytest.fixture(
    params=["broker", pytest.param("mosquitto_broker", marks=pytest.mark.mosquitto)],
    ids=["embedded", "mosquitto"],
)
def any_broker(request: pytest.FixtureRequest) -> LocalBroker | Mosquitto:
    found: LocalBroker | Mosquitto = request.getfixturevalue(request.param)
    return found


async def test_every_reading_arrives_and_every_sample_is_answered(
    any_broker: LocalBroker | Mosquitto, tmp_path: Path
) -> None:
    hours: list[Progress] = []
    clock: list[tuple[float, float]] = []
    options = replace(
        QUICK,
        ledger=tmp_path / "l.csv",
        progress=hours.append,
        set_clock=lambda now_s, speed: clock.append((now_s, speed)),
    )
    async with serving(FakeGateway(any_broker.url)) as gateway:
        result = await TownRunner(SPEC, any_broker.url, options).run(hours=4)
    assert result.drained
    assert result.unconfirmed == result.unanswered == 0
    assert gateway.readings == of_ledger(tmp_path / "l.csv")
    assert len(gateway.readings) == result.readings == 5 * len(SPEC.channels)
    seen = sorted({sample.seq: sample for sample in gateway.samples}.values(), key=lambda s: s.seq)
    assert [sample.seq for sample in seen] == list(range(1, 241))
    assert [sample.site_w for sample in seen] == result.controlled_w.tolist()
    assert [progress.hours for progress in hours] == [1, 2, 3, 4]
    assert [now_s for now_s, _ in clock[:3]] == [SPEC.start_s + 60 * n for n in range(3)]
    assert {speed for _, speed in clock} == {0.0}
    assert {state.load for state in gateway.states} == {
        load.name for load in SPEC.loads if load.module
    }


async def test_control_acts_on_the_next_minute_and_is_told_so(broker: LocalBroker) -> None:
    def shed_all_at_seven(sample: module.PowerSample) -> Iterable[module.Switch]:
        return [off(load, sample) for load in HEAT] if sample.seq == 7 else []

    async with serving(FakeGateway(broker.url, shed_all_at_seven)) as gateway:
        result = await TownRunner(SPEC, broker.url, QUICK).run(hours=1)
    heat = [name in HEAT for name in result.load_names]
    off_at = np.flatnonzero(~result.load_on[:, heat].any(axis=1)).tolist()
    assert off_at == list(range(7, 22))
    assert result.load_on[:, ~np.array(heat)].all()
    assert result.yellow.longest_off_s == 900
    assert result.yellow.interruptions == result.obeyed == len(HEAT)
    assert result.red_interruptions == 0
    assert (result.controlled_w[:7] == result.uncontrolled_w[:7]).all()
    assert result.controlled_w[7] < result.uncontrolled_w[7]
    assert len(result.reaction_s) == len(HEAT)
    assert result.reaction_s.max() < 5
    moved = [state for state in gateway.states if state.since > SPEC.start_s]
    assert {(s.on, s.since - SPEC.start_s, bool(s.command)) for s in moved} == {
        (False, 420, True),
        (True, 1320, False),
    }


async def test_red_and_unknown_loads_are_out_of_reach(broker: LocalBroker) -> None:
    def shed_the_kitchen(sample: module.PowerSample) -> Iterable[module.Switch]:
        return [off("flat-01-kitchen", sample), off("lamp", sample)] if sample.seq == 3 else []

    async with serving(FakeGateway(broker.url, shed_the_kitchen)):
        result = await TownRunner(SPEC, broker.url, QUICK).run(hours=0.2)
    assert result.refused == {"no actuator": 1, "unknown load": 1}
    assert result.red_interruptions == result.obeyed == 0


async def test_unheard_and_doubled_reports_are_settled(broker: LocalBroker, tmp_path: Path) -> None:
    faults = FaultPlan(duplicate_report=0.5, silent_module=0.1, silent_hours=2)
    options = replace(QUICK, ledger=tmp_path / "l.csv", faults=faults)
    async with serving(FakeGateway(broker.url, deaf_reports=100)) as gateway:
        result = await TownRunner(SPEC, broker.url, options).run(hours=3)
    assert result.drained
    assert gateway.readings == of_ledger(tmp_path / "l.csv")
    assert gateway.reports > 100 + len(SPEC.modules)


async def test_messages_that_are_lost_either_way_are_settled(
    broker: LocalBroker, tmp_path: Path
) -> None:
    options = replace(QUICK, ledger=tmp_path / "l.csv", faults=FaultPlan(lost_message=0.3))
    async with serving(FakeGateway(broker.url)) as gateway:
        result = await TownRunner(SPEC, broker.url, options).run(hours=2)
    assert result.drained
    assert gateway.readings == of_ledger(tmp_path / "l.csv")


async def test_the_modules_are_there_until_all_is_settled(broker: LocalBroker) -> None:
    answers = [True, False, False]
    options = replace(QUICK, settled=answers.pop)
    async with serving(FakeGateway(broker.url)):
        result = await TownRunner(SPEC, broker.url, options).run(hours=0.1)
    assert result.drained
    assert answers == []


async def test_a_killed_broker_loses_no_reading(server_dir: Path, tmp_path: Path) -> None:
    options = replace(QUICK, ledger=tmp_path / "l.csv")
    with LocalBroker(server_dir / "town") as broker:
        broker.watch()

        def kill_now_and_then(sample: module.PowerSample) -> Iterable[module.Switch]:
            if sample.seq in {50, 125}:
                os.kill(broker.status().pid or 0, signal.SIGKILL)
            return [off(load, sample) for load in HEAT[::2]] if sample.seq % 60 == 49 else []

        async with serving(FakeGateway(broker.url, kill_now_and_then)) as gateway:
            result = await TownRunner(SPEC, broker.url, options).run(hours=3)
    assert result.drained
    assert gateway.readings == of_ledger(tmp_path / "l.csv")
    assert 0 < result.unanswered < 60
    assert result.yellow.longest_off_s <= 900


async def test_a_dead_gateway_does_not_stop_the_town(
    broker: LocalBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner_module, "ANSWER_S", 0.5)
    monkeypatch.setattr(runner_module, "GATEWAY_GONE_ANSWER_S", 0.001)
    monkeypatch.setattr(runner_module, "GONE_AFTER", 2)
    died = asyncio.Event()

    def shed_and_die(sample: module.PowerSample) -> Iterable[module.Switch]:
        if sample.seq >= 20:
            died.set()
            raise asyncio.CancelledError
        return [off(load, sample) for load in HEAT] if sample.seq == 19 else []

    gateway = FakeGateway(broker.url, shed_and_die)
    town = TownRunner(SPEC, broker.url, replace(QUICK, drain_s=0.1))
    async with serving(gateway):
        result = await town.run(hours=2)
    assert died.is_set()
    assert result.hours == 2
    assert result.unanswered == 101
    assert not result.drained
    assert result.unconfirmed >= 2 * len(SPEC.channels)
    assert result.yellow.interruptions == len(HEAT)
    assert result.yellow.longest_off_s == 900


async def test_malformed_and_foreign_messages_change_nothing(broker: LocalBroker) -> None:
    topics = module.Topics(SPEC.sites[0].code)
    address = parse_broker_address(broker.url)
    sent = asyncio.Event()

    async def disturb() -> None:
        login = {"username": address.username, "password": address.password}
        async with aiomqtt.Client(address.host, address.port, **login) as client:  # type: ignore[arg-type]
            for topic in (topics.switch(HEAT[0]), topics.query, topics.received("hub-1")):
                for payload in (b"", b"\xff" * 50, module.encode(module.Query(1)), b"\x81" * 9):
                    await client.publish(topic, payload, 1)
            broken = module.ReportReceived(SPEC.modules[0].serial, b"no readings")
            await client.publish(topics.received("hub-1"), module.encode(broken), 1)
            await client.publish(hub.Topics("hub-1").status, b"\x00", 0)
        sent.set()

    async with serving(FakeGateway(broker.url)) as gateway:
        disturbing = asyncio.create_task(disturb())
        result = await TownRunner(SPEC, broker.url, QUICK).run(hours=1)
        await disturbing
    assert sent.is_set()
    assert result.drained
    assert len(gateway.readings) == 2 * len(SPEC.channels)
    assert result.obeyed == 0


async def test_a_stopped_town_goes_on_where_it_was(broker: LocalBroker, tmp_path: Path) -> None:
    options = replace(QUICK, state_dir=tmp_path, ledger=tmp_path / "l.csv")
    async with serving(FakeGateway(broker.url)) as gateway:
        first = TownRunner(SPEC, broker.url, replace(options, speed=60_000.0))
        loop = asyncio.get_running_loop()
        loop.call_later(0.3, first.stop)
        before = await asyncio.wait_for(first.run(), 30)
        assert before.drained
        after = await TownRunner(SPEC, broker.url, options).run(hours=2)
    assert after.start_s == before.end_s > SPEC.start_s
    assert after.readings == len(read(tmp_path / "l.csv"))
    assert gateway.readings == of_ledger(tmp_path / "l.csv")


async def test_same_script_same_day(broker: LocalBroker) -> None:
    def shed_when_high(sample: module.PowerSample) -> Iterable[module.Switch]:
        return (
            [off(load, sample) for load in HEAT[sample.seq % 3 :: 3]]
            if sample.site_w > 15_000
            else []
        )

    days = []
    for _ in range(2):
        async with serving(FakeGateway(broker.url, shed_when_high)):
            days.append(await TownRunner(SPEC, broker.url, QUICK).run(hours=2))
    assert (days[0].load_on == days[1].load_on).all()
    assert (days[0].controlled_w == days[1].controlled_w).all()
    assert days[0].obeyed > 40


def test_a_wrong_address_is_refused() -> None:
    with pytest.raises(InputError, match="scheme"):
        TownRunner(SPEC, "http://127.0.0.1", QUICK)
