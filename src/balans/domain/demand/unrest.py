"""How restless the rest of a site is, and the margin that is worth keeping for it.

Control decides one step late. What a site draws besides its loads will not be in the coming step
what it was in the last; by how much it differs, as a root mean square, is its *unrest*. Holding
back a load of power P avoids, in the coming step, the overload expected at that margin. With a
normal change of spread s and a margin m below the limit that is::

    s L(m / s),   L(z) = phi(z) - z (1 - Phi(z))      the loss function of the normal law

(A. M. Porteus, Foundations of Stochastic Inventory Theory, 2002, on the newsvendor). The margin
is where it is worth a tenth of P, m = s L^-1(0.1 P / s). Many small loads behind a large limit
so get a margin of more than one spread, since one load less costs next to nothing. One big load
gets none while the rest is calm, for it would be held back for nothing most of the time; then the
margin is negative, and an excess within the error of a meter is let pass.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
MEMORY_STEPS = 32
"""Unrest is the mean of about this many steps: half an hour of minutes."""
WORTH = 0.1
"""Overload avoided, as a share of what is held back, for which holding back is worth it."""
METER_SHARE = 0.01
"""Error of a meter of class B (EN 50470-3): an excess below this share of a limit is let pass."""
MOST_SPREADS = 3.0
_Z = np.linspace(-4.0, MOST_SPREADS, 281)
_LOSS = np.exp(-_Z * _Z / 2) / math.sqrt(2 * math.pi) - _Z * np.array(
    [0.5 * math.erfc(z / math.sqrt(2)) for z in _Z.tolist()]
)


@dataclass(frozen=True, slots=True)
class Unrest:
    """Mean square of the changes [W2], how many there were, and the last power of the rest [W]."""

    square_w2: float = 0.0
    changes: int = 0
    last_w: float | None = None

    @property
    def unrest_w(self) -> float | None:
        """Root mean square of the change from step to step; None before enough were seen [W]."""
        return math.sqrt(self.square_w2) if self.changes >= MEMORY_STEPS else None

    def add(self, rest_w: float | None) -> "Unrest":
        """Return the state after a step of mean power `rest_w`; None where it is not known."""
        if rest_w is None or self.last_w is None:
            return Unrest(self.square_w2, self.changes, rest_w)
        changes = min(self.changes + 1, MEMORY_STEPS)
        change_w2 = (rest_w - self.last_w) ** 2
        return Unrest(
            self.square_w2 + (change_w2 - self.square_w2) / changes,
            changes,
            rest_w,
        )


def unrests_w(rest_w: Floats) -> Floats:
    """Return what `Unrest.unrest_w` is before each of the steps `rest_w` (n,); NaN: unknown."""
    found = np.full(len(rest_w), np.nan)
    square, squares = 0.0, []
    for number, change in enumerate((np.diff(rest_w) ** 2).tolist(), start=1):
        square += (change - square) / min(number, MEMORY_STEPS)
        squares.append(square)
    known = np.sqrt(squares[MEMORY_STEPS - 1 : len(rest_w) - 2])
    found[MEMORY_STEPS + 1 : MEMORY_STEPS + 1 + len(known)] = known
    return found


def margin_w(unrest_w: float | Floats, relief_w: float) -> Floats:
    """Return the margin worth keeping below a limit, negative where it is not worth any [W].

    Parameters
    ----------
    unrest_w
        Spread of the change of the rest in a step.
    relief_w
        Power of a load that would be held back.

    >>> margin_w(300.0, relief_w=1800.0).round().tolist()
    -106.0
    >>> margin_w(3000.0, relief_w=1800.0).round().tolist()
    3502.0
    """
    spread = np.maximum(np.asarray(unrest_w, dtype=np.float64), 1e-9)
    loss = WORTH * relief_w / spread
    spreads = np.interp(-loss, -_LOSS, _Z)
    # Far below the table L(z) is -z.
    return np.asarray(np.where(loss > _LOSS[0], -WORTH * relief_w, spread * spreads))
