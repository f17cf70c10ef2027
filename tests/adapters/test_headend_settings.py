"""Consents down, plans up: what the head-end carries between pages and gateways."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from tests.adapters.test_headend import (  # noqa: F401  (bench and database are fixtures)
    NOW,
    Bench,
    FakeHub,
    bench,
    database,
    in_system,
    rows,
    until,
    until_stored,
)

from balans.adapters.clock import SystemClock
from balans.adapters.localmqtt import LocalBroker
from balans.headend.metrics import Metrics
from balans.headend.outbox import Outbox
from balans.protocols.hub import (
    Command,
    ConsentSetting,
    Hello,
    PlannedLoad,
    PlanReport,
    PlanState,
    Topics,
)

if TYPE_CHECKING:
    from balans.headend.database import Database


def set_released(*, released: bool) -> None:
    """Let Alice's consumer give or take back consent for the heater."""
    from balans.storage import consents, lookups
    from balans.storage.models import Tenant, User
    from balans.storage.scope import tenant_scope

    tenant = in_system(Tenant.objects.get).pk
    with tenant_scope(tenant):
        site = lookups.site_by_code(tenant, "alice-house")
        assert site is not None
        user = User.objects.get(username="alice-consumer")
        consents.set_released(user, site, ["heat"], released=released, now=NOW)
    from django.db import connection

    connection.close()


async def test_consents_are_retained_and_sent_at_once_when_they_change(
    bench: Bench,  # noqa: F811
    broker: LocalBroker,
) -> None:
    await bench.hub.ask(Hello(77, 0, 0))
    await until(lambda: bench.hub.consents, "consents")
    assert "heat" not in {one.load for one in bench.hub.consents[-1].loads}
    await asyncio.to_thread(set_released, released=False)
    wanted = ConsentSetting("heat", released=False)
    await until(
        lambda: wanted in bench.hub.consents[-1].loads, "consent that was withdrawn", limit_s=3.0
    )
    assert bench.hub.consents[-1].version > bench.hub.consents[0].version
    late = FakeHub(broker.url)
    task = asyncio.create_task(late.link.run())
    await until(lambda: late.consents, "consents retained at the broker")
    assert late.consents == bench.hub.consents[-1:]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_newest_plan_is_kept(bench: Bench) -> None:  # noqa: F811
    at = NOW.timestamp()
    load = PlannedLoad("heat", (0.0, 2000.0), (2000.0, 0.0), deferred_to=at + 900.0)
    for made in (at, at + 300.0):
        await bench.hub.send(
            PlanReport(made, 900.0, at, PlanState.OPTIMAL, price=(0.3, 0.1), loads=(load,))
        )
    wanted = [(datetime.fromtimestamp(at + 300.0, UTC),)]
    await until_stored(lambda: rows("select made from site_plan"), wanted)
    await bench.hub.send(PlanReport(at + 60.0))
    await bench.hub.send(PlanReport(at + 600.0, state=PlanState.NONE, reason="planner_lost"))
    wanted = [(datetime.fromtimestamp(at + 600.0, UTC),)]
    await until_stored(lambda: rows("select made from site_plan"), wanted)


async def test_the_plan_of_a_hub_that_is_not_registered_is_dropped(bench: Bench) -> None:  # noqa: F811
    stranger = FakeHub(bench.hub.url, "stranger")
    task = asyncio.create_task(stranger.link.run())
    await asyncio.wait_for(stranger.link.wait_connected(), 10)
    await stranger.send(PlanReport(NOW.timestamp()))
    await bench.hub.send(PlanReport(NOW.timestamp()))
    await until_stored(lambda: rows("select count(*) from site_plan"), [(1,)])
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


class SlowDatabase:
    """Answers at once, but what is asked of settings never."""

    def __init__(self) -> None:
        self.queued: list[Any] = []
        self.asked: list[str] = []

    async def call(self, function: Callable[..., Any], *_: Any, **__: Any) -> Any:
        name = function.__name__
        self.asked.append(name)
        if name == "settings_of":
            await asyncio.Event().wait()
        answers = {"queued_commands": self.queued}
        if name == "mark_sent":
            self.queued = []
        return answers.get(name, 0)


async def test_no_command_waits_for_the_settings_of_other_hubs() -> None:
    sent: list[str] = []

    async def publish(topic: str, _data: bytes, _retain: bool) -> bool:  # noqa: FBT001  (its form)
        sent.append(topic)
        return True

    slow = SlowDatabase()
    outbox = Outbox(cast("Database", slow), SystemClock(), Metrics(), publish)
    task = asyncio.create_task(outbox.run())
    for number in range(3):
        outbox.greet(f"concentrator-{number}")
    outbox.greet("alice-hub")
    await until(lambda: "settings_of" in slow.asked, "settings")
    command = Command("c1", "heat", on=True, created=0.0, expires=60.0, author="", reason="")
    slow.queued = [SimpleNamespace(id=1, hub_code="bob-hub", command=command)]
    await until(lambda: sent == [Topics("bob-hub").command], "the command", limit_s=5.0)
    assert slow.asked.count("settings_of") == 1, "all of them at once"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
