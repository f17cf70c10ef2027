"""The least possible price of an event, by a mixed-integer programme, to judge the greedy choice.

Exact where the deviation adds up (`rho` = 1 or `z` = 0) and the price is linear (`fairness` = 0).
"""

from collections.abc import Sequence

import numpy as np

from balans.domain.demand.plan.linear import LinearModel
from balans.domain.response.candidates import Candidate, Wanted, find_bars, find_options
from balans.domain.response.selection import Rules


def least_price(candidates: Sequence[Candidate], wanted: Wanted, rules: Rules) -> float | None:
    """Return the price of the best choice; None: what is wanted cannot be had."""
    assert rules.fairness == 0
    assert rules.rho == 1 or rules.z == 0
    options = find_options(candidates, wanted, find_bars(candidates, wanted))
    weight = np.array([one.discomfort for one in candidates])
    model = LinearModel()
    take = model.columns(
        len(options.who), cost=weight[options.who] * options.kwmin, upper=1.0, whole=True
    )
    gain_w = options.net_w - rules.z * options.sd_w
    for slot in np.flatnonzero(wanted.power_w > 0):
        row = model.rows(1, lower=wanted.power_w[slot] / 1000, upper=np.inf)
        model.put(row, take, gain_w[:, slot] / 1000)
    for number in range(len(candidates)):
        own = np.flatnonzero(options.who == number)
        for begun in options.first[own]:
            clash = own[(options.first[own] <= begun) & (begun < options.blocked[own])]
            row = model.rows(1, lower=0.0, upper=1.0)
            model.put(row, take[clash], 1.0)
    solved = model.solve(time_limit_s=20.0)
    return None if solved is None else solved.cost
