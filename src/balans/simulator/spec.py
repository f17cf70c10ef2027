"""What a town consists of: nodes, hubs, modules with their channels, flats and loads.

A specification is data without behaviour. The simulator plays it, and the command line
registers the same object in the database, so that the two never disagree.
"""

from dataclasses import dataclass, field

from balans.core.words import LoadClass, NodeKind, Phase, PointRole, Resource
from balans.protocols.readings import INPUT_MAX


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """A node of the object tree; `parent` is None at the top."""

    code: str
    kind: NodeKind
    name: str
    parent: str | None


@dataclass(frozen=True, slots=True)
class ChannelSpec:
    """One input of a module and the meter that pulses it.

    Parameters
    ----------
    input
        1 to 3.
    pulse_weight
        What one pulse stands for: Wh (electricity) or litres (water, gas).
    start_register
        Pulses counted before the simulation begins.
    meter, point, node
        Serial on the meter's plate, code of its metering point, node the point belongs to.
    load
        Name of the load whose sub-meter this is, else empty.
    """

    input: int
    resource: Resource
    pulse_weight: int
    start_register: int
    meter: str
    point: str
    node: str
    role: PointRole
    phase: Phase
    load: str = ""


@dataclass(frozen=True, slots=True)
class ModuleSpec:
    """A radio module: two inputs at most when it carries a switching adapter."""

    serial: int
    hub: str
    adapter: bool
    channels: tuple[ChannelSpec, ...]

    def __post_init__(self) -> None:
        most = 2 if self.adapter else INPUT_MAX
        inputs = [channel.input for channel in self.channels]
        if not inputs or inputs != sorted(set(inputs)) or inputs[-1] > most or inputs[0] < 1:
            raise ValueError(f"module {self.serial}: inputs {inputs}, at most {most} are there")

    def channel_code(self, channel: ChannelSpec) -> str:
        """Return the name of `channel` in ledgers and exports."""
        return f"{self.serial}-{channel.input}"


@dataclass(frozen=True, slots=True)
class LoadSpec:
    """A consumer in a flat.

    Parameters
    ----------
    name
        Name on the wire: ``{flat}-{kind}``.
    kind
        Column of the recording: ``heat``, ``wash`` or ``kitchen``.
    rated_w
        Largest power that it ever wants, and at which deferred energy comes back.
    module
        Serial of the module whose adapter switches it; None for red loads.
    max_off_s
        After this long the actuator closes the contact by itself; 0 without an actuator.
    deadline
        Local hour, such as ``07:00``, by which deferred energy must be drawn; green only.
    plant
        Kind of the plant that the load is, see `balans.simulator.driven`; empty: it is recorded.
    """

    name: str
    flat: str
    kind: str
    load_class: LoadClass
    rated_w: int
    phase: Phase
    module: int | None = None
    max_off_s: int = 0
    min_on_s: int = 0
    deadline: str | None = None
    plant: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class FlatSpec:
    """A flat; `week` is the index of the recorded week that it plays, `note` says so in words."""

    code: str
    phase: Phase
    week: int
    customer: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class SupplySpec:
    """A contactor or valve of a flat: it interrupts what its module counts.

    Parameters
    ----------
    module
        Serial of a module with an adapter that switches no load.
    by_hand
        Whether a person at the place must turn it on again.
    """

    module: int
    by_hand: bool = False


@dataclass(frozen=True, slots=True)
class HubSpec:
    """A hub of a site; `gateway` marks the one that also controls the site's loads."""

    code: str
    site: str
    gateway: bool = False


@dataclass(frozen=True, slots=True)
class SiteSpec:
    """A building behind one transformer. A limit of 0 W means that nothing is controlled.

    `standing` tells whether the limit always holds; else it is what the transformer can carry, and
    only events of the operator call for it.
    """

    code: str
    limit_w: int = 0
    transformer_kva: int = 0
    standing: bool = field(default=True, repr=False)


@dataclass(frozen=True, slots=True)
class ZoneSpec:
    """A tariff zone between two local clock times; `price` per kWh."""

    name: str
    from_time: str
    to_time: str
    price: str


@dataclass(frozen=True, slots=True)
class TownSpec:
    """A whole town. `start_s` is the Unix second at which the simulation begins."""

    name: str
    timezone: str
    start_s: int
    seed: int
    nodes: tuple[NodeSpec, ...]
    sites: tuple[SiteSpec, ...]
    hubs: tuple[HubSpec, ...]
    modules: tuple[ModuleSpec, ...]
    flats: tuple[FlatSpec, ...] = ()
    loads: tuple[LoadSpec, ...] = ()
    zones: tuple[ZoneSpec, ...] = ()
    supplies: tuple[SupplySpec, ...] = field(default=(), repr=False)

    @property
    def channels(self) -> tuple[tuple[ModuleSpec, ChannelSpec], ...]:
        """All channels with their modules, in the order of the registers everywhere."""
        return tuple((module, channel) for module in self.modules for channel in module.channels)

    @property
    def channel_codes(self) -> tuple[str, ...]:
        """Names of the channels in the same order."""
        return tuple(module.channel_code(channel) for module, channel in self.channels)

    @property
    def gateway(self) -> HubSpec | None:
        """The hub that controls loads, if the town has one."""
        return next((hub for hub in self.hubs if hub.gateway), None)

    def below(self, site: str) -> tuple[NodeSpec, ...]:
        """Return the nodes below a site, each after its parent."""
        inside, found = {site}, []
        for node in self.nodes:
            if node.parent in inside:
                inside.add(node.code)
                found.append(node)
        return tuple(found)

    def site(self, code: str) -> SiteSpec:
        """Return the site with this code."""
        return next(site for site in self.sites if site.code == code)
