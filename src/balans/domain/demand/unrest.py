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

One wild reading must not hold loads back for hours: a change counts up to ten spreads, and the
margin takes a fifth of the limit at most. What is old is forgotten once nothing new was seen for
as many steps as are remembered; then no margin is kept until enough is known again.
"""

import math
from dataclasses import dataclass, replace

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
KEPT_SHARE = 0.2
"""No more of a limit than this is kept free, whatever the rest has done."""
MOST_CHANGE, APPLIANCE_W = 10.0, 3000.0
"""A change counts up to so many spreads, or a kettle: in the calmest house one may be switched on.
What is beyond is most likely a wrong reading, and would be remembered for hours."""
SAME_STEP = 0.5
"""A step that begins this share of one later or earlier than the last ended is the next one."""
_Z = np.linspace(-4.0, MOST_SPREADS, 281)
_LOSS = np.exp(-_Z * _Z / 2) / math.sqrt(2 * math.pi) - _Z * np.array(
    [0.5 * math.erfc(z / math.sqrt(2)) for z in _Z.tolist()]
)


@dataclass(frozen=True, slots=True)
class Unrest:
    """What is known of the changes of the rest of a site.

    square_w2, changes
        Mean square of the changes [W2], and how many there were, up to `MEMORY_STEPS`.
    last_w, end_s
        Mean power of the last step that was seen [W], None after a gap, and when it ended.
    missing
        Steps in a row without a change to be told.
    """

    square_w2: float = 0.0
    changes: int = 0
    last_w: float | None = None
    end_s: float = -math.inf
    missing: int = 0

    @property
    def unrest_w(self) -> float | None:
        """Root mean square of the change from step to step; None before enough were seen [W]."""
        return math.sqrt(self.square_w2) if self.changes >= MEMORY_STEPS else None

    def add(self, rest_w: float | None) -> "Unrest":
        """Return the state after a step of mean power `rest_w`; None where it is not known."""
        if rest_w is None or self.last_w is None:
            missing = self.missing + 1
            known = self if missing < MEMORY_STEPS else Unrest()
            return replace(known, last_w=rest_w, end_s=self.end_s, missing=missing)
        square_w2 = _grown(self.square_w2, self.changes, (rest_w - self.last_w) ** 2)
        return Unrest(square_w2, min(self.changes + 1, MEMORY_STEPS), rest_w, self.end_s)

    def see(self, start_s: float, step_s: float, rest_w: float | None) -> "Unrest":
        """Return the state after a step that began at `start_s`, the next one or not."""
        found = self
        lost = (start_s - self.end_s) / step_s
        if abs(lost) > SAME_STEP and self.end_s > -math.inf:
            missing = self.missing + min(max(round(lost), 0), MEMORY_STEPS)
            found = replace(self, missing=missing).add(None)
        return replace(found.add(rest_w), end_s=start_s + step_s)


def _grown(square_w2: float, changes: int, change_w2: float) -> float:
    """Return the mean square of one change more; what is far beyond the others is cut."""
    most_w2 = max(MOST_CHANGE**2 * square_w2, APPLIANCE_W**2)
    return square_w2 + (min(change_w2, most_w2) - square_w2) / min(changes + 1, MEMORY_STEPS)


def unrests_w(rest_w: Floats) -> Floats:
    """Return what `Unrest.unrest_w` is before each of the steps `rest_w` (n,); NaN: unknown."""
    found = np.full(len(rest_w), np.nan)
    square, squares = 0.0, []
    for number, change in enumerate((np.diff(rest_w) ** 2).tolist()):
        square = _grown(square, number, change)
        squares.append(square)
    known = np.sqrt(squares[MEMORY_STEPS - 1 : len(rest_w) - 2])
    found[MEMORY_STEPS + 1 : MEMORY_STEPS + 1 + len(known)] = known
    return found


def kept_w(unrest_w: float | Floats, relief_w: float, allowed_w: float | Floats) -> Floats:
    """Return the margin that is kept below the limit `allowed_w`, as far as it makes sense [W].

    An excess is let pass up to the error of a meter; `KEPT_SHARE` of the limit is kept at most.
    """
    limit_w = np.maximum(allowed_w, 0.0)
    worth_w = margin_w(unrest_w, relief_w)
    return np.asarray(np.minimum(np.maximum(worth_w, -METER_SHARE * limit_w), KEPT_SHARE * limit_w))


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
