"""Fields of a load's table that tell what it is, and the tables of the planner.

``kind`` is how a load is held back (`switch`, `modulating`, `cycle`) or what it is (`ev`,
`battery`, `thermostat`, `cycle`, `pump`, `pv`, `wind`). State that only the running site knows
(energy a car wants, charge of a battery) is left empty here.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from balans.core.words import LoadClass
from balans.domain.demand.devices import (
    LEAST_CHARGE_A,
    Battery,
    Cycle,
    Device,
    Production,
    Pump,
    Thermostat,
    Vehicle,
)
from balans.domain.demand.model import DAY_S, Load, LoadKind
from balans.domain.demand.plan import Block, PlannerSettings, Tariff
from balans.domain.demand.plan.settings import RESERVE_WH
from balans.usecases.site_tree import phases_field
from balans.usecases.toml_table import TomlTable, one_table, sub_tables

DEVICE_KINDS = ("ev", "battery", "thermostat", "pump", "pv", "wind")
KINDS = (*LoadKind, *DEVICE_KINDS)
PRODUCERS = ("pv", "wind")
MAX_DELAY_S = 8 * 3600.0
SLOTS_S = (900, 1800, 3600)
PEAK_INTERVALS_S = (900, 1800, 3600)
BIGGEST_KWH = 1e5


def kind_field(row: TomlTable) -> str:
    """Return the field ``kind``, `switch` if absent."""
    return row.choice("kind", KINDS, LoadKind.SWITCH)


def device_of(row: TomlTable, kind: str) -> Device | None:
    """Return what the load in `row` is; None for one that is only held back somehow."""
    read = _READ.get(kind)
    return read(row) if read else None


def load_of(device: Device, load: Load) -> Load:
    """Return `load`, whose common fields are read, with the powers and kind of `device`."""
    made = device.load(load.name, load.load_class)
    rated_w = load.rated_w if isinstance(device, Cycle) else made.rated_w
    return replace(
        load,
        rated_w=rated_w,
        recover=made.recover if isinstance(device, Battery | Production) else load.recover,
        kind=made.kind,
        min_w=made.min_w,
        max_w=made.max_w,
        phases=load.phases or made.phases,
    )


def default_class(kind: str) -> str | None:
    """Return the class of a load whose file does not say it; None where it must."""
    if kind in PRODUCERS:
        return LoadClass.RED
    return LoadClass.GREEN if kind == "battery" else None


def _vehicle(row: TomlTable) -> Vehicle:
    max_a = row.number("max_a", low=1.0, high=1e3, default=16.0)
    return Vehicle(
        arrival_s=0.0,
        departure_s=0.0,
        energy_wh=0.0,
        min_a=row.number("min_a", low=0.0, high=max_a, default=min(LEAST_CHARGE_A, max_a)),
        max_a=max_a,
        phases=phases_field(row) or (1,),
        eco_w=row.number("eco_w", low=0.0, default=0.0),
    )


def _battery(row: TomlTable) -> Battery:
    capacity_wh = 1000 * row.number("capacity_kwh", low=0.01, high=BIGGEST_KWH)
    charge_w = row.number("charge_w", low=1.0)
    least = row.number("min_soc", low=0.0, high=1.0, default=0.1)
    soc = row.number("soc", low=least, high=1.0, default=least)
    return Battery(
        capacity_wh,
        charge_w,
        row.number("discharge_w", low=1.0, default=charge_w),
        row.number("efficiency", low=0.1, high=1.0, default=0.95),
        soc * capacity_wh,
        least * capacity_wh,
    )


def _thermostat(row: TomlTable) -> Thermostat:
    modulating = row.flag("modulating", default=False)
    return Thermostat(
        row.number("rated_w", low=1.0),
        row.number("ahead_wh", low=0.0, default=0.0),
        row.number("behind_wh", low=0.0, default=0.0),
        loss_per_h=row.number("loss_per_h", low=0.0, high=1.0, default=0.0),
        modulating=modulating,
    )


def _pump(row: TomlTable) -> Pump:
    return Pump(row.number("rated_w", low=1.0), 0.0, 0.0, 0.0)


def _production(row: TomlTable) -> Production:
    return Production(row.number("rated_w", low=1.0), row.flag("curtailable", default=False))


def _cycle(row: TomlTable) -> Cycle:
    delay_s = row.number("max_delay_s", low=0, high=2 * DAY_S, default=MAX_DELAY_S)
    return Cycle((), 1.0, 0.0, delay_s)


_READ: dict[str, Callable[[TomlTable], Device]] = {
    "ev": _vehicle,
    "battery": _battery,
    "thermostat": _thermostat,
    "pump": _pump,
    "pv": _production,
    "wind": _production,
    LoadKind.CYCLE: _cycle,
}


def planner_of(root: TomlTable) -> PlannerSettings | None:
    """Return the tables ``[planner]`` and ``[[tier]]``; None where the site is not planned."""
    tiers = sub_tables(root, "tier")
    if not root.has("planner"):
        if tiers:
            raise tiers[0].fail("above_kwh", "a table [planner] beside the tiers it plans for")
        return None
    row = one_table(root, "planner")
    settings = PlannerSettings(
        slot_s=_one_of(row, "slot_s", SLOTS_S, 900),
        horizon_h=row.number("horizon_h", low=4, high=72, default=24),
        sell=row.number("sell_price", low=-1e6, high=1e6, default=0.0),
        tariff=Tariff(
            _blocks(tiers),
            row.number("peak_price", low=0.0, high=1e6, default=0.0),
            int(_one_of(row, "peak_interval_s", PEAK_INTERVALS_S, 900)),
        ),
        scenarios=int(row.number("scenarios", low=1, high=20, default=3)),
        reserve_wh=1000 * row.number("reserve_kwh", low=0, high=1000, default=RESERVE_WH / 1000),
        every_s=row.number("every_s", low=60, high=3600, default=300),
    )
    row.finish()
    return settings


def _one_of(row: TomlTable, key: str, values: Sequence[int], default: int) -> float:
    value = row.number(key, low=0, default=default)
    if value not in values:
        raise row.fail(key, "one of " + ", ".join(str(one) for one in values))
    return value


def _blocks(rows: Sequence[TomlTable]) -> tuple[Block, ...]:
    found = []
    for row in rows:
        found.append(
            Block(row.number("above_kwh", low=0, high=1e9), row.number("extra", low=0, high=1e6))
        )
        row.finish()
    return tuple(found)
