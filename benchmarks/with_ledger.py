"""Ours as the gateway runs it: with the ledger of who gave up how much, by load and flat."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from balans.domain.demand import Allowed, Decision, Load, LoadState, Observation, decide
from balans.domain.demand.fairness import Ledger, credits_wh, empty_ledger, enter
from balans.domain.demand.model import Node
from balans.domain.demand.reflex import Guidance
from balans.domain.demand.table import Fleet
from balans.domain.demand.tree import make_tree


class WithLedger:
    """A `Rule`; asked at every step, since what is drawn freely counts as well."""

    def __init__(self, flats: Mapping[str, str]) -> None:
        self.flats = flats
        self._books: tuple[Ledger, Fleet] | None = None

    def __call__(
        self,
        loads: Sequence[Load],
        states: Sequence[LoadState],
        observation: Observation,
        allowed: Allowed,
    ) -> tuple[tuple[LoadState, ...], Decision]:
        """Return the states for the coming step and what is switched."""
        ledger, fleet = self._books or self._open(loads)
        ledger = enter(ledger, states, observation)
        self._books = ledger, fleet
        guidance = Guidance(credit_wh=credits_wh(ledger, fleet))
        return decide(loads, states, observation, allowed, guidance)

    def _open(self, loads: Sequence[Load]) -> tuple[Ledger, Fleet]:
        placed = [replace(load, node=self.flats.get(load.name, "")) for load in loads]
        nodes = [Node(name) for name in sorted({load.node for load in placed} - {""})]
        return empty_ledger(loads), Fleet(placed, make_tree(nodes))
