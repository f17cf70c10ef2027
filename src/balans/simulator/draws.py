"""Generated water and gas: plausible draws at the minutes when the flat is in use.

The recording holds electricity only. How busy a flat is at a minute is read from the power
that no one would defer (kitchen and rest): 0 at its own night level, 1 at 1 kW above it. Draws
begin at random with a rate in proportion to that:

==========  ====================  ========================  =======================
draw        a minute, when busy   size                      hours
==========  ====================  ========================  =======================
tap         0.10                  1 to 4 l                  all
toilet      0.012 (0.002 asleep)  6 l                       all
shower      0.0015                6 to 10 min of 8 l/min    all
gas hob     0.010                 10 to 30 min of 4 l/min   6-9, 11-14, 18-21 local
==========  ====================  ========================  =======================

The sizes are round numbers of common fittings (a hob of 2.4 kW burns 4 l of gas a minute at
10 kWh/m³); the rates are chosen so that a flat uses about 0.24 m³ of water and 0.2 m³ of gas a day.
Nothing here is measured.
"""

from typing import NamedTuple

import numpy as np

from balans.simulator.arrays import Flags, Litres, Share, Watts
from balans.simulator.recording import DAY_MIN

BUSY_W = 1_000
TAP_RATE, TOILET_RATE, TOILET_ASLEEP_RATE, SHOWER_RATE, HOB_RATE = 0.10, 0.012, 0.002, 0.0015, 0.01
TOILET_L = 6
SHOWER_L_MIN, HOB_L_MIN = 8, 4
MEAL_HOURS = ((6, 9), (11, 14), (18, 21))


class Draws(NamedTuple):
    """Litres in each minute, arrays of the same shape as the power they follow."""

    water_l: Litres
    gas_l: Litres


def busy_share(red_w: Watts) -> Share:
    """Return how busy each flat is at each minute, 0 to 1, from its power (flats, minutes) [W]."""
    night_w = np.quantile(red_w, 0.2, axis=1, keepdims=True)
    share: Share = np.clip((red_w - night_w) / BUSY_W, 0.0, 1.0)
    return share


def generate(red_w: Watts, seed: int) -> Draws:
    """Return the draws of all flats over the minutes of `red_w`, a whole number of local days."""
    random = np.random.default_rng([seed, 3])
    busy = busy_share(red_w)
    tap = (random.random(busy.shape) < TAP_RATE * busy) * random.integers(1, 5, busy.shape)
    toilet_rate = np.maximum(TOILET_ASLEEP_RATE, TOILET_RATE * busy)
    toilet = (random.random(busy.shape) < toilet_rate) * TOILET_L
    shower = _lasting(random, SHOWER_RATE * busy, (6, 11)) * SHOWER_L_MIN
    hob = _lasting(random, HOB_RATE * busy * _meal_time(busy.shape[1]), (10, 31)) * HOB_L_MIN
    return Draws(tap + toilet + shower, hob)


def _meal_time(minutes: int) -> Flags:
    hour = np.arange(minutes) % DAY_MIN // 60
    meal = np.zeros(minutes, dtype=np.bool_)
    for first, last in MEAL_HOURS:
        meal |= (first <= hour) & (hour < last)
    return meal


def _lasting(random: np.random.Generator, rate: Share, minutes: tuple[int, int]) -> Litres:
    """Return where draws that begin at `rate` and last for some minutes are running: 0 or 1."""
    flat, start = np.nonzero(random.random(rate.shape) < rate)
    end = np.minimum(start + random.integers(*minutes, size=start.shape), rate.shape[1])
    change = np.zeros((rate.shape[0], rate.shape[1] + 1), dtype=np.int64)
    np.add.at(change, (flat, start), 1)
    np.add.at(change, (flat, end), -1)
    running: Litres = np.minimum(change.cumsum(axis=1)[:, :-1], 1)
    return running
