"""How a load that is held back behaves: the plant that control meets in a replayed profile.

Energy not drawn waits as backlog and comes back on top of what is wanted, up to the rated power;
wanted power itself is never cut while the load is on and free. Powers and backlog are whole
numbers of one unit (here 0.01 W, and 0.01 W times one step), so energy is kept exactly:
``demand = served + lost + growth of backlog`` at every step.
"""

from typing import NamedTuple

from balans.domain.demand.model import Recover


class Drawn(NamedTuple):
    """One step of a load: power drawn, backlog after it, energy lost in it."""

    power: int
    backlog: int
    lost: int


def draw(wanted: int, backlog: int, rated: int, ceiling: int | None, recover: Recover) -> Drawn:
    """Return what a load draws in one step.

    Parameters
    ----------
    wanted, backlog, rated
        Power wanted in this step, energy waiting, rated power [0.01 W; 0.01 W x step].
    ceiling
        Power the load is held to: 0 when off, None when on and free.
    recover
        Whether energy not drawn waits or is lost.

    Notes
    -----
    Free: ``power = max(wanted, min(rated, wanted + backlog))``; held: at most `ceiling`.

    >>> draw(wanted=100, backlog=0, rated=180, ceiling=0, recover=Recover.DEFER)
    Drawn(power=0, backlog=100, lost=0)
    >>> draw(wanted=100, backlog=100, rated=180, ceiling=None, recover=Recover.DEFER)
    Drawn(power=180, backlog=20, lost=0)
    """
    power = max(wanted, min(rated, wanted + backlog))
    if ceiling is not None:
        power = min(power, ceiling)
    rest = wanted + backlog - power
    if recover is Recover.LOSE:
        return Drawn(power, 0, rest)
    return Drawn(power, rest, 0)
