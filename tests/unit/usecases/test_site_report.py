"""What is written adds up as written."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
from hypothesis import given, settings
from tests.unit.usecases.sites import UTC, site_and_profile

from balans.core.words import LoadClass
from balans.domain.demand import Limit, Load, Window, Zone
from balans.usecases.profile import Profile
from balans.usecases.simulate_site import simulate_site
from balans.usecases.site_file import Site
from balans.usecases.site_report import longest_run, summarize, trace_lines


@settings(max_examples=60, deadline=None)
@given(site_and_profile())
def test_the_trace_adds_up_in_its_own_digits(case: tuple[Site, Profile]) -> None:
    replay = simulate_site(*case, timer=lambda: 0)
    header, *lines = "".join(trace_lines(replay)).splitlines()
    names = header.split(",")
    assert len(lines) == len(replay.base)
    for line in lines:
        row = dict(zip(names, line.split(","), strict=True))
        loads = [name for name in names if name.endswith("_on")]
        drawn = [Decimal(row[name[:-3] + "_w"]) for name in loads]
        wanted = [Decimal(row[name[:-3] + "_demand_w"]) for name in loads]
        assert Decimal(row["controlled_w"]) == Decimal(row["base_w"]) + sum(drawn)
        assert Decimal(row["uncontrolled_w"]) == Decimal(row["base_w"]) + sum(wanted)


@settings(max_examples=60, deadline=None)
@given(site_and_profile())
def test_energies_of_the_summary_balance(case: tuple[Site, Profile]) -> None:
    replay = simulate_site(*case, timer=lambda: 0)
    summary = summarize(replay)
    for load in summary["loads"].values():
        used = load["served_kwh"] + load["lost_kwh"] + load["backlog_kwh"]
        assert abs(load["demand_kwh"] - used) < 3e-6
    over = summary["overload_kwh"]
    assert over["unavoidable"] <= min(over["controlled"], over["uncontrolled"]) + 1e-4


def hourly(values: list[float]) -> np.ndarray:
    return np.repeat(np.array(values, dtype=float), 4)


def two_day_profile(wants: np.ndarray) -> Profile:
    start_s = np.arange(len(wants), dtype=np.float64) * 900.0
    base = np.full(len(wants), 100.0)
    return Profile([""] * len(wants), start_s, start_s % 86_400, 900.0, base, {"pump": wants})


def test_late_energy_is_what_is_left_at_the_deadline() -> None:
    """It wants little when it is shed at 05:15, and all it can have from 06:00: nobody can tell."""
    wants = np.zeros(96)
    wants[20:24], wants[24:28] = 400.0, 1000.0  # 05:00 to 07:00
    pump = Load("pump", LoadClass.GREEN, 1000.0, min_on_s=0, deadline_s=7 * 3600)
    limit = Limit("none", 0.0, window=Window(0, 6 * 3600))
    site = Site("s", "", UTC, (), (limit,), (pump,))
    replay = simulate_site(site, two_day_profile(wants), timer=lambda: 0)
    summary = summarize(replay)["loads"]["pump"]
    backlog_at_seven = replay.backlog[0, 27] / 100 * 0.25 / 1000
    assert summary["late_kwh"] == round(backlog_at_seven, 6)
    assert summary["late_kwh"] > 0
    assert summary["backlog_kwh"] == 0  # overdue, it goes on until it has caught up
    on_time = replace(site, limits=())
    assert (
        summarize(simulate_site(on_time, two_day_profile(wants), timer=lambda: 0))["loads"]["pump"][
            "late_kwh"
        ]
        == 0
    )


def test_cost_by_zone() -> None:
    zones = (Zone("night", Decimal("0.5"), Window(0, 12 * 3600)), Zone("day", Decimal(2)))
    pump = Load("pump", LoadClass.RED, 1000.0)
    site = Site("s", "", UTC, zones, (), (pump,))
    replay = simulate_site(site, two_day_profile(hourly([900.0] * 24)), timer=lambda: 0)
    assert summarize(replay)["cost"] == {"uncontrolled": 30.0, "controlled": 30.0}


def test_no_limit_is_written_as_infinite() -> None:
    site = Site("s", "", UTC, (), (), (Load("pump", LoadClass.RED, 1000.0),))
    replay = simulate_site(site, two_day_profile(np.zeros(4)), timer=lambda: 0)
    assert "".join(trace_lines(replay)).splitlines()[1] == ",inf,100.0,100.0,100.0,0.0,0.0,1"
    assert summarize(replay)["overload_kwh"]["uncontrolled"] == 0


def test_longest_run_of_nothing() -> None:
    assert longest_run(np.array([], dtype=bool)) == 0
    assert longest_run(np.array([False])) == 0
