"""From cumulative registers to what was consumed per interval. Missing is never zero."""

import numpy as np
from numpy.typing import NDArray

MISSING = -1
"""How an absent register is written in an integer array."""


def interval_pulses(
    registers: NDArray[np.integer], modulus: int | None = None
) -> NDArray[np.float64]:
    """Return the pulses counted between consecutive registers.

    Parameters
    ----------
    registers
        Cumulative registers at consecutive instants [pulses], shape (..., n); -1 where missing.
    modulus
        The register goes from ``modulus - 1`` to 0; None if it never rolls over [pulses].

    Returns
    -------
    NDArray
        Shape (..., n - 1); NaN where either register is missing, or where the register went
        back without an explanation, also back through 0.

    Notes
    -----
    No meter counts half its range within one interval. So a difference below zero is a roll-over
    where, wrapped, it is less than half of `modulus`; any other is a roll-back, hence unknown, as
    is a rise by half of it or more: the register went back from a little above 0.

    >>> interval_pulses(np.array([5, 8, -1, 20, 20])).tolist()
    [3.0, nan, nan, 0.0]
    >>> interval_pulses(np.array([998, 3]), modulus=1000).tolist()
    [5.0]
    >>> interval_pulses(np.array([2, 999]), modulus=1000).tolist()
    [nan]
    """
    before, after = registers[..., :-1].astype(np.int64), registers[..., 1:].astype(np.int64)
    pulses = (after - before).astype(np.float64)
    if modulus is not None:
        wrapped = pulses + modulus
        pulses = np.where((pulses < 0) & (wrapped < modulus / 2), wrapped, pulses)
        pulses[pulses >= modulus / 2] = np.nan
    unknown = (before < 0) | (after < 0) | (pulses < 0)
    pulses[unknown] = np.nan
    return pulses


def interval_energy(
    registers: NDArray[np.integer],
    per_pulse: float = 1.0,
    ratio: float = 1.0,
    modulus: int | None = None,
) -> NDArray[np.float64]:
    """Return what passed the meter per interval, in the unit of `per_pulse`; NaN where unknown.

    Parameters
    ----------
    registers, modulus
        As for `interval_pulses`.
    per_pulse
        Pulse weight, for example 1 Wh or 10 l.
    ratio
        Transformer ratio: current times voltage ratio, 1 for a direct meter.

    >>> interval_energy(np.array([5, 8, 20]), per_pulse=10.0, ratio=2.0).tolist()
    [60.0, 240.0]
    """
    return interval_pulses(registers, modulus) * (per_pulse * ratio)


def completeness(registers: NDArray[np.integer]) -> float:
    """Return the share of registers that are there; 1 for none expected.

    >>> completeness(np.array([5, -1, 7, 8]))
    0.75
    """
    return float(np.count_nonzero(registers >= 0) / registers.size) if registers.size else 1.0
