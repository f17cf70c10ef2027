"""Houses with thermostatic loads, to try events on: what each load is, and how warm it starts.

Every load is one warm or cold body between the two marks of its thermostat. Its level is 0 where
the thermostat opens and 1 where it closes; without power it drifts towards a level far above 1,
running towards one far below 0, both with the time constant of the body,

    level' = goal + (level - goal) exp(-dt / tau)

and hot water that is drawn raises it at once. A load that was off drifts on above 1 and so needs
longer to come back: what was held back returns by itself, nobody has to book it.

================  =======================================================  =================
what              values                                                   from
================  =======================================================  =================
refrigerator      110 W for 18 of 86 min; size, inertia times 0.7 to 1.3   Richardson 2010
 in every house   band of 1.5 K around 4 °C in a room of 20 °C             GridLAB-D
water heater      80 to 300 l by 1 to 5 people; 1.5, 2 or 2.4 kW;          round values
 in one of two    60 °C, 5 K; loss in the middle of energy class C         (EU) 812/2013
 water            of 200 l a day 28 times 1 l, 12 times 6 l, 2 showers     Jordan, Vajen 2001
                  of 40 l, 0.143 baths of 140 l; 45 °C from 10 °C
 evening          1.5 times the mean of the day, times people / 2.5        own
air-conditioner   35 W of electricity and 105 W of cooling a m², 20 to     round values
 in one of five   50 m²; loss 1 to 1.8 W/K m², gains 10 to 20 W/m²,        round values
                  15 Wh/K m², band of 1 K, 7 K warmer outside              round values
================  =======================================================  =================

Shares of houses are those of the simulator's houses (`docs/reference/plants.md`), whose physics is
finer; this model shares no code with it. I. Richardson et al., Energy and Buildings 42 (2010) 1878;
U. Jordan, K. Vajen, Solar Energy 69 (2001) suppl. 6, 197 (the draws of IEA SHC Task 26).
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from balans.core.errors import InputError

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Ints = NDArray[np.int64]

HEATER_SHARE, COOLER_SHARE = 0.5, 0.2
FRIDGE_W, FRIDGE_ON_S, FRIDGE_OFF_S = 110.0, 18 * 60.0, 68 * 60.0
FRIDGE_LIFT_K, FRIDGE_BAND_K = 16.75, 1.5
WATER_WH_L_K = 1.163
HEATER_LIFT_K, HEATER_BAND_K, TEST_LIFT_K = 40.0, 5.0, 45.0
DRAWS = ((28.0, 1.0), (12.0, 6.0), (2.0, 40.0), (0.143, 140.0))
"""How often a day, and how many litres each time."""
DRAW_WH_L = WATER_WH_L_K * 35.0
EVENING, PEOPLE = 1.5, 2.5
COOLER_W_M2, COOLING_W_M2, COOLER_WH_K_M2 = 35.0, 105.0, 15.0
OUTSIDE_K, COOLER_BAND_K = 7.0, 1.0
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Fleet:
    """Thermostatic loads of many houses, arrays (loads,).

    house, rated_w
        Where it stands, and what it draws when it runs.
    tau_s, rest_goal, run_goal
        Time constant, and the levels it drifts to without and with power.
    draw_rate, draw_level
        For water heaters: a factor on the number of draws, and what a watt hour drawn raises the
        level by; 0 for others.
    duty, cycle_s
        The share of the time in which it runs in the mean, and the length of a cycle: what the
        operator knows of it.
    """

    houses: int
    house: Ints
    rated_w: Floats
    tau_s: Floats
    rest_goal: Floats
    run_goal: Floats
    draw_rate: Floats
    draw_level: Floats
    duty: Floats
    cycle_s: Floats

    @property
    def expected_w(self) -> Floats:
        """What each load is expected to draw."""
        return self.rated_w * self.duty

    def by_house(self, values: Floats) -> Floats:
        """Return the sums of a value of the loads, (houses,)."""
        found = np.bincount(self.house, weights=values, minlength=self.houses)
        return np.asarray(found, dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Warmth:
    """Where the loads are: their levels, and which thermostats are closed."""

    level: Floats
    calling: Flags


def make_fleet(
    houses: int,
    seed: int,
    heater_share: float = HEATER_SHARE,
    cooler_share: float = COOLER_SHARE,
) -> Fleet:
    """Return the loads of `houses` houses.

    Raises
    ------
    InputError
        If there is no house, or a share is not one.
    """
    if houses < 1:
        raise InputError(f"houses = {houses}: expected 1 or more")
    for name, share in (("heater", heater_share), ("cooler", cooler_share)):
        if not 0 <= share <= 1:
            raise InputError(f"{name} share = {share}: expected 0 to 1")
    random = np.random.default_rng([seed, 1])
    with_heater = np.flatnonzero(random.random(houses) < heater_share)
    with_cooler = np.flatnonzero(random.random(houses) < cooler_share)
    parts = (
        _fridges(houses, random),
        _heaters(houses, with_heater, random),
        _coolers(houses, with_cooler, random),
    )

    def joined(name: str) -> Floats:
        return np.concatenate([getattr(part, name) for part in parts])

    return _with_duty(
        Fleet(
            houses=houses,
            house=joined("house").astype(np.int64),
            rated_w=joined("rated_w"),
            tau_s=joined("tau_s"),
            rest_goal=joined("rest_goal"),
            run_goal=joined("run_goal"),
            draw_rate=joined("draw_rate"),
            draw_level=joined("draw_level"),
            duty=joined("duty"),
            cycle_s=joined("cycle_s"),
        )
    )


def _fridges(houses: int, random: np.random.Generator) -> Fleet:
    size, inertia = random.uniform(0.7, 1.3, houses), random.uniform(0.7, 1.3, houses)
    goal = FRIDGE_LIFT_K / FRIDGE_BAND_K
    tau_s = FRIDGE_OFF_S / np.log(goal / (goal - 1))
    run_goal = -1 / np.expm1(FRIDGE_ON_S / tau_s)
    return _fleet(np.arange(houses), FRIDGE_W * size, tau_s * inertia, (goal, run_goal), (0.0, 0.0))


def _heaters(houses: int, at: Ints, random: np.random.Generator) -> Fleet:
    people = random.integers(1, 6, houses)[at]
    volume_l = 50.0 * np.ceil((people + 1) * random.uniform(0.8, 1.2, houses)[at])
    volume_l = np.clip(volume_l, 80.0, 300.0)
    rated_w = np.where(volume_l < 150, 1500.0, np.where(volume_l < 250, 2000.0, 2400.0))
    loss_w_k = ((12.0 + 16.66) + (5.93 + 8.33) * volume_l**0.4) / 2 / TEST_LIFT_K
    stored_wh_k = WATER_WH_L_K * volume_l
    goal = HEATER_LIFT_K / HEATER_BAND_K
    run_goal = goal - rated_w / (loss_w_k * HEATER_BAND_K)
    return _fleet(
        at,
        rated_w,
        stored_wh_k / loss_w_k * 3600,
        (goal, run_goal),
        (EVENING * people / PEOPLE, 1 / (stored_wh_k * HEATER_BAND_K)),
    )


def _coolers(houses: int, at: Ints, random: np.random.Generator) -> Fleet:
    floor_m2 = random.uniform(20.0, 50.0, houses)[at]
    loss_w_k_m2 = random.uniform(1.0, 1.8, houses)[at]
    gain_w_m2 = random.uniform(10.0, 20.0, houses)[at]
    goal = (OUTSIDE_K + gain_w_m2 / loss_w_k_m2) / COOLER_BAND_K
    run_goal = goal - COOLING_W_M2 / (loss_w_k_m2 * COOLER_BAND_K)
    tau_s = COOLER_WH_K_M2 / loss_w_k_m2 * 3600
    return _fleet(at, COOLER_W_M2 * floor_m2, tau_s, (goal, run_goal), (0.0, 0.0))


def _fleet(
    house: Ints,
    rated_w: Floats,
    tau_s: Floats,
    goals: tuple[ArrayLike, ArrayLike],
    draws: tuple[ArrayLike, ArrayLike],
) -> Fleet:
    """Return loads whose duty is not known yet."""
    count = len(house)

    def each(value: ArrayLike) -> Floats:
        return np.broadcast_to(np.asarray(value, dtype=np.float64), (count,))

    return Fleet(
        houses=count,
        house=house,
        rated_w=rated_w,
        tau_s=tau_s,
        rest_goal=each(goals[0]),
        run_goal=each(goals[1]),
        draw_rate=each(draws[0]),
        draw_level=each(draws[1]),
        duty=each(0.0),
        cycle_s=each(0.0),
    )


def _with_duty(fleet: Fleet) -> Fleet:
    """Return the fleet with duty and cycle from the balance of its mean level.

    Around the middle of the band a load drifts up by (goal - 1/2) / tau without power and down by
    (1/2 - run goal) / tau with it; draws of water add their mean.
    """
    litres = sum(often * size for often, size in DRAWS)
    drawn = fleet.draw_rate * litres * DRAW_WH_L * fleet.draw_level / DAY_S
    up = (fleet.rest_goal - 0.5) / fleet.tau_s + drawn
    down = (0.5 - fleet.run_goal) / fleet.tau_s - drawn
    duty = np.clip(up / (up + np.maximum(down, 0.0)), 0.0, 1.0)
    cycle_s = 1 / np.maximum(up, 1e-12) + 1 / np.maximum(down, 1e-12)
    return replace(fleet, duty=duty, cycle_s=np.minimum(cycle_s, DAY_S))


def first_warmth(fleet: Fleet, seed: int) -> Warmth:
    """Return loads somewhere in their cycles, as likely to run as their duty says."""
    random = np.random.default_rng([seed, 2])
    count = len(fleet.rated_w)
    return Warmth(random.random(count), random.random(count) < fleet.duty)


def draws_of(fleet: Fleet, seed: int, steps: int, step_s: float) -> Floats:
    """Return by how much water drawn raises the level of each heater, (steps, loads).

    Each kind of draw comes by chance, at its rate; it does not depend on what is switched.
    """
    random = np.random.default_rng([seed, 3])
    heaters = np.flatnonzero(fleet.draw_level)
    wh = np.zeros((steps, len(heaters)))
    for often, litres in DRAWS:
        rate = fleet.draw_rate[heaters] * often * step_s / DAY_S
        wh += random.poisson(rate, (steps, len(heaters))) * litres * DRAW_WH_L
    found = np.zeros((steps, len(fleet.rated_w)))
    found[:, heaters] = wh * fleet.draw_level[heaters]
    return found
