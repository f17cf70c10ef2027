"""Checks a `RegistryPlan` before anything is written: every fault with its item and field."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import combinations
from typing import Any, TypeVar

from balans.core.errors import Finding
from balans.core.words import LimitSource, LoadClass, NodeKind, Phase, PointRole, Resource
from balans.protocols.hub import LimitPeriod
from balans.usecases import registry_fields as fields
from balans.usecases.check_supplies import SupplyPlaces, check_supplies
from balans.usecases.registry_plan import (
    AccountPlan,
    ContractPlan,
    CustomerPlan,
    HubPlan,
    LimitPlan,
    LoadPlan,
    MeterPlan,
    ModulePlan,
    MountingPlan,
    NodePlan,
    PointPlan,
    RegistryPlan,
    ZonePlan,
)
from balans.usecases.rights import Role

T = TypeVar("T")

LANGUAGES = ("en", "ru", "ro")
RECOVER = ("defer", "lose")
LIMITS_MOST = {
    "kw": Decimal("999999.999"),
    "phase_a": Decimal("999999.99"),
    "kwh": Decimal("999999999.999"),
}
"""The largest that columns hold and the hub wire carries; 10^9 W there mean "no limit"."""
MAX_OFF_S = range(420, 901)
OF_ONE_METER = {Resource.ELECTRICITY, Resource.REACTIVE}
"""A meter of electricity may have an output for each, with one constant for both."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the tenant already has, by code or serial number.

    `hubs_allowed` are the hubs that a plan may name; None: any. Whoever is not the host gets a
    new hub by the secret of its label alone.
    """

    nodes: frozenset[str] = frozenset()
    points: frozenset[str] = frozenset()
    meters: frozenset[str] = frozenset()
    hubs: frozenset[str] = frozenset()
    modules: frozenset[int] = frozenset()
    channels: frozenset[tuple[int, int]] = frozenset()
    customers: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()
    hubs_allowed: frozenset[str] | None = None
    supplies: SupplyPlaces = field(default_factory=SupplyPlaces)

    def with_plan(self, plan: RegistryPlan) -> "Known":
        """Return what the tenant has once `plan` is applied."""
        return Known(
            self.nodes | {n.code for n in plan.nodes},
            self.points | {p.code for p in plan.points},
            self.meters | {m.serial for m in plan.meters},
            self.hubs | {h.code for h in plan.hubs},
            self.modules | {m.serial for m in plan.modules},
            self.channels | {(m.serial, i) for m in plan.modules for i in m.inputs},
            self.customers | {c.code for c in plan.customers},
            self.accounts,
            self.hubs_allowed,
            self.supplies,
        )


def check_plan(plan: RegistryPlan, known: Known = Known()) -> list[Finding]:
    """Return everything that is wrong with `plan`; an empty list means that it can be applied.

    Parameters
    ----------
    plan
        What shall be.
    known
        What the tenant already has, for references out of the plan.
    """
    there = known.with_plan(plan)
    return [finding for check in CHECKS for finding in check(plan, there)]


def nodes_in_order(nodes: Iterable[NodePlan]) -> list[list[NodePlan]]:
    """Return `nodes` in levels, each after the level of its parents; a cycle is left out."""
    waiting = {node.code: node for node in nodes}
    levels: list[list[NodePlan]] = []
    while waiting:
        level = [node for node in waiting.values() if node.parent not in waiting]
        if not level:
            break
        levels.append(level)
        for node in level:
            del waiting[node.code]
    return levels


def _each(
    items: Iterable[T], check: Callable[[T, Known], Iterable[Finding]], there: Known
) -> Iterator[Finding]:
    """Yield what is wrong with each of `items`, with the item."""
    for item in items:
        for finding in check(item, there):
            yield replace(finding, item=item)


def _nodes(plan: RegistryPlan, there: Known) -> Iterator[Finding]:
    yield from _each(plan.nodes, _node, there)
    in_order = {node.code for level in nodes_in_order(plan.nodes) for node in level}
    for node in plan.nodes:
        if node.code not in in_order:
            what = f"parent: {node.parent!r} lies below the node itself"
            yield Finding(f"node {node.code}", what, item=node)


def _node(node: NodePlan, there: Known) -> Iterator[Finding]:
    where = f"node {node.code}"
    yield from fields.code(where, "code", node.code)
    yield from fields.word(where, "kind", node.kind, NodeKind)
    yield from fields.reference(where, "parent", node.parent, there.nodes, "node")
    yield from fields.timezone(where, node.timezone)


def _points(plan: RegistryPlan, there: Known) -> Iterator[Finding]:
    yield from _each(plan.points, _point, there)


def _point(point: PointPlan, there: Known) -> Iterator[Finding]:
    where = f"point {point.code}"
    yield from fields.code(where, "code", point.code)
    yield from fields.reference(where, "node", point.node, there.nodes, "node")
    yield from fields.word(where, "resource", point.resource, Resource)
    yield from fields.word(where, "role", point.role, PointRole)
    yield from fields.word(where, "phase", point.phase, Phase)


def _meters(plan: RegistryPlan, there: Known) -> Iterator[Finding]:
    yield from _each(plan.meters, _meter, there)


def _meter(meter: MeterPlan, _there: Known) -> Iterator[Finding]:
    where = f"meter {meter.serial}"
    yield from fields.word(where, "resource", meter.resource, Resource)
    yield from fields.positive(where, "pulse_weight", meter.pulse_weight)
    yield from fields.positive(where, "transformer_ratio", meter.transformer_ratio)
    if not 2 <= meter.register_modulus <= 2**31:
        yield Finding(where, f"register_modulus: {meter.register_modulus} is not 2 to 2^31")


def _mountings(plan: RegistryPlan, there: Known) -> Iterator[Finding]:
    yield from _each(plan.mountings, _mounting, there)
    resources = {meter.serial: meter.resource for meter in plan.meters}
    at_point = {point.code: point.resource for point in plan.points}
    for mounting in plan.mountings:
        expected = at_point.get(mounting.point)
        found = resources.get(mounting.meter)
        if expected and found and expected != found and {expected, found} != OF_ONE_METER:
            what = f"point: {mounting.point} measures {expected}, the meter {found}"
            yield Finding(f"mounting of meter {mounting.meter}", what, item=mounting)
    yield from fields.overlaps(plan.mountings, "point", lambda m: m.point)
    yield from _meter_in_two_places(plan)
    yield from fields.overlaps(
        plan.mountings, "channel", lambda m: m.module and (m.module, m.input)
    )


def _mounting(mounting: MountingPlan, there: Known) -> Iterator[Finding]:
    where = f"mounting of meter {mounting.meter}"
    yield from fields.reference(where, "meter", mounting.meter, there.meters, "meter")
    yield from fields.reference(where, "point", mounting.point, there.points, "point")
    yield from fields.period(where, mounting.valid_from, mounting.valid_to)
    if (mounting.module is None) != (mounting.input is None):
        yield Finding(where, "module, input: give both or neither")
    elif mounting.module is not None:
        channel = (mounting.module, mounting.input)
        if channel not in there.channels:
            yield Finding(where, f"input: module {channel[0]} has no input {channel[1]}")


def _meter_in_two_places(plan: RegistryPlan) -> Iterator[Finding]:
    """Yield a finding where a meter is at points of two nodes at the same time.

    One with several outputs is at several points, but of one node.
    """
    node_of = {point.code: point.node for point in plan.points}
    by_meter: dict[str, list[MountingPlan]] = defaultdict(list)
    for mounting in plan.mountings:
        if mounting.point in node_of and not any(
            fields.period("", mounting.valid_from, mounting.valid_to)
        ):
            by_meter[mounting.meter].append(mounting)
    for meter, mountings in by_meter.items():
        for one, other in combinations(mountings, 2):
            start = max(one.valid_from, other.valid_from)
            apart = any(m.valid_to is not None and m.valid_to <= start for m in (one, other))
            if node_of[one.point] != node_of[other.point] and not apart:
                what = f"meter: periods overlap at {start.isoformat()}"
                yield Finding(f"meter {meter}", what, item=other)


def _hubs(plan: RegistryPlan, there: Known) -> Iterator[Finding]:
    yield from _each(plan.hubs, _hub, there)
    for hub in fields.repeated((h for h in plan.hubs if h.controls), lambda h: h.site):
        what = "controls: more than one hub controls this site"
        yield Finding(f"node {hub.site}", what, item=hub)


def _hub(hub: HubPlan, there: Known) -> Iterator[Finding]:
    yield from fields.code(f"hub {hub.code}", "code", hub.code)
    yield from fields.reference(f"hub {hub.code}", "site", hub.site, there.nodes, "node")
    if there.hubs_allowed is not None and hub.code not in there.hubs_allowed:
        what = "code: a new hub is accepted by the secret of its label, among the found devices"
        yield Finding(f"hub {hub.code}", what)


def _modules(plan: RegistryPlan, there: Known) -> Iterator[Finding]:
    yield from _each(plan.modules, _module, there)


def _module(module: ModulePlan, there: Known) -> Iterator[Finding]:
    where = f"module {module.serial}"
    if not 0 <= module.serial < 2**32:
        yield Finding(where, "serial: outside 0 to 2^32 - 1")
    yield from fields.reference(where, "node", module.node, there.nodes, "node")
    yield from fields.reference(where, "hub", module.hub, there.hubs, "hub")
    allowed = (1, 2) if module.has_adapter else (1, 2, 3)
    for number in module.inputs:
        if number not in allowed:
            kind = "a module with an adapter" if module.has_adapter else "a module"
            yield Finding(where, f"inputs: {kind} has no input {number}")
    for repeated in fields.repeated(module.inputs, lambda number: number):
        yield Finding(where, f"inputs: {repeated} is listed twice")


def _contracts(plan: RegistryPlan, there: Known) -> Iterator[Finding]:
    yield from _each(plan.customers, _customer, there)
    yield from _each(plan.contracts, _contract, there)
    yield from fields.overlaps(plan.contracts, "node", lambda c: (c.node, c.resource))


def _customer(customer: CustomerPlan, _there: Known) -> Iterator[Finding]:
    yield from fields.code(f"customer {customer.code}", "code", customer.code)


def _contract(contract: ContractPlan, there: Known) -> Iterator[Finding]:
    where = f"contract {contract.number}"
    yield from fields.reference(where, "customer", contract.customer, there.customers, "customer")
    yield from fields.reference(where, "node", contract.node, there.nodes, "node")
    yield from fields.word(where, "resource", contract.resource, Resource)
    yield from fields.period(where, contract.valid_from, contract.valid_to)
    if contract.contracted_kw is not None:
        yield from fields.positive(where, "contracted_kw", contract.contracted_kw)


def _loads(plan: RegistryPlan, there: Known) -> Iterator[Finding]:
    yield from _each(plan.loads, _load, there)


def _load(load: LoadPlan, there: Known) -> Iterator[Finding]:
    where = f"load {load.site}/{load.name}"
    yield from fields.code(where, "name", load.name)
    yield from fields.reference(where, "site", load.site, there.nodes, "node")
    yield from fields.reference(where, "node", load.node, there.nodes, "node")
    yield from fields.reference(where, "actuator", load.actuator, there.modules, "module")
    yield from fields.reference(where, "sub_meter", load.sub_meter, there.points, "point")
    yield from fields.word(where, "load_class", load.load_class, LoadClass)
    yield from fields.word(where, "phase", load.phase, Phase)
    if load.recover not in RECOVER:
        yield Finding(where, f"recover: {load.recover!r} is none of {', '.join(RECOVER)}")
    if not (0 <= load.rated_w < fields.LARGEST and load.min_on_s >= 0):
        yield Finding(where, "rated_w, min_on_s: negative or too large")
    yellow = load.load_class == LoadClass.YELLOW
    if yellow and load.max_off_s not in MAX_OFF_S:
        yield Finding(where, f"max_off_s: {load.max_off_s} is not 420 to 900")
    if not yellow and load.max_off_s is not None:
        yield Finding(where, "max_off_s: only a yellow load has it")


def _prices_and_limits(plan: RegistryPlan, there: Known) -> Iterator[Finding]:
    yield from _each(plan.zones, _zone, there)
    yield from _each(plan.limits, _limit, there)
    yield from fields.overlaps(plan.zones, "name", lambda z: (z.node, z.name))
    yield from fields.overlaps(plan.limits, "name", lambda i: (i.node, i.name))


def _zone(zone: ZonePlan, there: Known) -> Iterator[Finding]:
    where = f"zone {zone.name} of {zone.node}"
    yield from fields.reference(where, "node", zone.node, there.nodes, "node")
    yield from fields.period(where, zone.valid_from, zone.valid_to)


def _limit(limit: LimitPlan, there: Known) -> Iterator[Finding]:
    where = f"limit {limit.name} of {limit.node}"
    yield from fields.reference(where, "node", limit.node, there.nodes, "node")
    yield from fields.word(where, "source", limit.source, LimitSource)
    yield from _bounds(where, limit)
    yield from fields.word(where, "period", limit.period, LimitPeriod)
    if limit.follows_peak and not limit.interval_s:
        yield Finding(where, "follows_peak: needs interval_s, a mean that can rise")
    yield from fields.period(where, limit.valid_from, limit.valid_to)
    if not 0 <= limit.interval_s <= 86_400:
        yield Finding(where, f"interval_s: {limit.interval_s} is not 0 to 86400")
    if (limit.from_time is None) != (limit.to_time is None):
        yield Finding(where, "from_time, to_time: give both or neither")


def _bounds(where: str, limit: LimitPlan) -> Iterator[Finding]:
    """Return what is wrong with the bounds of a limit. 0 means 0, never "no limit"."""
    values = {name: getattr(limit, name) for name in LIMITS_MOST}
    for name, value in values.items():
        if value is None:
            continue
        try:
            fits = 0 <= value <= LIMITS_MOST[name]
        except ArithmeticError:  # a decimal NaN cannot be compared
            fits = False
        if not fits:
            yield Finding(where, f"{name}: {value} is not 0 to {LIMITS_MOST[name]}")
    if all(value is None for value in values.values()):
        yield Finding(where, "kw, phase_a, kwh: give at least one of them")


def _accounts(plan: RegistryPlan, there: Known) -> Iterator[Finding]:
    yield from _each(plan.accounts, _account, there)


def _account(account: AccountPlan, there: Known) -> Iterator[Finding]:
    where = f"account {account.username}"
    if not account.username:
        yield Finding(where, "username: must not be empty")
    if not account.password and account.username not in there.accounts:
        yield Finding(where, "password: a new account cannot log in without", "warning")
    if account.language and account.language not in LANGUAGES:
        yield Finding(where, f"language: {account.language!r} is none of {LANGUAGES}")
    for role, node in account.grants:
        yield from fields.word(where, "role", role, Role)
        yield from fields.reference(where, "node", node, there.nodes, "node")


def _duplicates(plan: RegistryPlan, _there: Known) -> Iterator[Finding]:
    for name, (label, names, key) in KEYS.items():
        for item in fields.repeated(getattr(plan, name), key):
            value = key(item)
            shown = item.meter if name == "mountings" else value
            yield Finding(f"{label} {shown}", f"{names}: given twice", item=item)


KEYS: dict[str, tuple[str, str, Callable[[Any], Hashable]]] = {
    "nodes": ("node", "code", lambda item: item.code),
    "points": ("point", "code", lambda item: item.code),
    "meters": ("meter", "serial", lambda item: item.serial),
    "mountings": (
        "mounting of meter",
        "meter, point, valid_from",
        lambda item: (item.meter, item.point, item.valid_from),
    ),
    "hubs": ("hub", "code", lambda item: item.code),
    "modules": ("module", "serial", lambda item: item.serial),
    "supply_devices": ("supply device", "point", lambda item: item.point),
    "customers": ("customer", "code", lambda item: item.code),
    "contracts": ("contract", "number", lambda item: item.number),
    "loads": ("load", "site, name", lambda item: f"{item.site}/{item.name}"),
    "accounts": ("account", "username", lambda item: item.username),
}
"""What tells the items of a plan apart, and what findings call them."""


CHECKS: tuple[Callable[[RegistryPlan, Known], Iterator[Finding]], ...] = (
    _duplicates,
    _nodes,
    _points,
    _meters,
    _mountings,
    _hubs,
    _modules,
    lambda plan, there: check_supplies(plan, there.supplies, there.points, there.modules),
    _contracts,
    _loads,
    _prices_and_limits,
    _accounts,
)
