"""Meters of nodes and phases that have told before and are silent now.

What a sample leaves out is not there, or not heard. Which of the two is known by what was told
before: a node or a phase that has told counts as silent after `STALE_STEPS` samples without it, and
then as unknown, which a limit on it takes for an overload. Until then a node is the sum of what
hangs from it, as one without a meter is. A meter that was taken away for good is forgotten with the
file in which all this is kept, or with the name of its node.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from balans.protocols.fields import PhaseWatts
from balans.protocols.module import PowerSample

STALE_STEPS = 3
"""Samples, or steps without any, after which a sensor is lost."""


@dataclass(slots=True)
class Heard:
    """What has ever told, by name of the node ("" the site), and what is silent now.

    Parameters
    ----------
    powers_missed, phases_missed
        How many samples in a row have left out a power, or phases, that was told before.
    phases
        The most phases that were told at once.
    """

    powers_missed: dict[str, int] = field(default_factory=dict)
    phases_missed: dict[str, int] = field(default_factory=dict)
    phases: dict[str, int] = field(default_factory=dict)

    def node_w(self, sample: PowerSample) -> dict[str, float | None]:
        """Return the powers that `sample` tells; None where a meter is silent [W]."""
        _count(self.powers_missed, sample.node_w)
        return {**dict.fromkeys(silent(self.powers_missed)), **sample.node_w}

    def phase_w(self, sample: PowerSample) -> dict[str, PhaseWatts | None]:
        """Return the powers by phase that `sample` tells; None where they are silent [W].

        One that tells fewer phases than it did is as good as silent.
        """
        told = {"": sample.phase_w, **sample.node_phase_w}
        for name, powers in told.items():
            if powers:
                self.phases[name] = max(self.phases.get(name, 0), len(powers))
        whole = {name: w for name, w in told.items() if w and len(w) == self.phases[name]}
        _count(self.phases_missed, whole)
        return {**dict.fromkeys(silent(self.phases_missed)), **whole}


def silent(missed: Mapping[str, int]) -> list[str]:
    """Return the names that were left out for too long."""
    return [name for name, count in missed.items() if count >= STALE_STEPS]


def _count(missed: dict[str, int], told: Mapping[str, object]) -> None:
    for name, count in missed.items():
        missed[name] = min(count + 1, STALE_STEPS)
    missed.update(dict.fromkeys(told, 0))
