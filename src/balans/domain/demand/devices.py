"""What a load is: vehicle, battery, thermostat, cycle, pump or production, with its state of now.

`LoadKind` tells the reflex how a load can be held back; a device tells the planner what the load
is there for. Each turns into a `Load` for the reflex. Powers are W, energies Wh, times Unix
seconds; consumption is positive, production negative.
"""

from dataclasses import dataclass

from balans.core.words import LoadClass
from balans.domain.demand.model import Load, LoadKind, Recover

VOLT = 230.0
"""Nominal voltage between phase and neutral (EN 50160)."""
LEAST_CHARGE_A = 6.0
"""The least current a vehicle can be held to (IEC 61851-1: 10 % duty of the pilot signal)."""


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A vehicle at its charger, from `arrival_s` to `departure_s`.

    `energy_wh` is what it still wants before it leaves; 0 when it is away or full. `eco_w` is the
    power it is reduced to rather than stopped, 0 where it may be stopped.
    """

    arrival_s: float
    departure_s: float
    energy_wh: float
    min_a: float = LEAST_CHARGE_A
    max_a: float = 16.0
    phases: tuple[int, ...] = (1, 2, 3)
    eco_w: float = 0.0

    @property
    def min_w(self) -> float:
        """The least power it can be held to [W]."""
        return max(self.min_a * VOLT * len(self.phases), min(self.eco_w, self.max_w))

    @property
    def max_w(self) -> float:
        """The power it draws when free [W]."""
        return self.max_a * VOLT * len(self.phases)

    def load(self, name: str, load_class: LoadClass, node: str = "") -> Load:
        """Return the load that the reflex controls."""
        return Load(
            name,
            load_class,
            self.max_w,
            kind=LoadKind.MODULATING,
            min_w=self.min_w,
            max_w=self.max_w,
            node=node,
            phases=self.phases,
        )


@dataclass(frozen=True, slots=True)
class Battery:
    """A battery with an inverter of its own.

    `efficiency` is that of one way, charging or discharging, at the terminals. `soc_wh` is the
    energy in it now, `value_per_kwh` what a kWh left at the end of the plan is worth; None: the
    planner takes the price at which it could be bought back.
    """

    capacity_wh: float
    charge_w: float
    discharge_w: float
    efficiency: float = 0.95
    soc_wh: float = 0.0
    min_soc_wh: float = 0.0
    value_per_kwh: float | None = None

    def load(self, name: str, load_class: LoadClass, node: str = "") -> Load:
        """Return the load that the reflex controls; its least power is that of discharging."""
        return Load(
            name,
            load_class,
            self.charge_w,
            recover=Recover.LOSE,
            kind=LoadKind.MODULATING,
            min_w=-self.discharge_w,
            max_w=self.charge_w,
            node=node,
        )


@dataclass(frozen=True, slots=True)
class Thermostat:
    """A boiler, heat pump, refrigerator or air-conditioner: warmth that may come earlier or later.

    The comfort band is told in electricity: what has been drawn may run ahead of what the
    thermostat alone would have drawn by `ahead_wh`, and stay behind by `behind_wh`. `level_wh` is
    how far it is ahead now (negative: behind). `loss_per_h` is the share of the lead that leaks
    away in an hour. `modulating` tells whether its power can be set; else it is switched, and a
    power between is a share of the time.

    A load without warmth that only waits is one with `ahead_wh` 0: what it wants is drawn no more
    than `delay_s` later, what it is behind now by `owed_until_s`, and at each of the times `due_s`
    it is behind by nothing.
    """

    rated_w: float
    ahead_wh: float
    behind_wh: float
    level_wh: float = 0.0
    loss_per_h: float = 0.0
    modulating: bool = False
    delay_s: float = float("inf")
    owed_until_s: float = float("inf")
    due_s: tuple[float, ...] = ()

    def load(self, name: str, load_class: LoadClass, node: str = "") -> Load:
        """Return the load that the reflex controls."""
        kind = LoadKind.MODULATING if self.modulating else LoadKind.SWITCH
        top_w = self.rated_w if self.modulating else 0.0
        return Load(name, load_class, self.rated_w, kind=kind, max_w=top_w, node=node)


@dataclass(frozen=True, slots=True)
class Cycle:
    """A programme that waits: it starts between two times and then runs to its end, uncut.

    `profile_w` holds its mean power in steps of `step_s` seconds from its start.
    """

    profile_w: tuple[float, ...]
    step_s: float
    earliest_s: float
    latest_s: float

    def load(self, name: str, load_class: LoadClass, node: str = "") -> Load:
        """Return the load that the reflex controls."""
        rated_w = max(self.profile_w, default=0.0)
        return Load(name, load_class, rated_w, kind=LoadKind.CYCLE, node=node)


@dataclass(frozen=True, slots=True)
class Pump:
    """A tank pump, or any load that must draw `energy_wh` between two times, in pieces."""

    rated_w: float
    energy_wh: float
    earliest_s: float
    latest_s: float

    def load(self, name: str, load_class: LoadClass, node: str = "") -> Load:
        """Return the load that the reflex controls."""
        return Load(name, load_class, self.rated_w, node=node)


@dataclass(frozen=True, slots=True)
class Production:
    """PV or wind: what it yields is part of the forecast; `curtailable` tells if it can be cut."""

    rated_w: float
    curtailable: bool = False

    def load(self, name: str, load_class: LoadClass, node: str = "") -> Load:
        """Return the load that the reflex sees: production is negative, and free at `-rated_w`."""
        return Load(
            name,
            load_class,
            0.0,
            recover=Recover.LOSE,
            kind=LoadKind.MODULATING,
            min_w=-self.rated_w,
            node=node,
        )


Device = Vehicle | Battery | Thermostat | Cycle | Pump | Production
