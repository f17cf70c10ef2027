"""Measures of a run, on cases that can be counted by hand."""

import numpy as np
import pytest

from balans.core.words import LoadClass, Phase
from balans.simulator.actuators import ContactMove
from balans.simulator.result import Contacts, TownResult, contacts_of
from balans.simulator.spec import LoadSpec

LOADS = (
    LoadSpec("heat-1", "a", "heat", LoadClass.YELLOW, 1_000, Phase.L1, 1),
    LoadSpec("heat-2", "b", "heat", LoadClass.YELLOW, 1_000, Phase.L1, 2),
    LoadSpec("wash-1", "a", "wash", LoadClass.GREEN, 1_000, Phase.L1, 3),
)


def moves(*rows: tuple[int, bool, float]) -> list[ContactMove]:
    return [ContactMove(load, on, time_s, "") for load, on, time_s in rows]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], Contacts(0, 0.0, None)),
        ([(0, False, 60), (0, True, 660)], Contacts(1, 600, None)),
        ([(0, False, 60)], Contacts(1, 940, None)),
        ([(2, False, 0)], Contacts(0, 0.0, None)),
        (
            [(0, False, 0), (1, False, 60), (0, True, 300), (1, True, 420), (0, False, 900)],
            Contacts(3, 360, 600),
        ),
        (
            [(0, False, 0), (0, True, 60), (0, False, 120), (0, True, 180), (0, False, 540)],
            Contacts(3, 460, 60),
        ),
    ],
)
def test_contacts(rows: list[tuple[int, bool, float]], expected: Contacts) -> None:
    assert contacts_of(moves(*rows), LOADS, LoadClass.YELLOW, 1_000) == expected


def result(power_w: list[int], reaction_s: list[float]) -> TownResult:
    power = np.array(power_w, dtype=np.int64)
    return TownResult(
        start_s=0,
        end_s=7_200,
        limit_w=1_000,
        uncontrolled_w=power,
        controlled_w=power,
        unavoidable_w=power,
        load_names=(),
        load_on=np.ones((len(power), 0), dtype=np.bool_),
        red_interruptions=0,
        yellow=Contacts(0, 0.0, None),
        green=Contacts(0, 0.0, None),
        green_late_kwh=0.0,
        backlog_kwh=0.0,
        obeyed=0,
        refused={},
        reaction_s=np.array(reaction_s),
        unanswered=0,
        readings=0,
        unconfirmed=0,
        drained=True,
    )


def test_overload_peak_and_minutes() -> None:
    run = result([900, 1_000, 1_600, 7_000], [0.2, 0.4])
    assert run.hours == 2
    assert run.overload_kwh(run.controlled_w) == pytest.approx((600 + 6_000) / 60 / 1_000)
    assert run.minutes_over(run.controlled_w) == 2
    assert run.peak_kw(run.controlled_w) == 7.0
    assert run.reaction_quantile_s(0.5) == pytest.approx(0.3)


def test_an_empty_run_has_no_figures() -> None:
    run = result([], [])
    assert run.peak_kw(run.controlled_w) == run.overload_kwh(run.controlled_w) == 0
    assert run.reaction_quantile_s(0.95) is None
