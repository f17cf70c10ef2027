"""A street for the tests of balances: two buildings with meters of their own, five flats, a shop.

Registers are given by hours after `NOON`; each channel counts 1 Wh a pulse unless said otherwise.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from balans.core.hours import hour_of
from balans.core.words import Resource
from balans.domain.balances import Reach
from balans.protocols.hub import Batch, Entry, EntryKind
from balans.protocols.readings import Reading, pack
from balans.storage import lookups
from balans.storage.balance_groups import GroupInfo, group_of
from balans.storage.balance_upkeep import take_news
from balans.storage.balances import Report, Step, balance, bounds_of
from balans.storage.flush import flush_inbox
from balans.storage.inbox import store_batch
from balans.storage.records import NodeInfo
from balans.usecases.registry_plan import (
    HubPlan,
    MeterPlan,
    ModulePlan,
    MountingPlan,
    NodePlan,
    PointPlan,
    RegistryPlan,
    TenantPlan,
)

NOON = datetime(2026, 3, 27, 12, tzinfo=UTC)
HOUR = hour_of(NOON)
LATER = NOON + timedelta(days=30)
BUILDINGS = {"b1": ("f11", "f12", "f13"), "b2": ("f21", "f22")}
POINTS = {
    "b1-in": ("b1", "inflow"),
    "b2-in": ("b2", "inflow"),
    **{flat: (flat, "consumer") for flats in BUILDINGS.values() for flat in flats},
    "shop": ("b1", "consumer"),
    "lamps": ("street", "consumer"),
    "part": ("f11", "sub_meter"),
    "roof": ("f22", "production"),
}
MODULE_OF = {code: 5000 + number for number, code in enumerate(POINTS)}


def street_plan(weights: Mapping[str, Fraction] | None = None) -> RegistryPlan:
    """City > street > b1 (riser, 3 flats, shop) and b2 (2 flats, one with a roof)."""
    worth = {code: Fraction(1) for code in POINTS} | dict(weights or {})
    return RegistryPlan(
        tenant=TenantPlan(code="alice", name="Alice"),
        nodes=(
            NodePlan(code="city", name="City", kind="city", timezone="Europe/Paris"),
            NodePlan(code="street", name="Street", kind="street", parent="city"),
            NodePlan(code="b1", name="B1", kind="building", parent="street"),
            NodePlan(code="riser", name="R", kind="riser", parent="b1"),
            NodePlan(code="b2", name="B2", kind="building", parent="street"),
            *(
                NodePlan(
                    code=flat, name=flat, kind="flat", parent="riser" if building == "b1" else "b2"
                )
                for building, flats in BUILDINGS.items()
                for flat in flats
            ),
        ),
        points=tuple(
            PointPlan(code=code, name=code, node=node, resource="electricity", role=role)
            for code, (node, role) in POINTS.items()
        ),
        meters=tuple(
            MeterPlan(serial=code, resource="electricity", pulse_weight=worth[code])
            for code in POINTS
        ),
        mountings=tuple(
            MountingPlan(meter=code, point=code, module=MODULE_OF[code], input=1) for code in POINTS
        ),
        hubs=(HubPlan(code="hub", site="street"),),
        modules=tuple(
            ModulePlan(serial=MODULE_OF[code], node=node, hub="hub", inputs=(1, 2))
            for code, (node, _) in POINTS.items()
        ),
    )


def exchanged(plan: RegistryPlan, code: str, at: datetime, ends: tuple[int, int]) -> RegistryPlan:
    """Return `plan` with the meter of a point exchanged at `at` for one of 2 Wh on input 2."""
    (old,) = (m for m in plan.mountings if m.point == code)
    return replace(
        plan,
        meters=(
            *plan.meters,
            MeterPlan(serial=f"{code}-new", resource="electricity", pulse_weight=Fraction(2)),
        ),
        mountings=(
            *(m for m in plan.mountings if m is not old),
            replace(old, valid_to=at, register_at_removal=ends[0]),
            replace(old, meter=f"{code}-new", input=2, valid_from=at, register_at_mount=ends[1]),
        ),
    )


_journal = iter(range(1, 10**9))


def deliver(
    readings: Mapping[str, Mapping[int, int]],
    *,
    number: int = 1,
    flags: int = 0,
    now: datetime = LATER,
) -> None:
    """Store registers of points by hours after `NOON`."""
    packed = pack(
        [
            Reading(MODULE_OF[code], number, HOUR + hour, register, flags)
            for code, registers in readings.items()
            for hour, register in registers.items()
        ]
    )
    batch = Batch.of(next(_journal), 0, (Entry(EntryKind.READINGS, packed),))
    store_batch("hub", batch, now)
    flush_inbox(now)


def steady(per_hour: Mapping[str, int], hours: Iterable[int]) -> dict[str, dict[int, int]]:
    """Return registers that grow evenly."""
    spans = list(hours)
    return {code: {h: 5000 + rate * h for h in spans} for code, rate in per_hour.items()}


RATES = {
    "b1-in": 105, "f11": 10, "f12": 20, "f13": 30, "shop": 40,
    "b2-in": 50, "f21": 25, "f22": 28, "roof": 4, "lamps": 7, "part": 3,
}  # fmt: skip
"""Lost in an hour: 5 Wh in b1, 1 Wh in b2."""


def node_of(tenant_id: int, code: str) -> NodeInfo:
    found = lookups.site_by_code(tenant_id, code)
    assert found is not None
    return found


def group(tenant_id: int, code: str) -> GroupInfo:
    take_news(wait=False)
    found = group_of(node_of(tenant_id, code), Resource.ELECTRICITY)
    assert found is not None
    return found


def report(
    tenant_id: int,
    code: str,
    start: datetime = NOON,
    end: datetime = NOON + timedelta(hours=4),
    step: Step = Step.HOUR,
    reach: Reach = Reach.METERS,
) -> Report:
    """Return the balance of the group of a node. Call inside a scope."""
    one = group(tenant_id, code)
    zone = node_of(tenant_id, code).timezone
    return balance(one, bounds_of(start, end, step, zone), step, LATER, reach)


def seen(found: Report) -> Sequence[tuple[int | None, int | None, int | None]]:
    """Return inflow, outflow and imbalance of each interval [Wh]."""

    def wh(value: int | None) -> int | None:
        return None if value is None else value // 1000

    return [
        (wh(line.balance.inflow), wh(line.balance.outflow), wh(line.balance.imbalance))
        for line in found.lines
    ]
