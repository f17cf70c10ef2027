"""The last decision of load control, and the sample behind it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from balans.domain.demand.model import Allowed
from balans.protocols.module import PowerSample
from balans.usecases.run_load_control.loads import INFINITE

DEFAULT_STEP_S = 60.0


@dataclass(slots=True)
class View:
    """What is seen of the site; `headroom_w` is what is left of the allowed power [W]."""

    time_s: float
    seq: int = 0
    step_s: float = DEFAULT_STEP_S
    decided: bool = False
    blind: bool = False
    sample: PowerSample | None = None
    allowed: Allowed = field(default_factory=lambda: Allowed(INFINITE))
    headroom_w: float = -INFINITE

    @property
    def load_w(self) -> Mapping[str, float]:
        """What was measured of each load [W]."""
        return self.sample.load_w if self.sample else {}
