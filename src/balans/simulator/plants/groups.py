"""Plants of one kind in their houses: a plant, and what people and weather do to it each day."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
from typing_extensions import override

from balans.simulator.arrays import Flags, Floats, Int32s, Snapshot
from balans.simulator.plants.base import Stateful
from balans.simulator.plants.battery import Batteries
from balans.simulator.plants.cooling import ColdAppliances
from balans.simulator.plants.cycles import Machines
from balans.simulator.plants.people import Day, Households, awake
from balans.simulator.plants.production import curtailed_w
from balans.simulator.plants.pump import Pumps
from balans.simulator.plants.rooms import Rooms
from balans.simulator.plants.tank import WaterTanks
from balans.simulator.plants.vehicle import Vehicles
from balans.simulator.plants.weather import DAY_MIN, Weather

STEP_S = 60.0

DOOR_W_PERSON = 3.0
"""Typical value: opening the door and warm food are about a tenth of a refrigerator's heat."""

BODY_W, IDLE_W = 80.0, 100.0
"""Typical values: sensible heat of a person awake at home, of appliances in the room."""

WINDOW_M2_M2 = 0.03
"""Typical value: effective solar aperture by floor area, shaded and mean over directions."""

TAP_L_PERSON = 120.0
"""Typical value: water a person uses in a day."""


class Group(ABC):
    """Units of one kind.

    Parameters
    ----------
    house
        Index of the house of each unit.

    Attributes
    ----------
    rated_w, min_w
        Largest power, and smallest one that is not off [W]; of a battery the largest discharge
        (negative), of a producer the largest production (negative).
    phases
        1 or 3, by unit.
    """

    rated_w: Floats
    min_w: Floats
    phases: Int32s
    plant: Stateful | None = None

    def __init__(self, house: Int32s) -> None:
        self.house = house
        self.phases = np.ones(len(house), dtype=np.int32)

    @abstractmethod
    def begin_day(self, day: Day, weather: Weather) -> None:
        """Take in what people and weather will do."""

    @abstractmethod
    def wants_w(self, minute: int) -> Floats:
        """Return the power that each unit would draw in this minute of the day [W]."""

    @abstractmethod
    def step(self, minute: int, on: Flags, limit_w: Floats) -> Floats:
        """Let a minute pass with supply `on` and limits [W], NaN where there is none."""

    def snapshot(self) -> Snapshot:
        """Return the state as arrays; nothing where only weather acts."""
        return self.plant.snapshot() if self.plant else {}

    def restore(self, state: Snapshot) -> None:
        """Take over a state; the day must be begun before."""
        if self.plant:
            self.plant.restore(state)


class TankGroup(Group):
    """Water heaters."""

    plant: WaterTanks

    def __init__(self, house: Int32s, tanks: WaterTanks) -> None:
        super().__init__(house)
        self.plant = tanks
        self.rated_w = self.min_w = tanks.data.element_w

    @override
    def begin_day(self, day: Day, weather: Weather) -> None:
        """Take in draws and the temperature of the mains."""
        self._water_l = np.ascontiguousarray(day.water_l()[self.house].T)
        self._cold_c = weather.cold_water_c

    @override
    def wants_w(self, minute: int) -> Floats:
        """Return what the elements would draw [W]."""
        del minute
        return self.plant.wants_w

    @override
    def step(self, minute: int, on: Flags, limit_w: Floats) -> Floats:
        """Let a minute pass."""
        del limit_w
        return self.plant.step(on, STEP_S, self._water_l[minute], self._cold_c)


class ColdGroup(Group):
    """Refrigerators or freezers."""

    plant: ColdAppliances

    def __init__(self, house: Int32s, cold: ColdAppliances, households: Households) -> None:
        super().__init__(house)
        self.plant = cold
        self.rated_w = self.min_w = cold.data.power_w
        self._door_w = DOOR_W_PERSON * households.people[house]

    @override
    def begin_day(self, day: Day, weather: Weather) -> None:
        """Take in how busy the kitchen is."""
        del weather
        self._awake = awake(day.number)

    @override
    def wants_w(self, minute: int) -> Floats:
        """Return what the compressors would draw [W]."""
        del minute
        return self.plant.wants_w

    @override
    def step(self, minute: int, on: Flags, limit_w: Floats) -> Floats:
        """Let a minute pass."""
        del limit_w
        return self.plant.step(on, STEP_S, self._door_w * self._awake[minute])


class RoomGroup(Group):
    """Heat pumps, heaters or air-conditioners with their homes."""

    plant: Rooms

    def __init__(
        self, house: Int32s, rooms: Rooms, floor_m2: Floats, households: Households
    ) -> None:
        super().__init__(house)
        self.plant = rooms
        self.rated_w = self.min_w = rooms.data.power_w
        self._window_m2 = WINDOW_M2_M2 * floor_m2
        self._body_w = BODY_W * households.people[house]

    @override
    def begin_day(self, day: Day, weather: Weather) -> None:
        """Take in weather and people."""
        self._outdoor_c = weather.outdoor_c
        self._sun_w_m2 = weather.horizontal_w_m2
        self._awake = awake(day.number)

    @override
    def wants_w(self, minute: int) -> Floats:
        """Return what the units would draw [W]."""
        del minute
        return self.plant.wants_w

    @override
    def step(self, minute: int, on: Flags, limit_w: Floats) -> Floats:
        """Let a minute pass."""
        del limit_w
        gains_w = IDLE_W + self._body_w * self._awake[minute]
        gains_w += self._window_m2 * self._sun_w_m2[minute]
        return self.plant.step(on, STEP_S, float(self._outdoor_c[minute]), gains_w)


class MachineGroup(Group):
    """Machines with programmes."""

    plant: Machines

    def __init__(self, house: Int32s, machines: Machines, per_year: float, part: int) -> None:
        super().__init__(house)
        self.plant = machines
        self.rated_w = self.min_w = machines.rated_w
        self._per_year, self._part = per_year, part

    @override
    def begin_day(self, day: Day, weather: Weather) -> None:
        """Take in when people make machines ready."""
        del weather
        spread = np.ones(len(day.households), dtype=np.bool_)
        wanted = day.programs(self._part, self._per_year, spread)
        self._wanted = np.ascontiguousarray(wanted[self.house].T)
        self._asked = -1

    @override
    def wants_w(self, minute: int) -> Floats:
        """Return what the machines would draw [W]."""
        self._ask(minute)
        return self.plant.wants_w(STEP_S)

    @override
    def step(self, minute: int, on: Flags, limit_w: Floats) -> Floats:
        """Let a minute pass."""
        del limit_w
        self._ask(minute)
        return self.plant.step(on, STEP_S)

    @override
    def snapshot(self) -> Snapshot:
        """Return the state, and up to which minute of the day people have asked."""
        return {**self.plant.snapshot(), "asked": np.array(self._asked)}

    @override
    def restore(self, state: Snapshot) -> None:
        """Take over a state."""
        self.plant.restore(state)
        self._asked = int(state["asked"])

    def _ask(self, minute: int) -> None:
        if minute > self._asked:
            self.plant.request(self._wanted[minute])
            self._asked = minute


class VehicleGroup(Group):
    """Cars at the charging points of their houses. A limit is turned into amperes by phase."""

    plant: Vehicles

    def __init__(self, house: Int32s, vehicles: Vehicles) -> None:
        super().__init__(house)
        self.plant = vehicles
        self.rated_w, self.min_w = vehicles.data.rated_w, vehicles.data.min_w
        self.phases = vehicles.data.phases.astype(np.int32)
        self._moved = -1

    @override
    def begin_day(self, day: Day, weather: Weather) -> None:
        """Take in when cars leave and come back."""
        del weather
        leaves, comes, drive_wh = day.drives()
        self._leaves_min, self._comes_min = leaves[self.house], comes[self.house]
        self._drive_wh = drive_wh[self.house]
        self._moved = -1

    @override
    def wants_w(self, minute: int) -> Floats:
        """Return what the cars would draw at their largest current [W]."""
        self._move(minute)
        return self.plant.wants_w

    @override
    def step(self, minute: int, on: Flags, limit_w: Floats) -> Floats:
        """Let a minute pass."""
        self._move(minute)
        data = self.plant.data
        most_a = limit_w / (data.rated_w / data.max_a)
        allowed_a = np.where(np.isnan(limit_w), data.max_a, most_a)
        return self.plant.step(np.where(on, allowed_a, 0.0), STEP_S)

    @override
    def snapshot(self) -> Snapshot:
        """Return the state, and up to which minute of the day cars have moved."""
        return {**self.plant.snapshot(), "moved": np.array(self._moved)}

    @override
    def restore(self, state: Snapshot) -> None:
        """Take over a state."""
        self.plant.restore(state)
        self._moved = int(state["moved"])

    def _move(self, minute: int) -> None:
        if minute > self._moved:
            full_wh = self.plant.data.battery_wh
            self.plant.depart(self._leaves_min == minute)
            self.plant.arrive(self._comes_min == minute, self._drive_wh, full_wh)
            self._moved = minute


class PumpGroup(Group):
    """Pumps of elevated tanks."""

    plant: Pumps

    def __init__(self, house: Int32s, pumps: Pumps, households: Households) -> None:
        super().__init__(house)
        self.plant = pumps
        self.rated_w = self.min_w = pumps.data.power_w
        self._day_l = TAP_L_PERSON * households.people[house]

    @override
    def begin_day(self, day: Day, weather: Weather) -> None:
        """Take in when water is used."""
        del weather
        self._use = awake(day.number) / awake(day.number).sum()

    @override
    def wants_w(self, minute: int) -> Floats:
        """Return what the pumps would draw [W]."""
        del minute
        return self.plant.wants_w

    @override
    def step(self, minute: int, on: Flags, limit_w: Floats) -> Floats:
        """Let a minute pass."""
        del limit_w
        return self.plant.step(on, STEP_S, self._day_l * self._use[minute])


class ProducerGroup(Group):
    """Photovoltaic arrays or wind turbines; a limit is the least (most negative) power.

    `power_w` gives what they would feed in by unit and minute of a day, negative [W].
    """

    def __init__(self, house: Int32s, peak_w: Floats, power_w: Callable[[Weather], Floats]) -> None:
        super().__init__(house)
        self.rated_w, self.min_w = np.zeros(len(house)), -peak_w
        self._of_day = power_w
        self._power_w = np.zeros((DAY_MIN, len(house)))

    @override
    def begin_day(self, day: Day, weather: Weather) -> None:
        """Take in sun and wind."""
        del day
        self._power_w = np.ascontiguousarray(self._of_day(weather).T)

    @override
    def wants_w(self, minute: int) -> Floats:
        """Return what they would feed in, negative [W]."""
        power_w: Floats = self._power_w[minute]
        return power_w

    @override
    def step(self, minute: int, on: Flags, limit_w: Floats) -> Floats:
        """Let a minute pass."""
        least_w = np.where(np.isnan(limit_w), -np.inf, limit_w)
        return curtailed_w(self._power_w[minute], np.where(on, least_w, 0.0))


class BatteryGroup(Group):
    """Batteries; a limit is a set-point. Without one they take up the surplus of their house."""

    plant: Batteries

    def __init__(self, house: Int32s, batteries: Batteries) -> None:
        super().__init__(house)
        self.plant = batteries
        self.rated_w, self.min_w = batteries.data.charge_w, -batteries.data.discharge_w
        self.net_w = np.zeros(len(house))
        """What the rest of the house draws in this minute; to be set before `step`."""

    @override
    def begin_day(self, day: Day, weather: Weather) -> None:
        """Do nothing: a battery follows its house."""
        del day, weather

    @override
    def wants_w(self, minute: int) -> Floats:
        """Return what would balance the house [W]."""
        del minute
        wants_w: Floats = np.clip(-self.net_w, *self.plant.bounds_w(STEP_S))
        return wants_w

    @override
    def step(self, minute: int, on: Flags, limit_w: Floats) -> Floats:
        """Let a minute pass."""
        del minute
        setpoint_w = np.where(np.isnan(limit_w), -self.net_w, limit_w)
        return self.plant.step(np.where(on, setpoint_w, 0.0), STEP_S)
