"""Sensors without a smart meter: pulses of an ordinary one, and the bit of a relay."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.usecases.control_bench import HEATER, KITCHEN, STEP_S, T0, WASHER, Bench, site_of
from tests.unit.usecases.sensor_house import HEAT, LIMIT_W, run, uncontrolled_kwh

from balans.core.words import LimitSource
from balans.domain.demand.model import Limit, Load
from balans.protocols.module import PowerSample, PulseSample, RelaySample
from balans.usecases.run_load_control import METER, Memory, Sensor, SensorKind
from balans.usecases.run_load_control.sensing import Sensed

PULSE = Sensor(SensorKind.PULSE, wh_per_pulse=10.0)
RELAY = Sensor(SensorKind.RELAY, threshold_w=LIMIT_W)
WEEK = (0, 7)


@pytest.fixture(scope="module")
def by_meter() -> float:
    """What a week's overload is with a meter [kWh]."""
    return run(METER, *WEEK).overload_kwh


@pytest.mark.parametrize("wh_per_pulse", [1.0, 10.0])
def test_pulses_are_as_good_as_a_meter(by_meter: float, wh_per_pulse: float) -> None:
    result = run(Sensor(SensorKind.PULSE, wh_per_pulse), *WEEK)
    assert result.overload_kwh <= 1.05 * by_meter
    assert result.longest_off_s <= HEAT.max_off_s


@pytest.mark.parametrize("metered", [True, False])
def test_a_bit_is_enough_to_halve_the_overload(by_meter: float, metered: bool) -> None:  # noqa: FBT001
    result = run(RELAY, *WEEK, metered=metered)
    assert result.overload_kwh <= 0.5 * uncontrolled_kwh(*WEEK)
    assert result.overload_kwh <= 1.35 * by_meter
    assert result.longest_off_s <= HEAT.max_off_s


# --- pulses ---


def pulses(seq: int, count: int, last: float | None, at_s: float | None = None) -> PulseSample:
    time_s = T0 + STEP_S * seq if at_s is None else at_s
    return PulseSample(seq, time_s, STEP_S, count, last)


def read(sensed: Sensed, sample: PulseSample, sensor: Sensor = PULSE) -> float | None:
    reading = sensed.read(sensor, sample)
    assert reading is not None
    return reading.site_w


def test_power_between_pulses_is_exact_whatever_the_step() -> None:
    sensed = Sensed()
    assert read(sensed, pulses(1, 5, T0 + 50.0)) is None
    assert read(sensed, pulses(2, 7, T0 + 110.0)) == pytest.approx(2 * 10.0 * 3600 / 60.0)
    assert read(sensed, pulses(3, 8, T0 + 170.0)) == pytest.approx(10.0 * 3600 / 60.0)


def test_samples_that_were_lost_lose_no_energy() -> None:
    sensed = Sensed()
    read(sensed, pulses(1, 5, T0 + 50.0))
    assert read(sensed, pulses(6, 15, T0 + 350.0)) == pytest.approx(10 * 10.0 * 3600 / 300.0)


def test_without_pulses_the_power_is_bounded_and_never_zero() -> None:
    sensed = Sensed()
    assert read(sensed, pulses(1, 0, None)) is None
    bounds = [read(sensed, pulses(seq, 0, None)) for seq in range(2, 50)]
    assert bounds[0] == pytest.approx(10.0 * 3600 / STEP_S)
    known = [bound for bound in bounds if bound is not None]
    assert known == sorted(known, reverse=True)
    assert min(known) > 0


def test_a_meter_that_gave_pulses_and_is_silent_for_an_hour_is_lost() -> None:
    sensed = Sensed()
    read(sensed, pulses(1, 5, T0 + 50.0))
    read(sensed, pulses(2, 7, T0 + 110.0))
    told = [read(sensed, pulses(seq, 7, T0 + 110.0)) for seq in range(3, 70)]
    assert told[0] is not None
    assert told[-1] is None


def counted(sensed: Sensed, seq: int, total: int, last: float, load_w: float) -> float | None:
    at_s = T0 + STEP_S * seq
    sensor = Sensor(SensorKind.PULSE, wh_per_pulse=1.0)
    reading = sensed.read(sensor, PulseSample(seq, at_s, STEP_S, total, last, {"heater": load_w}))
    assert reading is not None
    return reading.site_w


def test_the_site_draws_no_less_than_its_loads_and_a_wire_that_is_cut_is_told_by_them() -> None:
    sensed = Sensed()
    counted(sensed, 1, 40, T0 + 59.0, 2000.0)
    assert counted(sensed, 2, 80, T0 + 119.0, 2000.0) == pytest.approx(2400.0)
    assert counted(sensed, 3, 81, T0 + 121.0, 2000.0) == 2000.0  # the meter's wire is cut here
    assert counted(sensed, 4, 81, T0 + 121.0, 2000.0) is None
    assert counted(sensed, 5, 81, T0 + 121.0, 0.0) is None  # shed: still not heard
    kept = msgspec.msgpack.decode(msgspec.msgpack.encode(sensed), type=Sensed)
    assert counted(kept, 6, 81, T0 + 121.0, 0.0) is None
    assert counted(kept, 7, 121, T0 + 419.0, 0.0) == pytest.approx(40 * 3600 / 298.0)


def test_a_load_that_drew_before_the_last_pulse_of_a_step_proves_nothing() -> None:
    sensed = Sensed()
    counted(sensed, 1, 40, T0 + 59.0, 2000.0)
    counted(sensed, 2, 60, T0 + 90.0, 1000.0)  # off in the middle of the step
    assert counted(sensed, 3, 60, T0 + 90.0, 0.0) == pytest.approx(3600 / 90.0)


def test_silence_is_judged_by_how_far_apart_pulses_usually_are() -> None:
    sensed, total, last = Sensed(), 0, T0
    for seq in range(1, 2 * 1440):
        if seq % 2 == 0:  # the quietest is a pulse in 2 minutes: 30 W
            total, last = total + 1, T0 + STEP_S * seq
        counted(sensed, seq, total, last, 0.0)
    quiet = [counted(sensed, 2 * 1440 + n, total, last, 0.0) for n in range(15)]
    known = [power for power in quiet if power is not None]
    assert len(known) == 7  # eight minutes are four times the longest pause
    sensed.rebase(3600.0)
    assert sensed.pulses is not None
    assert sensed.pulses.stale_s(T0 + 2 * 86_400.0) == 480.0


def test_a_sender_that_began_anew_is_no_jump() -> None:
    sensed = Sensed()
    read(sensed, pulses(1, 5000, T0 + 50.0))
    read(sensed, pulses(2, 5002, T0 + 110.0))
    sensed.read(PULSE, PulseSample(1, T0 + 180.0, STEP_S, 1, T0 + 170.0))
    found = read(sensed, PulseSample(2, T0 + 240.0, STEP_S, 3, T0 + 230.0))
    assert found == pytest.approx(2 * 10.0 * 3600 / 60.0)


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 50), st.none() | st.floats(0, 4e3)),
        max_size=20,
    )
)
def test_whatever_is_told_a_power_is_positive_or_unknown(
    told: list[tuple[int, int, float | None]],
) -> None:
    sensed, seq, at_s = Sensed(), 0, T0
    for skip, count, last in told:
        seq, at_s = seq + skip, at_s + STEP_S * (skip + 1)
        power_w = read(sensed, pulses(seq, count, None if last is None else T0 + last, at_s))
        assert power_w is None or 0 < power_w < float("inf")


def bench_of(sensor: Sensor) -> Bench:
    limits = (Limit("fuse", 3000.0, LimitSource.DEVICE),)
    bench = Bench(replace(site_of(HEATER, KITCHEN, limits=limits), sensor=sensor))
    bench.tick()
    return bench


def count(bench: Bench, power_w: float, total: list[float]) -> list[str]:
    """Let the meter count a step of `power_w`, a pulse at the end of each."""
    bench.now_s += STEP_S
    bench.seq += 1
    total[0] += power_w * STEP_S / 3600
    before = len(bench.switches)
    sample = PulseSample(
        bench.seq, bench.now_s, STEP_S, round(total[0] / PULSE.wh_per_pulse), bench.now_s
    )
    bench.do(bench.control.sample(sample, bench.now_s))
    return [f"{s.load} {'on' if s.on else 'off'} {s.reason}" for s in bench.switches[before:]]


def test_control_by_pulses_goes_on_over_a_restart() -> None:
    bench, total = bench_of(PULSE), [0.0]
    count(bench, 1200.0, total)
    count(bench, 1200.0, total)
    assert bench.control.status(bench.now_s).site_w == pytest.approx(1200.0)
    bench.restart()
    bench.tick()
    assert count(bench, 4800.0, total) == ["heater off over_limit"]


def test_a_dead_pulse_meter_counts_as_overload() -> None:
    bench, total = bench_of(PULSE), [0.0]
    for _ in range(3):
        count(bench, 1200.0, total)
    words: list[str] = []
    for _ in range(70):
        bench.now_s += STEP_S
        bench.seq += 1
        before = len(bench.switches)
        sample = PulseSample(bench.seq, bench.now_s, STEP_S, round(total[0] / 10.0), T0 + 180.0)
        bench.do(bench.control.sample(sample, bench.now_s))
        words += [s.reason for s in bench.switches[before:]]
    assert words[0] == "sensor_lost"
    status = bench.control.status(bench.now_s)
    assert (status.sensor_ok, status.site_w, status.guard.split()[0]) == (
        False,
        None,
        "sensor_lost",
    )


# --- the relay ---


def bit(bench: Bench, *, over: bool, **load_w: float) -> list[str]:
    bench.now_s += STEP_S
    for state in bench.actuators.timers(bench.now_s):
        bench.tell(state)
    bench.seq += 1
    before = len(bench.switches)
    sample = RelaySample(bench.seq, bench.now_s, STEP_S, over, load_w)
    bench.do(bench.control.sample(sample, bench.now_s))
    return [f"{s.load} {'on' if s.on else 'off'} {s.reason}" for s in bench.switches[before:]]


def test_the_power_of_a_site_with_a_relay_is_not_made_up() -> None:
    bench = bench_of(replace(RELAY, threshold_w=3000.0))
    assert bit(bench, over=False, heater=1900.0) == []
    assert bit(bench, over=True, heater=1900.0) == ["heater off over_limit"]
    status = bench.control.status(bench.now_s)
    assert (status.site_w, status.sensor_ok, status.limit_w) == (None, True, 3000.0)
    assert (status.nodes[0].power_w, status.nodes[0].headroom_w) == (None, None)
    bit(bench, over=False, heater=0.0)
    assert bench.achieved_w("heater") == [-1900.0]


def test_a_load_comes_back_by_a_probe_before_its_time_is_used_up() -> None:
    bench = bench_of(replace(RELAY, threshold_w=3000.0))
    bit(bench, over=True, heater=1900.0)
    words: list[str] = []
    for _ in range(14):
        words += bit(bench, over=False)
    assert words == ["heater on headroom_back"]


SIX = replace(RELAY, threshold_w=6000.0)


def relay_bench(*loads: Load, own_w: float) -> Bench:
    site = site_of(*loads, limits=(Limit("relay", 6000.0, LimitSource.DEVICE),))
    bench = Bench(replace(site, sensor=SIX))
    bench.tick()
    bit(bench, over=False)
    assert bench.control.status(bench.now_s).guard == ""
    bench.control.set_server_limits([Limit("mine", own_w, LimitSource.CUSTOMER)])
    return bench


def drawn(bench: Bench, **load_w: float) -> dict[str, float]:
    return {name: w for name, w in load_w.items() if bench.actuators.on.get(name, True)}


def test_a_limit_stricter_than_the_relay_is_kept_by_what_loads_draw() -> None:
    washer = replace(WASHER, deadline_s=None)
    bench = relay_bench(HEATER, washer, own_w=2500.0)
    words = bit(bench, over=False, heater=2000.0, washer=1000.0)
    assert words == ["washer off over_limit"]
    for _ in range(60):
        bit(bench, over=False, **drawn(bench, heater=2000.0, washer=1000.0))
    assert bench.actuators.on == {"washer": False}
    status = bench.control.status(bench.now_s)
    assert (status.guard, status.limit, status.site_w) == ("limit_unwatched", "mine", None)


def test_nothing_means_nothing_with_a_relay_too() -> None:
    bench = relay_bench(HEATER, replace(WASHER, deadline_s=None), own_w=0.0)
    bit(bench, over=False, heater=2000.0, washer=1000.0)
    assert bench.actuators.on == {"heater": False, "washer": False}
    for _ in range(60):
        bit(bench, over=False, **drawn(bench, heater=2000.0, washer=1000.0))
        assert not bench.actuators.on["washer"]


def test_loads_without_meters_count_with_what_is_written_on_them_where_the_relay_is_blind() -> None:
    bench = relay_bench(HEATER, KITCHEN, own_w=3400.0)
    assert bit(bench, over=False) == ["heater off over_limit"]
    free = relay_bench(HEATER, KITCHEN, own_w=3500.0)
    assert bit(free, over=False) == []


def test_what_the_relay_watches_is_not_guessed() -> None:
    bench = relay_bench(HEATER, replace(KITCHEN, rated_w=9000.0), own_w=6000.0)
    for _ in range(10):
        assert bit(bench, over=False) == []
    assert bench.control.status(bench.now_s).guard == ""


def test_a_silent_relay_counts_as_overload() -> None:
    bench = bench_of(replace(RELAY, threshold_w=3000.0))
    bit(bench, over=False, heater=1900.0)
    bench.tick(STEP_S * 3)
    assert [s.reason for s in bench.switches] == ["sensor_lost"]


@pytest.mark.parametrize("sensor", [METER, PULSE, RELAY])
def test_a_sample_of_another_sensor_is_dropped_and_counted(sensor: Sensor) -> None:
    bench = bench_of(sensor)
    samples: dict[SensorKind, PowerSample | PulseSample | RelaySample] = {
        SensorKind.METER: PowerSample(1, T0 + STEP_S, STEP_S, 9000.0),
        SensorKind.PULSE: pulses(1, 1, None),
        SensorKind.RELAY: RelaySample(1, T0 + STEP_S, STEP_S, over=True),
    }
    bench.now_s += STEP_S
    for kind, sample in samples.items():
        if kind is not sensor.kind:
            assert bench.control.sample(sample, bench.now_s) == []
    assert bench.control.dropped_samples == 2


def test_what_was_sensed_is_kept() -> None:
    bench, total = bench_of(PULSE), [0.0]
    count(bench, 1200.0, total)
    count(bench, 1200.0, total)
    kept = msgspec.msgpack.decode(msgspec.msgpack.encode(bench.control.memory), type=Memory)
    assert kept.sensed == bench.control.memory.sensed
    assert kept.lowest == bench.control.memory.lowest
