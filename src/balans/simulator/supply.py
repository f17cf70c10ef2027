"""Contactors and valves of whole supplies: a module with an adapter that switches no load has one.

==================  =============================================  ==========================
contact             order                                          then
==================  =============================================  ==========================
any                 known id                                       nothing; its answer again
any                 expired, or not issued after the last obeyed   nothing; the answer says why
any                 disconnect                                     off
off                 reconnect, with a person at the place          armed
off, armed          reconnect                                      on
armed               (a person presses or turns)                    on
any but stuck       (a person switches off at the place)           off
==================  =============================================  ==========================

Somebody is at home: what is armed is pressed `PRESS_AFTER_S` later.

What a contact says is its feedback, never what was ordered.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from balans.protocols.module import SupplyState, SupplySwitch
from balans.protocols.supply_words import Contact, SupplyAction
from balans.simulator.arrays import Snapshot
from balans.simulator.spec import LoadSpec, ModuleSpec

REMEMBERED_IDS: Final = 16
PRESS_AFTER_S: Final = 300.0
EXPIRED: Final = "expired"
REPLAYED: Final = "replayed"
STUCK: Final = "stuck"


@dataclass(slots=True)
class SupplyAdapter:
    """One contactor or valve.

    Parameters
    ----------
    serial, output
        Its module, and which output of it.
    since_s
        Since when it is as it is [Unix s].
    hand_only
        It cannot close by itself, whatever is ordered.
    stuck
        It does not move.
    """

    serial: int
    since_s: float
    output: int = 1
    hand_only: bool = False
    stuck: bool = False
    contact: Contact = Contact.ON
    order: str = ""
    issued_s: float = 0.0
    answers: OrderedDict[str, str] = field(default_factory=OrderedDict)

    def obey(self, switch: SupplySwitch, clock_s: float) -> SupplyState:
        """Execute an order if it may be, once; return the feedback, with the reason if not."""
        if switch.id not in self.answers:
            self.answers[switch.id] = self._refusal(switch, clock_s)
            if not self.answers[switch.id]:
                self.issued_s = switch.issued
                self._move(self._wanted(switch), clock_s, switch.id)
            while len(self.answers) > REMEMBERED_IDS:
                self.answers.popitem(last=False)
        return self.state(clock_s, switch.id, self.answers[switch.id])

    def press(self, clock_s: float) -> SupplyState:
        """Let a person press or turn: what is armed comes on."""
        if self.contact == Contact.ARMED:
            self._move(Contact.ON, clock_s, "")
        return self.state(clock_s)

    def open_by_hand(self, clock_s: float) -> SupplyState:
        """Let a person switch off at the place."""
        if not self.stuck:
            self._move(Contact.OFF, clock_s, "")
        return self.state(clock_s)

    def state(self, clock_s: float, answers: str = "", refused: str = "") -> SupplyState:
        """Return the feedback."""
        return SupplyState(
            self.serial,
            self.output,
            self.contact,
            self.since_s,
            clock_s,
            self.order,
            answers,
            refused,
        )

    def _refusal(self, switch: SupplySwitch, clock_s: float) -> str:
        reasons = (
            (clock_s >= switch.expires, EXPIRED),
            (switch.issued <= self.issued_s, REPLAYED),
            (self.stuck, STUCK),
        )
        return next((reason for holds, reason in reasons if holds), "")

    def _wanted(self, switch: SupplySwitch) -> Contact:
        if switch.action == SupplyAction.DISCONNECT:
            return Contact.OFF
        by_hand = switch.manual or self.hand_only
        return Contact.ARMED if by_hand and self.contact != Contact.ON else Contact.ON

    def _move(self, contact: Contact, clock_s: float, order: str) -> None:
        if self.contact != contact:
            self.contact, self.since_s = contact, clock_s
        self.order = order


class SupplyBank:
    """All contactors and valves of a site.

    Parameters
    ----------
    modules, loads
        Of the site: a module with an adapter that no load names has one.
    start_s
        When the site begins [Unix s].
    """

    def __init__(
        self, modules: Sequence[ModuleSpec], loads: Sequence[LoadSpec], start_s: float
    ) -> None:
        of_loads = {load.module for load in loads}
        self._own = {m.serial: m for m in modules if m.adapter and m.serial not in of_loads}
        self.adapters = {serial: SupplyAdapter(serial, start_s) for serial in self._own}

    def obey(self, switch: SupplySwitch, clock_s: float) -> SupplyState | None:
        """Hand an order to its adapter; None: there is no such output."""
        adapter = self.adapters.get(switch.serial)
        if adapter is None or adapter.output != switch.output:
            return None
        return adapter.obey(switch, clock_s)

    def press(self, clock_s: float) -> list[SupplyState]:
        """Let people press what is armed for long enough; return what changed."""
        return [
            one.press(clock_s)
            for one in self.adapters.values()
            if one.contact == Contact.ARMED and clock_s - one.since_s >= PRESS_AFTER_S
        ]

    def states(self, clock_s: float) -> list[SupplyState]:
        """Return what every contact says."""
        return [adapter.state(clock_s) for adapter in self.adapters.values()]

    def hub_of(self, serial: int) -> str:
        """Return the hub that a module reports to."""
        return self._own[serial].hub

    def cut(self) -> Iterable[ModuleSpec]:
        """Return the modules whose supply is interrupted now."""
        return [
            self._own[one.serial] for one in self.adapters.values() if one.contact != Contact.ON
        ]

    def snapshot(self) -> Snapshot:
        """Return the state as arrays."""
        own = self.adapters.values()
        return {
            "contact": np.array([one.contact.value for one in own], dtype=np.str_),
            "since_s": np.array([one.since_s for one in own]),
            "issued_s": np.array([one.issued_s for one in own]),
            "order": np.array([one.order for one in own], dtype=np.str_),
            "answers": np.array(
                ["\n".join(f"{key} {why}" for key, why in one.answers.items()) for one in own],
                dtype=np.str_,
            ),
        }

    def restore(self, state: Snapshot) -> None:
        """Take over a state from `snapshot`."""
        for row, one in enumerate(self.adapters.values()):
            one.contact = Contact(str(state["contact"][row]))
            one.since_s = float(state["since_s"][row])
            one.issued_s = float(state["issued_s"][row])
            one.order = str(state["order"][row])
            for line in filter(None, str(state["answers"][row]).split("\n")):
                key, _, why = line.partition(" ")
                one.answers[key] = why
