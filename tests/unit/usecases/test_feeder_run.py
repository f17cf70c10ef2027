"""Laws of a replayed street: energy is kept, classes are kept, who takes no part is not touched."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.usecases.streets import street

from balans.core.words import LoadClass
from balans.usecases.feeder.control import Limits
from balans.usecases.feeder.run import Run, longest_yellow_off_s, replay, uncoordinated_phase_w
from balans.usecases.feeder.street import UNITS_PER_W, Street

KW = 1000.0
RECORDED = {"ev_share": 0.0, "heat_pump_share": 0.0}


def units(power_w: np.ndarray) -> int:
    return int(np.rint(power_w * UNITS_PER_W).sum())


def uncoordinated(made: Street) -> np.ndarray:
    base = made.base.sum(axis=0, dtype=np.int64) + made.wanted.sum(axis=1, dtype=np.int64)
    return np.asarray(base / UNITS_PER_W)


def check_laws(made: Street, run: Run) -> None:
    tally = run.tally
    others = np.ones(len(made.loads), dtype=np.bool_)
    others[run.rows] = False
    drawn = made.base.sum(dtype=np.int64) + made.wanted[:, others].sum(dtype=np.int64)
    assert units(run.site_w) == drawn + tally.drawn.sum()
    assert (tally.drawn + tally.lost + tally.backlog == tally.wanted).all()
    assert (tally.wanted == made.wanted[:, run.rows].sum(axis=0)).all()
    assert np.allclose(run.phase_w.sum(axis=0), run.site_w)
    assert longest_yellow_off_s(made, run) <= 900
    chosen = made.flat_of[run.rows]
    assert set(chosen.tolist()) <= set(np.flatnonzero(run.chosen).tolist())
    assert not any(made.loads[row].load_class is LoadClass.RED for row in run.rows.tolist())
    # Those who take no part draw what they want at every minute: the site never falls below that.
    others_w = made.base.sum(axis=0, dtype=np.int64) + made.wanted[:, others].sum(axis=1)
    assert (run.site_w * UNITS_PER_W >= others_w - 0.5).all()


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 50),
    st.sampled_from([0.0, 0.3, 1.0]),
    st.floats(0, 30),
    st.sampled_from([math.inf, 5 * KW]),
    st.sampled_from([math.inf, 3 * KW, 0.0]),
)
def test_energy_and_classes_are_kept(
    seed: int, share: float, limit_kw: float, phase_w: float, flat_w: float
) -> None:
    made = street(flats=9, seed=seed)
    check_laws(made, replay(made, share, Limits(limit_kw * KW, phase_w, flat_w)))


def test_nobody_taking_part_changes_nothing() -> None:
    made = street()
    run = replay(made, 0.0, Limits(5 * KW))
    assert (run.site_w == uncoordinated(made)).all()
    assert np.allclose(run.phase_w, uncoordinated_phase_w(made))
    assert run.tally.switches.sum() == 0


def test_a_limit_that_is_never_reached_switches_nothing() -> None:
    made = street()
    run = replay(made, 1.0, Limits(1e6))
    assert (run.site_w == uncoordinated(made)).all()
    assert run.tally.switches.sum() == 0
    assert run.tally.delayed.sum() == 0


def test_more_taking_part_leave_less_overload() -> None:
    made = street(flats=48, seed=5)
    limit_w = 0.7 * float(uncoordinated(made).max())
    over = [
        float(np.maximum(replay(made, share, Limits(limit_w)).site_w - limit_w, 0).sum())
        for share in (0.0, 0.4, 1.0)
    ]
    assert over[0] > over[1] > over[2]
    assert over[2] < 0.2 * over[0]


def test_what_a_vehicle_lacks_when_it_leaves_is_lost_to_it() -> None:
    made = street(flats=12, ev_share=1.0)
    run = replay(made, 1.0, Limits(0.0))
    check_laws(made, run)
    is_vehicle = np.array([made.loads[row].name.endswith("-ev") for row in run.rows.tolist()])
    assert run.tally.lost[is_vehicle].sum() > 0
    assert run.tally.lost[~is_vehicle].sum() == 0


def test_the_same_replay_twice_is_the_same() -> None:
    made = street(seed=2)
    one, again = replay(made, 0.5, Limits(15 * KW)), replay(made, 0.5, Limits(15 * KW))
    assert (one.site_w == again.site_w).all()
    assert (one.tally.delayed == again.tally.delayed).all()


@pytest.mark.parametrize("limit_kw", [6.0, 9.0, 14.0])
def test_it_agrees_with_the_replay_of_a_site(limit_kw: float) -> None:
    """The same flats through `simulate_site`, which goes step by step and load by load."""
    from balans.domain.demand import Limit
    from balans.usecases.simulate_feeder import Feeder, Flat, simulate_feeder

    made = street(flats=6, seed=7, ev_share=0.0)
    flats = []
    for flat in range(made.flats):
        rows = np.flatnonzero(made.flat_of == flat).tolist()
        loads = tuple(made.loads[row] for row in rows)
        wanted = {made.loads[row].name: made.wanted[:, row] / UNITS_PER_W for row in rows}
        flats.append(Flat(f"f{flat}", made.base[flat] / UNITS_PER_W, loads, wanted))
    limits = (Limit("transformer", limit_kw * KW),)
    feeder = Feeder("street", made.timezone, made.start_s, 60.0, tuple(flats), limits)
    (result,) = simulate_feeder(feeder, seed=1, shares=(1.0,))
    run = replay(made, 1.0, Limits(limit_kw * KW))
    assert run.tally.switches.sum() > 0
    assert np.allclose(run.site_w, result.replay.controlled_w)


def test_flats_taking_part_keep_their_own_limit_and_the_others_do_not() -> None:
    made = street(flats=30, ev_share=0.5, heat_pump_share=0.0)
    limits = Limits(1e6, flat_w=3.5 * KW)
    free, kept = replay(made, 0.5, Limits(1e6)), replay(made, 0.5, limits)
    flats = np.unique(kept.flat_of)
    own = np.array([made.base[flat] + made.wanted[:, made.flat_of == flat].sum(axis=1)
                    for flat in flats]) / UNITS_PER_W  # fmt: skip
    before_w = np.maximum(own - limits.flat_w, 0).sum(axis=0)
    assert free.flats_over_w.sum() == 0  # nobody asked
    assert kept.flats_over_w.sum() < 0.5 * before_w.sum()
    assert before_w.sum() > 0
    assert kept.tally.delayed.sum() > 0
    check_laws(made, kept)


def test_keeping_phases_too_lowers_the_worst_of_them() -> None:
    made = street(flats=60, seed=3, ev_share=0.4)
    limit_w = 0.75 * float(uncoordinated(made).max())
    plain = replay(made, 1.0, Limits(limit_w))
    phased = replay(made, 1.0, Limits(limit_w, phase_w=limit_w / 3))
    over = [np.maximum(run.phase_w - limit_w / 3, 0).sum() for run in (plain, phased)]
    assert over[1] < over[0]
    check_laws(made, phased)


def test_a_flat_alone_is_controlled_as_one_that_keeps_its_own_limit() -> None:
    made = street(flats=5, seed=8)
    together = replay(made, 1.0, Limits(1e9, flat_w=3 * KW))
    alone_w = [replay(made.only(flat), 1.0, Limits(3 * KW)).site_w for flat in range(5)]
    over = np.maximum(np.array([
        (made.base[flat] + made.wanted[:, made.flat_of == flat].sum(axis=1)) / UNITS_PER_W
        for flat in range(5)
    ]) - 3 * KW, 0).sum()  # fmt: skip
    assert over > 0
    assert together.tally.switches.sum() > 0
    assert np.allclose(np.sum(alone_w), together.site_w.sum(), rtol=0.01)
