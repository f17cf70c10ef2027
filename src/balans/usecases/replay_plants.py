"""How the appliances of a replayed site behave beyond what `domain.demand.plant` can tell.

Powers are whole numbers of 0.01 W, as everywhere in the replay; time is counted in its steps.
Each plant also tells what its appliance would tell a planner: what a car wants, how full a
battery is, which programme waits.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from balans.domain.demand import Load
from balans.domain.demand.devices import Battery, Cycle, Device, Pump, Thermostat, Vehicle
from balans.domain.demand.model import DAY_S, Recover
from balans.domain.demand.plant import Drawn, draw

LEAST_WH = 1.0
"""Less than this a car or a pump does not ask for."""
STAY_S = 12 * 3600.0
"""How long a car stays where no hour of leaving is given."""


class Moment:
    """Where the replay is: number of the step, its time, second of the local day, step length."""

    __slots__ = ("local_s", "start_s", "step", "step_s")

    def __init__(self, step: int, start_s: float, local_s: float, step_s: float) -> None:
        self.step, self.start_s, self.local_s, self.step_s = step, start_s, local_s, step_s


class Plant(Protocol):
    """An appliance in a replay."""

    def draw(self, step: int, ceiling: int | None) -> Drawn:
        """Return what it draws in `step`, held to `ceiling` (0: off; None: free)."""

    def device(self, now: Moment) -> Device | None:
        """Return what it would tell a planner at the beginning of a step; None: nothing."""


class BatteryPlant:
    """A battery: rests when free, else charges or discharges as told, while it can."""

    def __init__(self, battery: Battery, step_s: float, units_per_w: int) -> None:
        self.battery, self.soc_wh = battery, battery.soc_wh
        self._wh = step_s / 3600 / units_per_w
        self._units = units_per_w

    def draw(self, step: int, ceiling: int | None) -> Drawn:
        """Return what it draws; negative when it discharges."""
        del step
        kept, each = self.battery, self.battery.efficiency
        room = (kept.capacity_wh - self.soc_wh) / each / self._wh
        held = (self.soc_wh - kept.min_soc_wh) * each / self._wh
        most = int(min(kept.charge_w * self._units, max(room, 0.0)))
        least = -int(min(kept.discharge_w * self._units, max(held, 0.0)))
        power = min(max(ceiling or 0, least), most)
        energy_wh = power * self._wh
        self.soc_wh += energy_wh * each if power > 0 else energy_wh / each
        return Drawn(power, 0, 0)

    def device(self, now: Moment) -> Device | None:
        """Return the battery as full as it is."""
        del now
        return replace(self.battery, soc_wh=self.soc_wh)


class WaitingPlant:
    """A load whose energy waits when it is held back: a car, a pump, a thermostat.

    A thermostat may run ahead by its comfort band when it is told a power above what it wants.
    """

    def __init__(
        self, load: Load, device: Device, wanted: Sequence[int], step_s: float, units: int
    ) -> None:
        self.load, self.kept, self.wanted = load, device, wanted
        self._rated = round(load.rated_w * units)
        self._wh = step_s / 3600 / units
        self.waiting = 0
        self._ahead = 0
        if isinstance(device, Thermostat) and device.modulating:
            self._ahead = int(device.ahead_wh / self._wh)

    def draw(self, step: int, ceiling: int | None) -> Drawn:
        """Return what it draws; a lead is a negative backlog and is used up first."""
        wanted = self.wanted[step]
        if self.waiting >= 0 and not (ceiling and self._ahead):
            drawn = draw(wanted, self.waiting, self._rated, ceiling, Recover.DEFER)
        else:
            need = max(wanted + self.waiting, 0)
            power = min(need, self._rated if ceiling is None else ceiling)
            if ceiling and self._ahead:
                power = max(0, min(ceiling, self._rated, wanted + self.waiting + self._ahead))
            drawn = Drawn(power, wanted + self.waiting - power, 0)
        self.waiting = drawn.backlog
        return drawn

    def device(self, now: Moment) -> Device | None:
        """Return the appliance with what it still wants; None when it wants nothing."""
        kept = self.kept
        if isinstance(kept, Thermostat):
            return replace(kept, level_wh=-self.waiting * self._wh)
        coming = 0
        if isinstance(kept, Vehicle):
            coming = sum(self.wanted[now.step : self._session_end(now.step)])
        energy_wh = (self.waiting + coming) * self._wh
        if energy_wh < LEAST_WH:
            return None
        until_s = now.start_s + self._left_s(now)
        if isinstance(kept, Vehicle):
            return replace(kept, arrival_s=now.start_s, departure_s=until_s, energy_wh=energy_wh)
        return Pump(self.load.rated_w, energy_wh, now.start_s, until_s)

    def _session_end(self, step: int) -> int:
        """Return where the session that `step` lies in ends: a car tells what it wants."""
        while step < len(self.wanted) and self.wanted[step] > 0:
            step += 1
        return step

    def _left_s(self, now: Moment) -> float:
        """Return the time until the load's deadline [s]."""
        if self.load.deadline_s is None:
            return STAY_S
        return (self.load.deadline_s - now.local_s) % DAY_S or DAY_S


class CyclePlant:
    """An appliance with programmes: each recorded run waits while it is off, and is never cut."""

    def __init__(
        self, load: Load, device: Cycle, wanted: Sequence[int], step_s: float, units: int
    ) -> None:
        self.load, self.kept, self.wanted = load, device, wanted
        self._step_s, self._units = step_s, units
        self._queue: list[tuple[int, list[int]]] = []
        self._running: list[int] = []
        self._backlog = 0

    def draw(self, step: int, ceiling: int | None) -> Drawn:
        """Return what it draws: the run goes on, or the next one starts, or all wait."""
        if self.wanted[step] > 0 and (step == 0 or self.wanted[step - 1] <= 0):
            self._queue.append((step, self._run_at(step)))
        if not self._running and self._queue and (ceiling is None or self._is_late(step)):
            self._running = self._queue.pop(0)[1]
        power = self._running.pop(0) if self._running else 0
        self._backlog += self.wanted[step] - power
        return Drawn(power, self._backlog, 0)

    def _run_at(self, step: int) -> list[int]:
        end = step
        while end < len(self.wanted) and self.wanted[end] > 0:
            end += 1
        return list(self.wanted[step:end])

    def _is_late(self, step: int) -> bool:
        """Tell whether the run has waited as long as it may: it then starts, come what may."""
        return (step - self._queue[0][0]) * self._step_s >= self.kept.latest_s

    def device(self, now: Moment) -> Device | None:
        """Return the run that waits, or that begins now: a programme is known when it is set."""
        if self._running:
            return None
        if self._queue:
            first, run = self._queue[0]
        elif self.wanted[now.step] > 0 and (now.step == 0 or self.wanted[now.step - 1] <= 0):
            first, run = now.step, self._run_at(now.step)
        else:
            return None
        waited_s = (now.step - first) * self._step_s
        latest_s = now.start_s + max(0.0, self.kept.latest_s - waited_s)
        profile = tuple(power / self._units for power in run)
        return Cycle(profile, self._step_s, now.start_s, latest_s)


def plant_of(
    load: Load, device: Device | None, wanted: Sequence[int], step_s: float, units: int
) -> Plant | None:
    """Return the plant of an appliance; None where the plain one will do."""
    match device:
        case Battery():
            return BatteryPlant(device, step_s, units)
        case Cycle():
            return CyclePlant(load, device, wanted, step_s, units)
        case Vehicle() | Thermostat() | Pump():
            return WaitingPlant(load, device, wanted, step_s, units)
        case _:
            return None
