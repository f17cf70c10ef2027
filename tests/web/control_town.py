"""What the gateway of the test town reports of load control: its tree of limits, and a plan."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from msgspec.structs import replace
from tests.web import town

from balans.protocols.hub import (
    Fairness,
    LoadStatus,
    NodeStatus,
    PlannedLoad,
    PlanReport,
    PlanState,
    SiteStatus,
)

SLOTS = 96
SLOT_S = 900.0
GIVEN = {"flat-01-heat": 120.0, "flat-02-heat": 60.0, "flat-03-heat": 20.0}


def node(
    name: str, parent: str, power_w: float, allowed_w: float | None, **more: Any
) -> NodeStatus:
    """Return a node; what is left follows from power and limit."""
    left = None if allowed_w is None else allowed_w - power_w
    limit = "" if allowed_w is None else "contract"
    return NodeStatus(
        name, parent, power_w, allowed_w, **{"headroom_w": left, "limit": limit, **more}
    )


def nodes(flat_1_w: float = 1_000.0) -> tuple[NodeStatus, ...]:
    """Return a transformer with a riser, on which flat 1 may draw 3 kW; flat 4 has no limit."""
    return (
        node("", "", 9_000.0, 12_000.0, phase_a=(14.0, 24.5, 33.0), phase_limit_a=32.0),
        node("alice-riser", "", 8_500.0, 9_000.0, phase_a=(12.0, None, 10.0), phase_limit_a=25.0),
        node("alice-flat-01", "alice-riser", flat_1_w, 3_000.0),
        node("alice-flat-02", "alice-riser", 3_400.0, 3_000.0),
        node("alice-flat-04", "alice-riser", 700.0, None),
        node("circuit-9", "alice-flat-04", 200.0, 2_000.0),
    )


def status(
    at: datetime,
    *,
    off: Iterable[str] = (),
    tree: tuple[NodeStatus, ...] | None = None,
    loads: Mapping[str, Mapping[str, Any]] | None = None,
    **more: Any,
) -> SiteStatus:
    """Return a status with the tree of limits; `loads` says more of single loads."""
    plain = town.status(at, off=off)
    extra = loads or {}
    return replace(
        plain,
        loads=tuple(_load(load, extra.get(load.name, {})) for load in plain.loads),
        **{
            "nodes": nodes() if tree is None else tree,
            "fairness": Fairness(0.46, 0.62),
            "plan_state": "optimal",
            **more,
        },
    )


def _load(load: LoadStatus, more: Mapping[str, Any]) -> LoadStatus:
    flat = f"alice-{load.name[:7]}" if load.name.startswith("flat-") else ""
    return replace(load, **{"node": flat, "given_kwmin": GIVEN.get(load.name, 0.0), **more})


def plan(at: datetime, **more: Any) -> PlanReport:
    """Return a plan that puts off the laundry of flats 1 and 2 from 18:00 to 23:00 UTC.

    It begins at `at`; from the 24th slot on the night tariff halves the price.
    """
    night = [slot >= 24 for slot in range(SLOTS)]
    wash = [2_000.0 if slot in range(4, 8) else 0.0 for slot in range(SLOTS)]
    later = [2_000.0 if slot in range(24, 28) else 0.0 for slot in range(SLOTS)]
    base = [6_000.0 + 3_000.0 * (slot % 48 < 24) for slot in range(SLOTS)]
    start = at.timestamp()
    fields: dict[str, Any] = {
        "made": start,
        "slot_s": SLOT_S,
        "start": start,
        "state": PlanState.OPTIMAL,
        "price": tuple(0.12 if cheap else 0.24 for cheap in night),
        "expected_w": tuple(b + 2 * w for b, w in zip(base, later, strict=True)),
        "limit_w": tuple([12_000.0] * SLOTS),
        "loads": tuple(
            PlannedLoad(f"flat-0{n}-wash", tuple(later), tuple(wash), start + 24 * SLOT_S)
            for n in (1, 2)
        ),
        "cost": 30.5,
        "cost_unplanned": 31.46,
        **more,
    }
    return PlanReport(**fields)
