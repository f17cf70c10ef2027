"""The kinds of plants there are, and how a group of typical ones is drawn from a seed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from balans.core.words import LoadClass
from balans.simulator.arrays import Floats, Int32s
from balans.simulator.plants.battery import Batteries, BatteryData
from balans.simulator.plants.cooling import FREEZER, FRIDGE, ColdAppliances, ColdData, Cycle
from balans.simulator.plants.cycles import DISHWASHER_55, DRYER, WASHING_40, Machines, Program
from balans.simulator.plants.groups import (
    BatteryGroup,
    ColdGroup,
    Group,
    MachineGroup,
    ProducerGroup,
    PumpGroup,
    RoomGroup,
    TankGroup,
    VehicleGroup,
)
from balans.simulator.plants.people import DISHES_YEAR, DRIES_YEAR, WASHES_YEAR, Households
from balans.simulator.plants.production import PvData, pv_w, wind_w
from balans.simulator.plants.pump import PumpData, Pumps
from balans.simulator.plants.rooms import (
    RoomData,
    Rooms,
    air_conditioner_eer,
    heat_pump_cop,
    heater_cop,
)
from balans.simulator.plants.tank import TankData, WaterTanks
from balans.simulator.plants.vehicle import VehicleData, Vehicles

YELLOW_OFF_S, MIN_ON_S = 900.0, 300.0
DESIGN_OUTDOOR_C = -10.0
"""Typical design temperature of heating."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a group stands: the house of each unit, its households, and a random stream.

    Every house draws, whether it has a unit or not, so that what stands in a house does not depend
    on which others have one.
    """

    house: Int32s
    households: Households
    random: np.random.Generator

    def between(self, low: float, high: float) -> Floats:
        """Return a value for each unit, uniform."""
        return self.random.uniform(low, high, len(self.households))[self.house]

    def one_of(self, *values: float) -> Floats:
        """Return one of `values` for each unit, each equally likely."""
        drawn = self.random.integers(0, len(values), len(self.households))
        return np.array(values, dtype=np.float64)[drawn[self.house]]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of plant.

    Attributes
    ----------
    load_class
        How far control may go. A battery and producers may always be set.
    share
        Typical share of houses that have one; the defaults of `make_houses`.
    modulating
        A limit in watts can be set; otherwise there is only supply or none.
    """

    name: str
    load_class: LoadClass
    share: float
    build: Callable[[Place], Group]
    modulating: bool = False

    @property
    def max_off_s(self) -> float:
        """Longest time off that people do not notice [s]; 0: no bound."""
        return YELLOW_OFF_S if self.load_class is LoadClass.YELLOW else 0.0


def _water_heater(place: Place) -> Group:
    people = place.households.people[place.house]
    volume_l = np.clip(50.0 * np.ceil((people + 1) * place.between(0.8, 1.2)), 80.0, 300.0)
    element_w = np.where(volume_l < 150, 1_500.0, np.where(volume_l < 250, 2_000.0, 2_400.0))
    tanks = WaterTanks(TankData.typical(volume_l, element_w), 60.0 - place.between(0.0, 4.9))
    return TankGroup(place.house, tanks)


def _cold(cycle: Cycle) -> Callable[[Place], Group]:
    def build(place: Place) -> Group:
        equal = ColdData.from_cycle(cycle, len(place.house))
        data = equal.scaled(place.between(0.7, 1.3), place.between(0.7, 1.3))
        plant = ColdAppliances.mid_cycle(data, place.between(0.0, 1.0))
        return ColdGroup(place.house, plant, place.households)

    return build


def _heating(
    place: Place, cop: Callable[[float], float], loss_w_k_m2: tuple[float, float]
) -> Group:
    """Return homes with a unit that holds 20 °C at the design temperature with a tenth to spare."""
    floor_m2 = place.between(60.0, 140.0)
    out_w_k = floor_m2 * place.between(*loss_w_k_m2)
    set_c = place.between(19.5, 21.5)
    heat_w = 1.1 * out_w_k * (20.0 - DESIGN_OUTDOOR_C)
    data = RoomData.typical(floor_m2, out_w_k, heat_w / cop(DESIGN_OUTDOOR_C), set_c)
    rooms = Rooms(data, cop, start_c=set_c + place.between(-0.4, 0.4))
    return RoomGroup(place.house, rooms, floor_m2, place.households)


def _heat_pump(place: Place) -> Group:
    group = _heating(place, heat_pump_cop, (0.8, 1.6))
    group.phases = np.where(group.rated_w > 3_680, 3, 1).astype(np.int32)
    return group


def _heater(place: Place) -> Group:
    """Return single electrically heated rooms."""
    floor_m2 = place.between(12.0, 30.0)
    out_w_k = floor_m2 * place.between(0.8, 1.6)
    power_w = np.ceil(1.1 * out_w_k * (20.0 - DESIGN_OUTDOOR_C) / 500.0) * 500.0
    data = RoomData.typical(floor_m2, out_w_k, power_w, place.between(19.5, 21.5))
    rooms = Rooms(data, heater_cop, start_c=data.set_c + place.between(-0.4, 0.4))
    return RoomGroup(place.house, rooms, floor_m2, place.households)


def _air_conditioner(place: Place) -> Group:
    """Return rooms of 20 to 50 m² with 35 W of electricity a square metre (typical)."""
    floor_m2 = place.between(20.0, 50.0)
    data = RoomData.typical(
        floor_m2, floor_m2 * place.between(1.0, 1.8), 35.0 * floor_m2, place.between(23.5, 26.0)
    )
    start_c = data.set_c - place.between(0.0, 2.0)
    rooms = Rooms(data, air_conditioner_eer, cooling=True, start_c=start_c)
    return RoomGroup(place.house, rooms, floor_m2, place.households)


LOADS = (0.7, 0.85, 1.0, 1.15, 1.3)
"""Typical spread: households differ in programme and load; each has one of these."""


def _machine(program: Program, per_year: float, part: int) -> Callable[[Place], Group]:
    def build(place: Place) -> Group:
        chosen = place.one_of(*range(len(LOADS))).astype(np.int32)
        programs = [program.loaded(load) for load in LOADS]
        machines = Machines(programs, chosen, place.between(0.85, 1.15))
        return MachineGroup(place.house, machines, per_year, part)

    return build


def _vehicle(place: Place) -> Group:
    phases = place.one_of(1.0, 3.0, 3.0)
    max_a = np.where(phases == 1, place.one_of(16.0, 32.0), 16.0)
    data = VehicleData.typical(phases, max_a, place.one_of(40_000.0, 58_000.0, 77_000.0))
    vehicles = Vehicles(data)
    vehicles.plugged[:] = True
    return VehicleGroup(place.house, vehicles)


def _battery(place: Place) -> Group:
    capacity_wh = place.one_of(5_000.0, 8_000.0, 10_000.0)
    return BatteryGroup(place.house, Batteries(BatteryData.typical(capacity_wh, capacity_wh / 2)))


def _pv(place: Place) -> Group:
    tilt = np.radians(place.between(15.0, 45.0))
    azimuth = np.radians(place.between(-60.0, 60.0))
    data = PvData(1_000.0 * place.between(3.0, 10.0), tilt, azimuth)
    return ProducerGroup(place.house, data.peak_w, lambda weather: pv_w(data, weather))


def _wind(place: Place) -> Group:
    rated_w = place.one_of(1_000.0, 2_500.0, 5_000.0)
    return ProducerGroup(place.house, rated_w, lambda weather: wind_w(rated_w, weather))


def _pump(place: Place) -> Group:
    data = PumpData.typical(
        place.one_of(370.0, 550.0, 750.0), place.between(20.0, 40.0), place.between(500.0, 1_000.0)
    )
    return PumpGroup(place.house, Pumps(data), place.households)


_ALL = (
    Kind("water_heater", LoadClass.YELLOW, 0.5, _water_heater),
    Kind("fridge", LoadClass.YELLOW, 1.0, _cold(FRIDGE)),
    Kind("freezer", LoadClass.YELLOW, 0.5, _cold(FREEZER)),
    Kind("heat_pump", LoadClass.YELLOW, 0.1, _heat_pump),
    Kind("heater", LoadClass.YELLOW, 0.15, _heater),
    Kind("air_conditioner", LoadClass.YELLOW, 0.2, _air_conditioner),
    Kind("washing_machine", LoadClass.GREEN, 0.95, _machine(WASHING_40, WASHES_YEAR, 53)),
    Kind("dishwasher", LoadClass.GREEN, 0.65, _machine(DISHWASHER_55, DISHES_YEAR, 54)),
    Kind("dryer", LoadClass.GREEN, 0.35, _machine(DRYER, DRIES_YEAR, 55)),
    Kind("pump", LoadClass.GREEN, 0.05, _pump),
    Kind("ev", LoadClass.GREEN, 0.2, _vehicle, modulating=True),
    Kind("pv", LoadClass.GREEN, 0.15, _pv, modulating=True),
    Kind("wind", LoadClass.GREEN, 0.0, _wind, modulating=True),
    Kind("battery", LoadClass.GREEN, 0.05, _battery, modulating=True),
)
KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _ALL}
"""In the order of the loads everywhere; the battery is last because it follows the others."""

SHARES: Mapping[str, float] = {kind.name: kind.share for kind in _ALL}
