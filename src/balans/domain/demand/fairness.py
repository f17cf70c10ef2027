"""Who has given up how much: a ledger by load, flat and building, and turns by deficit.

What a load gives up in a step is what it wanted and did not draw while it was held back. The next
to be shed is who has given up least in relation to what he has drawn, load and node alike; both
fade by half each day. Totals do not fade: they are the report.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from balans.domain.demand.model import DAY_S, Load, LoadState, Observation
from balans.domain.demand.rows import may_be_touched
from balans.domain.demand.table import Fleet

Floats = NDArray[np.float64]
WS_PER_KWMIN = 60_000.0
"""A kilowatt minute in watt seconds."""
WS_PER_WH = 3600.0


@dataclass(frozen=True, slots=True)
class Ledger:
    """The accounts of the loads of a site, by place in `names`; energies in W s, shape (n,).

    `given` and `drawn` are totals; `late_given` and `late_drawn` fade by half each day.
    """

    names: tuple[str, ...]
    given: Floats
    drawn: Floats
    late_given: Floats
    late_drawn: Floats

    @property
    def given_kwmin(self) -> dict[str, float]:
        """What each load has given up in all [kW min]."""
        return dict(zip(self.names, (self.given / WS_PER_KWMIN).tolist(), strict=True))

    @property
    def shares(self) -> Floats:
        """The share of what each load wanted lately that it has given up (0..1)."""
        return _share(self.late_given, self.late_drawn)


def empty_ledger(loads: Sequence[Load], kept: Ledger | None = None) -> Ledger:
    """Return a ledger for `loads`; accounts that `kept` knows by name go on."""
    count = len(loads)
    columns = [np.zeros(count) for _ in range(4)]
    if kept:
        places = {name: place for place, name in enumerate(kept.names)}
        old = (kept.given, kept.drawn, kept.late_given, kept.late_drawn)
        for place, load in enumerate(loads):
            if load.name in places:
                for column, values in zip(columns, old, strict=True):
                    column[place] = values[places[load.name]]
    return Ledger(tuple(load.name for load in loads), *columns)


def enter(ledger: Ledger, states: Sequence[LoadState], seen: Observation) -> Ledger:
    """Return the ledger after the observed step, in which the loads were in `states`.

    A load without a meter counts as drawing its demand when it is on and free.
    """
    held = np.array([not state.on or state.setpoint_w is not None for state in states])
    wanted_w = np.array([state.demand_w for state in states])
    drawn_w = np.array(
        [_drawn_w(state, power) for state, power in zip(states, seen.load_w, strict=True)]
    )
    given = np.where(held, np.maximum(wanted_w - drawn_w, 0.0), 0.0) * seen.step_s
    drawn = np.maximum(drawn_w, 0.0) * seen.step_s
    fading = float(np.exp2(-seen.step_s / DAY_S))
    return replace(
        ledger,
        given=ledger.given + given,
        drawn=ledger.drawn + drawn,
        late_given=ledger.late_given * fading + given,
        late_drawn=ledger.late_drawn * fading + drawn,
    )


def _drawn_w(state: LoadState, measured_w: float | None) -> float:
    if measured_w is not None:
        return measured_w
    if not state.on:
        return 0.0
    return state.demand_w if state.setpoint_w is None else state.setpoint_w


def credits_wh(ledger: Ledger, fleet: Fleet) -> dict[str, float]:
    """Return by load what counts as given up when it is chosen (`laws.price_wh`) [Wh].

    Notes
    -----
    ``mean wanted x (share of the load + share of its node) / 2``: the share of what was wanted
    lately that was given up, laid on one scale for all, so that a small flat is not shed more
    often than a large one.
    """
    own = ledger.shares
    given, drawn = _by_node(ledger.late_given, fleet), _by_node(ledger.late_drawn, fleet)
    node = _share(given, drawn)[fleet.node_of]
    scale_wh = float((ledger.late_given + ledger.late_drawn).mean()) / WS_PER_WH if len(own) else 0
    return dict(zip(ledger.names, (scale_wh * (own + node) / 2).tolist(), strict=True))


def _by_node(values: Floats, fleet: Fleet) -> Floats:
    found = _by_own_node(values, fleet)
    for node in range(len(fleet.tree) - 1, 0, -1):
        found[fleet.tree.parents[node]] += found[node]
    return found


def _by_own_node(values: Floats, fleet: Fleet) -> Floats:
    sums = np.bincount(fleet.node_of, weights=values, minlength=len(fleet.tree))
    return np.asarray(sums, dtype=np.float64)


def _share(given: Floats, drawn: Floats) -> Floats:
    wanted = given + drawn
    return np.divide(given, wanted, out=np.zeros_like(wanted), where=wanted > 0)


def node_given_kwmin(ledger: Ledger, fleet: Fleet) -> dict[str, float]:
    """Return by node what its loads, and all below, have given up in all [kW min]."""
    given = _by_node(ledger.given, fleet) / WS_PER_KWMIN
    return dict(zip(fleet.tree.names, given.tolist(), strict=True))


def jain(values: Iterable[float]) -> float:
    """Return Jain's index of fairness: 1 when all are equal, 1 / n when one has everything.

    ``(sum x)^2 / (n sum x^2)``; 1 where nobody has anything (Jain, Chiu, Hawe, DEC-TR-301, 1984).

    >>> jain([2.0, 2.0]), jain([1.0, 0.0, 0.0, 0.0])
    (1.0, 0.25)
    """
    numbers = list(values)
    squares = sum(value * value for value in numbers)
    return sum(numbers) ** 2 / (len(numbers) * squares) if squares > 0 else 1.0


def jain_of_loads(ledger: Ledger, loads: Sequence[Load]) -> float:
    """Return Jain's index of the shares given up by loads that may be shed and wanted to run."""
    shares = _share(ledger.given, ledger.drawn)
    return jain(
        float(share)
        for load, share, wanted in zip(
            loads, shares, (ledger.given + ledger.drawn).tolist(), strict=True
        )
        if wanted > 0 and may_be_touched(load)
    )


def jain_of_nodes(ledger: Ledger, fleet: Fleet) -> float | None:
    """Return Jain's index of the shares given up by nodes that loads hang from; None for one."""
    touchable = np.array([may_be_touched(load) for load in fleet.loads], dtype=np.float64)
    given = _by_own_node(ledger.given * touchable, fleet)
    drawn = _by_own_node(ledger.drawn * touchable, fleet)
    wanting = given + drawn > 0
    if np.count_nonzero(wanting) < 2:
        return None
    return jain(_share(given, drawn)[wanting].tolist())


def as_mapping(ledger: Ledger) -> Mapping[str, tuple[float, float, float, float]]:
    """Return the accounts by name, to be kept over a restart; see `from_mapping`."""
    rows = np.stack([ledger.given, ledger.drawn, ledger.late_given, ledger.late_drawn], axis=1)
    return {name: tuple(row) for name, row in zip(ledger.names, rows.tolist(), strict=True)}


def from_mapping(accounts: Mapping[str, Sequence[float]]) -> Ledger:
    """Return the ledger that `as_mapping` told."""
    rows = np.array([list(row) for row in accounts.values()], dtype=np.float64).reshape(-1, 4)
    return Ledger(tuple(accounts), *(rows[:, column].copy() for column in range(4)))
