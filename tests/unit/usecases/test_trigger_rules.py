"""What a trigger is told to do, read with clear refusals; events that ask a place as a whole."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.core.errors import InputError
from balans.core.words import StepKind
from balans.domain.demand.model import Window
from balans.domain.response.triggers import Overload, PeakTariff, Price
from balans.usecases.event_plan import Asked, EventPlan, Offer, Offered
from balans.usecases.event_whole import plan_whole
from balans.usecases.trigger_rules import read_settings

OVERLOAD = {"limit_kw": 60}


def test_what_is_left_out_has_its_usual_value() -> None:
    found = read_settings({"overload": OVERLOAD})
    assert found.rule.overload == Overload(60e3)
    assert (found.rule.peak, found.rule.price, found.rated) == (None, None, None)
    assert (found.rule.least_s, found.rule.most_s, found.per_day, found.pause_s) == (
        900,
        14_400,
        3,
        1800,
    )
    assert found.kind == "overload"


def test_all_that_can_be_said() -> None:
    found = read_settings(
        {
            "overload": {"limit_kw": 60, "end_share": 0.8, "held_for_s": 60, "lead_s": 900},
            "transformer": {"kva": 63, "power_factor": 0.9, "loading": "long_emergency"},
            "peak": {"windows": [["17:00", "21:30"]], "weekdays": [0, 6], "limit_kw": 50},
            "price": {"begin": 0.4, "end": 0.3, "limit_kw": 40},
            "least_s": 600,
            "most_s": 7200,
            "per_day": 2,
            "pause_s": 0,
        }
    )
    assert found.rule.overload == Overload(60e3, 1.0, 0.8, 60, 900)
    assert found.rule.peak == PeakTariff((Window(61_200, 77_400),), 50e3, frozenset({0, 6}))
    assert found.rule.price == Price(0.4, 0.3, 40e3)
    assert found.rated is not None
    assert (found.rated.kva, found.rated.power_factor) == (63, 0.9)
    assert (found.kind, found.per_day) == ("combined", 2)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "nothing to look for: expected overload, peak or price"),
        ([], r"settings: \[\]: expected an object"),
        ({"overload": {}}, "overload.limit_kw: nothing: expected a number from 0.001"),
        ({"overload": {"limit_kw": "60"}}, "overload.limit_kw: '60': expected a number"),
        ({"overload": {"limit_kw": True}}, "overload.limit_kw: True: expected a number"),
        ({"overload": OVERLOAD, "over": 1}, "'over': no setting: expected one of overload"),
        ({"overload": {"limit_kw": 6, "end_share": 1.2}}, "end_share 1.2: expected less than"),
        ({"peak": {"limit_kw": 6}}, "peak.windows: nothing: expected a list of hours"),
        ({"peak": {"limit_kw": 6, "windows": [["25:00", "1"]]}}, "peak.windows: .* pairs of hours"),
        (
            {"peak": {"limit_kw": 6, "windows": [["01:00", "02:00"]], "weekdays": [7]}},
            "peak.weekdays: .7.: expected a list of 0",
        ),
        ({"price": {"begin": 1, "end": 2, "limit_kw": 1}}, "price.end: 2: expected at most begin"),
        (
            {"price": {"begin": 1, "limit_kw": 1}, "transformer": {"kva": 1}},
            "transformer: expected overload beside it",
        ),
        (
            {"overload": OVERLOAD, "transformer": {"kva": 63, "loading": "hot"}},
            "transformer.loading: 'hot': expected one of normal_cyclic",
        ),
        ({"overload": OVERLOAD, "least_s": 900, "most_s": 60}, "most_s: 60: expected .* from 900"),
    ],
)
def test_what_is_wrong_is_named(settings: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_settings(settings)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(max_size=5), one, max_size=3),
    max_leaves=8,
)
NAMED = st.dictionaries(
    st.sampled_from(["overload", "peak", "price", "transformer", "least_s", "per_day"]),
    st.dictionaries(
        st.sampled_from(["limit_kw", "windows", "weekdays", "begin", "end", "kva", "end_share"]),
        ANY,
    )
    | ANY,
)


@given(ANY | NAMED)
def test_anything_is_read_or_refused_in_words(settings: Any) -> None:
    try:
        found = read_settings(settings)
    except InputError:
        return
    assert found.rule.least_s <= found.rule.most_s


def plan(wanted_w: float | None, length_s: float = 3600.0) -> EventPlan:
    return EventPlan(StepKind.LIMIT, (Asked(0.0, length_s, 60e3),), wanted_w)


def test_a_whole_place_is_asked_for_all_of_the_time() -> None:
    offer = Offer("1", Offered(5e3, 1e3), Offered(10e3, 2e3))
    found = plan_whole(plan(12e3), offer)
    assert [part.steps for part in found.parts] == [plan(12e3).steps]
    assert found.expected_w == (12e3, 12e3, 12e3, *[10e3] * 9)
    assert list(found.missing_w) == [0, 0, 0, *[2e3] * 9]
    assert found.parts[0].expected_w == pytest.approx(10.5e3)
    assert found.peak_w == 15e3, "what the limit could cut, however little is wanted"


def test_a_whole_place_gives_no_more_than_it_draws_above_the_limit() -> None:
    offer = Offer("1", Offered(5e3), Offered(10e3), base_w=63e3)
    found = plan_whole(plan(None, 600.0), offer)
    assert found.expected_w == (3e3, 3e3)
    assert list(found.missing_w) == [0, 0]
    assert plan_whole(plan(9e3, 600.0), offer).missing_w == (6e3, 6e3)
