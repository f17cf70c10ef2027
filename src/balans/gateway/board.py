"""What the gateway last saw, planned and did: for the page at the gateway itself."""

from collections import OrderedDict
from dataclasses import dataclass, field

import msgspec

from balans.protocols.hub import CommandReport, PlanReport, SiteStatus
from balans.usecases.run_load_control import OwnSettings

DECISIONS_MAX = 60


@dataclass(slots=True)
class Board:
    """The newest of everything; `changes` counts what came, `places` are the nodes of the site."""

    site: str
    places: tuple[str, ...] = ()
    status: SiteStatus | None = None
    plan: PlanReport | None = None
    own: OwnSettings = field(default_factory=OwnSettings)
    server_connected: bool = False
    changes: int = 0
    _decisions: OrderedDict[str, CommandReport] = field(default_factory=OrderedDict)

    @property
    def decisions(self) -> list[CommandReport]:
        """The last switchings with their latest state, the newest first."""
        return list(reversed(self._decisions.values()))

    def show(self, status: SiteStatus) -> None:
        """Take the newest picture."""
        self.status = status
        self.changes += 1

    def show_plan(self, plan: PlanReport) -> None:
        """Take the newest plan."""
        self.plan = plan
        self.changes += 1

    def note(self, report: CommandReport) -> None:
        """Take a report; it replaces what was known of the same command."""
        earlier = self._decisions.get(report.id)
        if earlier and report.achieved_w is None and earlier.achieved_w is not None:
            report = msgspec.structs.replace(report, achieved_w=earlier.achieved_w)
        self._decisions[report.id] = report
        while len(self._decisions) > DECISIONS_MAX:
            self._decisions.popitem(last=False)
        self.changes += 1
