"""The study: heat of the transformer, figures, medians and range, the trace."""

import csv
import io

import numpy as np
import pytest
from tests.unit.usecases.streets import MONDAY_S, PARIS, weeks

from balans.core.errors import InputError
from balans.domain.transformer import Paper
from balans.usecases.feeder.heat import Transformer, heat_of, warm_state
from balans.usecases.feeder.street import Recipe
from balans.usecases.feeder.study import (
    Case,
    Place,
    Plan,
    Studio,
    jain,
    spread,
    summary_of,
    trace_lines,
)

RECIPE = Recipe(12, 1, 1, 0.5, 0.25)


def plan(seeds: int = 2, shares: tuple[float, ...] = (0.5, 1.0), limit_kw: float = 12.0) -> Plan:
    return Plan(RECIPE, seeds, shares, limit_kw, Transformer(16.0))


def studio(of: Plan) -> Studio:
    return Studio(of, weeks(), Place(PARIS, MONDAY_S))


def cases_of(of: Plan) -> list[Case]:
    made = studio(of)
    return [made.play(seed, share) for seed, share in of.cases]


def test_a_balanced_rated_load_for_ever_ages_normally() -> None:
    transformer = Transformer(100.0)
    phase_w = np.full((3, 1440), transformer.rated_kw * 1000 / 3)
    heat = heat_of(transformer, phase_w, warm_state(transformer, phase_w))
    assert heat.hot_spot_c == pytest.approx(98.0, abs=0.1)
    assert heat.relative_ageing == pytest.approx(1.0, rel=0.01)
    assert heat.loss_of_life_h == pytest.approx(24.0, rel=0.01)


def test_heat_grows_with_load_air_and_imbalance_and_upgraded_paper_ages_less() -> None:
    phase_w = np.full((3, 600), 30e3)
    uneven_w = phase_w * np.array([[1.5], [0.75], [0.75]])
    plain = heat_of(Transformer(100.0), phase_w).loss_of_life_h
    assert heat_of(Transformer(80.0), phase_w).loss_of_life_h > plain
    assert heat_of(Transformer(100.0, ambient_c=30.0), phase_w).loss_of_life_h > plain
    assert heat_of(Transformer(100.0), uneven_w).loss_of_life_h > plain
    assert heat_of(Transformer(100.0, paper=Paper.UPGRADED), phase_w).loss_of_life_h < plain


def test_a_day_like_the_day_before_ends_as_it_began() -> None:
    transformer = Transformer(60.0)
    day = np.random.default_rng(1).uniform(5e3, 20e3, (3, 1440))
    start = warm_state(transformer, day)
    heat = heat_of(transformer, np.tile(day, 2), start)
    assert heat.hot_spot_c[:1440] == pytest.approx(heat.hot_spot_c[1440:], abs=0.05)


def test_the_summary_holds_medians_and_range_of_all_seeds() -> None:
    of = plan(seeds=3)
    cases = cases_of(of)
    assert [(case.seed, case.share) for case in cases] == list(of.cases)
    summary = summary_of(of, cases)
    assert summary["seeds"] == [1, 2, 3]
    assert [row["share"] for row in summary["participation"]] == [0.5, 1.0]
    assert [row["flats_taking_part"] for row in summary["participation"]] == [6, 12]
    all_in = summary["participation"][1]
    over = sorted(case.figures["overload_kwh"] or 0.0 for case in cases if case.share == 1.0)
    assert all_in["overload_kwh"] == {"least": over[0], "median": over[1], "most": over[2]}
    assert all_in["overload_kwh"]["median"] < summary["uncoordinated"]["overload_kwh"]["median"]
    assert summary["uncoordinated"]["fairness_jain"]["median"] is None
    assert 0 < all_in["fairness_jain"]["least"] <= all_in["fairness_jain"]["most"] <= 1
    assert all_in["overload_avoided"]["least"] > 0


def test_figures_are_those_of_the_curves() -> None:
    of = plan(seeds=1)
    for case in cases_of(of):
        over_kw = np.maximum(case.site_kw - of.limit_kw, 0)
        assert case.figures["overload_kwh"] == pytest.approx(over_kw.sum() / 60, abs=1e-3)
        assert case.figures["minutes_over"] == (over_kw > 1e-9).sum()
        assert case.figures["peak_kw"] == pytest.approx(case.site_kw.max(), abs=1e-3)
        assert case.figures["hot_spot_c"] == pytest.approx(case.hot_spot_c.max(), abs=1e-2)
        rate = np.exp2((case.hot_spot_c - 98) / 6)
        assert case.figures["relative_ageing"] == pytest.approx(rate.mean(), abs=1e-5)
        delayed, delay = case.figures["delayed_kwh"], case.figures["mean_delay_min"]
        assert (delay is None) == (delayed == 0)
        rest, over = case.figures["unavoidable_kwh"], case.figures["overload_kwh"]
        assert (rest or 0.0) <= (over or 0.0)


def test_the_order_in_which_cases_are_played_does_not_matter() -> None:
    of, made = plan(), studio(plan())
    backwards = [made.play(*case) for case in reversed(of.cases)]
    for one, other in zip(cases_of(of), reversed(backwards), strict=True):
        assert one.figures == other.figures
        assert (one.hot_spot_c == other.hot_spot_c).all()


def test_the_trace_holds_the_first_seed_minute_by_minute() -> None:
    of = plan()
    cases = cases_of(of)
    text = "".join(trace_lines(of, cases, studio(of).street(1)))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 1440
    assert rows[0]["time"] == "2026-01-12T12:00:00+01:00"
    first = {case.share: case for case in cases if case.seed == 1}
    for name, share in (("uncoordinated", 0.0), ("at_50", 0.5), ("at_100", 1.0)):
        found = [float(row[f"{name}_kw"]) for row in rows]
        assert found == pytest.approx(first[share].site_kw.tolist(), abs=1e-3)
        hot = [float(row[f"{name}_hot_spot_c"]) for row in rows]
        assert hot == pytest.approx(first[share].hot_spot_c.tolist(), abs=1e-3)


def test_jain_and_spread() -> None:
    assert jain(np.array([3.0, 3.0, 3.0])) == pytest.approx(1.0)
    assert jain(np.array([1.0, 0.0, 0.0, 0.0])) == pytest.approx(0.25)
    assert spread([None, None]) == {"median": None, "least": None, "most": None}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": 0}, "seeds = 0: expected 1 to 100"),
        ({"shares": ()}, "participation: expected at least one"),
        ({"shares": (0.5, 1.2)}, r"participation = 1\.2: expected 0 to 1"),
        ({"limit_kw": float("nan")}, "limit-kw = nan"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        plan(**change)  # type: ignore[arg-type]


@pytest.mark.parametrize(("kva", "ambient_c"), [(0.0, 20.0), (float("nan"), 20.0), (100.0, 99.0)])
def test_a_transformer_that_cannot_be_is_refused(kva: float, ambient_c: float) -> None:
    with pytest.raises(InputError, match=r"transformer-kva|ambient-c"):
        Transformer(kva, ambient_c=ambient_c)
