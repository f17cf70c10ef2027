"""Laws of the plant: energy is neither lost nor made, registers count exactly what was drawn."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from balans.core.words import LoadClass, Phase, PointRole, Resource
from balans.simulator.plant import Plant, Profile
from balans.simulator.recording import WEEK_MIN, town_minutes
from balans.simulator.spec import ChannelSpec, FlatSpec, LoadSpec, ModuleSpec, TownSpec
from balans.simulator.town import demo_town

WEIGHTS = (1, 3, 10)


def tiny_town(rated_w: int = 2_000, deadline: str | None = "07:00") -> TownSpec:
    """Two flats; the first has a green and a red load, the second a yellow one."""

    def channel(input_: int, weight: int, node: str, load: str = "") -> ChannelSpec:
        role = PointRole.SUB_METER if load else PointRole.CONSUMER
        role = PointRole.INFLOW if node == "house" else role
        point = f"{node}-{input_}-{load}"
        return ChannelSpec(
            input_, Resource.ELECTRICITY, weight, 100, point, point, node, role, Phase.L1, load
        )

    return replace(
        demo_town(),
        flats=(FlatSpec("a", Phase.L1, 0, ""), FlatSpec("b", Phase.L2, 1, "")),
        loads=(
            LoadSpec("wash", "a", "wash", LoadClass.GREEN, rated_w, Phase.L1, 2, deadline=deadline),
            LoadSpec("kitchen", "a", "kitchen", LoadClass.RED, rated_w, Phase.L1),
            LoadSpec("heat", "b", "heat", LoadClass.YELLOW, rated_w, Phase.L2, 3, max_off_s=900),
        ),
        modules=(
            ModuleSpec(1, "hub", adapter=False, channels=(channel(1, WEIGHTS[2], "house"),)),
            ModuleSpec(2, "hub", adapter=True, channels=(channel(1, WEIGHTS[0], "a", "wash"),)),
            ModuleSpec(3, "hub", adapter=True, channels=(channel(1, WEIGHTS[1], "b", "heat"),)),
            ModuleSpec(4, "hub", adapter=False, channels=(channel(1, WEIGHTS[0], "a"),)),
            ModuleSpec(5, "hub", adapter=False, channels=(channel(1, WEIGHTS[0], "b"),)),
        ),
    )


def profile_of(wanted_w: np.ndarray, rest_w: np.ndarray | None = None) -> Profile:
    """A week that begins with the given minutes and is silent after."""

    def padded(rows: np.ndarray, width: int) -> np.ndarray:
        full = np.zeros((WEEK_MIN, width), dtype=np.int64)
        full[: len(rows)] = rows
        return full

    nothing = np.zeros((WEEK_MIN, 2), dtype=np.int64)
    rest = nothing if rest_w is None else padded(rest_w, 2)
    return Profile(padded(wanted_w, wanted_w.shape[1]), rest, nothing, nothing)


@st.composite
def runs(draw: st.DrawFn) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """Rated power, what loads and flats want, and contacts, over up to 40 minutes."""
    minutes = draw(st.integers(1, 40))
    rated_w = draw(st.integers(1, 5_000))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    wanted = random.integers(0, rated_w + 1, (minutes, 3))
    rest = random.integers(0, 3_000, (minutes, 2))
    on = random.random((minutes, 3)) < draw(st.floats(0, 1))
    on[:, 1] = True  # nothing can open the contact of a red load
    return rated_w, wanted, rest, on


@settings(max_examples=60, deadline=None)
@given(runs())
def test_energy_is_drawn_now_or_owed(run: tuple[int, np.ndarray, np.ndarray, np.ndarray]) -> None:
    rated_w, wanted, rest, on = run
    plant = Plant(tiny_town(rated_w), profile_of(wanted, rest))
    before = plant.registers()
    minutes = [plant.step(row) for row in on]
    drawn = np.array([minute.load_w for minute in minutes])

    assert (drawn.sum(axis=0) + plant.backlog_wmin == wanted.sum(axis=0)).all()
    assert (drawn <= rated_w).all()
    assert (drawn[~on] == 0).all()
    assert (drawn[:, 1] == wanted[:, 1]).all()
    assert plant.red_interruptions == 0
    site = np.array([minute.site_w for minute in minutes])
    assert (site == drawn.sum(axis=1) + rest.sum(axis=1)).all()
    assert [sum(minute.phase_w) for minute in minutes] == site.tolist()
    assert [m.reference_w for m in minutes] == (wanted.sum(axis=1) + rest.sum(axis=1)).tolist()
    assert [m.red_w for m in minutes] == (wanted[:, 1] + rest.sum(axis=1)).tolist()

    a, b = drawn[:, 0] + drawn[:, 1] + rest[:, 0], drawn[:, 2] + rest[:, 1]
    watt_min = [site.sum(), drawn[:, 0].sum(), drawn[:, 2].sum(), a.sum(), b.sum()]
    weights = [10, 1, 3, 1, 1]
    pulses = [int(total) // (60 * weight) for total, weight in zip(watt_min, weights, strict=True)]
    assert (plant.registers() - before).tolist() == pulses


@settings(max_examples=30, deadline=None)
@given(runs(), st.integers(0, 40))
def test_a_stopped_plant_goes_on_as_if_it_had_not(
    run: tuple[int, np.ndarray, np.ndarray, np.ndarray], cut: int
) -> None:
    rated_w, wanted, rest, on = run
    spec, profile = tiny_town(rated_w), profile_of(wanted, rest)
    through, first = Plant(spec, profile), Plant(spec, profile)
    second = Plant(spec, profile)
    expected = [through.step(row).load_w.tolist() for row in on]
    got = [first.step(row).load_w.tolist() for row in on[:cut]]
    second.restore(first.snapshot())
    got += [second.step(row).load_w.tolist() for row in on[cut:]]
    assert got == expected
    assert (second.registers() == through.registers()).all()
    assert (second.late_wmin == through.late_wmin).all()


def test_what_was_missed_comes_back_at_rated_power() -> None:
    wanted = np.zeros((10, 3), dtype=np.int64)
    wanted[0:3, 0] = 1_000
    plant = Plant(tiny_town(rated_w=2_000), profile_of(wanted))
    on = np.ones((10, 3), dtype=np.bool_)
    on[0:2, 0] = False
    drawn = [int(plant.step(row).load_w[0]) for row in on]
    assert drawn == [0, 0, 2_000, 1_000, 0, 0, 0, 0, 0, 0]


def test_energy_is_late_once_when_still_owed_at_the_deadline() -> None:
    wanted = np.zeros((1, 3), dtype=np.int64)
    wanted[0, 0] = 1_000
    plant = Plant(tiny_town(rated_w=600), profile_of(wanted))
    off, on = np.array([False, True, True]), np.ones(3, dtype=np.bool_)

    def owed_at_day(day: int, contacts: np.ndarray) -> list[int]:
        while plant.minute < (day * 24 + 8) * 60:
            plant.step(contacts)
        return plant.late_wmin.tolist()

    assert owed_at_day(0, off) == [1_000, 0, 0]
    assert owed_at_day(1, off) == [1_000, 0, 0]
    assert owed_at_day(2, on) == [1_000, 0, 0]
    assert plant.backlog_wmin.sum() == 0


def test_energy_drawn_before_the_deadline_is_not_late() -> None:
    wanted = np.zeros((1, 3), dtype=np.int64)
    wanted[0, 0] = 1_000
    plant = Plant(tiny_town(), profile_of(wanted))
    contacts = np.array([False, True, True])
    for minute in range(8 * 60):
        contacts[0] = minute >= 419
        plant.step(contacts)
    assert plant.late_wmin.sum() == 0


def test_a_red_load_that_is_cut_is_noticed() -> None:
    wanted = np.full((6, 3), 100)
    plant = Plant(tiny_town(), profile_of(wanted))
    for closed in (True, False, False, True, True, False):
        plant.step(np.array([True, closed, True]))
    assert plant.red_interruptions == 2


@pytest.mark.parametrize("minutes", [1_440])
def test_uncontrolled_town_is_the_recording(minutes: int) -> None:
    spec, recording = demo_town(), town_minutes()
    plant = Plant(spec, Profile.of(spec, recording))
    on = np.ones(len(spec.loads), dtype=np.bool_)
    site = [plant.step(on).site_w for _ in range(minutes)]
    assert site == recording.total_w[:, :minutes].sum(axis=0).tolist()
    assert plant.backlog_wmin.sum() == 0


def test_inflow_counts_the_sum_of_the_flats() -> None:
    spec = demo_town()
    plant = Plant(spec, Profile.of(spec, town_minutes()))
    random = np.random.default_rng(3)
    site = 0
    for _ in range(600):
        on = random.random(len(spec.loads)) < 0.5
        site += plant.step(on).site_w
    pulses = plant.registers() - np.array([channel.start_register for _, channel in spec.channels])
    by_role = {
        role: pulses[
            [c.role is role and c.resource is Resource.ELECTRICITY for _, c in spec.channels]
        ]
        for role in PointRole
    }
    assert by_role[PointRole.INFLOW].tolist() == [site // 600]
    flats_wh, inflow_wh = int(by_role[PointRole.CONSUMER].sum()), 10 * (site // 600)
    assert inflow_wh - 24 < flats_wh <= site / 60 < inflow_wh + 10
