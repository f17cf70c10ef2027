"""The ``event`` of the demo's report, and the pace of the replay around an event."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.unit.simulator.test_result import result

from balans.cli import demo_overload
from balans.cli.demo_event import Called, event_faults, event_line, event_report
from balans.cli.demo_overload import Attention
from balans.simulator.result import TownResult

EVENT = Called(
    announced_s=230, active_s=240, ended_s=480, asked_kw=0.5, places=2, heard=2, p50_s=30, p95_s=60
)


def run(reference_w: list[int], site_w: list[int]) -> TownResult:
    """A run of minutes at a limit of 1 kW."""
    return replace(result(reference_w, []), controlled_w=np.array(site_w, dtype=np.int64))


def told(reference_w: list[int], site_w: list[int], *events: Called) -> dict[str, Any]:
    found = event_report(run(reference_w, site_w), events or (EVENT,))
    assert found is not None
    return found


def faults(event: dict[str, Any] | None, uncontrolled: int = 9) -> list[str]:
    report = {"event": event, "site": {"minutes_over": {"uncontrolled": uncontrolled}}}
    return [message for message, is_wrong in event_faults(report).items() if is_wrong]


REFERENCE = [900, 1500, 1500, 1500, 1600, 1400, 900, 1200, 900, 800]


def test_both_powers_are_of_the_minutes_that_need_something_held_back() -> None:
    found = told(REFERENCE, [900, 1500, 1500, 1500, 1000, 900, 1000, 1100, 950, 990])
    assert found["target_kw"] == pytest.approx((600 + 400 + 200) / 3000)
    assert found["achieved_kw"] == pytest.approx((600 + 500 + 100) / 3000)
    assert found["rebound_kw"] == pytest.approx(-0.01)
    assert found["minutes_over"] == 1
    assert found["detected_s"] == 170
    assert (found["coverage"], found["latency_s"]) == (1, {"p50": 30, "p95": 60})
    assert faults(found) == []
    assert "afterwards -0.0 kW" in event_line(found)


def test_a_second_peak_is_a_fault() -> None:
    found = told(REFERENCE, [900, 1500, 1500, 1500, 1000, 900, 1000, 1100, 1300, 990])
    assert found["rebound_kw"] == pytest.approx(0.3)
    assert faults(found) == ["a second peak lay 0.3 kW over the limit"]


def test_too_little_held_back_and_a_place_not_reached_are_faults() -> None:
    deaf = replace(EVENT, heard=1, p50_s=None, p95_s=None)
    found = told(REFERENCE, [*REFERENCE[:4], *[1300] * 4, 900, 900], deaf)
    assert found["coverage"] == 0.5
    assert [message.split(" ")[0] for message in faults(found)] == ["only", "0.1", "no"]


def test_an_event_that_lasts_has_no_rebound_yet() -> None:
    lasting = replace(EVENT, ended_s=None)
    found = told(REFERENCE, [900, 1500, 1500, 1500, *[900] * 6], lasting)
    assert found["rebound_kw"] is None
    assert faults(found) == []
    assert event_line(found).endswith("not over yet")


def test_an_overload_without_an_event_is_a_fault() -> None:
    assert event_report(run(REFERENCE, REFERENCE), ()) is None
    assert faults(None) == ["the transformer was overloaded and no event was called"]
    assert faults(None, uncontrolled=0) == []


def test_several_events_count_together() -> None:
    later = replace(EVENT, active_s=540, ended_s=600, p50_s=50, p95_s=90, places=1, heard=0)
    found = told([*REFERENCE, 900], [*[900] * 8, 900, 900, 900], EVENT, later)
    assert (found["events"], found["coverage"]) == (2, 0.6667)
    assert found["latency_s"] == {"p50": 40, "p95": 90}
    assert found["detected_s"] is None


@pytest.mark.parametrize("speed", [None, 3000.0])
def test_the_replay_is_slow_while_an_event_is_near_or_runs(
    monkeypatch: pytest.MonkeyPatch, speed: float | None
) -> None:
    live = False
    monkeypatch.setattr(demo_overload, "_is_live", lambda: live)
    attention = Attention(60_000, speed)
    assert attention.speed_at(0, 56_000) == speed
    assert attention.speed_at(60, 58_000) == 60
    assert attention.speed_at(120, 50_000) == 60
    assert attention.speed_at(960, 50_000) == speed
    attention.speed_at(1020, 58_000)
    live = True
    assert attention.speed_at(1800, 50_000) == 60
    live = False
    assert attention.speed_at(2640, 50_000) == 60
    assert attention.speed_at(2700, 50_000) == speed


def test_a_slower_replay_keeps_its_speed() -> None:
    assert Attention(60_000, 10.0).speed_at(0, 90_000) == 10
