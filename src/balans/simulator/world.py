"""The building with all that is in it, minute by minute, without a wire or a wall clock."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from balans.core.hours import EPOCH_UNIX_S, HOUR_S
from balans.core.words import LoadClass
from balans.protocols.module import (
    ActuatorState,
    PowerSample,
    SupplyState,
    SupplySwitch,
    Switch,
)
from balans.simulator import state as state_file
from balans.simulator.actuators import ActuatorBank
from balans.simulator.answering import Answering
from balans.simulator.arrays import Flags, Snapshot
from balans.simulator.faults import FaultPlan, Faults
from balans.simulator.ledger import Ledger
from balans.simulator.modules import ModuleBank
from balans.simulator.plant import Minute, Plant, Profile
from balans.simulator.recording import MINUTE_S, town_minutes
from balans.simulator.result import WMIN_PER_KWH, TownResult, contacts_of
from balans.simulator.spec import TownSpec
from balans.simulator.supply import SupplyBank

STATE_FILE = "town.npz"


@dataclass(frozen=True, slots=True)
class Wire:
    """What only the wire can tell about a run: see `TownResult`."""

    reaction_s: tuple[float, ...] = ()
    unanswered: int = 0
    drained: bool = False


class World:
    """Plant, actuators, modules and ledger of a recorded town with one site.

    Parameters
    ----------
    spec
        The town.
    faults
        What goes wrong.
    state_dir
        Where the state is kept at every hour; a state found there is continued. None: nowhere.
    ledger
        File of the ledger; None: in memory only.

    Raises
    ------
    StateError
        If the state found belongs to another town or is damaged.
    InputError
        If the ledger found does not fit the state.
    """

    def __init__(
        self,
        spec: TownSpec,
        faults: FaultPlan | None = None,
        state_dir: Path | None = None,
        ledger: Path | None = None,
    ) -> None:
        self.spec = spec
        self.site = spec.sites[0]
        self.faults = Faults(faults or FaultPlan())
        self.plant = Plant(spec, Profile.of(spec, town_minutes()))
        self.modules = ModuleBank(spec.modules)
        self.answering = Answering(spec.modules, self.modules, self.plant.registers)
        self.bank = ActuatorBank(spec.loads, spec.start_s, MINUTE_S, self.faults.plan.stuck_relays)
        self.supply = SupplyBank(spec.modules, spec.loads, spec.start_s)
        self._state_path = state_dir / STATE_FILE if state_dir else None
        parts = state_file.load(self._state_path, spec) if self._state_path else None
        if parts:
            self._restore(parts)
        self.ledger = Ledger(ledger, spec.channel_codes, self.modules.last_hour if parts else None)
        self._record_hour()
        self.begin_s = self.now_s
        self._begin_late_wmin = self._late_wmin()
        self._sequence = 0
        self._obeyed = 0
        self._minutes: list[tuple[int, int, int]] = []
        self._contacts: list[Flags] = []

    @property
    def now_s(self) -> int:
        """Unix second of the present boundary between two minutes."""
        return self.spec.start_s + self.plant.minute * MINUTE_S

    def advance(self) -> PowerSample:
        """Let a minute pass, and return what the sensors of the site saw of it."""
        self._contacts.append(self.bank.on.copy())
        minute = self.plant.step(self.bank.on)
        self._minutes.append((minute.reference_w, minute.site_w, minute.red_w))
        self._sequence += 1
        if self.now_s % HOUR_S == 0:
            self._record_hour()
        return self._sample(minute)

    def tick(self) -> list[ActuatorState]:
        """Let the actuators' timers act at the present boundary; return what changed."""
        return self.bank.tick(self.now_s)

    def obey(self, address: str, switch: Switch, clock_s: float) -> ActuatorState | None:
        """Hand a command that arrived at `clock_s` to the actuator at `address`.

        None means that it was lost on the way, or that there is no such actuator.
        """
        if self.faults.command_lost():
            return None
        state = self.bank.obey(address, switch, clock_s, self.now_s)
        self._obeyed += state is not None and not state.refused and state.command == switch.id
        return state

    def obey_supply(self, switch: SupplySwitch, clock_s: float) -> SupplyState | None:
        """Hand an order for a whole supply to its adapter; None: lost, or there is none."""
        if self.faults.command_lost():
            return None
        state = self.supply.obey(switch, clock_s)
        self._cut()
        return state

    def press_supplies(self) -> list[SupplyState]:
        """Let people at home turn on what waits for them; return what changed."""
        pressed = self.supply.press(self.now_s)
        if pressed:
            self._cut()
        return pressed

    def _cut(self) -> None:
        self.plant.cut(channel for one in self.supply.cut() for channel in one.channels)

    def save(self) -> None:
        """Keep the state for a later start, if it is kept at all."""
        if self._state_path:
            parts = {
                "plant": self.plant.snapshot(),
                "bank": self.bank.snapshot(),
                "modules": self.modules.snapshot(),
                "supply": self.supply.snapshot(),
            }
            state_file.save(self._state_path, self.spec, parts)

    def close(self) -> None:
        """Save and let go of the files."""
        self.save()
        self.ledger.close()

    def result(self, wire: Wire) -> TownResult:
        """Return what the run amounted to so far."""
        spec, moves = self.spec, self.bank.moves
        powers = np.array(self._minutes, dtype=np.int64).reshape(-1, 3)
        contacts = np.array(self._contacts, dtype=np.bool_).reshape(-1, len(spec.loads))
        return TownResult(
            start_s=self.begin_s,
            end_s=self.now_s,
            limit_w=self.site.limit_w,
            uncontrolled_w=powers[:, 0],
            controlled_w=powers[:, 1],
            unavoidable_w=powers[:, 2],
            load_names=tuple(load.name for load in spec.loads),
            load_on=contacts,
            red_interruptions=self.plant.red_interruptions,
            yellow=contacts_of(moves, spec.loads, LoadClass.YELLOW, self.now_s),
            green=contacts_of(moves, spec.loads, LoadClass.GREEN, self.now_s),
            green_late_kwh=(self._late_wmin() - self._begin_late_wmin) / WMIN_PER_KWH,
            backlog_kwh=int(self.plant.backlog_wmin.sum()) / WMIN_PER_KWH,
            obeyed=self._obeyed,
            refused=dict(self.bank.refused),
            reaction_s=np.array(wire.reaction_s),
            unanswered=wire.unanswered,
            readings=self.ledger.readings,
            unconfirmed=self.modules.pending,
            drained=wire.drained,
        )

    def _late_wmin(self) -> int:
        return int(self.plant.late_wmin.sum())

    def _sample(self, minute: Minute) -> PowerSample:
        names = (load.name for load in self.spec.loads)
        flats = (flat.code for flat in self.spec.flats)
        risers = minute.riser_phase_w.tolist()
        return PowerSample(
            seq=self._sequence,
            time=self.now_s,
            step_s=MINUTE_S,
            site_w=minute.site_w,
            load_w=dict(zip(names, minute.load_w.tolist(), strict=True)),
            phase_w=minute.phase_w,
            reference_w=minute.reference_w,
            node_w=dict(zip(flats, minute.flat_w.tolist(), strict=True)),
            node_phase_w={
                riser: tuple(phases)
                for riser, phases in zip(self.plant.risers, risers, strict=True)
            },
        )

    def _record_hour(self) -> None:
        """Read all registers at a full hour: into the ring, the state, and last the ledger.

        So after a stop at any moment the ledger may lack hours that the ring has, never the
        other way round.
        """
        hour = (self.now_s - EPOCH_UNIX_S) // HOUR_S
        if self.modules.last_hour < hour and self.now_s % HOUR_S == 0:
            self.modules.record(hour, self.plant.registers())
            self._silence_some(hour)
            self.save()
        for known, registers in self.modules.since(self.ledger.last_hour):
            self.ledger.record(known, registers)

    def _silence_some(self, hour: int) -> None:
        for index in range(len(self.spec.modules)):
            if self.faults.module_silenced():
                self.modules.silence(index, hour + self.faults.plan.silent_hours)

    def _restore(self, parts: dict[str, Snapshot]) -> None:
        self.plant.restore(parts["plant"])
        self.bank.restore(parts["bank"])
        self.modules.restore(parts["modules"])
        if "supply" in parts:
            self.supply.restore(parts["supply"])
            self._cut()
