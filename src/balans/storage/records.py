"""What the storage hands out about the registry: frozen values, no rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

from balans.core.words import (
    UNIT,
    LimitSource,
    LoadClass,
    NodeKind,
    Phase,
    PointRole,
    Resource,
)
from balans.protocols.hub import LimitPeriod


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """A node of the object tree; `timezone` is its own or the nearest ancestor's."""

    id: int
    tenant_id: int
    code: str
    name: str
    kind: NodeKind
    path: str
    parent_id: int | None
    timezone: ZoneInfo

    @property
    def ancestor_ids(self) -> tuple[int, ...]:
        """Ids from the root down to the parent."""
        return tuple(int(label[1:]) for label in self.path.split("."))[:-1]


@dataclass(frozen=True, slots=True)
class NodeTree:
    """A node with what lies below it; `depth` counts from the root that the reader can see."""

    node: NodeInfo
    depth: int
    children: tuple["NodeTree", ...] = ()

    def walk(self) -> Iterator["NodeTree"]:
        """Yield the tree from the top down, each node before its children."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class PointInfo:
    """A metering point."""

    id: int
    code: str
    name: str
    node_id: int
    node_code: str
    resource: Resource
    role: PointRole
    phase: Phase | None

    @property
    def unit(self) -> str:
        """Unit in which the resource is shown, such as kWh or m³."""
        return UNIT[self.resource]


@dataclass(frozen=True, slots=True)
class LoadInfo:
    """A controllable consumer of a site; `released` and `paused_until` as its owner last said."""

    id: int
    site_id: int
    node_id: int
    node_code: str
    name: str
    title: str
    load_class: LoadClass
    rated_w: float
    phase: Phase | None
    max_off_s: int | None
    min_on_s: int
    recover: str
    deadline: time | None
    actuator: int | None
    sub_meter: str | None
    released: bool
    paused_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class LimitInfo:
    """A limit at a node; without `kw` one of `phase_a` [A], or of `kwh` in each `period`."""

    name: str
    source: LimitSource
    kw: Decimal | None
    interval_s: int
    zone: str
    from_time: time | None
    to_time: time | None
    valid_from: datetime
    valid_to: datetime | None
    phase_a: Decimal | None = None
    kwh: Decimal | None = None
    period: LimitPeriod = LimitPeriod.DAY
    follows_peak: bool = False
    node_code: str = ""
    author: str = ""
    ended_by: str = ""
    id: int = 0


@dataclass(frozen=True, slots=True)
class TariffZoneInfo:
    """Hours of the day with a price per kWh, local to the node."""

    name: str
    from_time: time
    to_time: time
    price: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class HubInfo:
    """A concentrator or gateway."""

    id: int
    tenant_id: int
    code: str
    name: str
    site_id: int
    site_code: str
    controls: bool
