"""The live picture of a site."""

from typing import Annotated

import msgspec
from msgspec import Meta

from balans.core.words import LoadClass
from balans.protocols.fields import (
    Ampere,
    DaySeconds,
    Name,
    NodeName,
    PhaseWatts,
    Sequence,
    StepSeconds,
    Text,
    Unix,
    Watt,
)
from balans.protocols.hub.settings import LimitSetting

Share = Annotated[float, Meta(ge=0, le=1)]
KiloWattMinutes = Annotated[float, Meta(ge=0, le=1e9)]


class LoadStatus(msgspec.Struct, frozen=True, array_like=True):
    """A load as the gateway sees it now.

    `off_left_s` is the time until it must come back (null when on or when no limit applies);
    `reason` a code such as ``over_limit`` with the words left to the reader's language.
    `ordered` is what the load was told to be while its last answer differs, else null.
    `node` is where it hangs in the tree, "" the site itself. `given_kwmin` is what it has given
    up, in kilowatt minutes, by the ledger of fairness. Without the owner's consent `released` is
    false; `paused_until` tells a pause. `expected_w` and `achieved_w` are the change of power that
    its last switching should have made, and the one that was measured.
    """

    name: Name
    load_class: LoadClass
    on: bool
    power_w: Watt | None
    reason: Text = ""
    off_left_s: DaySeconds | None = None
    since: Unix | None = None
    ordered: bool | None = None
    node: NodeName = ""
    given_kwmin: KiloWattMinutes = 0.0
    released: bool = True
    paused_until: Unix | None = None
    expected_w: Watt | None = None
    achieved_w: Watt | None = None


class NodeStatus(msgspec.Struct, frozen=True, array_like=True):
    """A node of the limit tree as the gateway sees it now; "" is the site, parents come first.

    `allowed_w` and `limit` are what binds at the node itself, `headroom_w` what is left of it;
    each null where no limit holds or nothing was measured. `phase_a` are the currents on L1, L2,
    L3, null for one that is not measured, and `phase_limit_a` what each may be.
    """

    name: NodeName = ""
    parent: NodeName = ""
    power_w: Watt | None = None
    allowed_w: Watt | None = None
    headroom_w: Watt | None = None
    limit: Text = ""
    phase_a: Annotated[tuple[Ampere | None, ...], Meta(max_length=3)] = ()
    phase_limit_a: Ampere | None = None


class Fairness(msgspec.Struct, frozen=True, array_like=True):
    """Jain's index over what was given up, by load and by node: 1 all the same, 1/n one alone.

    Null where nobody has given up anything, or there are no nodes.
    """

    jain_loads: Share | None = None
    jain_nodes: Share | None = None


class SiteStatus(msgspec.Struct, frozen=True, tag="status"):
    """Hub -> head-end after every decision: the live picture of a site. May be lost.

    `valid_s` is the wall time within which the next status is due: three times that is stale.
    `seq` repeats the number of the power sample behind it. `sensor_ok` is false while the
    power sensor is stale, which counts as overload.

    `nodes` is the tree of limits, the site first; empty from a gateway that knows of none.
    `guard` holds the codes of the guards that are at work, the gravest first, parted by spaces:
    ``sensor_lost``, ``futile``, ``switch_cap``, ``planner_lost``. `plan_state` is that of the plan
    in use, "" without a planner. `paused_until` is set while all of load control is paused.
    `own_limits` are those that the consumer has set at the gateway itself.
    """

    seq: Sequence
    time: Unix
    step_s: StepSeconds
    site_w: Watt | None
    limit_w: Watt | None
    limit: Text
    loads: tuple[LoadStatus, ...]
    phase_w: PhaseWatts = ()
    reference_w: Watt | None = None
    sensor_ok: bool = True
    valid_s: StepSeconds = 60.0
    nodes: tuple[NodeStatus, ...] = ()
    fairness: Fairness | None = None
    paused_until: Unix | None = None
    guard: Text = ""
    plan_state: Text = ""
    own_limits: tuple[LimitSetting, ...] = ()
