"""From the page's order to the contact and back: head-end, broker, gateway and module are real."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import msgspec
import pytest
from tests.adapters.supply_town import (
    SERIAL,
    add_device,
    for_debt,
    ordered,
    point_of,
    wish,
    with_supply,
)
from tests.adapters.test_headend import NOW, Bench, bench, rows, until, until_stored

from balans.adapters.localmqtt import LocalBroker
from balans.adapters.mqtt import Link
from balans.core.words import Phase, PointRole, Resource
from balans.domain.supply import Contact, OrderState, SupplyReason
from balans.protocols import hub, module
from balans.protocols.supply_words import SupplyAction
from balans.simulator.spec import ChannelSpec, ModuleSpec
from balans.simulator.supply import SupplyBank
from balans.usecases.registry_plan import RegistryPlan

__all__ = ["bench"]
T = TypeVar("T")
T0 = NOW.timestamp()
GATEWAY = """
[gateway]
hub = "alice-hub"
site = "alice-house"
data_dir = "data"
mqtt_url = "{url}"

[site]
name = "house"
timezone = "Europe/Paris"
"""


@pytest.fixture
def database(store: None, plan: RegistryPlan, django_database_url: str) -> str:  # noqa: ARG001  (a fixture)
    """Alice's utility, whose flat 1 has a contactor."""
    from balans.storage.registry import apply_plan

    apply_plan(with_supply(plan))
    in_tenant(add_device)
    return django_database_url


def in_tenant(work: Callable[[], T]) -> T:
    """Work in the scope of Alice's tenant, in the thread that asks."""
    from django.db import connection

    from balans.storage.models import Tenant
    from balans.storage.scope import system_scope, tenant_scope

    try:
        with system_scope():
            tenant = Tenant.objects.get(code="alice")
        with tenant_scope(tenant.pk):
            return work()
    finally:
        connection.close()


class Flat:
    """The simulated contactor of flat 1 on the site bus; a `deaf` one hears and says nothing."""

    def __init__(self, url: str, site: str = "alice-house", hub_code: str = "alice-hub") -> None:
        channel = ChannelSpec(
            1, Resource.ELECTRICITY, 1, 0, "m", "p", "n", PointRole.CONSUMER, Phase.L1
        )
        spec = ModuleSpec(SERIAL, hub_code, adapter=True, channels=(channel,))
        self.bank = SupplyBank([spec], [], T0 - 60)
        self.adapter = self.bank.adapters[SERIAL]
        self.topics, self.hub = module.Topics(site), hub_code
        self.heard: list[Any] = []
        self.deaf = False
        self.clock_s = T0
        topic = self.topics.supply(hub_code)
        self.link = Link(url, f"flat-{uuid4().hex}", [(topic, 1)], self._hear)

    async def say(self, state: module.SupplyState) -> None:
        await self.link.publish(self.topics.supplied(self.hub), module.encode(state), qos=1)

    async def press(self) -> None:
        await self.say(self.adapter.press(T0 + 1))

    async def _hear(self, _topic: str, data: bytes) -> None:
        message = module.decode(data)
        self.heard.append(message)
        if self.deaf:
            return
        if isinstance(message, module.SupplySwitch):
            state = self.bank.obey(message, self.clock_s)
            if state is not None:
                await self.say(state)
        else:
            for state in self.bank.states(self.clock_s):
                await self.say(state)

    @property
    def switches(self) -> list[module.SupplySwitch]:
        return [one for one in self.heard if isinstance(one, module.SupplySwitch)]


class Chain:
    """A gateway process and its contactor; head-end, broker and database belong to the bench."""

    def __init__(self, folder: Path, url: str, clock: Path) -> None:
        self.url = url
        self.flat = Flat(url)
        self.config = folder / "gateway.toml"
        self.config.write_text(GATEWAY.format(url=url), encoding="utf-8")
        self.env = {**os.environ, "BALANS_CLOCK_FILE": str(clock)}
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        args = ["-m", "balans", "gateway", str(self.config)]
        self.process = await asyncio.create_subprocess_exec(sys.executable, *args, env=self.env)

    async def kill(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.send_signal(signal.SIGKILL)
            await process.wait()


@pytest.fixture
async def chain(bench: Bench, broker: LocalBroker, tmp_path: Path) -> AsyncIterator[Chain]:
    assert bench.process is not None
    folder = tmp_path / "hub"
    folder.mkdir()
    chain = Chain(folder, broker.url, tmp_path / "clock")
    task = asyncio.create_task(chain.flat.link.run())
    await asyncio.wait_for(chain.flat.link.wait_connected(), 10)
    await chain.start()
    await until_stored(contact, Contact.ON)
    yield chain
    await chain.kill()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def contact() -> Contact:
    from balans.storage import supply

    def found() -> Contact:
        device = supply.device_of(point_of())
        assert device is not None
        return device.contact

    return in_tenant(found)


def state() -> OrderState:
    """Return where the newest order stands."""
    (found,) = rows("select state from supply_order order by id desc limit 1")
    return OrderState(found[0])


def order(one: Any) -> str:
    return in_tenant(lambda: ordered(one)).code


async def test_an_order_reaches_the_contact_and_its_feedback_the_tables(chain: Chain) -> None:
    code = await asyncio.to_thread(order, wish())
    await until_stored(state, OrderState.CONFIRMED)
    assert chain.flat.adapter.contact == Contact.OFF
    assert await asyncio.to_thread(contact) == Contact.OFF
    (switch,) = chain.flat.switches[:1]
    assert (switch.id, switch.author, switch.reason) == (code, "alice-dora", "repair: because")
    steps = await asyncio.to_thread(rows, "select state, author from supply_step order by id")
    assert steps == [
        ("draft", "alice-dora"),
        ("approved", "alice-dora"),
        ("sent", "headend"),
        ("heard", "alice-hub"),
        ("confirmed", "alice-hub"),
    ]
    await asyncio.to_thread(order, wish(SupplyAction.RECONNECT))
    await until_stored(contact, Contact.ON)
    assert chain.flat.adapter.state(T0).contact == Contact.ON


async def test_a_contact_that_does_not_move_is_a_failure(chain: Chain) -> None:
    chain.flat.adapter.stuck = True
    await asyncio.to_thread(order, wish())
    await until_stored(state, OrderState.FAILED)
    assert await asyncio.to_thread(contact) == Contact.ON


async def test_a_person_at_the_place_turns_it_on(chain: Chain) -> None:
    await asyncio.to_thread(rows, "update supply_device set reconnect = 'manual_only' returning id")
    await asyncio.to_thread(order, wish())
    await until_stored(contact, Contact.OFF)
    await asyncio.to_thread(order, wish(SupplyAction.RECONNECT))
    await until_stored(contact, Contact.ARMED)
    await until_stored(state, OrderState.CONFIRMED)
    assert chain.flat.switches[-1].manual
    await chain.flat.press()
    await until_stored(contact, Contact.ON)
    assert await asyncio.to_thread(rows, "select what from finding") == []


async def test_replayed_expired_and_foreign_orders_move_nothing(chain: Chain) -> None:
    """Whoever has recorded an order, or may write to the broker, cannot switch by the old one."""
    await asyncio.to_thread(order, wish())
    await until_stored(state, OrderState.CONFIRMED)
    recorded = chain.flat.switches[0]
    await asyncio.to_thread(order, wish(SupplyAction.RECONNECT))
    await until_stored(contact, Contact.ON)
    topics = hub.Topics("alice-hub")
    own = (recorded.serial, recorded.output, recorded.action, recorded.issued)
    again = hub.SupplyOrder(recorded.id, *own, recorded.expires, "mallory", "replay")
    newer = hub.SupplyOrder("x1", *own, recorded.expires, "mallory", "old order, new id")
    late = hub.SupplyOrder("x2", *own[:3], T0 - 100, T0 - 1, "mallory", "expired")
    ahead = hub.SupplyOrder("x3", *own[:3], T0 + 1_000, T0 + 2_000, "mallory", "from the future")
    for forged in (again, newer, late, ahead):
        await chain.flat.link.publish(topics.supply, hub.encode(forged), qos=1)
    # the same straight on the site bus, past the gateway
    for forged_switch in (recorded, replace_id(recorded, "x4")):
        await chain.flat.link.publish(
            chain.flat.topics.supply("alice-hub"), module.encode(forged_switch), qos=1
        )
    await until(lambda: any(one.id == "x4" for one in chain.flat.switches), "the last forgery")
    await asyncio.sleep(1.0)
    assert chain.flat.adapter.contact == Contact.ON
    assert await asyncio.to_thread(contact) == Contact.ON
    assert {one.id for one in chain.flat.switches}.isdisjoint({"x2", "x3"})


def replace_id(switch: module.SupplySwitch, name: str) -> module.SupplySwitch:
    return msgspec.structs.replace(switch, id=name)


async def test_a_gateway_killed_in_the_middle_switches_once(chain: Chain) -> None:
    chain.flat.deaf = True
    await asyncio.to_thread(order, wish())
    await until(lambda: chain.flat.switches, "order at the module")
    await chain.kill()
    chain.flat.deaf = False
    await chain.start()
    await until_stored(state, OrderState.CONFIRMED)
    assert {one.id for one in chain.flat.switches} == {chain.flat.adapter.order}
    assert len(chain.flat.adapter.answers) == 1


async def test_a_contact_is_asked_again_after_a_restart(chain: Chain) -> None:
    await chain.kill()
    chain.flat.adapter.open_by_hand(T0 + 1)
    await chain.start()
    await until_stored(contact, Contact.OFF)


async def test_without_its_second_person_nothing_leaves(chain: Chain) -> None:
    from balans.storage import supply_orders

    code = await asyncio.to_thread(order, for_debt())
    await asyncio.sleep(2.5)
    assert chain.flat.switches == []
    from tests.adapters.supply_town import person

    await asyncio.to_thread(
        in_tenant, lambda: supply_orders.approve(person("alice-dan"), code, NOW)
    )
    await until_stored(state, OrderState.CONFIRMED)
    assert chain.flat.adapter.contact == Contact.OFF


async def test_approved_and_cancelled_at_once_one_of_them_wins(chain: Chain) -> None:
    """Two approve and one cancels at the same moment: the order is sent, or it is not."""
    from tests.adapters.supply_town import person

    from balans.storage import supply_orders
    from balans.storage.supply_records import SupplyRefusedError

    for n in range(4):
        code = await asyncio.to_thread(order, for_debt(text=f"case {n}"))

        def attempt(deed: Callable[[], Any]) -> str:
            try:
                return str(in_tenant(deed).state)
            except SupplyRefusedError as error:
                return error.code

        deeds = [
            lambda code=code: supply_orders.approve(person("alice-dan"), code, NOW),
            lambda code=code: supply_orders.approve(person("alice-dan"), code, NOW),
            lambda code=code: supply_orders.cancel(person("alice-dora"), code, "paid", NOW),
        ]
        said = await asyncio.gather(*(asyncio.to_thread(attempt, deed) for deed in deeds))
        assert said.count("approved") <= 1
        if said[2] == "cancelled":
            await asyncio.sleep(1.5)
            assert [one for one in chain.flat.switches if one.id == code] == []
            continue
        assert said[2] == "state"
        await until_stored(state, OrderState.CONFIRMED)
        await asyncio.to_thread(
            rows, "update supply_contact set contact = 'on' returning device_id"
        )


async def test_danger_is_off_within_seconds(chain: Chain) -> None:
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    await asyncio.to_thread(order, wish(reason=SupplyReason.DANGER))
    await until(lambda: chain.flat.adapter.contact == Contact.OFF, "contact off")
    assert loop.time() - began_s < 10
