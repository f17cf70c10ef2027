"""The last decision of load control, and the sample behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from balans.domain.demand.model import Allowed, NodeView
from balans.domain.demand.tree import ONLY_SITE, SITE, Tree
from balans.usecases.run_load_control.loads import INFINITE
from balans.usecases.run_load_control.sensing import Reading

DEFAULT_STEP_S = 60.0


@dataclass(slots=True)
class View:
    """What is seen of the site.

    `nodes` are the nodes as the last decision left them, `room_w` what is left at each,
    and `power_w` what each drew in the last step.
    """

    time_s: float
    seq: int = 0
    step_s: float = DEFAULT_STEP_S
    decided: bool = False
    blind: bool = False
    sample: Reading | None = None
    allowed: Allowed = field(default_factory=lambda: Allowed(INFINITE))
    nodes: Sequence[NodeView] = ()
    room_w: dict[str, float] = field(default_factory=lambda: {SITE: -INFINITE})
    power_w: Mapping[str, float | None] = field(default_factory=dict)
    tree: Tree = ONLY_SITE

    def headroom_w(self, node: str) -> float:
        """Return what is left at `node` and at every node above it [W]."""
        return min(self.room_w.get(place, INFINITE) for place in self._path(node))

    def take_room(self, node: str, power_w: float) -> None:
        """Note that `power_w` more is drawn at `node`."""
        for place in self._path(node):
            self.room_w[place] = self.room_w.get(place, INFINITE) - power_w

    def _path(self, node: str) -> list[str]:
        path = self.tree.paths[self.tree.names.index(node)]
        return [self.tree.names[number] for number in path]

    @property
    def load_w(self) -> Mapping[str, float]:
        """What was measured of each load [W]."""
        return self.sample.load_w if self.sample else {}
