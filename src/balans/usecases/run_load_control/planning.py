"""The planner beside the reflex: what it is asked, and what becomes of its plan.

The planner runs elsewhere (`PlanRequest` goes out, a `Plan` comes in, or nothing): the reflex
never waits for it. A plan is good for twice the time between two plans; an older one is no plan,
and the reflex goes on alone with the guard ``planner_lost``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import msgspec

from balans.domain.demand.devices import Battery, Device, Production, Pump, Thermostat, Vehicle
from balans.domain.demand.model import DAY_S, Load, LoadKind, LoadState, Proposal, Recover
from balans.domain.demand.plan import Plan, PlanState, proposals
from balans.domain.demand.plan.settings import PlannerSettings
from balans.protocols import hub
from balans.protocols.hub import PlanReport
from balans.protocols.module import DeviceState
from balans.usecases.plan_site import History
from balans.usecases.run_load_control.desk import Desk
from balans.usecases.run_load_control.past import Past
from balans.usecases.site_file import Site

FRESH_S = 1_800.0
"""What an appliance told of itself is good for this long."""
SEEN_S = 86_400.0
"""Before a day has been seen there is nothing to forecast from."""
DELAY_S = 8 * 3600.0
"""So long a green load without a deadline or a comfort band of its own may be kept waiting."""
NO_LIMIT = float("inf")


class NoPlan(StrEnum):
    """Why there is no plan."""

    TOO_EARLY = "too_early"
    """The site has been seen for less than a day."""
    FAILED = "planner_failed"
    LATE = "planner_late"


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """What the planner needs; the arguments of `plan_site.plan_site`."""

    site: Site
    settings: PlannerSettings
    devices: Mapping[str, Device]
    history: History
    now_s: float


@dataclass(slots=True)
class Planning:
    """The planner's side of one site; None in `ControlledSite.planner` leaves all of it idle."""

    settings: PlannerSettings
    past: Past
    started_s: float
    told: dict[str, DeviceState] = field(default_factory=dict)
    plan: Plan | None = None
    reason: str = NoPlan.TOO_EARLY

    @classmethod
    def of(cls, desk: Desk, past: Past | None, now_s: float) -> "Planning | None":
        """Return the planning of a site with a planner, going on from `past` where it fits."""
        settings = desk.site.planner
        if settings is None:
            return None
        names = planned_names(desk.site.loads, desk.site.devices)
        usable = past is not None and past.fits(settings.slot_s, names)
        kept = past if past is not None and usable else Past(settings.slot_s, names)
        kept.set_back(now_s)
        return cls(settings, kept, now_s)

    def set_back(self, back_s: float, now_s: float) -> None:
        """Follow a clock that was set back by `back_s`: what lies in the future is forgotten.

        So is the plan, unless it is one of this slot: its hours are not those of this clock.
        """
        self.past.set_back(now_s)
        self.started_s = min(self.started_s, now_s)
        self.told = {
            name: msgspec.structs.replace(told, time=max(0.0, told.time - back_s))
            for name, told in self.told.items()
        }
        if self.plan is None or self.plan.made_s <= now_s:
            return
        if back_s >= self.settings.slot_s:
            self.plan = None
        else:
            self.plan = replace(self.plan, made_s=now_s)

    def is_lost(self, now_s: float) -> bool:
        """Tell whether there should be a plan, and is none that holds."""
        if self.reason == NoPlan.TOO_EARLY:
            return False
        made_s = self.plan.made_s if self.plan else self.started_s
        return now_s - made_s > 2 * self.settings.every_s or self._state() == PlanState.NONE

    def _state(self) -> PlanState:
        return self.plan.state if self.plan else PlanState.NONE

    def state(self, now_s: float) -> str:
        """Return the state of the plan in use."""
        return PlanState.NONE.value if self._expired(now_s) else self._state().value

    def _expired(self, now_s: float) -> bool:
        if self.plan is None or self.plan.made_s - now_s > self.settings.slot_s:
            return True  # none, or one by a clock that has been set back
        return now_s - self.plan.made_s > 2 * self.settings.every_s

    def proposals(self, loads: tuple[Load, ...], now_s: float) -> tuple[Proposal, ...]:
        """Return what the plan proposes now: nothing once it is too old."""
        if self.plan is None or self._expired(now_s):
            return ()
        until_s = self.plan.made_s + 2 * self.settings.every_s
        return tuple(
            replace(one, until_s=min(one.until_s, until_s))
            for one in proposals(self.plan, loads, now_s)
        )

    def see(self, desk: Desk) -> None:
        """Take in the sample of the view."""
        sample = desk.view.sample
        if sample is None or sample.site_w is None:
            return
        wanted_w = {}
        for load, state in zip(desk.site.loads, desk.loads.states, strict=True):
            if load.name in self.past.names and not state.free:
                wanted_w[load.name] = state.demand_w
        self.past.see(sample.time, sample.step_s, sample.site_w, sample.load_w, wanted_w)

    def request(self, desk: Desk, now_s: float) -> PlanRequest | None:
        """Return what the planner is to be asked now; None before a day was seen."""
        past, sample = self.past, desk.view.sample
        if sample is None or sample.site_w is None:
            return None
        past.close(now_s)
        if past.end_s - past.first_s < SEEN_S:
            self.reason = NoPlan.TOO_EARLY
            return None
        self.reason = "" if self.plan else self.reason
        devices = self._devices(desk, now_s)
        made = [name for name, device in devices.items() if isinstance(device, Production)]
        planned = [name for name in devices if name not in made]
        now_w = sample.site_w - sum(sample.load_w.get(name, 0.0) for name in planned)
        local_s = desk.site.local_s(now_s)
        history = History(
            past.first_s,
            past.slot_s,
            past.site_w() - past.drawn_w([*planned, *made]),
            past.drawn_w(made),
            past.site_w().clip(min=0.0),
            {n: past.wanted_w(n) for n, d in devices.items() if isinstance(d, Thermostat)},
            now_w,
            past.bought_wh(now_s - local_s % self.settings.tariff.peak_interval_s),
            desk.memory.meters,
        )
        return PlanRequest(_site(desk), self.settings, devices, history, now_s)

    def _devices(self, desk: Desk, now_s: float) -> dict[str, Device]:
        """Return the loads that can be planned now, each as it is."""
        found: dict[str, Device] = {}
        for index, load in enumerate(desk.site.loads):
            is_measured = desk.view.load_w.get(load.name) is not None
            allowed = desk.consents.left_alone(load.name, now_s) is None
            if load.name not in self.past.names or not is_measured or not allowed:
                continue
            device = desk.site.devices.get(load.name)
            state, told = desk.loads.states[index], self._fresh(load.name, now_s)
            if device is None and _may_wait(load):
                found[load.name] = self._waiting(desk, load, state.owed_wh, now_s)
                continue
            now = _device_now(load, device, state, told, now_s)
            if now is not None:
                found[load.name] = now
        return found

    def _waiting(self, desk: Desk, load: Load, owed_wh: float, now_s: float) -> Thermostat:
        """Return a green load that waits until its deadline, or for `DELAY_S` where it has none."""
        if load.deadline_s is None:
            delay_s = DELAY_S
            due_s: tuple[float, ...] = ()
            owed_until_s = self.past.wanted_since_s(load.name, owed_wh, now_s) + DELAY_S
        else:
            delay_s = owed_until_s = NO_LIMIT
            first_s = now_s + (load.deadline_s - desk.site.local_s(now_s)) % DAY_S
            days = int(self.settings.horizon_h * 3600 // DAY_S) + 1
            due_s = tuple(first_s + day * DAY_S for day in range(days))
        most_wh = load.rated_w * DAY_S / 3600
        return Thermostat(
            load.rated_w, 0.0, most_wh, -owed_wh,
            delay_s=delay_s, owed_until_s=owed_until_s, due_s=due_s,
        )  # fmt: skip

    def _fresh(self, name: str, now_s: float) -> DeviceState | None:
        told = self.told.get(name)
        return told if told and abs(now_s - told.time) <= FRESH_S else None

    def take(self, plan: Plan, desk: Desk) -> PlanReport:
        """Use `plan` from now on; return what the server is told of it."""
        self.plan, self.reason = plan, plan.reason
        desk.changed = True
        return report_of(plan)

    def fail(self, why: str, desk: Desk, now_s: float) -> PlanReport | None:
        """Note that no plan came; what is told when the old one does not hold any more."""
        self.reason = why
        desk.changed = True
        if self.plan is not None and not self._expired(now_s):
            return None
        return PlanReport(now_s, self.settings.slot_s, state=hub.PlanState.NONE, reason=why)


def planned_names(loads: tuple[Load, ...], devices: Mapping[str, Device]) -> tuple[str, ...]:
    """Return the loads that a planner may plan: those with a device, and green ones that wait."""
    return tuple(load.name for load in loads if load.name in devices or _may_wait(load))


def _may_wait(load: Load) -> bool:
    is_green = load.load_class.value == "green"
    return is_green and load.kind is LoadKind.SWITCH and load.recover is Recover.DEFER


def _device_now(
    load: Load,
    device: Device | None,
    state: LoadState,
    told: DeviceState | None,
    now_s: float,
) -> Device | None:
    """Return a load's device as it is now; None where too little is known of it."""
    found: Device | None
    match device:
        case Thermostat():
            found = replace(device, level_wh=-state.owed_wh)
        case Production():
            found = device
        case Battery() if told and told.soc_wh is not None:
            found = replace(device, soc_wh=min(told.soc_wh, device.capacity_wh))
        case Vehicle() if told and told.energy_wh:
            until_s = told.until or now_s + DELAY_S
            found = replace(device, arrival_s=now_s, departure_s=until_s, energy_wh=told.energy_wh)
        case Pump():
            found = _pump_now(load, state, told, now_s)
        case _:
            found = None
    return found


def _pump_now(load: Load, state: LoadState, told: DeviceState | None, now_s: float) -> Pump | None:
    energy_wh = state.owed_wh if told is None or told.energy_wh is None else told.energy_wh
    until_s = told.until if told and told.until else now_s + DELAY_S
    return Pump(load.rated_w, energy_wh, now_s, until_s) if energy_wh > 0 else None


def _site(desk: Desk) -> Site:
    """Return the site as the planner knows it, with the limits of server and consumer too."""
    site = desk.site
    at_site = tuple(limit for limit in desk.all_limits if not limit.node)
    return Site(
        "site", "", site.timezone, site.zones, at_site, site.loads, site.nodes, site.devices
    )


def report_of(plan: Plan) -> PlanReport:
    """Return `plan` as the server is told."""
    return PlanReport(
        made=plan.made_s,
        slot_s=plan.slot_s,
        start=plan.start_s,
        state=hub.PlanState(plan.state.value),
        reason=plan.reason[:500],
        price=plan.price,
        expected_w=plan.expected_w,
        limit_w=tuple(None if abs(limit) == NO_LIMIT else limit for limit in plan.limit_w),
        loads=tuple(
            hub.PlannedLoad(load.name, load.power_w, load.unplanned_w, load.deferred_to_s)
            for load in plan.loads
        ),
        cost=plan.cost if plan.state is not PlanState.NONE else None,
        cost_unplanned=plan.cost_unplanned if plan.state is not PlanState.NONE else None,
    )
