"""Triggers: what calls an event, when it lets go, and what it may do by itself."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from balans.core.errors import InputError
from balans.domain.demand.model import Window
from balans.domain.response.thermal import Heating, allowed_va
from balans.domain.response.triggers import (
    Caps,
    Cause,
    Memory,
    Mode,
    Outlook,
    Overload,
    PeakTariff,
    Price,
    Rule,
    Seen,
    Wish,
    bounded,
    look,
)
from balans.domain.transformer import LIMITS, ONAN_DISTRIBUTION, Loading, simulate, steady_state

NOON_S = 12 * 3600.0
OVERLOAD = Rule(overload=Overload(100e3), least_s=600)


def seen(time_s: float, power_w: float | None, **more: object) -> Seen:
    return replace(Seen(time_s, time_s % 86_400, 1, power_w), **more)  # type: ignore[arg-type]


def outlook(*high_w: float) -> Outlook:
    return Outlook(300.0, np.array(high_w) * 0.9, np.array(high_w))


def warm(load_pu: float, rated_va: float = 100e3) -> Heating:
    return Heating(
        ONAN_DISTRIBUTION, steady_state(ONAN_DISTRIBUTION, load_pu, 20.0), rated_va, 20.0
    )


def run(rule: Rule, powers_w: list[float], held_w: float = 0.0) -> list[bool]:
    memory, calls = Memory(), []
    for minute, power_w in enumerate(powers_w):
        memory, wish = look(rule, memory, seen(NOON_S + 60 * minute, power_w, held_w=held_w))
        calls.append(wish is not None)
    return calls


def test_a_kettle_calls_no_event_and_a_lasting_overload_does() -> None:
    assert run(OVERLOAD, [90e3, 105e3, 99e3, 105e3, 99e3]) == [False] * 5
    assert run(OVERLOAD, [90e3, 105e3, 105e3, 105e3]) == [False, False, False, True]


def test_between_the_marks_the_call_goes_on_and_below_it_ends() -> None:
    over = [105e3] * 3
    assert run(OVERLOAD, [*over, 95e3, 95e3, 95e3, 95e3]) == [False, False, *[True] * 5]
    ended = run(OVERLOAD, [*over, *[80e3] * 4])
    assert ended == [False, False, True, True, True, False, False]


def test_what_the_event_holds_back_does_not_end_it() -> None:
    memory, _ = look(OVERLOAD, Memory(NOON_S, NOON_S - 300), seen(NOON_S, 120e3))
    for minute in range(1, 20):
        now = seen(NOON_S + 60 * minute, 70e3, held_w=40e3)
        memory, wish = look(OVERLOAD, memory, now)
        assert wish is not None
        assert wish.expected_w == pytest.approx(110e3)


def test_an_unknown_power_neither_calls_nor_lets_go() -> None:
    assert look(OVERLOAD, Memory(), seen(NOON_S, None))[1] is None
    calling = Memory(calling_since_s=NOON_S - 60, over_since_s=NOON_S - 300)
    assert look(OVERLOAD, calling, seen(NOON_S, None))[1] is not None


def test_a_forecast_calls_before_it_happens() -> None:
    ahead = outlook(80e3, 95e3, 110e3, 120e3, 90e3, 80e3)
    memory, wish = look(OVERLOAD, Memory(), seen(NOON_S, 80e3, outlook=ahead))
    assert wish == Wish(NOON_S + 600, NOON_S + 1200, 100e3, 120e3, (Cause.FORECAST,))
    assert memory.calling_since_s is None


def test_what_lies_beyond_the_lead_is_not_looked_at() -> None:
    ahead = outlook(*[80e3] * 6, 150e3)
    assert look(OVERLOAD, Memory(), seen(NOON_S, 80e3, outlook=ahead))[1] is None


def test_peak_hours_call_on_workdays_until_their_end() -> None:
    rule = Rule(peak=PeakTariff((Window(17 * 3600, 21 * 3600),), 40e3), most_s=5 * 3600)
    at_six = seen(18 * 3600.0, 60e3)
    _, wish = look(rule, Memory(), at_six)
    assert wish == Wish(18 * 3600, 21 * 3600, 40e3, 60e3, (Cause.PEAK_TARIFF,))
    assert look(rule, Memory(), replace(at_six, weekday=6))[1] is None
    assert look(rule, Memory(), seen(21 * 3600.0, 60e3))[1] is None


def test_a_peak_past_midnight_ends_in_the_morning() -> None:
    rule = Rule(peak=PeakTariff((Window(22 * 3600, 2 * 3600),), 40e3))
    _, wish = look(rule, Memory(), seen(23 * 3600.0, 60e3))
    assert wish is not None
    assert wish.end_s - wish.start_s == 3 * 3600


def test_both_together_hold_to_the_stricter_limit() -> None:
    rule = Rule(peak=PeakTariff((Window(0, 0),), 120e3), overload=Overload(100e3), most_s=2 * 3600)
    memory = Memory(over_since_s=NOON_S - 300)
    _, wish = look(rule, memory, seen(NOON_S, 130e3))
    assert wish is not None
    assert wish.limit_w == 100e3
    assert wish.causes == (Cause.MEASURED, Cause.PEAK_TARIFF)
    assert wish.end_s == NOON_S + 2 * 3600


def test_a_price_calls_with_hysteresis() -> None:
    rule = Rule(price=Price(0.50, 0.40, 50e3))
    memory, calls = Memory(), []
    for minute, price in enumerate([0.3, 0.45, 0.5, 0.45, 0.41, 0.39, 0.45]):
        now = seen(NOON_S + 60 * minute, 60e3, price=price)
        memory, wish = look(rule, memory, now)
        calls.append(wish is not None)
    assert calls == [False, False, True, True, True, False, False]


def test_a_call_does_not_outlast_its_longest() -> None:
    rule = replace(OVERLOAD, most_s=1200)
    calls = run(rule, [105e3] * 60)
    assert calls[2:23] == [True] * 20 + [False]
    assert calls[23:43] == [True] * 20


def test_a_warm_transformer_calls_although_its_limit_is_not_reached() -> None:
    rule = Rule(overload=Overload(200e3))
    ahead = Outlook(900.0, np.full(12, 145e3), np.full(12, 145e3))
    now = seen(NOON_S, 90e3, outlook=ahead)
    assert look(rule, Memory(), now)[1] is None
    _, wish = look(rule, Memory(), replace(now, heating=warm(1.0)))
    assert wish is not None
    assert wish.causes == (Cause.HOT_SPOT,)
    assert 100e3 < wish.limit_w < 145e3


def test_a_short_peak_on_a_cold_transformer_calls_nothing() -> None:
    ahead = Outlook(900.0, np.array([140e3, 60e3]), np.array([140e3, 60e3]))
    rule = Rule(overload=Overload(200e3))
    now = seen(NOON_S, 60e3, outlook=ahead, heating=warm(0.3))
    assert look(rule, Memory(), now)[1] is None


@given(
    st.floats(0.0, 1.4),
    st.lists(st.floats(0.0, 2.5), min_size=1, max_size=24),
    st.sampled_from([Loading.NORMAL_CYCLIC, Loading.LONG_EMERGENCY]),
)
def test_the_load_that_is_allowed_keeps_the_limits(
    before_pu: float, loads_pu: list[float], loading: Loading
) -> None:
    heating = replace(warm(before_pu), loading=loading)
    load_va = np.array(loads_pu) * 100e3
    allowed = allowed_va(heating, load_va, 600.0)
    limits = LIMITS[loading]
    assert allowed <= limits.current_pu * 100e3
    assert allowed < 200 or keeps(heating, np.minimum(load_va, allowed))
    if allowed < limits.current_pu * 100e3:
        assert not keeps(heating, np.minimum(load_va, allowed + 200))


def keeps(heating: Heating, load_va: NDArray[np.float64]) -> bool:
    """Tell whether a load keeps the limits of temperature, by the transformer's own model."""
    limits = LIMITS[heating.loading]
    assert limits.hot_spot_c is not None
    assert limits.top_oil_c is not None
    found = simulate(heating.model, load_va / 100e3, 20.0, 600.0, heating.state)
    return bool(
        found.hot_spot_c.max() <= limits.hot_spot_c and found.top_oil_c.max() <= limits.top_oil_c
    )


@given(st.lists(st.floats(0, 200e3), min_size=1, max_size=60))
def test_a_wish_lies_ahead_and_within_its_longest(powers_w: list[float]) -> None:
    memory, begun_s = Memory(), None
    for minute, power_w in enumerate(powers_w):
        now_s = NOON_S + 60 * minute
        memory, wish = look(replace(OVERLOAD, most_s=1800), memory, seen(now_s, power_w))
        begun_s = None if wish is None else now_s if begun_s is None else begun_s
        if wish is not None and begun_s is not None:
            assert now_s < wish.end_s <= begun_s + 1800
            assert wish.limit_w == 100e3


def test_caps_leave_the_rest_to_a_person() -> None:
    wish = Wish(NOON_S, NOON_S + 900, 100e3, 120e3, (Cause.MEASURED,))
    caps = Caps(Mode.ACT, reduction_w=25e3)
    assert bounded(wish, caps, 0, None).acts
    assert bounded(wish, replace(caps, mode=Mode.PROPOSE), 0, None).because == (
        "the trigger only proposes",
    )
    assert bounded(wish, replace(caps, reduction_w=15e3), 0, None).because == (
        "20.0 kW is more than its cap of 15.0 kW",
    )
    refused = bounded(wish, caps, 3, NOON_S - 60)
    assert refused.because == (
        "it has begun 3 events today",
        "the last event ended less than 30 min before",
    )
    assert refused.codes == ("per_day", "pause")
    small = replace(caps, mode=Mode.PROPOSE, reduction_w=1.0)
    assert bounded(wish, small, 0, None).codes == ("proposes", "cap")


def test_marks_without_a_gap_are_refused() -> None:
    with pytest.raises(InputError, match="flutter"):
        Overload(100e3, begin_share=1.0, end_share=1.0)
    with pytest.raises(InputError, match="limit_w 0"):
        Overload(0.0)
