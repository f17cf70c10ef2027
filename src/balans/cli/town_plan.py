"""A simulated town for the product: its entry in the registry, and the files of its gateways."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, time
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from balans.core.words import LimitSource, LoadClass, NodeKind, Phase, PointRole, Resource
from balans.domain.supply import ReconnectMode, SupplyKind
from balans.simulator.spec import (
    ChannelSpec,
    HubSpec,
    LoadSpec,
    ModuleSpec,
    SupplySpec,
    TownSpec,
)
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
    SupplyDevicePlan,
    TenantPlan,
    ZonePlan,
)

CURRENCY = "EUR"
CONTRACTED_KW = Decimal(9)
LIMIT_NAME = "transformer"
CONTRACT_NAME = "contract"
FUSE_NAME = "fuse"
RISER_FUSE_A = Decimal(63)
TRANSFORMER_FUSE_A = Decimal(125)
PLAN_EVERY_S = 900
"""Often enough for slots of 15 minutes, and seldom enough for a town that plays days in minutes."""
PHASES = (Phase.L1, Phase.L2, Phase.L3)
DAY_ZONE = "day"
"""In the file of a site this is what no other zone covers, so it has no hours of its own."""

Scalar = str | float | list[int] | list[str] | None

LOAD_TITLES = {
    "heat": "Water heater and air-conditioner",
    "wash": "Laundry",
    "kitchen": "Kitchen",
}
POINT_NAMES = {
    Resource.ELECTRICITY: "Electricity",
    Resource.COLD_WATER: "Cold water (generated)",
    Resource.GAS: "Gas (generated)",
}


def registry_plan(
    spec: TownSpec, accounts: Iterable[AccountPlan] = (), title: str = "Demo utility"
) -> RegistryPlan:
    """Return what the registry shall hold of the town `spec`.

    Parameters
    ----------
    accounts
        Users, with grants on nodes of the town.
    title
        Name of the utility; its code is the name of the town.
    """
    start = datetime.fromtimestamp(spec.start_s, UTC)
    return RegistryPlan(
        tenant=TenantPlan(code=spec.name, name=title),
        nodes=tuple(
            NodePlan(
                code=node.code,
                name=node.name,
                kind=node.kind.value,
                parent=node.parent,
                timezone="" if node.parent else spec.timezone,
            )
            for node in spec.nodes
        ),
        points=tuple(_point(spec, channel) for _, channel in spec.channels),
        meters=tuple(
            MeterPlan(
                serial=channel.meter,
                resource=channel.resource.value,
                pulse_weight=Fraction(channel.pulse_weight),
            )
            for _, channel in spec.channels
        ),
        mountings=tuple(_mounting(module, channel, start) for module, channel in spec.channels),
        hubs=tuple(
            HubPlan(code=hub.code, site=hub.site, name=hub.code, controls=hub.gateway)
            for hub in spec.hubs
        ),
        modules=tuple(
            ModulePlan(
                serial=module.serial,
                node=module.channels[0].node,
                hub=module.hub,
                has_adapter=module.adapter,
                inputs=tuple(channel.input for channel in module.channels),
            )
            for module in spec.modules
        ),
        supply_devices=tuple(_supply_device(spec, one) for one in spec.supplies),
        customers=tuple(
            CustomerPlan(code=f"customer-{flat.code}", name=flat.customer) for flat in spec.flats
        ),
        contracts=tuple(
            ContractPlan(
                number=f"contract-{flat.code}",
                customer=f"customer-{flat.code}",
                node=flat.code,
                contracted_kw=CONTRACTED_KW,
                valid_from=start,
            )
            for flat in spec.flats
        ),
        loads=tuple(_load(spec, load) for load in spec.loads),
        zones=tuple(_zones(spec, start)),
        limits=tuple(_limits(spec, start)),
        accounts=tuple(accounts),
    )


def _point(spec: TownSpec, channel: ChannelSpec) -> PointPlan:
    name = POINT_NAMES.get(channel.resource, channel.resource.value)
    if channel.role is PointRole.INFLOW:
        name = "Inflow of the building"
    elif channel.load:
        name = LOAD_TITLES[next(load.kind for load in spec.loads if load.name == channel.load)]
    electric = channel.resource is Resource.ELECTRICITY
    note = next((flat.note for flat in spec.flats if flat.code == channel.node), "")
    if electric and note:
        name = f"{name} ({note})"
    return PointPlan(
        code=channel.point,
        name=name,
        node=channel.node,
        resource=channel.resource.value,
        role=channel.role.value,
        phase=channel.phase.value if electric else None,
    )


def _mounting(module: ModuleSpec, channel: ChannelSpec, start: datetime) -> MountingPlan:
    return MountingPlan(
        meter=channel.meter,
        point=channel.point,
        module=module.serial,
        input=channel.input,
        valid_from=start,
        register_at_mount=channel.start_register,
        dial_at_mount=Decimal(channel.start_register * channel.pulse_weight),
    )


def _supply_device(spec: TownSpec, supply: SupplySpec) -> SupplyDevicePlan:
    module = next(one for one in spec.modules if one.serial == supply.module)
    (channel,) = module.channels
    electric = channel.resource is Resource.ELECTRICITY
    return SupplyDevicePlan(
        point=channel.point,
        module=module.serial,
        kind=SupplyKind.CONTACTOR if electric else SupplyKind.VALVE,
        reconnect=ReconnectMode.MANUAL_ONLY if supply.by_hand else ReconnectMode.REMOTE,
    )


def _load(spec: TownSpec, load: LoadSpec) -> LoadPlan:
    channels = (channel for _, channel in spec.channels if channel.load == load.name)
    sub_meter = next(channels, None)
    return LoadPlan(
        site=spec.sites[0].code,
        name=load.name,
        node=load.flat,
        load_class=load.load_class.value,
        rated_w=load.rated_w,
        title=LOAD_TITLES[load.kind],
        phase=load.phase.value,
        max_off_s=load.max_off_s if load.load_class is LoadClass.YELLOW else None,
        min_on_s=load.min_on_s,
        deadline=time.fromisoformat(load.deadline) if load.deadline else None,
        actuator=load.module,
        sub_meter=sub_meter.point if sub_meter else None,
        released=load.load_class is not LoadClass.RED,
    )


def _zones(spec: TownSpec, start: datetime) -> Iterable[ZonePlan]:
    for site in spec.sites:
        for zone in spec.zones:
            yield ZonePlan(
                node=site.code,
                name=zone.name,
                from_time=time.fromisoformat(zone.from_time),
                to_time=time.fromisoformat(zone.to_time),
                price=Decimal(zone.price),
                currency=CURRENCY,
                valid_from=start,
            )


def _limits(spec: TownSpec, start: datetime) -> Iterable[LimitPlan]:
    """Return the limits of every controlled site and of what lies below it."""
    for site in spec.sites:
        if not site.limit_w:
            continue
        if site.standing:
            yield LimitPlan(
                node=site.code,
                name=LIMIT_NAME,
                kw=Decimal(site.limit_w) / 1000,
                phase_a=TRANSFORMER_FUSE_A,
                source=LimitSource.OPERATOR,
                valid_from=start,
            )
        for node in spec.below(site.code):
            if node.kind is NodeKind.RISER:
                yield LimitPlan(
                    node=node.code, name=FUSE_NAME, phase_a=RISER_FUSE_A, valid_from=start
                )
            elif node.kind is NodeKind.FLAT:
                yield LimitPlan(
                    node=node.code, name=CONTRACT_NAME, kw=CONTRACTED_KW, valid_from=start
                )


def gateway_toml(
    spec: TownSpec, hub: str, mqtt_url: str, data_dir: Path, keys: Sequence[str] = ()
) -> str:
    """Return the file for ``balans gateway`` that runs the hub with code `hub`.

    A hub that does not control loads gets the site without loads, limits and zones. `keys` are the
    public keys of the server that it trusts, in base64.
    """
    found = next(item for item in spec.hubs if item.code == hub)
    tables = [
        _table(
            "[gateway]",
            {
                "hub": found.code,
                "site": found.site,
                "mqtt_url": mqtt_url,
                "data_dir": str(data_dir),
            },
        ),
        _table("[site]", {"name": found.site, "timezone": spec.timezone}),
        *(_control_tables(spec, found) if found.gateway else ()),
        *([_table("[server]", {"keys": list(keys)})] if keys else ()),
    ]
    return "\n".join(tables)


def _control_tables(spec: TownSpec, hub: HubSpec) -> Iterable[str]:
    site = spec.site(hub.site)
    for zone in spec.zones:
        rest_of_day = zone.name == DAY_ZONE
        rows = {
            "name": zone.name,
            "from": None if rest_of_day else zone.from_time,
            "to": None if rest_of_day else zone.to_time,
            "price": float(zone.price),
        }
        yield _table("[[zone]]", rows)
    for node in spec.below(hub.site):
        parent = None if node.parent == hub.site else node.parent
        yield _table("[[node]]", {"name": node.code, "parent": parent})
    if site.standing:
        rows = {"name": LIMIT_NAME, "source": "operator", "kw": site.limit_w / 1000}
        yield _table("[[limit]]", rows)
    for load in spec.loads:
        yield _table("[[load]]", _load_rows(load))
    yield _table("[planner]", {"every_s": PLAN_EVERY_S})


def _load_rows(load: LoadSpec) -> dict[str, Scalar]:
    return {
        "name": load.name,
        "class": load.load_class.value,
        "rated_w": load.rated_w,
        "max_off_s": load.max_off_s if load.load_class is LoadClass.YELLOW else None,
        "min_on_s": load.min_on_s,
        "recover": "defer",
        "deadline": load.deadline,
        "node": load.flat,
        "phases": [PHASES.index(load.phase) + 1] if load.phase in PHASES else None,
    }


def _table(head: str, rows: Mapping[str, Scalar]) -> str:
    lines = (f"{key} = {_toml(value)}" for key, value in rows.items() if value is not None)
    return "\n".join((head, *lines, ""))


def _toml(value: str | float | list[int] | list[str]) -> str:
    """Return a TOML value; JSON's strings, numbers and lists of them are TOML's as well."""
    return json.dumps(value, ensure_ascii=False)
