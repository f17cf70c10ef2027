"""A recorded house under load control, seen by a meter, by its pulses, or by a relay alone."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from tests.unit.usecases.control_bench import STEP_S, Bench, site_of

from balans.core.words import LimitSource, LoadClass
from balans.domain.demand.model import Limit, Load
from balans.domain.demand.plant import draw
from balans.protocols.module import PowerSample, PulseSample, RelaySample, Sample
from balans.simulator.recording import town_minutes
from balans.usecases.run_load_control import Sensor, SensorKind

LIMIT_W = 4000.0
HEAT = Load("heat", LoadClass.YELLOW, 2200.0, max_off_s=900, min_on_s=300)
WASH = Load("wash", LoadClass.GREEN, 2500.0, min_on_s=0)
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Result:
    """Energy above the limit [kWh], longest off time of yellow [s], and switchings."""

    overload_kwh: float
    longest_off_s: float
    switched: int


def recorded(first_day: int, days: int) -> tuple[Floats, Floats, Floats]:
    """Return what the rest, the heater and the laundry of the house drew, minute by minute [W]."""
    recording = town_minutes()
    part = slice(first_day * 1440, (first_day + days) * 1440)
    total, heat, wash = (
        np.asarray(values, dtype=np.float64).ravel()[part]
        for values in (recording.total_w, recording.heat_w, recording.laundry_w)
    )
    return total - heat - wash, heat, wash


def uncontrolled_kwh(first_day: int, days: int) -> float:
    """Return the overload without control [kWh]."""
    total = sum(recorded(first_day, days))
    return float(np.maximum(np.asarray(total) - LIMIT_W, 0.0).sum()) / 60_000


def run(sensor: Sensor, first_day: int, days: int, *, metered: bool = True) -> Result:
    """Replay the days; `metered` tells whether the loads have meters of their own."""
    limits = (Limit("contract", LIMIT_W),)
    if sensor.kind is SensorKind.RELAY:
        limits = (Limit("relay", sensor.threshold_w, LimitSource.DEVICE),)
    site = replace(site_of(HEAT, WASH, limits=limits), sensor=sensor)
    bench = Bench(site)
    bench.tick()
    base, *wanted = recorded(first_day, days)
    backlog = [0, 0]
    tell = _SAMPLES[sensor.kind](sensor)
    over_w = longest_s = 0.0
    for step in range(len(base)):
        drawn_w = {}
        for place, load in enumerate((HEAT, WASH)):
            is_on = bench.actuators.on.get(load.name, True)
            want = int(wanted[place][step])
            ceiling = None if is_on else 0
            drawn = draw(want, backlog[place], int(load.rated_w), ceiling, load.recover)
            backlog[place], drawn_w[load.name] = drawn.backlog, float(drawn.power)
        site_w = float(base[step]) + sum(drawn_w.values())
        over_w += max(0.0, site_w - LIMIT_W)
        bench.now_s += STEP_S
        for state in bench.actuators.timers(bench.now_s):
            bench.tell(state)
        bench.seq += 1
        sample = tell(bench.seq, bench.now_s, site_w, drawn_w if metered else {})
        bench.do(bench.control.sample(sample, bench.now_s))
        if not bench.actuators.on.get("heat", True):
            longest_s = max(longest_s, bench.now_s - bench.actuators.since["heat"])
    return Result(over_w / 60_000, longest_s, len(bench.switches))


Tell = Callable[[int, float, float, dict[str, float]], Sample]


def _by_meter(_sensor: Sensor) -> Tell:
    return lambda seq, now_s, site_w, load_w: PowerSample(seq, now_s, STEP_S, site_w, load_w)


def _by_pulses(sensor: Sensor) -> Tell:
    """Count as a meter does: a pulse whenever another `wh_per_pulse` has been drawn."""
    energy_wh = [0.0]

    def tell(seq: int, now_s: float, site_w: float, load_w: dict[str, float]) -> Sample:
        before = energy_wh[0]
        energy_wh[0] += site_w * STEP_S / 3600
        count = int(energy_wh[0] / sensor.wh_per_pulse)
        last = None
        if count > int(before / sensor.wh_per_pulse):
            since_s = (energy_wh[0] - count * sensor.wh_per_pulse) / site_w * 3600
            last = tell_last[0] = now_s - since_s
        return PulseSample(seq, now_s, STEP_S, count, last or tell_last[0], load_w)

    tell_last: list[float | None] = [None]
    return tell


def _by_relay(sensor: Sensor) -> Tell:
    return lambda seq, now_s, site_w, load_w: RelaySample(
        seq, now_s, STEP_S, site_w > sensor.threshold_w, load_w
    )


_SAMPLES = {
    SensorKind.METER: _by_meter,
    SensorKind.PULSE: _by_pulses,
    SensorKind.RELAY: _by_relay,
}
