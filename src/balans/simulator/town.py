"""The two towns: the recorded building of the demo, and a generated one of any size."""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np

from balans.core.words import LoadClass, NodeKind, Phase, PointRole, Resource
from balans.simulator.arrays import Watts
from balans.simulator.recording import Recording, town_minutes
from balans.simulator.spec import (
    ChannelSpec,
    FlatSpec,
    HubSpec,
    LoadSpec,
    ModuleSpec,
    NodeSpec,
    SiteSpec,
    SupplySpec,
    TownSpec,
    ZoneSpec,
)

TIMEZONE = "Europe/Paris"
MONDAY = datetime(2026, 1, 12, tzinfo=ZoneInfo(TIMEZONE))
"""When a town begins: the first minute of a Monday, as in the recorded weeks."""

DEMO_SITE = "house-1"
DEMO_HUBS = ("hub-1", "hub-2")
DEMO_FLATS = 24
DEMO_RISERS = 3

LIMIT_W = 60_000
"""Limit of the demo building.

Without control the 24 recorded weeks exceed it in 83 of the first day's 1,440 minutes (5.8 %,
11.8 kWh, peak 80.7 kW) and in 646 of the week's 10,080 (6.4 %, 112.8 kWh, peak 91.2 kW). Their
red part alone never does on the first day (peak 58.4 kW) and does in 48 minutes of the week
(2.5 kWh, peak 66.8 kW): nearly everything is avoidable, but not by a wide margin.
"""

TRANSFORMER_KVA = 63
"""A preferred rating (IEC 60076-1: the R10 series of ISO 3); 60 kW at a power factor of 0.95."""

YELLOW_MAX_OFF_S = 900
MIN_ON_S = 300
GREEN_MAX_OFF_S = 43_200
"""A green contact closes by itself after half a day, in case nobody is left to command it."""

GREEN_DEADLINE = "07:00"
PHASES = (Phase.L1, Phase.L2, Phase.L3)

BUILDING_SERIAL = 100_000
FLAT_SERIAL, HEAT_SERIAL, WASH_SERIAL, SUPPLY_SERIAL = 101_000, 102_000, 103_000, 104_000

SUPPLIES = {
    4: (Resource.ELECTRICITY, False),
    9: (Resource.ELECTRICITY, True),
    16: (Resource.ELECTRICITY, False),
    21: (Resource.COLD_WATER, False),
}
"""Flats with a contactor or a valve: what it interrupts, and whether it comes back by hand only.

A module of its own counts what it interrupts; all else of the flat is as without.
"""

MODULES_MAX = 240
"""Modules a hub can serve."""
HUBS_MAX, SEEDS = 8_000, 2_000
"""Bounds of a generated town: its serials, all different, must fit into 32 bits."""
SYNTHETIC_SERIAL, SERIALS_A_HUB = 1_000_000, 250


def demo_town(seed: int = 1, *, standing: bool = True) -> TownSpec:
    """Return the building of 24 flats behind one transformer, with two hubs.

    Parameters
    ----------
    seed
        Of the registers at the start, and of the generated water and gas.
    standing
        Whether the building is always kept under its limit.
    """
    recording = town_minutes()
    random = np.random.default_rng([seed, 1])
    flats = tuple(
        FlatSpec(
            f"flat-{n:02d}",
            PHASES[(n - 1) % 3],
            n - 1,
            f"Household {n:02d}",
            f"recorded week of {recording.monday[n - 1].isoformat()}",
        )
        for n in range(1, DEMO_FLATS + 1)
    )
    loads: list[LoadSpec] = []
    modules = [_inflow_module(random)]
    for number, flat in enumerate(flats, start=1):
        hub = DEMO_HUBS[2 * (number - 1) // DEMO_FLATS]
        flat_loads = _flat_loads(flat, number, recording)
        loads += flat_loads
        modules += _flat_modules(flat, number, hub, random)
        modules += [_adapter_module(flat, load, hub, random) for load in flat_loads if load.module]
    return TownSpec(
        name="demo",
        timezone=TIMEZONE,
        start_s=int(MONDAY.timestamp()),
        seed=seed,
        nodes=_demo_nodes(flats),
        sites=(SiteSpec(DEMO_SITE, LIMIT_W, TRANSFORMER_KVA, standing),),
        hubs=(HubSpec(DEMO_HUBS[0], DEMO_SITE, gateway=True), HubSpec(DEMO_HUBS[1], DEMO_SITE)),
        modules=tuple(modules),
        flats=flats,
        loads=tuple(loads),
        zones=(
            ZoneSpec("night", "23:00", "07:00", "0.15"),
            ZoneSpec("day", "07:00", "23:00", "0.25"),
        ),
        supplies=tuple(
            SupplySpec(SUPPLY_SERIAL + number, by_hand) for number, (_, by_hand) in SUPPLIES.items()
        ),
    )


def _demo_nodes(flats: tuple[FlatSpec, ...]) -> tuple[NodeSpec, ...]:
    upper = (
        NodeSpec("region", NodeKind.REGION, "River Region", None),
        NodeSpec("city", NodeKind.CITY, "Riverside", "region"),
        NodeSpec("district", NodeKind.DISTRICT, "Old Town", "city"),
        NodeSpec("street", NodeKind.STREET, "Linden Street", "district"),
        NodeSpec(DEMO_SITE, NodeKind.BUILDING, "Linden Street 7", "street"),
    )
    risers = tuple(
        NodeSpec(f"riser-{number}", NodeKind.RISER, f"Riser {number}", DEMO_SITE)
        for number in range(1, DEMO_RISERS + 1)
    )
    return (
        *upper,
        *risers,
        *(
            NodeSpec(
                flat.code,
                NodeKind.FLAT,
                f"Flat {number}",
                risers[DEMO_RISERS * (number - 1) // DEMO_FLATS].code,
            )
            for number, flat in enumerate(flats, start=1)
        ),
    )


def _flat_loads(flat: FlatSpec, number: int, recording: Recording) -> list[LoadSpec]:
    def rated_w(column: Watts) -> int:
        return int(column[flat.week].max())

    heat = LoadSpec(
        name=f"{flat.code}-heat",
        flat=flat.code,
        kind="heat",
        load_class=LoadClass.YELLOW,
        rated_w=rated_w(recording.heat_w),
        phase=flat.phase,
        module=HEAT_SERIAL + number,
        max_off_s=YELLOW_MAX_OFF_S,
        min_on_s=MIN_ON_S,
    )
    wash = LoadSpec(
        name=f"{flat.code}-wash",
        flat=flat.code,
        kind="wash",
        load_class=LoadClass.GREEN,
        rated_w=rated_w(recording.laundry_w),
        phase=flat.phase,
        module=WASH_SERIAL + number,
        max_off_s=GREEN_MAX_OFF_S,
        min_on_s=MIN_ON_S,
        deadline=GREEN_DEADLINE,
    )
    kitchen = LoadSpec(
        name=f"{flat.code}-kitchen",
        flat=flat.code,
        kind="kitchen",
        load_class=LoadClass.RED,
        rated_w=rated_w(recording.kitchen_w),
        phase=flat.phase,
    )
    return [heat, wash, kitchen]


def _inflow_module(random: np.random.Generator) -> ModuleSpec:
    inflow = ChannelSpec(
        input=1,
        resource=Resource.ELECTRICITY,
        pulse_weight=10,
        start_register=int(random.integers(10_000_000, 40_000_000)),
        meter=f"E{BUILDING_SERIAL + 1}",
        point=f"{DEMO_SITE}-inflow",
        node=DEMO_SITE,
        role=PointRole.INFLOW,
        phase=Phase.THREE,
    )
    return ModuleSpec(BUILDING_SERIAL + 1, DEMO_HUBS[0], adapter=False, channels=(inflow,))


def _flat_modules(
    flat: FlatSpec, number: int, hub: str, random: np.random.Generator
) -> list[ModuleSpec]:
    """Return the module that counts what a flat uses; beside it that of its contactor or valve."""
    serial = FLAT_SERIAL + number
    rows = (  # resource, Wh or litres a pulse, range of the register at the start
        (Resource.ELECTRICITY, 1, 5_000_000, 40_000_000),
        (Resource.COLD_WATER, 1, 100_000, 900_000),
        (Resource.GAS, 10, 20_000, 200_000),
    )
    channels = tuple(
        ChannelSpec(
            input=input_,
            resource=resource,
            pulse_weight=weight,
            start_register=int(random.integers(low, high)),
            meter=f"{resource.value[0].upper()}{serial}",
            point=f"{flat.code}-{resource.value}",
            node=flat.code,
            role=PointRole.CONSUMER,
            phase=flat.phase,
        )
        for input_, (resource, weight, low, high) in enumerate(rows, start=1)
    )
    cut, _ = SUPPLIES.get(number, (None, False))
    rest = [channel for channel in channels if channel.resource is not cut]
    own = [replace(channel, input=1) for channel in channels if channel.resource is cut]
    numbered = tuple(replace(channel, input=n) for n, channel in enumerate(rest, start=1))
    found = [ModuleSpec(serial, hub, adapter=False, channels=numbered)]
    if own:
        found.append(ModuleSpec(SUPPLY_SERIAL + number, hub, adapter=True, channels=tuple(own)))
    return found


def _adapter_module(
    flat: FlatSpec, load: LoadSpec, hub: str, random: np.random.Generator
) -> ModuleSpec:
    serial = load.module or 0
    sub_meter = ChannelSpec(
        input=1,
        resource=Resource.ELECTRICITY,
        pulse_weight=1,
        start_register=int(random.integers(500_000, 9_000_000)),
        meter=f"E{serial}",
        point=f"{load.name}-electricity",
        node=flat.code,
        role=PointRole.SUB_METER,
        phase=load.phase,
        load=load.name,
    )
    return ModuleSpec(serial, hub, adapter=True, channels=(sub_meter,))


def synthetic_town(hubs: int, modules: int, seed: int = 1) -> TownSpec:
    """Return a generated town of `hubs` buildings with one hub and `modules` modules each.

    Each module sits in a flat of its own and counts electricity, cold water and gas. Nothing is
    recorded and nothing controlled: it is there to carry readings. The seed is part of all
    codes and serials, so towns of different seeds live beside each other in one database.

    Raises
    ------
    ValueError
        If a number is out of range.
    """
    if not 1 <= hubs <= HUBS_MAX:
        raise ValueError(f"hubs: {hubs}; 1 to {HUBS_MAX} are possible")
    if not 1 <= modules <= MODULES_MAX:
        raise ValueError(f"modules: {modules}; a hub serves 1 to {MODULES_MAX}")
    if not 0 <= seed < SEEDS:
        raise ValueError(f"seed: {seed}; 0 to {SEEDS - 1} are possible")
    town = f"town-{seed}"
    sites = [f"{town}-{hub:04d}" for hub in range(1, hubs + 1)]
    nodes = [
        NodeSpec(f"{town}-region", NodeKind.REGION, f"Generated region {seed}", None),
        NodeSpec(f"{town}-city", NodeKind.CITY, f"Generated town {seed}", f"{town}-region"),
    ]
    built: list[ModuleSpec] = []
    for number, site in enumerate(sites, start=1):
        name = f"Generated building {number}"
        nodes.append(NodeSpec(site, NodeKind.BUILDING, name, f"{town}-city"))
        for index, starts in enumerate(_synthetic_starts(seed, number)[:modules]):
            flat = f"{site}-{index + 1:03d}"
            nodes.append(NodeSpec(flat, NodeKind.FLAT, f"Generated flat {index + 1}", site))
            serial = SYNTHETIC_SERIAL + (seed * HUBS_MAX + number - 1) * SERIALS_A_HUB + index
            built.append(_synthetic_module(flat, f"{site}-hub", serial, starts))
    return TownSpec(
        name=town,
        timezone=TIMEZONE,
        start_s=int(MONDAY.timestamp()),
        seed=seed,
        nodes=tuple(nodes),
        sites=tuple(SiteSpec(site) for site in sites),
        hubs=tuple(HubSpec(f"{site}-hub", site) for site in sites),
        modules=tuple(built),
    )


def _synthetic_starts(seed: int, hub: int) -> list[list[int]]:
    """Return the first registers of a hub; the same ones however many modules it has."""
    random = np.random.default_rng([seed, 2, hub])
    starts: list[list[int]] = random.integers(1_000, 20_000_000, (MODULES_MAX, 3)).tolist()
    return starts


def _synthetic_module(flat: str, hub: str, serial: int, starts: list[int]) -> ModuleSpec:
    resources = ((Resource.ELECTRICITY, 1), (Resource.COLD_WATER, 1), (Resource.GAS, 10))
    channels = tuple(
        ChannelSpec(
            input=input_,
            resource=resource,
            pulse_weight=weight,
            start_register=start,
            meter=f"{resource.value[0].upper()}{serial}",
            point=f"{flat}-{resource.value}",
            node=flat,
            role=PointRole.CONSUMER,
            phase=PHASES[serial % 3],
        )
        for input_, ((resource, weight), start) in enumerate(
            zip(resources, starts, strict=True), start=1
        )
    )
    return ModuleSpec(serial, hub, adapter=False, channels=channels)
