"""What the comparison of rules says of ours beside another, and ours with the gateway's ledger."""

from dataclasses import replace

import numpy as np
import pytest
from benchmarks.compare_rules import ahead_of, compare, print_table
from benchmarks.sites import HEAT, PARIS, ZONES, Case
from benchmarks.with_ledger import WithLedger

from balans.domain.demand import Allowed, Limit, LoadState, Observation, decide
from balans.usecases.profile import Profile
from balans.usecases.simulate_site import Rule
from balans.usecases.site_file import Site

STEP_S = 60.0
LOADS = tuple(replace(HEAT, name=name, min_on_s=0.0) for name in ("a1", "a2", "b1"))
FLATS = {"a1": "a", "a2": "a", "b1": "b"}
ALL_ON = (1800.0, 1800.0, 1800.0)


def shed_first(rule: Rule) -> list[str]:
    """Let the first flat give for an hour, then all want; return what is then held back."""
    gave = LoadState(on=False, demand_w=1800.0, since_s=0.0)
    for step in range(1, 60):
        seen = Observation(step * STEP_S, STEP_S, 0.0, 3600.0, (0.0, 1800.0, 1800.0))
        rule(LOADS, (gave, LoadState(), LoadState()), seen, Allowed(10_000.0, "riser"))
    seen = Observation(60 * STEP_S, STEP_S, 0.0, 5400.0, ALL_ON)
    _, decision = rule(LOADS, (LoadState(),) * 3, seen, Allowed(5000.0, "riser"))
    return [action.load for action in decision.actions]


def test_with_the_ledger_the_flat_that_has_given_less_is_next() -> None:
    assert shed_first(decide) == ["a1"]
    assert shed_first(WithLedger(FLATS)) == ["b1"]
    assert shed_first(WithLedger({})) == ["a2"]


def three_hours() -> Case:
    """Return the three heaters, every other twenty minutes more than the limit lets through."""
    start_s = np.arange(180, dtype=np.float64) * STEP_S
    wanted = {load.name: np.full(180, 900.0) for load in LOADS}
    texts = [str(second) for second in start_s.tolist()]
    base_w = np.where(np.arange(180) % 40 < 20, 900.0, 300.0)
    profile = Profile(texts, start_s, start_s, STEP_S, base_w, wanted)
    site = Site("flats", "", PARIS, ZONES, (Limit("riser", 3200.0),), LOADS)
    return Case("two flats", site, profile, FLATS)


def test_all_rules_are_measured_on_the_same_case(capsys: pytest.CaptureFixture[str]) -> None:
    found = compare(three_hours(), ("ours +ledger", "evcc +timer", "PLB", "ILC"))
    assert list(found["rules"]) == ["ours", "ours +ledger", "evcc +timer", "PLB", "ILC"]
    assert found["no_control"]["overload_kwh"] == pytest.approx(0.4 * 100 / 60, abs=1e-4)
    assert found["foresight_kwh"] <= found["rules"]["ours"]["overload_kwh"]
    for figures in found["rules"].values():
        assert figures["red_switchings"] == 0
        assert figures["overload_kwh"] < 2 * found["no_control"]["overload_kwh"]
    print_table(found)
    told = capsys.readouterr().out
    assert "two flats, 180 minutes: no control" in told
    assert all(f"\n{name} " in told for name in found["rules"])


def test_behind_in_one_figure_is_not_ahead_in_it() -> None:
    ours = {"overload_kwh": 1.0, "yellow_violations": 0, "switches": 30, "jain_loads": 0.9}
    other = {"overload_kwh": 2.0, "yellow_violations": 0, "switches": 20, "jain_loads": None}
    assert [key for key, is_ahead in ahead_of(ours, other).items() if not is_ahead] == ["switches"]
