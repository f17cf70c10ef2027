"""Plants set beside recordings: with their typical parameters, and with fitted ones.

What is fitted comes from one part of a recording and is checked against another part: half a day,
another day, another programme, other months. Where there is only one programme, it is checked in
its own sample, and the table says so.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from plant_records import (
    DAY_MIN,
    HEATER_ON_W,
    ON_W,
    Bools,
    Floats,
    cold_features,
    program_features,
    runs_of,
    start_ratio,
)

from balans.simulator.plants.base import HOUR_S, WATER_WH_L_K, over
from balans.simulator.plants.cooling import START_S, WARM_S, ColdAppliances, ColdData, Cycle
from balans.simulator.plants.cycles import Machines, Phase, Program
from balans.simulator.plants.people import Households, awake
from balans.simulator.plants.tank import USE_C, TankData, WaterTanks
from balans.simulator.plants.weather import TEMPERATE, Weather

COLD_STEP_S = 5.0
PIECE_S = 60
"""Fitted programmes are steps of a minute, joined where they differ by less than a tenth."""

TANKS, TANK_DAYS, FIT_PEOPLE = 12, 20, 3


def fitted_cold(power_w: Floats, set_c: float) -> ColdData:
    """Return parameters from a recording by second: its cycle, start peak and warm-up."""
    found = cold_features(power_w, 1.0)
    runs = [run for run in runs_of(power_w > ON_W) if run.begin > 0 and run.end < len(power_w)]
    since_s = np.concatenate([np.arange(10, run.end - run.begin - 2) for run in runs])
    watts = np.concatenate([power_w[run.begin + 10 : run.end - 2] for run in runs])
    basis = np.column_stack((np.ones(len(since_s)), np.exp(-since_s / WARM_S)))
    usual = np.abs(watts - np.median(watts)) < 0.5 * np.median(watts)
    steady_w, warm_w = np.linalg.lstsq(basis[usual], watts[usual], rcond=None)[0].tolist()
    on_s = found["run [min]"] * 60
    standby_w = float(np.median(power_w[power_w <= ON_W]))
    steady_w -= standby_w
    cycle = Cycle(steady_w, on_s, found["period [min]"] * 60 - on_s, set_c)
    warm = max(warm_w / steady_w, 0.0)
    # Of an excess that fades with START_S, the mean over the first whole second remains.
    kept = START_S * (1 - np.exp(-1 / START_S))
    start = max(start_ratio(power_w) * np.median(watts) / steady_w - 1 - warm, 0.0) / kept
    data = ColdData.from_cycle(cycle)
    return replace(
        data,
        start_ratio=over(start, 1),
        warm_ratio=over(warm, 1),
        standby_w=over(standby_w, 1),
    )


def cold_day(data: ColdData) -> dict[str, float]:
    """Return what is measured of a plant over a day, with its start peak at a step of a second."""
    on = np.ones(1, dtype=np.bool_)
    plant = ColdAppliances(data)
    steps = int(2 * 86_400 / COLD_STEP_S)
    power_w = np.array([plant.step(on, COLD_STEP_S)[0] for _ in range(steps)])
    found = cold_features(power_w, COLD_STEP_S)
    while plant.running.any():
        plant.step(on, COLD_STEP_S)
    while not (plant.wants_w > data.standby_w).any():
        plant.step(on, COLD_STEP_S)
    first_w = max(float(plant.step(on, 1.0)[0]) for _ in range(10))
    return {**found, "start peak [1]": first_w / found["power on [W]"]}


def fitted_program(power_w: Floats) -> Program:
    """Return a programme of steps of a minute from one recorded by second [W]."""
    edges = range(0, len(power_w), PIECE_S)
    phases: list[Phase] = []
    for begin in edges:
        piece = power_w[begin : begin + PIECE_S]
        mean = float(piece.mean())
        last = phases[-1] if phases else None
        if last and abs(mean - last.power_w) <= 0.1 * max(mean, last.power_w):
            length = last.length_s + len(piece)
            joined = (last.power_w * last.length_s + mean * len(piece)) / length
            phases[-1] = Phase(length, joined)
        else:
            phases.append(Phase(float(len(piece)), mean))
    return Program(tuple(phases))


def program_day(program: Program) -> dict[str, float]:
    """Return what is measured of a plant that runs `program` once, at a step of ten seconds."""
    machines = Machines((program,), np.zeros(1, dtype=np.int32), np.ones(1))
    machines.request(np.ones(1, dtype=np.int32))
    on, powers = np.ones(1, dtype=np.bool_), []
    while machines.done[0] == 0:
        powers.append(float(machines.step(on, 10.0)[0]))
    by_second = np.repeat(powers, 10)
    working = runs_of(by_second > ON_W, len(by_second))
    return program_features(by_second[working[0].begin : working[0].end])


class Habits(NamedTuple):
    """Heat that people draw a day [Wh], and its weight by minute of the day, 1 on average."""

    drawn_wh: float
    weight: Floats


def fitted_tank(power_w: Floats, volume_l: float = 200.0) -> tuple[TankData, Habits]:
    """Return a tank and the habits of its people, from days by minute [W].

    Power is the median when on, standing loss the mean of the hours from 2 to 5, deadband the
    energy of the shortest tenth of runs by heat capacity; when people draw is when runs begin,
    each with its energy. The volume cannot be seen in the power and is assumed.
    """
    on = power_w > HEATER_ON_W
    element_w = float(np.median(power_w[on]))
    loss_w = float(np.where(on, power_w, 0.0)[:, 120:300].mean())
    lengths = [run.end - run.begin for run in runs_of(on.ravel(), 0, 1)]
    deadband_k = float(np.quantile(lengths, 0.1)) * element_w / 60 / (WATER_WH_L_K * volume_l)
    data = TankData.typical(np.full(TANKS, volume_l), np.full(TANKS, element_w))
    lift_k = data.set_c - data.room_c
    daily_wh = float(power_w[on].sum()) / 60 / len(power_w)
    data = replace(data, loss_w_k=loss_w / lift_k, deadband_k=over(deadband_k, TANKS))
    begins = np.zeros(DAY_MIN)
    for run in runs_of(on.ravel(), 0, 1):
        begins[run.begin % DAY_MIN] += run.end - run.begin
    hours = begins.reshape(24, 60).sum(axis=1)
    weight = np.repeat(hours / hours.mean(), 60)
    return data, Habits(daily_wh - 24 * loss_w, weight / awake_shape())


def awake_shape() -> Floats:
    """Return when typical draws begin, by minute of a working day, 1 on average."""
    shape = awake(0)
    mean: Floats = shape / shape.mean()
    return mean


def typical_tank() -> TankData:
    """Return a tank of 200 l with 2 kW, as `kinds` draws for three people."""
    return TankData.typical(np.full(TANKS, 200.0), np.full(TANKS, 2_000.0))


def tank_days(data: TankData, first_day: int, habits: Habits | None = None) -> Floats:
    """Return the power of tanks by day and minute [W], with draws of three people.

    Parameters
    ----------
    habits
        How much and when they draw; None: as is typical.
    """
    people = np.full(TANKS, FIT_PEOPLE, dtype=np.int32)
    households = Households(people, np.zeros(TANKS, dtype=np.int32), seed=1)
    plant = WaterTanks(data)
    on: Bools = np.ones(TANKS, dtype=np.bool_)
    days = []
    for number in range(first_day - 1, first_day + TANK_DAYS):
        cold_c = Weather(TEMPERATE, 1, number).cold_water_c
        draws = households.day(number).water_l().T
        if habits is not None:
            draws = draws * habits.weight[:, None]
            mean_wh = draws.sum() / TANKS * WATER_WH_L_K * (USE_C - cold_c)
            draws = draws * (habits.drawn_wh / mean_wh) if mean_wh else draws
        days.append([plant.step(on, 60.0, draw_l, cold_c) for draw_l in draws])
    power_w = np.array(days[1:]).transpose(2, 0, 1)
    return np.ascontiguousarray(power_w).reshape(-1, DAY_MIN)


def kettle_features(power_w: Floats) -> list[dict[str, float]]:
    """Return power and energy of each boil of a day by second [W]."""
    boils = [power_w[run.begin : run.end] for run in runs_of(power_w > 500.0, 2, 30)]
    return [
        {
            "power on [W]": float(np.median(boil)),
            "energy [Wh]": float(boil.sum()) / HOUR_S,
            "length [s]": float(len(boil)),
        }
        for boil in boils
    ]
