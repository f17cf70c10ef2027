"""A simulated town in the database: registered, registered again, and compared with its ledger."""

import asyncio
from datetime import UTC, datetime

import pytest

from balans.cli.simulate_town import compare, report_of, wait_until_stored
from balans.cli.town_plan import registry_plan
from balans.protocols import hub as wire
from balans.simulator.fleet import Fleet, FleetOptions, FleetResult
from balans.simulator.spec import TownSpec
from balans.simulator.town import demo_town, synthetic_town

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SPEC = synthetic_town(2, 3, seed=21)


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("spec", [demo_town(), SPEC], ids=["demo", "made"])
def test_a_town_is_registered_whole_and_only_once(spec: TownSpec) -> None:
    from balans.storage.registry import apply_plan

    first = apply_plan(registry_plan(spec))
    again = apply_plan(registry_plan(spec))
    assert first.created > len(spec.channels)
    assert (again.created, again.updated) == (0, 0)
    assert again.tenant_id == first.tenant_id


async def counted(hours: int) -> Fleet:
    """A fleet whose hubs have journalled `hours` hours; nothing was sent."""
    fleet = Fleet(SPEC, "mqtt://127.0.0.1:9", FleetOptions())
    await fleet._play(hours)
    return fleet


def deliver(fleet: Fleet, hubs: slice) -> None:
    from balans.storage.flush import flush_inbox
    from balans.storage.inbox import store_batch

    for hub in fleet.hubs[hubs]:
        entries = hub.journal.read(0, hub.journal.next, 10**9)
        store_batch(hub.topics.hub, wire.Batch.of(hub.journal.id, 0, entries), NOW)
    flush_inbox(NOW)


@pytest.mark.usefixtures("store")
def test_what_is_missing_or_wrong_is_counted() -> None:
    from balans.storage.registry import apply_plan

    tenant_id = apply_plan(registry_plan(SPEC)).tenant_id
    fleet = asyncio.run(counted(5))
    total = 6 * len(SPEC.channels)
    assert compare(SPEC, fleet.ledger, tenant_id) == (total, 0)
    deliver(fleet, slice(0, 1))
    assert compare(SPEC, fleet.ledger, tenant_id) == (total // 2, 0)
    deliver(fleet, slice(1, 2))
    assert wait_until_stored(SPEC, fleet.ledger, tenant_id) == (0, 0)
    first = min(fleet.ledger.hours)
    fleet.ledger.hours[first] = (0, *fleet.ledger.hours[first][1:])
    assert compare(SPEC, fleet.ledger, tenant_id) == (0, 1)


def test_report() -> None:
    result = FleetResult(
        2, 6, 18, 5, readings=108, batches=4, unacknowledged=1, refused=0, answered=True
    )
    report = report_of(result, missing=3, wrong=1, wall_s=1.234)
    assert report["readings"] == {"expected": 108, "stored": 104, "missing": 3, "wrong": 1}
    assert (report["hours"], report["wall_s"], report["unacknowledged"]) == (5, 1.23, 1)
