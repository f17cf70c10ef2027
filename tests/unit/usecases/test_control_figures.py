"""The figures that rules are judged by, on replays worked by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from balans.core.words import LoadClass
from balans.domain.demand import Allowed, Decision, Limit, Load, LoadState, Observation
from balans.usecases.compare_control import compare_control
from balans.usecases.control_figures import control_figures, given_up_kwmin
from balans.usecases.profile import Profile
from balans.usecases.simulate_site import Replay, simulate_site
from balans.usecases.site_file import Site

UTC = ZoneInfo("UTC")
HEATER = Load("heater", LoadClass.YELLOW, 2000.0, max_off_s=420, node="flat-1")
OTHER = Load("other", LoadClass.YELLOW, 2000.0, max_off_s=420, node="flat-2")
LAMP = Load("lamp", LoadClass.RED, 100.0, node="flat-1")


class Script:
    """A rule that switches by a script: which loads are off in each step."""

    def __init__(self, off: Mapping[int, Sequence[str]]) -> None:
        self.off = off

    def __call__(
        self,
        loads: Sequence[Load],
        states: Sequence[LoadState],
        observation: Observation,
        allowed: Allowed,
    ) -> tuple[tuple[LoadState, ...], Decision]:
        off = self.off.get(round(observation.time_s / 60), ())
        new = tuple(
            replace(state, on=load.name not in off)
            for load, state in zip(loads, states, strict=True)
        )
        return new, Decision((), allowed.power_w, 0.0, allowed.limit, 0.0)


def replay(
    off: Mapping[int, Sequence[str]],
    *,
    steps: int = 20,
    loads: Sequence[Load] = (HEATER, OTHER, LAMP),
    limit_w: float = 3000.0,
    wanted: dict[str, float] | None = None,
) -> Replay:
    power = wanted or {"heater": 1000.0, "other": 1000.0, "lamp": 100.0}
    start_s = np.arange(steps, dtype=np.float64) * 60.0
    profile = Profile(
        [str(s) for s in start_s],
        start_s,
        start_s,
        60.0,
        np.zeros(steps),
        {load.name: np.full(steps, power[load.name]) for load in loads},
    )
    site = Site("site", "", UTC, (), (Limit("fuse", limit_w),), tuple(loads))
    return simulate_site(site, profile, lambda: 0, rule=Script(off), every_step=True)


def figures(off: Mapping[int, Sequence[str]], **options: Any) -> dict[str, Any]:
    return control_figures(replay(off, **options))


def test_nothing_happens() -> None:
    found = figures({})
    assert found["overload_kwh"] == 0
    assert found["switches"] == found["yellow_violations"] == found["red_switchings"] == 0
    assert found["unserved_kwh"] == found["given_up_kwmin"] == 0
    assert found["jain_loads"] is None


def test_off_for_as_long_as_allowed_is_no_violation_and_a_step_more_is_one() -> None:
    seven = {step: ["heater"] for step in range(3, 10)}
    assert figures(seven)["yellow_violations"] == 0
    assert figures(seven | {10: ["heater"]})["yellow_violations"] == 1
    assert figures(seven | {10: ["heater"]})["longest_yellow_off_s"] == 480


def test_red_switchings_are_seen() -> None:
    assert figures({5: ["lamp"], 6: ["lamp"]})["red_switchings"] == 2


def test_what_was_given_up_and_how_evenly() -> None:
    found = figures({3: ["heater"], 4: ["heater"], 8: ["other"]})
    assert found["given_up_kwmin"] == pytest.approx(3)  # 2 and 1 minutes of 1 kW
    assert found["jain_loads"] == pytest.approx(9 / (2 * 5))
    assert found["jain_flats"] == pytest.approx(9 / (2 * 5))
    assert found["jain_shares"] == found["jain_loads"]  # they want alike
    assert figures({3: ["heater"], 8: ["other"]})["jain_loads"] == 1


def test_shares_count_what_was_wanted() -> None:
    # 2 of 20 minutes of 1 kW against 1 of 20 minutes of 2 kW: as many kW minutes, half the share.
    wanted = {"heater": 1000.0, "other": 2000.0, "lamp": 100.0}
    found = figures({3: ["heater", "other"], 4: ["heater"]}, wanted=wanted)
    assert found["jain_loads"] == 1
    assert found["jain_shares"] == pytest.approx(9 / (2 * 5))


def test_flats_can_be_told() -> None:
    run = replay({3: ["heater"], 8: ["other"]})
    assert control_figures(run, lambda _load: "one")["jain_flats"] is None


def test_what_a_restore_lifts_above_the_limit() -> None:
    # 100 + 1,000 + 2,000 W from step 5 on, 100 above; the backlog of 2 kWmin is drawn in 2 steps.
    found = figures({3: ["heater"], 4: ["heater"]})
    assert found["overload_kwh"] == pytest.approx(0.2 / 60, abs=1e-4)
    assert found["restore_overshoot_kwh"] == pytest.approx(0.2 / 60, abs=1e-4)


def test_overload_that_no_restore_caused_is_no_overshoot() -> None:
    found = figures({}, limit_w=2000.0)
    assert found["overload_kwh"] == pytest.approx(0.1 * 20 / 60, abs=1e-4)
    assert found["restore_overshoot_kwh"] == 0


def test_never_on_again_is_unserved() -> None:
    found = figures({step: ["heater"] for step in range(10, 20)})
    assert found["unserved_kwh"] == pytest.approx(10 / 60, abs=1e-4)
    assert found["worst_backlog_kwh"] == found["unserved_kwh"]


@given(st.dictionaries(st.integers(1, 19), st.lists(st.sampled_from(["heater", "other"]))))
@settings(max_examples=40, deadline=None)
def test_jain_lies_between_one_over_n_and_one(off: dict[int, list[str]]) -> None:
    run = replay(off)
    found = control_figures(run)
    assert found["given_up_kwmin"] == pytest.approx(given_up_kwmin(run).sum(), abs=0.01)
    if found["jain_loads"] is not None:
        assert 0.5 - 1e-4 <= found["jain_loads"] <= 1


def test_bench_control_keeps_its_keys_and_adds_figures() -> None:
    run = replay({}, limit_w=1500.0)
    result = compare_control(run.site, run.profile, lambda: 0)
    assert {
        "site", "steps", "step_s", "overload_kwh", "ratio", "foresight", "cost", "switches",
        "backlog_kwh", "longest_yellow_off_s", "weeks_worse_than_uncontrolled", "decision_us",
    } <= set(result)  # fmt: skip
    ours = result["figures"]["ours"]
    assert ours["overload_kwh"] == result["overload_kwh"]["ours"]
    assert ours["switches"] == result["switches"]["ours"]
    assert ours["yellow_violations"] == ours["red_switchings"] == 0
