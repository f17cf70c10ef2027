"""What the names in a file of readings stand for. Call inside a scope of the tenant."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import F, Q

from balans.core.words import Resource
from balans.storage import lookups
from balans.storage.models import Channel, Meter, MeteringPoint, MeterMounting, Node
from balans.usecases.import_readings import PARTS, Who
from balans.usecases.reading_layout import Quantity
from balans.usecases.reading_sources import FAR, ChannelRef, Source, SourcePeriod

NOT_THERE = "is not registered"


@dataclass(frozen=True, slots=True)
class Reach:
    """Where readings may be imported: all of a tenant, or what lies below some paths."""

    tenant_id: int
    paths: tuple[str, ...] | None = None

    def of_node(self, name: str) -> Q:
        """Return the condition that the node at `name` of a row lies within."""
        if self.paths is None:
            return Q()
        return Q(**{f"{name}__path__under": list(self.paths)})


def sources_of(who: Sequence[Who], quantity: Quantity, reach: Reach) -> list[Source]:
    """Return what each name stands for; what lies out of reach is told like what is not there."""
    by_kind: dict[str, set[str]] = defaultdict(set)
    for one in who:
        by_kind[one.kind].add(one.name)
    found = {
        "point": _points(by_kind["point"], reach),
        "meter": _meters(by_kind["meter"], reach),
        "channel": _channels(by_kind["channel"], quantity, reach),
    }
    return [found[one.kind].get(one.name, Source(fault=NOT_THERE)) for one in who]


def _points(codes: set[str], reach: Reach) -> dict[str, Source]:
    rows = MeteringPoint.objects.filter(
        reach.of_node("node"), tenant_id=reach.tenant_id, code__in=codes
    )
    nodes = dict(rows.values_list("code", "node_id"))
    periods = _periods(Q(point__code__in=codes), reach, "point__code")
    return _with_zones(nodes, periods)


def _meters(serials: set[str], reach: Reach) -> dict[str, Source]:
    known = set(
        Meter.objects.filter(tenant_id=reach.tenant_id, serial__in=serials).values_list(
            "serial", flat=True
        )
    )
    condition = Q(meter__serial__in=serials)
    periods = _periods(condition, reach, "meter__serial")
    found = _with_zones(_nodes_of(condition, reach, "meter__serial"), periods)
    several = {
        serial: Source(fault="is at several points: name the point or the channel")
        for serial, own in periods.items()
        if len({period.point_id for period in own}) > 1 and _overlap(own)
    }
    if reach.paths is None:
        idle = {serial: Source(fault="is not mounted") for serial in known - set(found)}
        found |= idle
    return found | several


def _channels(names: set[str], quantity: Quantity, reach: Reach) -> dict[str, Source]:
    keys = {name: key for name in names if (key := _key(name)) is not None}
    rows = Channel.objects.filter(
        reach.of_node("module__node"),
        tenant_id=reach.tenant_id,
        module__serial__in={serial for serial, _ in keys.values()},
    ).values_list("module__serial", "input", "id", "module__node_id")
    there = {(serial, number): (pk, node) for serial, number, pk, node in rows}
    nodes = {name: there[key][1] for name, key in keys.items() if key in there}
    names_of = {there[key][0]: name for name, key in keys.items() if key in there}
    mounted = _periods(Q(channel_id__in=names_of), reach, "channel_id")
    periods = {names_of[pk]: own for pk, own in mounted.items()}
    if quantity == Quantity.REGISTER:
        periods = {
            name: [_always(*keys[name], there[keys[name]][0], periods.get(name))] for name in nodes
        }
    return _with_zones(nodes, periods)


def _key(name: str) -> tuple[int, int] | None:
    """Return module and input of a channel's name, None if it is none."""
    serial, dash, number = name.partition("-")
    plain = dash and serial.isascii() and serial.isdigit() and len(serial) <= 10
    return (int(serial), int(number)) if plain and number in ("1", "2", "3") else None


def _always(serial: int, number: int, pk: int, mounted: list[SourcePeriod] | None) -> SourcePeriod:
    """Return what counts for the registers of a channel: no meter need be known for them."""
    modulus = mounted[-1].modulus if mounted else 2**31
    return SourcePeriod(-FAR, FAR, ChannelRef(pk, serial, number), modulus=modulus)


def _with_zones(nodes: dict[str, int], periods: dict[Any, list[SourcePeriod]]) -> dict[str, Source]:
    zones = _zones(set(nodes.values()))
    return {name: Source(zones[node], tuple(periods.get(name, ()))) for name, node in nodes.items()}


def _zones(node_ids: Iterable[int]) -> dict[int, ZoneInfo]:
    rows = Node.objects.filter(id__in=set(node_ids))
    return {node.id: node.timezone for node in lookups.nodes(rows)}


def _nodes_of(condition: Q, reach: Reach, name: str) -> dict[str, int]:
    rows = MeterMounting.objects.filter(
        condition, reach.of_node("point__node"), tenant_id=reach.tenant_id
    )
    return dict(rows.order_by("valid_from").values_list(name, "point__node_id"))


def _periods(condition: Q, reach: Reach, name: str) -> dict[Any, list[SourcePeriod]]:
    """Return the mountings, by what they are asked for, the earliest first."""
    rows = MeterMounting.objects.filter(
        condition,
        reach.of_node("point__node"),
        tenant_id=reach.tenant_id,
    ).select_related("meter", "channel__module", "point")
    found: dict[Any, list[SourcePeriod]] = defaultdict(list)
    for row in rows.annotate(asked=F(name)).order_by("valid_from"):
        found[row.asked].append(_period(row))
    return found


def _period(row: MeterMounting) -> SourcePeriod:
    meter, channel = row.meter, row.channel
    origin = (0, 0)
    if row.dial_at_mount is not None and row.register_at_mount is not None:
        origin = row.register_at_mount, int(row.dial_at_mount * PARTS)
    return SourcePeriod(
        _unix(row.valid_from, -FAR),
        _unix(row.valid_to, FAR),
        channel and ChannelRef(channel.id, channel.module.serial, channel.input),
        worth=meter.pulse_weight * meter.transformer_ratio,
        ratio=meter.transformer_ratio,
        modulus=meter.register_modulus,
        register_origin=origin[0],
        dial_origin=origin[1],
        point_id=row.point_id,
        resource=Resource(row.point.resource),
    )


def _unix(time: datetime | None, otherwise: int) -> int:
    return otherwise if time is None else int(time.timestamp())


def _overlap(periods: Sequence[SourcePeriod]) -> bool:
    """Return whether any of `periods`, sorted by their start, begins before another ends."""
    return any(after.start_s < before.end_s for before, after in pairwise(periods))
