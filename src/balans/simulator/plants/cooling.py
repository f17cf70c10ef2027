"""Refrigerators and freezers: one thermal node, a compressor with hysteresis.

Model: first-order equivalent thermal parameters,

    C dT/dt = UA·(T_room − T) + door − COP·P·running

between two switching temperatures (the form of the original equation in GridLAB-D's
``residential/refrigerator.cpp``). Conductance and capacity follow from a cycle that was published
or measured (`ColdData.from_cycle`): how long the compressor runs, how long it rests, its power.
So the cycle is given, and what the model adds is how it changes when the supply is cut.

It stops within a step, at the very moment; a start waits for the end of the step.

A compressor that stopped rests for `min_off_s`, until pressures are level. Its power falls from
a start peak and a warm-up to the running value:

    P(t) = P·(1 + start·exp(−t/start_s) + warm·exp(−t/warm_s))
"""

from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

import numpy as np

from balans.simulator.arrays import Flags, Floats
from balans.simulator.plants.base import HOUR_S, Stateful, over

DEADBAND_K = 1.5
"""Mean over the contents, not of the evaporator: 2 to 3 °F (GridLAB-D ``refrigerator.cpp``,
``init``, ``thermostat_deadband``), 1.1 to 1.7 K."""

COP = 1.5
"""Typical value of small hermetic compressors; it scales conductance and capacity together and
does not change the cycle."""

ROOM_C = 20.0
MIN_OFF_S = 300.0
"""Typical value: pressures of a capillary system are level after about five minutes."""

START_S = 0.5
"""Typical value: a start winding is switched off within a second."""

WARM_S = 300.0
"""Typical value: the refrigerant circuit settles within some minutes."""

START_RATIO = 4.0
"""Typical value: locked-rotor current is four to six times the running current."""


class Cycle(NamedTuple):
    """What is published of a cold appliance: power [W], running and resting time [s], set [°C]."""

    power_w: float
    on_s: float
    off_s: float
    set_c: float


FRIDGE = Cycle(110.0, 18 * 60.0, 68 * 60.0, 4.0)
"""I. Richardson et al., "Domestic electricity use: a high-resolution energy demand model", Energy
and Buildings 42 (2010) 1878, appliance table as carried by the IDEAS library
(``Data/Residential/Appliance/Refrigerator.mo``): 110 W for 18 min, 6,116 cycles a year, 202 kWh.
4 °C is the target of the fresh-food compartment in IEC 62552-3."""

FREEZER = Cycle(190.0, 14 * 60.0, 72 * 60.0, -18.0)
"""As before, ``ChestFreezer.mo``: 190 W for 14 min, 6,116 cycles a year, 271 kWh. −18 °C is the
target of the freezer compartment in IEC 62552-3."""


@dataclass(frozen=True, slots=True)
class ColdData:
    """Parameters of cold appliances, one array element each.

    Attributes
    ----------
    power_w
        Running power of the compressor [W].
    cooling_w
        Heat that it removes [W].
    capacity_wh_k, loss_w_k
        Heat capacity of the contents [Wh/K]; conductance to the room [W/K].
    set_c, deadband_k
        Middle of the two switching temperatures, and their distance.
    start_ratio, warm_ratio
        Excess power at the start and while warming up, by running power.
    standby_w
        Drawn with supply, whether the compressor runs or not [W].
    """

    power_w: Floats
    cooling_w: Floats
    capacity_wh_k: Floats
    loss_w_k: Floats
    set_c: Floats
    deadband_k: Floats
    room_c: Floats
    min_off_s: Floats
    start_ratio: Floats
    warm_ratio: Floats
    standby_w: Floats

    @classmethod
    def from_cycle(cls, cycle: Cycle, count: int = 1) -> "ColdData":
        """Return `count` equal appliances that run this very cycle in a room of `ROOM_C`.

        Off, the contents follow T_room − T ∝ exp(−t/τ) with τ = C/UA; on, they approach
        T_on = T_room − COP·P/UA in the same way. The two times give τ and T_on.
        """
        low, high = cycle.set_c - DEADBAND_K / 2, cycle.set_c + DEADBAND_K / 2
        tau_s = cycle.off_s / np.log((ROOM_C - low) / (ROOM_C - high))
        grown = np.exp(cycle.on_s / tau_s)
        on_c = (grown * low - high) / (grown - 1)
        loss_w_k = COP * cycle.power_w / (ROOM_C - on_c)
        values = {
            "power_w": cycle.power_w,
            "cooling_w": COP * cycle.power_w,
            "capacity_wh_k": loss_w_k * tau_s / HOUR_S,
            "loss_w_k": loss_w_k,
            "set_c": cycle.set_c,
            "deadband_k": DEADBAND_K,
            "room_c": ROOM_C,
            "min_off_s": MIN_OFF_S,
            "start_ratio": START_RATIO,
            "warm_ratio": 0.0,
            "standby_w": 0.0,
        }
        return cls(**{name: over(value, count) for name, value in values.items()})

    def scaled(self, size: Floats, inertia: Floats | float = 1.0) -> "ColdData":
        """Return other appliances: `size` scales power, cooling, conductance and capacity.

        `inertia` scales the capacity once more, and so the length of the cycle.
        """
        return replace(
            self,
            power_w=self.power_w * size,
            cooling_w=self.cooling_w * size,
            capacity_wh_k=self.capacity_wh_k * size * inertia,
            loss_w_k=self.loss_w_k * size,
        )


class ColdAppliances(Stateful):
    """State of many refrigerators or freezers.

    Attributes
    ----------
    temperature_c
        Of the contents [°C].
    calling, running
        The thermostat is closed; the compressor ran at the end of the last step.
    phase_s
        Time since the compressor started or stopped [s].
    """

    STATE: ClassVar = ("temperature_c", "calling", "running", "phase_s")

    def __init__(self, data: ColdData, start_c: Floats | None = None) -> None:
        self.data = data
        self.temperature_c = np.array(data.set_c if start_c is None else start_c, dtype=np.float64)
        count = len(self.temperature_c)
        self.calling: Flags = np.zeros(count, dtype=np.bool_)
        self.running: Flags = np.zeros(count, dtype=np.bool_)
        self.phase_s = np.array(data.min_off_s)
        self._ask()

    @classmethod
    def mid_cycle(cls, data: ColdData, share: Floats) -> "ColdAppliances":
        """Return appliances in the middle of their cycle, `share` (0 to 1) of it behind them."""
        on_c = data.room_c - data.cooling_w / data.loss_w_k
        low, high = data.set_c - data.deadband_k / 2, data.set_c + data.deadband_k / 2
        on, off = (
            np.log((high - on_c) / (low - on_c)),
            np.log((data.room_c - low) / (data.room_c - high)),
        )
        duty = on / (on + off)
        runs = share < duty
        cooled = high + (low - high) * share / duty
        warmed = low + (high - low) * (share - duty) / (1 - duty)
        plant = cls(data, np.where(runs, cooled, warmed))
        plant.running, plant.calling = runs, runs.copy()
        plant.phase_s = np.full(len(share), WARM_S)
        plant.phase_s += np.where(runs, 0.0, data.min_off_s)
        return plant

    @property
    def wants_w(self) -> Floats:
        """Power that each would draw now, start peak left out [W]."""
        wants_w: Floats = np.where(self._able, self.data.power_w, 0.0) + self.data.standby_w
        return wants_w

    @property
    def _able(self) -> Flags:
        able: Flags = self.calling & (self.running | (self.phase_s >= self.data.min_off_s))
        return able

    def step(self, on: Flags, step_s: float, door_w: Floats | float = 0.0) -> Floats:
        """Let `step_s` pass and return the mean electric power over it [W].

        Parameters
        ----------
        on
            Supply by unit.
        door_w
            Heat brought in by opening the door and by warm food, mean over the step [W].
        """
        data = self.data
        run = on & self._able
        since_s = np.where(run & self.running, self.phase_s, 0.0)
        off_c = data.room_c + door_w / data.loss_w_k
        on_c = off_c - data.cooling_w / data.loss_w_k
        tau_s = data.capacity_wh_k / data.loss_w_k * HOUR_S
        run_s = np.where(run, np.minimum(step_s, self._until_cold_s(on_c, tau_s)), 0.0)
        cooled_c = on_c + (self.temperature_c - on_c) * np.exp(-run_s / tau_s)
        self.temperature_c = off_c + (cooled_c - off_c) * np.exp(-(step_s - run_s) / tau_s)
        power_w = self._energy_ws(since_s, run_s) / step_s + on * data.standby_w
        still = run & (run_s >= step_s)
        stopped_s = np.where(run | self.running, step_s - run_s, self.phase_s + step_s)
        self.phase_s = np.where(still, since_s + step_s, stopped_s)
        self.running = still
        self.calling &= ~(run & ~still)
        self._ask()
        return power_w

    def _until_cold_s(self, on_c: Floats, tau_s: Floats) -> Floats:
        """Return how long a running compressor needs to its switching temperature [s]."""
        low_c = self.data.set_c - self.data.deadband_k / 2
        ratio = (self.temperature_c - on_c) / np.maximum(low_c - on_c, 1e-9)
        until_s: Floats = tau_s * np.log(np.maximum(ratio, 1.0))
        return np.where(low_c > on_c, until_s, np.inf)

    def _energy_ws(self, since_s: Floats, run_s: Floats) -> Floats:
        data = self.data
        excess_s = np.zeros_like(run_s)
        for ratio, time_s in ((data.start_ratio, START_S), (data.warm_ratio, WARM_S)):
            faded = np.exp(-since_s / time_s) - np.exp(-(since_s + run_s) / time_s)
            excess_s += ratio * time_s * faded
        energy_ws: Floats = data.power_w * (run_s + excess_s)
        return energy_ws

    def _ask(self) -> None:
        data = self.data
        self.calling |= self.temperature_c >= data.set_c + data.deadband_k / 2
        self.calling &= self.temperature_c > data.set_c - data.deadband_k / 2
