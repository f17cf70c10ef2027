"""How a load stands to its limit now, and how a curve of it stood: overload, peak, time, energy."""

from collections.abc import Sequence
from dataclasses import dataclass

WH_PER_KWH = 1000.0
NEAR = 0.9
"""Above this share of a limit a load is near it."""


def level(now: float | None, limit: float | None) -> str:
    """Return how a load stands to its limit: inside, near (90 %), over, unlimited or unknown.

    >>> level(3950, 4000), level(4001, 4000), level(None, 4000)
    ('near', 'over', 'unknown')
    """
    if now is None:
        return "unknown"
    if limit is None:
        return "unlimited"
    if now > limit:
        return "over"
    return "near" if now > NEAR * limit else "inside"


@dataclass(frozen=True, slots=True)
class LoadVerdict:
    """What a curve did in a period; None where nothing of it is known.

    Parameters
    ----------
    steps
        How many steps of the curve are known.
    energy_kwh, peak_kw, mean_kw
        Over the known steps.
    overload_kwh
        Energy above the limit, over the steps where both are known.
    minutes_over
        How long the limit was exceeded [min].
    """

    steps: int
    energy_kwh: float | None
    peak_kw: float | None
    mean_kw: float | None
    overload_kwh: float | None
    minutes_over: float | None


def judge_load(
    power_w: Sequence[float | None], limit_w: Sequence[float | None], step_s: float
) -> LoadVerdict:
    """Return the verdict on mean powers of equal steps.

    Parameters
    ----------
    power_w, limit_w
        Mean power and limit of each step [W]; None is a gap, and a step without limit cannot
        exceed it.
    step_s
        Length of a step [s].

    Notes
    -----
    ``overload = sum(max(0, power - limit)) * step``. Gaps are left out, never taken as zero.

    Examples
    --------
    >>> judge_load([3000, 5000, None], [4000, 4000, 4000], 1800).overload_kwh
    0.5
    """
    known = [power for power in power_w if power is not None]
    if not known:
        return LoadVerdict(0, None, None, None, None, None)
    over = [
        max(0.0, power - limit)
        for power, limit in zip(power_w, limit_w, strict=True)
        if power is not None and limit is not None
    ]
    hours = step_s / 3600
    return LoadVerdict(
        steps=len(known),
        energy_kwh=sum(known) * hours / WH_PER_KWH,
        peak_kw=max(known) / WH_PER_KWH,
        mean_kw=sum(known) / len(known) / WH_PER_KWH,
        overload_kwh=sum(over) * hours / WH_PER_KWH if over else None,
        minutes_over=sum(excess > 0 for excess in over) * step_s / 60 if over else None,
    )
