"""Inflow against outflow: what is told of an interval, and what cannot be told."""

from collections.abc import Sequence
from dataclasses import dataclass

from balans.domain.balances.sums import Sums


@dataclass(frozen=True, slots=True)
class Balance:
    """The balance of a group in one interval; energies in mWh, mvarh or ml.

    Parameters
    ----------
    inflow, outflow
        None where a single point of the side is unknown, or nothing is metered there.
    inflow_known, outflow_known
        What the known points alone sum up to.
    loss
        Technical loss of the network between the meters; None until it is computed.
    expected, known
        Points that should have a value in the interval, and that have one.
    suspect, estimated
        How many of the known values are.
    """

    inflow: int | None
    outflow: int | None
    inflow_known: int
    outflow_known: int
    loss: int | None
    expected: int
    known: int
    suspect: int
    estimated: int

    @property
    def imbalance(self) -> int | None:
        """Inflow less outflow less technical loss; None unless every point is known.

        A missing reading is not a loss: while one is missing there is no imbalance to tell.
        """
        if self.inflow is None or self.outflow is None:
            return None
        return self.inflow - self.outflow - (self.loss or 0)

    @property
    def share(self) -> float | None:
        """The imbalance as a share of the inflow; None without either."""
        imbalance = self.imbalance
        return imbalance / self.inflow if imbalance is not None and self.inflow else None

    @property
    def completeness(self) -> float | None:
        """Known of expected points, 0 … 1; None where nothing is expected."""
        return self.known / self.expected if self.expected else None


def balances(inflow: Sums, outflow: Sums, losses: Sequence[int | None]) -> list[Balance]:
    """Return the balances of n intervals from the sums of both sides, shape (n,) each.

    Parameters
    ----------
    losses
        Technical losses [mWh, mvarh or ml], n of them, None until computed.
    """
    whole = inflow + outflow
    entered, left = inflow.is_complete, outflow.is_complete
    return [
        Balance(
            inflow=int(inflow.energy[i]) if entered[i] else None,
            outflow=int(outflow.energy[i]) if left[i] else None,
            inflow_known=int(inflow.energy[i]),
            outflow_known=int(outflow.energy[i]),
            loss=losses[i],
            expected=int(whole.expected[i]),
            known=int(whole.known[i]),
            suspect=int(whole.suspect[i]),
            estimated=int(whole.estimated[i]),
        )
        for i in range(len(losses))
    ]
