"""Seeded delays: every device of a group waits its own time, and anyone can work out which.

One broadcast reaches thousands of loads at once. If each obeyed at once, their thermostats would
afterwards run in step. A delay drawn in the device breaks that with one-way communication only
(N. A. Sinitsyn, S. Kundu, S. Backhaus, "Safe protocols for generating power pulses with
heterogeneous populations of thermostatically controlled loads", arXiv 1211.0248). It is not drawn
by chance but worked out from the seed of the call and the name of the target, so that a device
that restarts comes to the same delay, and the server knows it beforehand.
"""

import hashlib
import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from balans.core.errors import InputError

SEED_BYTES: Final = 8
BITS: Final = 53
"""A double holds so many bits exactly, so the share below is the same on every machine."""


def delay_s(seed: int, name: str, width_s: float) -> float:
    """Return the delay of `name`, uniform over [0, width_s) among names [s].

    Parameters
    ----------
    seed
        Of the call, 0 to 2^64 - 1.
    name
        What waits, with what it waits for: ``start:`` or ``release:`` before the target's name.
    width_s
        0: no delay.

    Raises
    ------
    InputError
        If the seed or the width is out of range.

    Notes
    -----
    The first 53 bits of SHA-256 over the seed (8 bytes, the highest first) and the name in UTF-8,
    as a share of 2^53, times `width_s`.

    >>> round(delay_s(7, "release:flat-0001", 600.0), 3)
    102.078
    """
    if not 0 <= seed < 1 << 8 * SEED_BYTES:
        raise InputError(f"seed {seed}: expected 0 to 2^64 - 1")
    if not (math.isfinite(width_s) and width_s >= 0):
        raise InputError(f"spread {width_s} s: expected 0 or more")
    digest = hashlib.sha256(seed.to_bytes(SEED_BYTES, "big") + name.encode()).digest()
    share = (int.from_bytes(digest[:8], "big") >> (64 - BITS)) / (1 << BITS)
    # Rounding may lift the product of the largest shares to the width itself.
    return min(share * width_s, math.nextafter(width_s, 0.0))


def start_delay_s(seed: int, target: str, width_s: float) -> float:
    """Return how much later than its step a target begins [s]."""
    return delay_s(seed, f"start:{target}", width_s)


def release_delay_s(seed: int, target: str, width_s: float) -> float:
    """Return how much later than its step ends a target lets go [s].

    The timer of a yellow load, which runs from its own switching off, brings it back earlier.
    """
    return delay_s(seed, f"release:{target}", width_s)


def release_delays_s(seed: int, targets: Sequence[str], width_s: float) -> NDArray[np.float64]:
    """Return the delays of many targets, in their order [s]."""
    return np.array([release_delay_s(seed, one, width_s) for one in targets], dtype=np.float64)


def waited_out_s(time_s: ArrayLike, width_s: float) -> NDArray[np.float64]:
    """Return for how long one device of many has waited out its delay by `time_s`, on average [s].

    Delays are uniform over [0, width_s): of many devices the share ``t / width_s`` has, at t, and
    this is the integral of that share up to `time_s`.

    >>> waited_out_s([-60.0, 0.0, 150.0, 300.0, 600.0], 300.0).tolist()
    [0.0, 0.0, 37.5, 150.0, 450.0]
    """
    time = np.maximum(np.asarray(time_s, dtype=np.float64), 0.0)
    if width_s <= 0:
        return time
    while_spread = np.minimum(time, width_s)
    return np.asarray(while_spread**2 / (2 * width_s) + (time - while_spread), dtype=np.float64)
