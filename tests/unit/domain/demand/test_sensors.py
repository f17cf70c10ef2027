"""Pulses of an ordinary meter and the bit of an over-current relay as sensors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.domain.demand.model import Action, Decision, Reason
from balans.domain.demand.pulses import Pulses, pulse, read_power
from balans.domain.demand.relay import WAIT_MAX_S, WAIT_S, RelaySense, after_pass, sense


@given(st.floats(50, 9000), st.sampled_from([0.5, 1.0, 10.0]), st.sampled_from([10.0, 60.0]))
def test_a_steady_power_is_read_exactly(power_w: float, wh: float, step_s: float) -> None:
    gap_s = wh * 3600 / power_w
    state, found, at_s = Pulses(wh), None, 0.0
    for number in range(1, 40):
        while at_s <= number * step_s:
            state = pulse(state, at_s)
            at_s += gap_s
        state, found = read_power(state, number * step_s)
    assert found is not None
    if 2 * gap_s < 39 * step_s:
        assert found.power_w == pytest.approx(power_w, rel=1e-6)
        assert found.most_w >= power_w * (1 - 1e-6)


def test_energy_is_never_lost_between_readings() -> None:
    state, energy_ws, before_s = pulse(Pulses(1.0), 0.0), 0.0, 0.0
    for at_s in (1.5, 4.0, 4.5, 9.0, 20.0, 21.0):
        state = pulse(state, at_s)
        state, found = read_power(state, at_s)
        assert found.power_w is not None
        energy_ws += found.power_w * (at_s - before_s)
        before_s = at_s
    assert energy_ws == pytest.approx(6 * 3600)


def test_silence_bounds_the_power_and_a_dead_meter_is_unknown() -> None:
    state = Pulses(1.0)
    assert read_power(state, 60.0)[1].power_w is None
    state = pulse(pulse(state, 0.0), 1.0)
    state, found = read_power(state, 1.0)
    assert found.power_w == 3600.0
    assert read_power(state, 37.0)[1].power_w == pytest.approx(100.0)
    assert read_power(state, 2 * 3600.0)[1].power_w is None


def test_pulses_counted_by_the_module_and_a_clock_set_back() -> None:
    state = pulse(pulse(Pulses(1.0), 0.0), 60.0, count=60)
    state, found = read_power(state, 60.0)
    assert found.power_w == 3600.0
    back = pulse(state, 30.0)
    assert (back.anchor_s, back.count, back.power_w) == (30.0, 0, 3600.0)


def bit(relay: RelaySense, time_s: float, *, over: bool | None) -> tuple[RelaySense, float | None]:
    return sense(
        relay, is_over=over, time_s=time_s, threshold_w=4000.0, allowed_w=4000.0, probe_w=2000.0
    )


def test_the_excess_is_doubled_until_the_bit_is_clear() -> None:
    relay, powers = RelaySense(), []
    for number in range(4):
        relay, power_w = bit(relay, number * 60.0, over=True)
        powers.append(power_w)
    assert powers == [4200.0, 4400.0, 4800.0, 5600.0]
    relay, power_w = bit(relay, 240.0, over=False)
    assert (relay.excess_w, power_w) == (0.0, 4000.0)
    assert bit(relay, 300.0, over=None)[1] is None


def test_what_is_stricter_than_the_relay_leaves_no_room_and_over_is_over_the_threshold() -> None:
    clear, over = (
        sense(
            RelaySense(), is_over=is_over, time_s=0.0,
            threshold_w=6000.0, allowed_w=3000.0, probe_w=500.0,
        )[1]
        for is_over in (False, True)
    )  # fmt: skip
    assert (clear, over) == (3000.0, 6300.0)


def test_room_is_claimed_after_the_wait_and_a_failed_probe_doubles_it() -> None:
    reason = Reason.HEADROOM_BACK
    action = Action("heater", on=True, setpoint_w=None, reason=reason, limit="", effect_w=2000.0)
    back = Decision((action,), 4000.0, 0.0, "", 0.0)
    relay, time_s, waits = RelaySense(), 0.0, []
    for _ in range(6):
        start_s = time_s
        while True:
            relay, power_w = bit(relay, time_s, over=False)
            if power_w == 2000.0:
                break
            time_s += 30.0
        waits.append(time_s - start_s)
        relay = after_pass(relay, back, time_s)
        assert bit(relay, time_s + 30, over=False)[1] == 4000.0  # one at a time
        time_s += 60.0
        relay, _ = bit(relay, time_s, over=True)
    assert waits == [WAIT_S, 240.0, 480.0, 960.0, WAIT_MAX_S, WAIT_MAX_S]
    relay, _ = bit(relay, time_s + 30, over=False)
    relay = after_pass(relay, back, time_s + 30)
    relay, _ = bit(relay, time_s + 600, over=False)
    assert relay.wait_s == WAIT_MAX_S / 2
