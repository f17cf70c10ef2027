"""What goes wrong in the town, on purpose and by seed."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """Chances of faults; the default town has none.

    Parameters
    ----------
    lost_command
        Share of `Switch` messages that never reach their actuator.
    duplicate_report
        Share of reports that a module sends twice.
    lost_message
        Share of messages between modules and hubs that are lost, in either direction.
    silent_module, silent_hours
        Chance an hour that a module falls silent, and for how many simulated hours.
    stuck_relays
        Loads whose contact is welded: it stays closed whatever is commanded.
    """

    lost_command: float = 0.0
    duplicate_report: float = 0.0
    lost_message: float = 0.0
    silent_module: float = 0.0
    silent_hours: int = 3
    stuck_relays: frozenset[str] = frozenset()
    seed: int = 1


@dataclass(slots=True)
class Faults:
    """Draws the faults of a plan, the same ones for the same order of questions."""

    plan: FaultPlan
    _random: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self._random = np.random.default_rng([self.plan.seed, 4])

    def command_lost(self) -> bool:
        """Return whether this command is lost on its way."""
        return self._hit(self.plan.lost_command)

    def report_duplicated(self) -> bool:
        """Return whether this report is sent twice."""
        return self._hit(self.plan.duplicate_report)

    def message_lost(self) -> bool:
        """Return whether this message between a module and its hub is lost."""
        return self._hit(self.plan.lost_message)

    def module_silenced(self) -> bool:
        """Return whether a module falls silent at this hour."""
        return self._hit(self.plan.silent_module)

    def _hit(self, chance: float) -> bool:
        return chance > 0 and bool(self._random.random() < chance)
