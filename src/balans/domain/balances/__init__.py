"""Balance groups: what flows in against what flows out, nested from house to region.

`groups` finds the groups of an object tree, `terms` says of which sums a balance consists, `cells`
and `sums` compute those sums for many points at once, `balance` puts both sides together.
"""

from balans.domain.balances.balance import Balance, balances
from balans.domain.balances.cells import Course, intervals
from balans.domain.balances.groups import NOWHERE, SIDES, NodeGroups, node_groups
from balans.domain.balances.sums import MILLI, Cells, Sums, in_milli, summed
from balans.domain.balances.terms import Child, Forest, Group, Term, Terms
from balans.domain.balances.words import Reach, Side, State, is_known, state_of

__all__ = [
    "MILLI",
    "NOWHERE",
    "SIDES",
    "Balance",
    "Cells",
    "Child",
    "Course",
    "Forest",
    "Group",
    "NodeGroups",
    "Reach",
    "Side",
    "State",
    "Sums",
    "Term",
    "Terms",
    "balances",
    "in_milli",
    "intervals",
    "is_known",
    "node_groups",
    "state_of",
    "summed",
]
