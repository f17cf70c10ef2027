"""Checks a `RegistryPlan` before anything is written: every fault with its item and field."""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from balans.core.errors import Finding
from balans.core.words import LimitSource, LoadClass, NodeKind, Phase, PointRole, Resource
from balans.protocols.fields import NAME
from balans.protocols.hub import LimitPeriod
from balans.usecases.registry_plan import LimitPlan, NodePlan, RegistryPlan
from balans.usecases.rights import Role

LANGUAGES = ("en", "ru", "ro")
RECOVER = ("defer", "lose")
LARGEST = 10**9
LIMITS_MOST = {
    "kw": Decimal("999999.999"),
    "phase_a": Decimal("999999.99"),
    "kwh": Decimal("999999999.999"),
}
"""The largest that columns hold and the hub wire carries; 10^9 W there mean "no limit"."""
MAX_OFF_S = range(420, 901)


@dataclass(frozen=True, slots=True)
class Known:
    """What the tenant already has, by code or serial number."""

    nodes: frozenset[str] = frozenset()
    points: frozenset[str] = frozenset()
    meters: frozenset[str] = frozenset()
    hubs: frozenset[str] = frozenset()
    modules: frozenset[int] = frozenset()
    channels: frozenset[tuple[int, int]] = frozenset()
    customers: frozenset[str] = frozenset()

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


def _nodes(plan: RegistryPlan, there: Known) -> Iterator[Finding]:
    for node in plan.nodes:
        where = f"node {node.code}"
        yield from _code(where, "code", node.code)
        yield from _word(where, "kind", node.kind, NodeKind)
        yield from _reference(where, "parent", node.parent, there.nodes, "node")
        yield from _timezone(where, node.timezone)
    in_order = {node.code for level in nodes_in_order(plan.nodes) for node in level}
    for node in plan.nodes:
        if node.code not in in_order:
            yield Finding(
                f"node {node.code}", f"parent: {node.parent!r} lies below the node itself"
            )


def _points(plan: RegistryPlan, there: Known) -> Iterator[Finding]:
    for point in plan.points:
        where = f"point {point.code}"
        yield from _code(where, "code", point.code)
        yield from _reference(where, "node", point.node, there.nodes, "node")
        yield from _word(where, "resource", point.resource, Resource)
        yield from _word(where, "role", point.role, PointRole)
        yield from _word(where, "phase", point.phase, Phase)


def _meters(plan: RegistryPlan, _there: Known) -> Iterator[Finding]:
    for meter in plan.meters:
        where = f"meter {meter.serial}"
        yield from _word(where, "resource", meter.resource, Resource)
        yield from _positive(where, "pulse_weight", meter.pulse_weight)
        yield from _positive(where, "transformer_ratio", meter.transformer_ratio)
        if not 2 <= meter.register_modulus <= 2**31:
            yield Finding(where, f"register_modulus: {meter.register_modulus} is not 2 to 2^31")


def _mountings(plan: RegistryPlan, there: Known) -> Iterator[Finding]:
    for mounting in plan.mountings:
        where = f"mounting of meter {mounting.meter}"
        yield from _reference(where, "meter", mounting.meter, there.meters, "meter")
        yield from _reference(where, "point", mounting.point, there.points, "point")
        yield from _period(where, mounting.valid_from, mounting.valid_to)
        if (mounting.module is None) != (mounting.input is None):
            yield Finding(where, "module, input: give both or neither")
        elif mounting.module is not None:
            channel = (mounting.module, mounting.input)
            if channel not in there.channels:
                yield Finding(where, f"input: module {channel[0]} has no input {channel[1]}")
    resources = {meter.serial: meter.resource for meter in plan.meters}
    at_point = {point.code: point.resource for point in plan.points}
    for mounting in plan.mountings:
        expected = at_point.get(mounting.point)
        found = resources.get(mounting.meter)
        if expected and found and expected != found:
            where = f"mounting of meter {mounting.meter}"
            yield Finding(where, f"point: {mounting.point} measures {expected}, the meter {found}")
    yield from _overlaps(plan.mountings, "point", lambda m: m.point)
    yield from _overlaps(plan.mountings, "meter", lambda m: m.meter)
    yield from _overlaps(plan.mountings, "channel", lambda m: m.module and (m.module, m.input))


def _hubs(plan: RegistryPlan, there: Known) -> Iterator[Finding]:
    for hub in plan.hubs:
        yield from _code(f"hub {hub.code}", "code", hub.code)
        yield from _reference(f"hub {hub.code}", "site", hub.site, there.nodes, "node")
    for site in _repeated(hub.site for hub in plan.hubs if hub.controls):
        yield Finding(f"node {site}", "controls: more than one hub controls this site")


def _modules(plan: RegistryPlan, there: Known) -> Iterator[Finding]:
    for module in plan.modules:
        where = f"module {module.serial}"
        if not 0 <= module.serial < 2**32:
            yield Finding(where, "serial: outside 0 to 2^32 - 1")
        yield from _reference(where, "node", module.node, there.nodes, "node")
        yield from _reference(where, "hub", module.hub, there.hubs, "hub")
        allowed = (1, 2) if module.has_adapter else (1, 2, 3)
        for number in module.inputs:
            if number not in allowed:
                kind = "a module with an adapter" if module.has_adapter else "a module"
                yield Finding(where, f"inputs: {kind} has no input {number}")
        for repeated in _repeated(module.inputs):
            yield Finding(where, f"inputs: {repeated} is listed twice")


def _contracts(plan: RegistryPlan, there: Known) -> Iterator[Finding]:
    for customer in plan.customers:
        yield from _code(f"customer {customer.code}", "code", customer.code)
    for contract in plan.contracts:
        where = f"contract {contract.number}"
        yield from _reference(where, "customer", contract.customer, there.customers, "customer")
        yield from _reference(where, "node", contract.node, there.nodes, "node")
        yield from _word(where, "resource", contract.resource, Resource)
        yield from _period(where, contract.valid_from, contract.valid_to)
        if contract.contracted_kw is not None:
            yield from _positive(where, "contracted_kw", contract.contracted_kw)
    yield from _overlaps(plan.contracts, "node", lambda c: (c.node, c.resource))


def _loads(plan: RegistryPlan, there: Known) -> Iterator[Finding]:
    for load in plan.loads:
        where = f"load {load.site}/{load.name}"
        yield from _code(where, "name", load.name)
        yield from _reference(where, "site", load.site, there.nodes, "node")
        yield from _reference(where, "node", load.node, there.nodes, "node")
        yield from _reference(where, "actuator", load.actuator, there.modules, "module")
        yield from _reference(where, "sub_meter", load.sub_meter, there.points, "point")
        yield from _word(where, "load_class", load.load_class, LoadClass)
        yield from _word(where, "phase", load.phase, Phase)
        if load.recover not in RECOVER:
            yield Finding(where, f"recover: {load.recover!r} is none of {', '.join(RECOVER)}")
        if not (0 <= load.rated_w < LARGEST and load.min_on_s >= 0):
            yield Finding(where, "rated_w, min_on_s: negative or too large")
        yellow = load.load_class == LoadClass.YELLOW
        if yellow and load.max_off_s not in MAX_OFF_S:
            yield Finding(where, f"max_off_s: {load.max_off_s} is not 420 to 900")
        if not yellow and load.max_off_s is not None:
            yield Finding(where, "max_off_s: only a yellow load has it")


def _prices_and_limits(plan: RegistryPlan, there: Known) -> Iterator[Finding]:
    for zone in plan.zones:
        where = f"zone {zone.name} of {zone.node}"
        yield from _reference(where, "node", zone.node, there.nodes, "node")
        yield from _period(where, zone.valid_from, zone.valid_to)
    for limit in plan.limits:
        where = f"limit {limit.name} of {limit.node}"
        yield from _reference(where, "node", limit.node, there.nodes, "node")
        yield from _word(where, "source", limit.source, LimitSource)
        yield from _bounds(where, limit)
        yield from _word(where, "period", limit.period, LimitPeriod)
        if limit.follows_peak and not limit.interval_s:
            yield Finding(where, "follows_peak: needs interval_s, a mean that can rise")
        yield from _period(where, limit.valid_from, limit.valid_to)
        if not 0 <= limit.interval_s <= 86_400:
            yield Finding(where, f"interval_s: {limit.interval_s} is not 0 to 86400")
        if (limit.from_time is None) != (limit.to_time is None):
            yield Finding(where, "from_time, to_time: give both or neither")
    yield from _overlaps(plan.zones, "name", lambda z: (z.node, z.name))
    yield from _overlaps(plan.limits, "name", lambda i: (i.node, i.name))


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
    for account in plan.accounts:
        where = f"account {account.username}"
        if not account.username or not account.password:
            yield Finding(where, "username, password: must not be empty")
        if account.language and account.language not in LANGUAGES:
            yield Finding(where, f"language: {account.language!r} is none of {LANGUAGES}")
        for role, node in account.grants:
            yield from _word(where, "role", role, Role)
            yield from _reference(where, "node", node, there.nodes, "node")


def _duplicates(plan: RegistryPlan, _there: Known) -> Iterator[Finding]:
    keys: dict[str, Iterable[Hashable]] = {
        "node {}: code": (n.code for n in plan.nodes),
        "point {}: code": (p.code for p in plan.points),
        "meter {}: serial": (m.serial for m in plan.meters),
        "mounting {}: meter, valid_from": ((m.meter, m.valid_from) for m in plan.mountings),
        "hub {}: code": (h.code for h in plan.hubs),
        "module {}: serial": (m.serial for m in plan.modules),
        "customer {}: code": (c.code for c in plan.customers),
        "contract {}: number": (c.number for c in plan.contracts),
        "load {}: site, name": ((i.site, i.name) for i in plan.loads),
        "account {}: username": (a.username for a in plan.accounts),
    }
    for label, values in keys.items():
        item, _, name = label.partition(": ")
        for value in _repeated(values):
            yield Finding(item.format(value), f"{name}: given twice")


CHECKS: tuple[Callable[[RegistryPlan, Known], Iterator[Finding]], ...] = (
    _duplicates,
    _nodes,
    _points,
    _meters,
    _mountings,
    _hubs,
    _modules,
    _contracts,
    _loads,
    _prices_and_limits,
    _accounts,
)


def _repeated(values: Iterable[Hashable]) -> list[Hashable]:
    return [value for value, n in Counter(values).items() if n > 1]


def _code(where: str, name: str, value: str) -> Iterator[Finding]:
    if not NAME.fullmatch(value):
        yield Finding(where, f"{name}: {value!r} is not 1-64 of A-Z a-z 0-9 _ . -")


def _word(where: str, name: str, value: str | None, words: type[StrEnum]) -> Iterator[Finding]:
    if value is not None and value not in set(words):
        yield Finding(where, f"{name}: {value!r} is none of {', '.join(words)}")


def _reference(
    where: str, name: str, value: Any, there: frozenset[Any], kind: str
) -> Iterator[Finding]:
    if value is not None and value not in there:
        yield Finding(where, f"{name}: unknown {kind} {value!r}")


def _positive(where: str, name: str, value: Any) -> Iterator[Finding]:
    try:
        fits = 0 < value < LARGEST
    except ArithmeticError:  # a decimal NaN cannot be compared
        fits = False
    if not fits:
        yield Finding(where, f"{name}: {value} is not above 0 and below {LARGEST}")


def _timezone(where: str, name: str) -> Iterator[Finding]:
    if name:
        try:
            ZoneInfo(name)
        except (LookupError, OSError, ValueError):
            yield Finding(where, f"timezone: {name!r} is not known")


def _period(where: str, start: datetime, end: datetime | None) -> Iterator[Finding]:
    if start.tzinfo is None or (end is not None and end.tzinfo is None):
        yield Finding(where, "valid_from, valid_to: need a UTC offset")
    elif end is not None and end <= start:
        yield Finding(where, f"valid_to: {end.isoformat()} is not after valid_from")


def _overlaps(items: Iterable[Any], name: str, key: Callable[[Any], Any]) -> Iterator[Finding]:
    """Yield a finding for each pair of neighbours with the same key whose periods overlap."""
    groups: dict[Any, list[tuple[datetime, datetime | None]]] = defaultdict(list)
    for item in items:
        if key(item) is not None and not any(_period("", item.valid_from, item.valid_to)):
            groups[key(item)].append((item.valid_from, item.valid_to))
    for value, periods in groups.items():
        for (_, end), (start, _) in pairwise(sorted(periods, key=lambda period: period[0])):
            if end is None or end > start:
                text = f"{name}: periods overlap at {start.isoformat()}"
                yield Finding(f"{name} {value}", text)
