"""SITE.toml -> a typed site: zones, limits, loads. Pure: text in, `Site` or `SiteFileError` out.

The fields are those of ``docs/reference/simulate-site.md``. The gateway's configuration is the same
file with tables of its own beside it.
"""

import zoneinfo
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from balans.core.words import LimitSource, LoadClass
from balans.domain.demand.devices import Battery, Device, Production
from balans.domain.demand.model import (
    DAY_S,
    DAY_ZONE,
    YELLOW_OFF_MAX_S,
    YELLOW_OFF_MIN_S,
    Limit,
    Load,
    LoadKind,
    Node,
    Period,
    Recover,
    Window,
    Zone,
)
from balans.domain.demand.plan import PlannerSettings
from balans.domain.demand.timetable import Timetable, make_timetable
from balans.usecases.device_rows import (
    DEVICE_KINDS,
    default_class,
    device_of,
    kind_field,
    load_of,
    planner_of,
)
from balans.usecases.site_tree import node_field, nodes_of, phase_a_field, phases_field
from balans.usecases.toml_table import (
    SiteFileError,
    TomlTable,
    one_table,
    parse_toml,
    sub_tables,
)

__all__ = ["Site", "SiteFileError", "parse_site", "rate_loads", "site_of", "trace_columns"]

DEFAULT_PRICE = Decimal(1)
"""Price per kWh of a zone without one: costs are then in units of the day's price."""
INTERVALS_S = (0, 900, 3600)
SITE_COLUMNS = ("time", "limit_w", "base_w", "uncontrolled_w", "controlled_w")


@dataclass(frozen=True, slots=True)
class Site:
    """A site as its file describes it. A load whose rated power is not given has 0 W.

    `devices` tells what loads are, by name, without the state that only the running site knows;
    `planner` is None where nothing is planned.
    """

    name: str
    profile: str
    timezone: zoneinfo.ZoneInfo
    zones: tuple[Zone, ...]
    limits: tuple[Limit, ...]
    loads: tuple[Load, ...]
    nodes: tuple[Node, ...] = ()
    devices: Mapping[str, Device] = field(default_factory=dict)
    planner: PlannerSettings | None = None

    @property
    def timetable(self) -> Timetable:
        """The day, cut where limits or zones change."""
        return make_timetable(self.limits, self.zones)

    @property
    def recorded(self) -> tuple[str, ...]:
        """Loads with a column in the profile: all but batteries, which want nothing."""
        return tuple(
            load.name for load in self.loads if not isinstance(self.devices.get(load.name), Battery)
        )

    @property
    def producers(self) -> tuple[str, ...]:
        """Loads that produce: their column is negative."""
        return tuple(n for n, device in self.devices.items() if isinstance(device, Production))

    def price(self, zone: str) -> Decimal:
        """Return the price per kWh in the zone called `zone`."""
        return next((z.price for z in self.zones if z.name == zone), DEFAULT_PRICE)


def parse_site(text: str, file: str) -> Site:
    """Return the site in `text`, the content of `file`; nothing but the site may stand in it.

    Raises
    ------
    SiteFileError
        Naming file, table, field and value of the first thing that is wrong.
    """
    root = parse_toml(text, file)
    site = site_of(root)
    root.finish()
    return site


def site_of(root: TomlTable, *, needs_profile: bool = True) -> Site:
    """Return the site in `root`; other tables may stand beside it.

    Without a profile (a gateway) every load needs its rated power.
    """
    head = one_table(root, "site")
    name = head.name()
    profile = head.text("profile", "the profile's file name") if needs_profile else ""
    head.has("profile")
    timezone = _timezone(head)
    head.finish()
    zones = _zones(sub_tables(root, "zone"))
    nodes = nodes_of(sub_tables(root, "node"))
    places = {node.name for node in nodes}
    zone_names = {zone.name for zone in zones} | {DAY_ZONE}
    limits = _limits(sub_tables(root, "limit"), zone_names, places)
    loads, devices = _loads(sub_tables(root, "load"), places, needs_rating=not needs_profile)
    planner = planner_of(root)
    return Site(name, profile, timezone, zones, limits, loads, nodes, devices, planner)


def rate_loads(loads: Sequence[Load], largest_w: Mapping[str, float]) -> tuple[Load, ...]:
    """Return `loads` with the missing ratings set to the largest power each is seen to want."""
    return tuple(
        load if load.rated_w > 0 else replace(load, rated_w=max(largest_w[load.name], 0.0))
        for load in loads
    )


def trace_columns(loads: Iterable[str]) -> list[str]:
    """Return the columns of a trace with loads of these names."""
    columns = list(SITE_COLUMNS)
    for name in loads:
        columns += [f"{name}_demand_w", f"{name}_w", f"{name}_on"]
    return columns


def _timezone(head: TomlTable) -> zoneinfo.ZoneInfo:
    expected = "a time zone such as Europe/Paris"
    try:
        return zoneinfo.ZoneInfo(head.text("timezone", expected))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise head.fail("timezone", expected) from error


def _zones(rows: Sequence[TomlTable]) -> tuple[Zone, ...]:
    zones: list[Zone] = []
    for row in rows:
        zone = Zone(row.name(), _price(row), _window(row))
        if zone.window is None and zone.name != DAY_ZONE:
            raise row.fail("from", f"hours of the zone; only {DAY_ZONE!r} is the rest of the day")
        if zone.window is not None and zone.name == DAY_ZONE:
            raise row.fail("name", f"another name: {DAY_ZONE!r} is what no zone covers")
        _check_new(row, zone.name, [z.name for z in zones])
        other = next((z for z in zones if _overlap(z.window, zone.window)), None)
        if other:
            raise row.fail("from", f"hours that do not overlap zone {other.name!r}")
        zones.append(zone)
        row.finish()
    if zones and DAY_ZONE not in {zone.name for zone in zones}:
        zones.append(Zone(DAY_ZONE, DEFAULT_PRICE))
    return tuple(zones)


def _overlap(one: Window | None, other: Window | None) -> bool:
    if one is None or other is None:
        return False
    return one.holds(other.from_s) or other.holds(one.from_s)


def _price(row: TomlTable) -> Decimal:
    if not row.has("price"):
        return DEFAULT_PRICE
    return Decimal(str(row.number("price", low=-1e6, high=1e6)))


def _window(row: TomlTable) -> Window | None:
    if not row.has("from") and not row.has("to"):
        return None
    from_s, to_s = row.day_second("from"), row.day_second("to")
    if from_s % DAY_S == to_s % DAY_S and (from_s, to_s) != (0, DAY_S):
        raise row.fail("to", "another time than `from`; leave both out for the whole day")
    return Window(from_s % DAY_S, to_s)


def _check_new(row: TomlTable, name: str, taken: Collection[str]) -> None:
    if name in taken:
        raise row.fail("name", "a name not used before")


def _limits(
    rows: Sequence[TomlTable], zones: Collection[str], nodes: Collection[str]
) -> tuple[Limit, ...]:
    limits: list[Limit] = []
    for row in rows:
        phase_a = phase_a_field(row)
        energy_wh = row.number("kwh", low=0, high=1e9) * 1000 if row.has("kwh") else None
        limit = Limit(
            name=row.name(),
            limit_w=_limit_w(row, has_other=phase_a is not None or energy_wh is not None),
            source=LimitSource(row.choice("source", LimitSource, LimitSource.OPERATOR)),
            interval_s=_interval_s(row),
            zone=row.choice("zone", sorted(zones)) if row.has("zone") else None,
            window=_window(row),
            node=node_field(row, nodes),
            phase_a=phase_a,
            energy_wh=energy_wh,
            period=Period(row.choice("period", Period, Period.DAY)),
            follows_peak=row.flag("follows_peak", default=False),
        )
        _check_new(row, limit.name, [item.name for item in limits])
        limits.append(limit)
        row.finish()
    return tuple(limits)


def _limit_w(row: TomlTable, *, has_other: bool) -> float:
    """Return the power of a limit; one on current or energy alone needs none [W]."""
    if has_other and not row.has("kw"):
        return float("inf")
    return row.number("kw", low=0, high=1e6) * 1000


def _interval_s(row: TomlTable) -> int:
    interval_s = row.number("interval_s", low=0, default=0)
    if interval_s not in INTERVALS_S:
        raise row.fail("interval_s", "0 (every step), 900 or 3600")
    return int(interval_s)


def _loads(
    rows: Sequence[TomlTable], nodes: Collection[str], *, needs_rating: bool
) -> tuple[tuple[Load, ...], dict[str, Device]]:
    loads: list[Load] = []
    devices: dict[str, Device] = {}
    for row in rows:
        load = replace(
            _load(row, needs_rating=needs_rating),
            node=node_field(row, nodes),
            phases=phases_field(row),
            released=row.flag("released", default=True),
            protected=row.flag("protected", default=False),
        )
        device = device_of(row, kind_field(row))
        if device:
            load = load_of(device, load)
            devices[load.name] = device
        columns = trace_columns(item.name for item in loads)
        if not set(trace_columns([load.name])[len(SITE_COLUMNS) :]).isdisjoint(columns):
            raise row.fail("name", "a name whose columns are not taken by the site or a load")
        loads.append(load)
        row.finish()
    return tuple(loads), devices


def _load(row: TomlTable, *, needs_rating: bool) -> Load:
    told = kind_field(row)
    is_device = told in DEVICE_KINDS
    kind = LoadKind.SWITCH if is_device else LoadKind(told)
    min_w, max_w = _span(row, kind)
    rated_w = max_w if kind is LoadKind.MODULATING else 0.0
    if row.has("rated_w") or (needs_rating and not rated_w and not is_device):
        rated_w = row.number("rated_w", low=1.0)
    if rated_w and kind is LoadKind.MODULATING and not min_w <= rated_w <= max_w:
        raise row.fail("rated_w", f"a power from min_w to max_w ({min_w:g} to {max_w:g})")
    return Load(
        name=row.name(),
        load_class=LoadClass(row.choice("class", LoadClass, default_class(told))),
        rated_w=rated_w,
        max_off_s=row.number("max_off_s", YELLOW_OFF_MIN_S, YELLOW_OFF_MAX_S, YELLOW_OFF_MAX_S),
        min_on_s=row.number("min_on_s", low=0, high=DAY_S, default=300),
        recover=Recover(row.choice("recover", Recover, Recover.DEFER)),
        kind=kind,
        min_w=min_w,
        max_w=max_w,
        deadline_s=row.day_second("deadline") % DAY_S if row.has("deadline") else None,
    )


def _span(row: TomlTable, kind: LoadKind) -> tuple[float, float]:
    needed = kind is LoadKind.MODULATING
    min_w = row.number("min_w", low=1.0) if needed or row.has("min_w") else 0.0
    max_w = row.number("max_w", low=min_w or 1.0) if needed or row.has("max_w") else 0.0
    return min_w, max_w
