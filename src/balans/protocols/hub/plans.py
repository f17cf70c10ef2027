"""The plan of a site on its way to the pages: what is expected, and what comes when."""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from balans.protocols.fields import Name, StepSeconds, Text, Unix, Watt

SLOTS_MAX = 1440
LOADS_MAX = 500
Price = Annotated[float, Meta(ge=-1e6, le=1e6)]
Money = Annotated[float, Meta(ge=-1e12, le=1e12)]
Powers = Annotated[tuple[Watt, ...], Meta(max_length=SLOTS_MAX)]


class PlanState(StrEnum):
    """How the plan came about.

    Relaxed: no plan keeps all limits, so this one exceeds them as little as it can. None: there is
    no plan, and `PlanReport.reason` says why.
    """

    OPTIMAL = "optimal"
    RELAXED = "relaxed"
    NONE = "none"


class PlannedLoad(msgspec.Struct, frozen=True):
    """What is planned for one load, by slot, beside what it would draw without a plan [W].

    `deferred_to` is when what it wants now is to run instead; null where nothing waits.
    """

    name: Name
    power_w: Powers = ()
    unplanned_w: Powers = ()
    deferred_to: Unix | None = None


class PlanReport(msgspec.Struct, frozen=True, tag="plan"):
    """Hub -> head-end: the latest plan. A later one replaces it; it may be lost.

    Slots of `slot_s` seconds follow each other from `start`. `price` is per kWh, `expected_w` the
    power of the site, `limit_w` what is allowed (null where no limit holds); `cost` and
    `cost_unplanned` are over all slots, null where there is no price.
    """

    made: Unix
    slot_s: StepSeconds = 900.0
    start: Unix = 0.0
    state: PlanState = PlanState.NONE
    reason: Text = ""
    price: Annotated[tuple[Price, ...], Meta(max_length=SLOTS_MAX)] = ()
    expected_w: Powers = ()
    limit_w: Annotated[tuple[Watt | None, ...], Meta(max_length=SLOTS_MAX)] = ()
    loads: Annotated[tuple[PlannedLoad, ...], Meta(max_length=LOADS_MAX)] = ()
    cost: Money | None = None
    cost_unplanned: Money | None = None
