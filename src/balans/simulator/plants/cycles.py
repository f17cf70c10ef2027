"""Appliances with a programme: washing machines, dishwashers, dryers.

A programme is a row of phases with a mean power each; heating phases follow from physics: water
times temperature rise by power of the element. A machine that is ready waits until it has supply.
Cut in the middle, the programme is lost and is begun anew when supply is back: the energy so far
was for nothing, and both are counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from balans.simulator.arrays import Flags, Floats, Int32s, Rows
from balans.simulator.plants.base import HOUR_S, WATER_WH_L_K, Stateful

HEATING_W = 600.0
"""Above this mean power a phase is a heating one: motors and pumps need less."""


class Phase(NamedTuple):
    """Part of a programme: how long [s], at which mean power [W]."""

    length_s: float
    power_w: float


def heating(litres: float, rise_k: float, element_w: float, beside_w: float) -> Phase:
    """Return the phase in which an element brings `litres` up by `rise_k`.

    `beside_w` is drawn by motor and pump meanwhile; a quarter of the heat goes into drum, load and
    room (typical value).
    """
    need_wh = 1.25 * litres * WATER_WH_L_K * rise_k
    return Phase(need_wh / element_w * HOUR_S, element_w + beside_w)


@dataclass(frozen=True, slots=True)
class Program:
    """A row of phases."""

    phases: tuple[Phase, ...]

    def loaded(self, load: float) -> "Program":
        """Return the programme with its heating phases stretched by `load`.

        More, wetter or dirtier load takes more heat; rinsing and cooling down take their time.
        """
        return Program(
            tuple(
                Phase(length * load if power > HEATING_W else length, power)
                for length, power in self.phases
            )
        )

    @property
    def heating_wh(self) -> float:
        """Energy of the heating phases [Wh]."""
        hot = [phase for phase in self.phases if phase.power_w > HEATING_W]
        return sum(phase.length_s * phase.power_w for phase in hot) / HOUR_S

    @property
    def length_s(self) -> float:
        """Duration [s]."""
        return sum(phase.length_s for phase in self.phases)

    @property
    def energy_wh(self) -> float:
        """Energy [Wh]."""
        return sum(phase.length_s * phase.power_w for phase in self.phases) / HOUR_S

    @property
    def peak_w(self) -> float:
        """Largest mean power of a phase [W]."""
        return max(phase.power_w for phase in self.phases)


WASHING_40 = Program(
    (
        Phase(300, 60),
        heating(15, 25, 2_000, 100),
        Phase(2_400, 120),
        *(Phase(480, 90), Phase(180, 300)) * 3,
        Phase(420, 400),
    )
)
"""Cotton at 40 °C, typical values: 15 l of washing liquor from 15 °C at 2 kW, drum motor 100 to
150 W, three rinses with short spins, a long spin at the end."""

DISHWASHER_55 = Program(
    (
        Phase(600, 70),
        heating(4.5, 55, 2_000, 80),
        Phase(1_500, 80),
        Phase(900, 70),
        heating(4.5, 50, 2_000, 80),
        Phase(300, 80),
        Phase(1_200, 10),
    )
)
"""Typical values: two fills of 4 to 5 l with dishes and tub heated to about 60 °C by 2 kW, for
washing and for the last rinse; circulation pump 70 to 80 W; drying without power."""

DRYER = Program((Phase(3_300, 2_300), Phase(900, 1_200), Phase(480, 200)))
"""Condenser dryer, typical values: 3.4 kg of laundry (the mean load of appliance-energy-costs.eu,
"Standards and calculations") with 60 % of water, 0.7 kWh to evaporate a litre, efficiency 0.55;
heating on without a break, then by thermostat, then cooling down."""


class Machines(Stateful):
    """State of many machines with programmes.

    Parameters
    ----------
    programs
        The programmes there are.
    chosen
        Index of the programme of each machine.
    size
        Factor on all powers of each machine.

    Attributes
    ----------
    waiting
        Programmes that people want run.
    position_s
        Time into the programme [s]; −1 when idle.
    lost, done
        Programmes cut in the middle, and finished ones, since the start.
    lost_wh
        Energy of the lost programmes [Wh].
    """

    STATE: ClassVar = ("waiting", "position_s", "used_wh", "lost", "done", "lost_wh")

    def __init__(self, programs: Sequence[Program], chosen: Int32s, size: Floats) -> None:
        self.chosen, self.size = chosen, size
        count = len(chosen)
        self.waiting = np.zeros(count, dtype=np.int32)
        self.position_s = np.full(count, -1.0)
        self.used_wh = np.zeros(count)
        self.lost = np.zeros(count, dtype=np.int32)
        self.done = np.zeros(count, dtype=np.int32)
        self.lost_wh = np.zeros(count)
        self.length_s = np.array([program.length_s for program in programs])[chosen]
        self._ends, self._sums = _tables(programs)

    @property
    def rated_w(self) -> Floats:
        """Largest power of each machine [W]."""
        slopes = np.diff(self._sums, axis=1) / np.maximum(np.diff(self._ends, axis=1), 1e-9)
        rated: Floats = slopes.max(axis=1)[self.chosen] * HOUR_S * self.size
        return rated

    def request(self, count: Int32s) -> None:
        """Make so many programmes ready, by machine."""
        self.waiting = self.waiting + count

    @property
    def idle(self) -> Flags:
        """Which machines run nothing."""
        return self.position_s < 0

    def wants_w(self, step_s: float) -> Floats:
        """Mean power over the coming step if there is supply [W]."""
        begins = self.idle & (self.waiting > 0)
        start_s = np.where(begins, 0.0, self.position_s)
        active = begins | ~self.idle
        return self._next_wh(active, start_s, step_s) * HOUR_S / step_s

    def step(self, on: Flags, step_s: float) -> Floats:
        """Let `step_s` pass and return the mean power over it [W]."""
        cut = ~on & ~self.idle
        self.lost += cut
        self.lost_wh += np.where(cut, self.used_wh, 0.0)
        self.waiting += cut
        self.position_s = np.where(cut, -1.0, self.position_s)
        begins = on & self.idle & (self.waiting > 0)
        self.waiting -= begins
        self.position_s = np.where(begins, 0.0, self.position_s)
        self.used_wh = np.where(begins, 0.0, self.used_wh)
        runs = ~self.idle
        energy_wh = self._next_wh(runs, self.position_s, step_s)
        self.used_wh += energy_wh
        self.position_s = np.where(runs, self.position_s + step_s, self.position_s)
        finished = runs & (self.position_s >= self.length_s - 1e-6)
        self.done += finished
        self.position_s = np.where(finished, -1.0, self.position_s)
        power_w: Floats = energy_wh * HOUR_S / step_s
        return power_w

    def _next_wh(self, active: Flags, start_s: Floats, step_s: float) -> Floats:
        """Return the energy of the step from `start_s` on, of the few that are `active` [Wh]."""
        energy_wh = np.zeros(len(active))
        rows = np.flatnonzero(active)
        if len(rows):
            begin_s = start_s[rows]
            until_wh = self._until_wh(rows, begin_s + step_s) - self._until_wh(rows, begin_s)
            energy_wh[rows] = until_wh * self.size[rows]
        return energy_wh

    def _until_wh(self, rows: Rows, time_s: Floats) -> Floats:
        """Return the energy of the programmes of `rows` up to `time_s`, by table [Wh]."""
        ends, sums = self._ends[self.chosen[rows]], self._sums[self.chosen[rows]]
        at = np.minimum((ends[:, 1:] <= time_s[:, None]).sum(axis=1), ends.shape[1] - 2)
        row = np.arange(len(at))
        left, right = ends[row, at], ends[row, at + 1]
        share = np.clip((time_s - left) / np.maximum(right - left, 1e-9), 0.0, 1.0)
        until: Floats = sums[row, at] + share * (sums[row, at + 1] - sums[row, at])
        return until


def _tables(programs: Sequence[Program]) -> tuple[Floats, Floats]:
    """Return times [s] and energies so far [Wh] at the ends of phases, padded to one length."""
    most = max(len(program.phases) for program in programs)
    ends, sums = np.zeros((len(programs), most + 1)), np.zeros((len(programs), most + 1))
    for row, program in enumerate(programs):
        lengths = [phase.length_s for phase in program.phases]
        energies = [phase.length_s * phase.power_w / HOUR_S for phase in program.phases]
        ends[row, 1 : len(lengths) + 1] = np.cumsum(lengths)
        sums[row, 1 : len(lengths) + 1] = np.cumsum(energies)
        ends[row, len(lengths) + 1 :] = program.length_s + np.arange(1, most - len(lengths) + 1)
        sums[row, len(lengths) + 1 :] = sums[row, len(lengths)]
    return ends, sums
