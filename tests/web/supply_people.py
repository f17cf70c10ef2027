"""Flat 1 of the town with an adapter for its supply, and two dispatchers of the house."""

from dataclasses import replace

from tests.web import town

from balans.protocols.hub import (
    Batch,
    Entry,
    EntryKind,
    SupplyOutcome,
    SupplyReport,
    encode_supply_report,
)
from balans.protocols.supply_words import Contact
from balans.storage.flush import flush_inbox
from balans.storage.inbox import store_batch
from balans.storage.registry import apply_plan
from balans.usecases.registry_plan import (
    AccountPlan,
    ContractPlan,
    CustomerPlan,
    ModulePlan,
)

ADAPTER = 1009
POINT = "alice-flat-01-el"


def add_people() -> None:
    """Bring them into Alice's registry."""
    plan = town.plan("alice", 1000)
    adapter = ModulePlan(
        serial=ADAPTER, node="alice-flat-01", hub="alice-hub", has_adapter=True, inputs=(1,)
    )
    people = tuple(
        AccountPlan(
            username=f"alice-{name}",
            password=town.PASSWORD,
            grants=(("dispatcher", "alice-house"),),
        )
        for name in ("dora", "dan")
    )
    apply_plan(
        replace(
            plan,
            modules=(*plan.modules, adapter),
            accounts=(*plan.accounts, *people),
            customers=(*plan.customers, CustomerPlan(code="alice-c9", name="Carol Consumer")),
            contracts=(
                *plan.contracts,
                ContractPlan(number="alice-k9", customer="alice-c9", node="alice-flat-01"),
            ),
        )
    )


def tell(code: str, outcome: SupplyOutcome, contact: Contact, offset: int) -> None:
    """Let the journal of the hub bring what came of an order."""
    report = SupplyReport(
        module=ADAPTER,
        output=1,
        outcome=outcome,
        time=town.NOW.timestamp(),
        contact=contact,
        since=town.NOW.timestamp(),
        id=code,
    )
    entry = Entry(EntryKind.SUPPLY, encode_supply_report(report))
    store_batch("alice-hub", Batch.of(501, offset, (entry,)), town.NOW)
    flush_inbox(town.NOW)
