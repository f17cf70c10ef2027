"""What must hold for every site, every limit and every profile."""

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from tests.unit.usecases.sites import UTC, site_and_profile

from balans.core.words import LoadClass
from balans.domain.demand import Limit, Load, LoadKind
from balans.usecases.profile import Profile
from balans.usecases.simulate_site import Replay, simulate_site
from balans.usecases.site_file import Site

laws = settings(max_examples=120, deadline=None)


def replayed(site: Site, profile: Profile) -> Replay:
    return simulate_site(site, profile, timer=lambda: 0)


def runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """Return runs of True as (first, length)."""
    edges = np.flatnonzero(np.diff(np.r_[False, flags, False]))
    return [(int(a), int(b - a)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


@laws
@given(site_and_profile())
def test_classes_are_respected(case: tuple[Site, Profile]) -> None:
    replay = replayed(*case)
    step_s = replay.profile.step_s
    for load, is_on, drawn, demand in zip(
        replay.loads, replay.is_on, replay.drawn, replay.demand, strict=True
    ):
        if load.load_class is LoadClass.RED:
            assert is_on.all()
            assert (drawn == demand).all()
        if load.load_class is LoadClass.YELLOW:
            off = runs(~is_on)
            assert all(length * step_s <= load.max_off_s for _, length in off)
            between = runs(is_on)[1 : len(off)]
            assert all(length * step_s >= load.min_on_s for _, length in between)


@laws
@given(site_and_profile())
def test_energy_is_kept_at_every_step(case: tuple[Site, Profile]) -> None:
    replay = replayed(*case)
    used = replay.drawn.cumsum(axis=1) + replay.lost.cumsum(axis=1) + replay.backlog
    assert (replay.demand.cumsum(axis=1) == used).all()
    assert (replay.backlog >= 0).all()
    assert (replay.lost >= 0).all()
    total = replay.base + replay.drawn.sum(axis=0)
    assert (np.rint(replay.controlled_w * 100) == total).all()


@laws
@given(site_and_profile())
def test_off_draws_nothing_and_nothing_exceeds_rating_or_wish(case: tuple[Site, Profile]) -> None:
    replay = replayed(*case)
    assert (replay.drawn[~replay.is_on] == 0).all()
    rated = np.array([[load.rated_w * 100] for load in replay.loads])
    assert (replay.drawn <= np.maximum(rated, replay.demand)).all()


@laws
@given(site_and_profile(), st.data())
def test_the_future_changes_nothing_before_it(
    case: tuple[Site, Profile], data: st.DataObject
) -> None:
    site, profile = case
    cut = data.draw(st.integers(1, len(profile.base_w)))
    other_base = profile.base_w.copy()
    other_base[cut:] = 9000.0
    wanted = {name: power.copy() for name, power in profile.wanted_w.items()}
    for power in wanted.values():
        power[cut:] = 0.0
    one = replayed(site, profile)
    other = replayed(site, replace(profile, base_w=other_base, wanted_w=wanted))
    assert (one.drawn[:, :cut] == other.drawn[:, :cut]).all()
    assert (one.is_on[:, : cut + 1] == other.is_on[:, : cut + 1]).all()


def unrated(site: Site) -> Site:
    """Return the site with every rating that a file may leave out left out."""
    loads = tuple(
        replace(load, rated_w=0.0) if load.kind is LoadKind.SWITCH else load for load in site.loads
    )
    return replace(site, loads=loads)


@laws
@given(site_and_profile(), st.data())
def test_a_rating_that_only_the_future_shows_is_not_known_before_it(
    case: tuple[Site, Profile], data: st.DataObject
) -> None:
    """The plant may catch up faster for it, from then on the replays differ; control may not."""
    site, profile = unrated(case[0]), case[1]
    cut = data.draw(st.integers(1, len(profile.base_w) - 1))
    wanted = {name: power.copy() for name, power in profile.wanted_w.items()}
    for power in wanted.values():
        power[cut:] = 4000.0
    one = replayed(site, profile)
    other = replayed(site, replace(profile, wanted_w=wanted))
    unlike = (one.drawn[:, :cut] != other.drawn[:, :cut]).any(axis=0)
    first = int(unlike.argmax()) if unlike.any() else cut
    assert (one.is_on[:, : first + 1] == other.is_on[:, : first + 1]).all()
    if first < cut:
        rows = one.drawn[:, first] != other.drawn[:, first]
        assert (one.backlog[rows, first - 1] > 0).all()


def test_a_rating_of_the_future_moves_no_decision() -> None:
    """A heater of 1 kW comes back where 1 kW fits, though it will draw 3 kW one day."""
    heater = Load("heater", LoadClass.YELLOW, 0.0, min_on_s=120)
    site = Site("house", "", UTC, (), (Limit("fuse", 3000.0),), (heater,))
    start_s = np.arange(60, dtype=np.float64) * 60
    base_w = np.where(np.arange(60) < 5, 2500.0, 1500.0)
    ends = []
    for last_w in (1000.0, 3000.0):
        wanted = {"heater": np.r_[np.full(59, 1000.0), last_w]}
        replay = replayed(site, Profile([""] * 60, start_s, start_s, 60.0, base_w, wanted))
        ends.append(runs(~replay.is_on[0])[0])
    assert ends == [(1, 6), (1, 6)]


def test_a_load_that_goes_on_wanting_is_not_late() -> None:
    """Half of 2 kW is wanted all day; from 17:00 the rest leaves nothing."""
    washer = Load("washer", LoadClass.GREEN, 2000.0, deadline_s=7 * 3600)
    site = Site("house", "", UTC, (), (Limit("fuse", 4000.0),), (washer,))
    start_s = 12 * 3600 + np.arange(1440, dtype=np.float64) * 60
    base_w = np.where(np.arange(1440) < 300, 1000.0, 5000.0)
    wanted = {"washer": np.full(1440, 1000.0)}
    replay = replayed(site, Profile([""] * 1440, start_s, start_s % 86_400, 60.0, base_w, wanted))
    assert not replay.is_on.all()
    assert replay.backlog[0, 19 * 60 - 1] == 0


@laws
@given(site_and_profile())
def test_the_same_input_gives_the_same_replay(case: tuple[Site, Profile]) -> None:
    one, other = replayed(*case), replayed(*case)
    assert (one.drawn == other.drawn).all()
    assert one.decisions == other.decisions


@laws
@given(site_and_profile())
def test_going_on_to_the_next_alarm_skips_nothing(case: tuple[Site, Profile]) -> None:
    """A limit on a mean that is never reached makes the loop look at every step."""
    site, profile = case
    idle = Limit("idle", 1e9, interval_s=900)
    watched = replayed(replace(site, limits=(*site.limits, idle)), profile)
    assert (watched.drawn == replayed(site, profile).drawn).all()


@laws
@given(site_and_profile())
def test_every_action_has_its_cause(case: tuple[Site, Profile]) -> None:
    replay = replayed(*case)
    rows = {load.name: row for row, load in enumerate(replay.loads)}
    for step, decision in replay.decisions:
        seen_w = replay.controlled_w[step - 1]
        forced = [a for a in decision.actions if a.reason in {"off_time_used_up", "deadline"}]
        expected_w = seen_w + sum(action.effect_w for action in forced)
        for action in decision.actions:
            assert replay.is_on[rows[action.load], step] == action.on
            if action.reason == "over_limit":
                assert expected_w > decision.allowed_w
                is_cycle = replay.loads[rows[action.load]].kind == "cycle"
                assert action.effect_w < 0 or (is_cycle and not action.on)
            if action.reason in {"headroom_back", "night_zone", "stagger"}:
                assert expected_w <= decision.allowed_w + 1e-6


@pytest.mark.parametrize(
    "reason",
    ["over_limit", "off_time_used_up", "headroom_back", "deadline", "night_zone"],
)
def test_the_laws_are_not_empty(reason: str) -> None:
    """Random cases do shed, restore and meet deadlines; otherwise the laws prove nothing."""

    def shows(case: tuple[Site, Profile]) -> bool:
        return any(
            action.reason == reason
            for _, decision in replayed(*case).decisions
            for action in decision.actions
        )

    search = settings(max_examples=5000, database=None, phases=[Phase.generate])
    find(site_and_profile(), shows, settings=search, random=Random(1))
