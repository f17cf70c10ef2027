"""A small building for the tests of the pages: four flats, their meters, loads and people.

Codes begin with the name of the tenant, so that two utilities stand side by side.
"""

import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import numpy as np

from balans.core.hours import hour_of
from balans.core.words import LoadClass
from balans.domain.demand import Limit, Load
from balans.protocols.hub import Batch, Entry, EntryKind, LoadStatus, SiteStatus
from balans.protocols.readings import Reading, pack
from balans.storage.flush import flush_inbox
from balans.storage.inbox import store_batch
from balans.storage.live import save_statuses, save_study
from balans.usecases.feeder.heat import Transformer
from balans.usecases.registry_plan import (
    AccountPlan,
    HubPlan,
    LimitPlan,
    LoadPlan,
    MeterPlan,
    ModulePlan,
    MountingPlan,
    NodePlan,
    PointPlan,
    RegistryPlan,
    TenantPlan,
)
from balans.usecases.simulate_feeder import Feeder, Flat, feeder_report, simulate_feeder

FLATS = (1, 2, 3, 4)
LIMIT_W = 12_000.0
MINUTE = timedelta(minutes=1)
START = datetime(2026, 1, 10, tzinfo=UTC)
NOW = datetime(2026, 1, 12, 17, 0, tzinfo=UTC)
RESOURCES = (
    ("el", "Electricity", "electricity", Fraction(1)),
    ("cw", "Cold water", "cold_water", Fraction(1)),
    ("gas", "Gas", "gas", Fraction(10)),
)
LOADS = (("heat", "Water heater", "yellow", 900), ("wash", "Laundry", "green", None))
PASSWORD = "long enough for a test"


def plan(tenant: str = "alice", serial: int = 1000, zone: str = "Europe/Paris") -> RegistryPlan:
    """Return the registry of the utility `tenant`; its modules are numbered from `serial`."""
    t = tenant
    flats = [f"{t}-flat-{n:02d}" for n in FLATS]
    points = [(flat, key, name, resource) for flat in flats for key, name, resource, _ in RESOURCES]
    return RegistryPlan(
        tenant=TenantPlan(code=t, name=f"{t.capitalize()} Energy"),
        nodes=(
            NodePlan(code=f"{t}-city", name="Orhei", kind="city", timezone=zone),
            NodePlan(code=f"{t}-street", name="Linden Street", kind="street", parent=f"{t}-city"),
            NodePlan(
                code=f"{t}-house", name="Linden Street 12", kind="building", parent=f"{t}-street"
            ),
            NodePlan(code=f"{t}-riser", name="Riser A", kind="riser", parent=f"{t}-house"),
            *(
                NodePlan(code=flat, name=f"Flat {n}", kind="flat", parent=f"{t}-riser")
                for n, flat in zip(FLATS, flats, strict=True)
            ),
        ),
        points=(
            PointPlan(
                code=f"{t}-inflow",
                name="Inflow of the building",
                node=f"{t}-house",
                resource="electricity",
                role="inflow",
                phase="L123",
            ),
            *(
                PointPlan(
                    code=f"{flat}-{key}",
                    name=name,
                    node=flat,
                    resource=resource,
                    phase="L1" if key == "el" else None,
                )
                for flat, key, name, resource in points
            ),
        ),
        meters=tuple(
            MeterPlan(serial=f"{flat}-{key}", resource=resource, pulse_weight=weight)
            for flat in flats
            for key, _, resource, weight in RESOURCES
        ),
        mountings=tuple(
            MountingPlan(
                meter=f"{flat}-{key}",
                point=f"{flat}-{key}",
                module=serial + n,
                input=i,
                valid_from=START,
            )
            for n, flat in zip(FLATS, flats, strict=True)
            for i, (key, *_) in enumerate(RESOURCES, start=1)
        ),
        hubs=(HubPlan(code=f"{t}-hub", site=f"{t}-house", controls=True),),
        modules=(
            *(
                ModulePlan(serial=serial + n, node=flat, hub=f"{t}-hub", inputs=(1, 2, 3))
                for n, flat in zip(FLATS, flats, strict=True)
            ),
            *(
                ModulePlan(serial=serial + 10 * n + i, node=flat, hub=f"{t}-hub", has_adapter=True)
                for n, flat in zip(FLATS, flats, strict=True)
                for i in range(len(LOADS))
            ),
        ),
        loads=(
            *(
                LoadPlan(
                    site=f"{t}-house",
                    name=f"{flat.removeprefix(f'{t}-')}-{key}",
                    title=title,
                    node=flat,
                    load_class=load_class,
                    rated_w=2000,
                    max_off_s=max_off_s,
                    min_on_s=300,
                    actuator=serial + 10 * n + i,
                    released=True,
                )
                for n, flat in zip(FLATS, flats, strict=True)
                for i, (key, title, load_class, max_off_s) in enumerate(LOADS)
            ),
            LoadPlan(
                site=f"{t}-house",
                name="stairs",
                title="Stair lights",
                node=f"{t}-house",
                load_class="red",
                rated_w=300,
            ),
        ),
        limits=(LimitPlan(node=f"{t}-house", name="contract", kw=Decimal(12)),),
        accounts=(
            AccountPlan(
                username=f"{t}-operator", password=PASSWORD, grants=(("operator", f"{t}-city"),)
            ),
            AccountPlan(
                username=f"{t}-resident",
                password=PASSWORD,
                grants=(("consumer", f"{t}-flat-01"),),
            ),
            AccountPlan(
                username=f"{t}-manager", password=PASSWORD, grants=(("manager", f"{t}-house"),)
            ),
            AccountPlan(
                username=f"{t}-installer", password=PASSWORD, grants=(("installer", f"{t}-house"),)
            ),
            AccountPlan(username=f"{t}-nobody", password=PASSWORD),
        ),
    )


def seed_readings(
    tenant: str = "alice",
    serial: int = 1000,
    *,
    start: datetime = START,
    end: datetime = NOW,
    without: Iterable[datetime] = (),
) -> None:
    """Deliver hourly registers of flats 1 to 3; nothing ever comes from flat 4.

    In the hour h a register grows by ``100 + h % 24`` pulses, the input's number times over.
    `without` are instants whose registers never come.
    """
    gone = {hour_of(instant) for instant in without}
    readings = [
        Reading(serial + n, i, hour, register_at(hour) * i)
        for n in FLATS[:3]
        for i in range(1, len(RESOURCES) + 1)
        for hour in range(hour_of(start), hour_of(end) + 1)
        if hour not in gone
    ]
    entry = Entry(EntryKind.READINGS, pack(readings))
    store_batch(f"{tenant}-hub", Batch.of(7, hour_of(start), (entry,)), end)
    flush_inbox(end)


def register_at(hour: int) -> int:
    """Return the register of input 1 at an hour of 2026 [pulses]."""
    first = hour_of(datetime(2026, 1, 1, tzinfo=UTC))
    return sum(100 + h % 24 for h in range(first, hour))


def status(
    at: datetime,
    *,
    site_w: float | None = 9_000.0,
    off: Iterable[str] = (),
    reference_w: float | None = 13_000.0,
    seq: int = 0,
) -> SiteStatus:
    """Return a status of the building at `at`; the loads named in `off` are switched off."""
    away = set(off)
    names = [(f"flat-{n:02d}-{key}", key) for n in FLATS for key, *_ in LOADS]
    loads = [
        LoadStatus(
            name,
            LoadClass.YELLOW if key == "heat" else LoadClass.GREEN,
            name not in away,
            0.0 if name in away else 850.0,
            "over_limit" if name in away else "",
            485.0 if name in away and key == "heat" else None,
            at.timestamp(),
        )
        for name, key in names
    ]
    return SiteStatus(
        seq=seq,
        time=at.timestamp(),
        step_s=60.0,
        site_w=site_w,
        limit_w=LIMIT_W,
        limit="contract",
        loads=(*loads, LoadStatus("stairs", LoadClass.RED, on=True, power_w=120.0)),
        phase_w=(3_000.0, 3_100.0, 2_900.0),
        reference_w=reference_w,
        valid_s=60.0,
    )


def seed_minutes(
    tenant: str = "alice", *, start: datetime, end: datetime, received: datetime
) -> None:
    """Report every minute of [start, end): load under the limit, and what it would have been."""
    statuses = []
    at = start
    while at < end:
        at += timedelta(minutes=1)
        wave = math.sin((at - start).total_seconds() / 7000) ** 2
        reference_w = 7_000 + 8_000 * wave
        statuses.append(
            (
                f"{tenant}-hub",
                status(at, site_w=min(reference_w, LIMIT_W - 100), reference_w=reference_w),
            )
        )
    save_statuses(statuses, received)


def report(tenant: str, one: SiteStatus) -> None:
    """Let the gateway of `tenant` report `one` now."""
    save_statuses([(f"{tenant}-hub", one)], datetime.now(UTC))


def seed_study(site_id: int, transformer: Transformer | None = None) -> None:
    """Keep a small study of the transformer: four flats for two hours, computed in earnest."""
    steps = 120
    heat_w = np.where(np.arange(steps) % 40 < 20, 3_000.0, 0.0)
    flats = tuple(
        Flat(
            name=f"flat-{n:02d}",
            base_w=np.full(steps, 1_500.0),
            loads=(Load("heat", LoadClass.YELLOW, 3_000.0),),
            wanted_w={"heat": heat_w},
        )
        for n in FLATS
    )
    feeder = Feeder(
        name="alice-house",
        timezone=ZoneInfo("Europe/Paris"),
        start_s=START.timestamp(),
        step_s=60.0,
        flats=flats,
        limits=(Limit("transformer", LIMIT_W),),
        transformer=transformer,
    )
    save_study(site_id, "participation", feeder_report(simulate_feeder(feeder, 1), 300.0), NOW)
