"""The planner in a replay: what it has seen so far, and what it proposes for the next step.

Causal: a plan for step k is made of slots that ended before it and of what was measured in step
k - 1; of the appliances it knows what they would tell at the beginning of step k.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from balans.domain.demand import Load
from balans.domain.demand.devices import Device, Production, Thermostat
from balans.domain.demand.model import Proposal
from balans.domain.demand.plan import Plan, PlannerSettings, PlanState, proposals
from balans.domain.demand.timetable import Meters
from balans.usecases.plan_site import History, plan_site
from balans.usecases.replay_plants import Moment, Plant
from balans.usecases.site_file import Site

KEPT_DAYS = 42
"""How much past is kept: four weeks of similar days, and the whole of the running month."""
SEEN_DAYS = 1
"""Before a day has been seen there is nothing to forecast from."""


class ReplayPlanner:
    """Collects slots, plans every `every_s`, and gives the proposals that hold now."""

    def __init__(
        self, site: Site, settings: PlannerSettings, plants: Mapping[str, Plant], first_s: float
    ) -> None:
        self.site, self.settings, self.plants = site, settings, plants
        slot_s = settings.slot_s
        self._slot_s = first_s - first_s % slot_s
        self._names = tuple(plants)
        self._thermostats = tuple(
            name for name in plants if isinstance(site.devices[name], Thermostat)
        )
        self._producers = frozenset(site.producers)
        self._slots: dict[str, list[float]] = {
            name: [] for name in ("rest", "made", "bought", *self._thermostats)
        }
        self._sums = dict.fromkeys(self._slots, 0.0)
        self._seconds = 0.0
        self._now_w: float | None = None
        self._interval_wh = 0.0
        self.plan: Plan | None = None
        self.made = 0
        self.failed = 0

    def see(self, now: Moment, site_w: float, load_w: Mapping[str, float]) -> None:
        """Take in the step that began at `now`: mean powers of the site and of its loads."""
        if now.start_s >= self._slot_s + self.settings.slot_s:
            self._close_slot(now)
        made_w = sum(power for name, power in load_w.items() if name in self._producers)
        rest_w = site_w - made_w - sum(load_w[name] for name in self._names)
        seen = {"rest": rest_w, "made": made_w, "bought": max(site_w, 0.0)}
        seen.update((name, load_w[name]) for name in self._thermostats)
        for name, power in seen.items():
            self._sums[name] += power * now.step_s
        self._seconds += now.step_s
        self._now_w = rest_w + made_w
        if now.local_s % self.settings.tariff.peak_interval_s < now.step_s:
            self._interval_wh = 0.0
        self._interval_wh += max(site_w, 0.0) * now.step_s / 3600

    def _close_slot(self, now: Moment) -> None:
        while now.start_s >= self._slot_s + self.settings.slot_s:
            for name, slots in self._slots.items():
                known = self._seconds >= self.settings.slot_s / 2
                slots.append(self._sums[name] / self._seconds if known else float("nan"))
                self._sums[name] = 0.0
            self._seconds = 0.0
            self._slot_s += self.settings.slot_s

    def proposals(self, now: Moment, loads: Sequence[Load], meters: Meters) -> tuple[Proposal, ...]:
        """Return what is proposed for the step that begins at `now`."""
        if now.start_s >= self._slot_s + self.settings.slot_s:
            self._close_slot(now)
        if not self._has_seen():
            return ()
        if self.plan is None or now.start_s - self.plan.made_s >= self.settings.every_s:
            self.plan = plan_site(
                self.site,
                self.settings,
                self._devices(now),
                self._history(now, meters),
                now.start_s,
            )
            self.made += 1
            self.failed += self.plan.state is PlanState.NONE
        return proposals(self.plan, loads, now.start_s)

    def _has_seen(self) -> bool:
        return len(self._slots["rest"]) * self.settings.slot_s >= SEEN_DAYS * 86_400

    def _devices(self, now: Moment) -> dict[str, Device]:
        told = {name: plant.device(now) for name, plant in self.plants.items()}
        found = {name: device for name, device in told.items() if device is not None}
        for name in self._producers:
            device = self.site.devices[name]
            if isinstance(device, Production):
                found[name] = device
        return found

    def _history(self, now: Moment, meters: Meters) -> History:
        keep = round(KEPT_DAYS * 86_400 / self.settings.slot_s)
        kept = {name: np.array(slots[-keep:]) for name, slots in self._slots.items()}
        first_s = self._slot_s - self.settings.slot_s * len(kept["rest"])
        begins = now.local_s % self.settings.tariff.peak_interval_s == 0
        return History(
            first_s,
            self.settings.slot_s,
            kept["rest"],
            kept["made"],
            kept["bought"],
            {name: kept[name] for name in self._thermostats},
            self._now_w,
            0.0 if begins else self._interval_wh,
            meters,
        )
