"""How a load curve stood to its limit: overload, peak, time over, energy."""

from collections.abc import Sequence
from dataclasses import dataclass

WH_PER_KWH = 1000.0


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
