"""What the parts of load control work on together."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from balans.domain.demand.fairness import Ledger, empty_ledger, from_mapping
from balans.domain.demand.guards import caps_for
from balans.domain.demand.limits import LimitTable
from balans.domain.demand.model import Limit, Load, Observation
from balans.domain.demand.rating import learn, rated
from balans.domain.demand.rows import may_be_touched
from balans.domain.demand.table import Fleet
from balans.domain.demand.tree import Tree, make_tree
from balans.protocols.hub import CallReport, CommandReport, SiteStatus
from balans.protocols.module import Query, Switch
from balans.usecases.run_load_control.called_recent import Recent
from balans.usecases.run_load_control.commands import Commands
from balans.usecases.run_load_control.consents import Consents
from balans.usecases.run_load_control.loads import Loads
from balans.usecases.run_load_control.memory import ControlledSite, Memory
from balans.usecases.run_load_control.view import View

RATE_S = 600.0
WATCHED_S = 7 * 86_400.0
Output = Query | Switch | CommandReport | CallReport | SiteStatus


@dataclass(slots=True)
class Desk:
    """One site: what is known, what is on its way, and what is allowed.

    `changed` tells that there is something new to say to the server.
    """

    site: ControlledSite
    memory: Memory
    loads: Loads
    view: View
    new_id: Callable[[], str]
    consents: Consents = field(init=False)
    tree: Tree = field(init=False)
    configured: Fleet = field(init=False)
    limits: LimitTable = field(init=False)
    all_limits: tuple[Limit, ...] = field(init=False)
    ledger: Ledger = field(init=False)
    server_limits: tuple[Limit, ...] = ()
    own_limits: tuple[Limit, ...] = ()
    called_limits: tuple[Limit, ...] = ()
    recent: Recent = field(default_factory=Recent)
    changed: bool = False
    rated: tuple[Load, ...] = field(init=False)
    _fleets: dict[frozenset[int], Fleet] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.consents = Consents({load.name: load for load in self.site.loads})
        self.tree = self.view.tree = make_tree(self.site.nodes)
        self.configured = Fleet(self.site.loads, self.tree)
        self.rated = self._rated_now()
        self.lay_out_limits()
        self.ledger = empty_ledger(self.site.loads, from_mapping(self.memory.accounts))
        caps = caps_for(len([load for load in self.site.loads if may_be_touched(load)]))
        self.memory.guard = replace(self.memory.guard, caps=caps)

    @property
    def commands(self) -> Commands:
        """The orders that are not finished."""
        return self.memory.commands

    def lay_out_limits(self) -> None:
        """Let the limits of file, server, consumer and of what is called for hold together."""
        names = {limit.name for limit in self.site.limits}
        server = _renamed(self.server_limits, names, "server")
        names |= {limit.name for limit in server}
        own = _renamed(self.own_limits, names, "own")
        names |= {limit.name for limit in own}
        called = _renamed(self.called_limits, names, "call")
        self.all_limits = (*self.site.limits, *server, *own, *called)
        self.limits = LimitTable(self.tree, self.all_limits, self.site.zones)

    def touchable(self, now_s: float) -> list[int]:
        """Return the loads that may be decided on: known, obeying, and released by their owner."""
        return [
            index
            for index in self.loads.indices(now_s)
            if self.consents.left_alone(self.site.loads[index].name, now_s) is None
        ]

    def learn(self, seen: Observation) -> None:
        """Learn what loads really draw; the ratings that count are renewed now and then."""
        known = dict(learn(self.memory.ratings, self.site.loads, self.loads.states, seen))
        self.memory.ratings = known
        self.memory.watched_s += seen.step_s
        if seen.time_s % RATE_S < seen.step_s:
            found = self._rated_now()
            if found != self.rated:
                self.rated, self._fleets = found, {}

    def _rated_now(self) -> tuple[Load, ...]:
        """Return the loads with what they draw as learned; less than written only after a week.

        A load may have shown its stand-by so far, and not yet what it can draw.
        """
        found = rated(self.site.loads, self.memory.ratings)
        if self.memory.watched_s >= WATCHED_S:
            return found
        pairs = zip(self.site.loads, found, strict=True)
        return tuple(new if new.rated_w > old.rated_w else old for old, new in pairs)

    def fleet(self, touchable: frozenset[int]) -> Fleet:
        """Return the loads as the reflex is to see them: only `touchable` may be decided on."""
        found = self._fleets.get(touchable)
        if found is None:
            loads = [_as_allowed(x, i in touchable) for i, x in enumerate(self.rated)]
            found = Fleet(loads, self.tree)
            self._fleets = {touchable: found}
        return found


def _as_allowed(load: Load, is_touchable: bool) -> Load:  # noqa: FBT001  (a private helper)
    return load if load.released == is_touchable else replace(load, released=is_touchable)


def _renamed(limits: tuple[Limit, ...], taken: set[str], origin: str) -> tuple[Limit, ...]:
    """Return `limits`, those whose name is taken with their origin: names stay unique."""
    return tuple(
        replace(limit, name=f"{limit.name} ({origin})") if limit.name in taken else limit
        for limit in limits
    )
