"""The whole building without a wire: determinism, restart, ledger, faults, measurement."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from balans.core.hours import EPOCH_UNIX_S
from balans.core.words import LoadClass, PointRole, Resource
from balans.protocols.module import PowerSample, Switch
from balans.simulator.faults import FaultPlan
from balans.simulator.ledger import read
from balans.simulator.recording import town_minutes
from balans.simulator.result import TownResult
from balans.simulator.state import StateError
from balans.simulator.town import demo_town
from balans.simulator.world import Wire, World

SPEC = demo_town()
HEAT = [load.name for load in SPEC.loads if load.load_class is LoadClass.YELLOW]
WASH = [load.name for load in SPEC.loads if load.load_class is LoadClass.GREEN]


def command(world: World, load: str, *, on: bool) -> None:
    now, id_ = world.now_s, f"{load}-{world.now_s}-{on}"
    max_off_s = 900.0 if load in HEAT else 0.0
    world.obey(load, Switch(id_, load, on, now, now + 30, max_off_s, "dlm", "over_limit"), now)


def half_of_the_heaters(world: World) -> None:
    """Every 20 minutes half of the heaters off; at noon all laundry off, at 20:00 on again."""
    minute = world.plant.minute
    if minute % 20 == 0:
        for load in HEAT[minute // 20 % 2 :: 2]:
            command(world, load, on=False)
    if minute in {12 * 60, 20 * 60}:
        for load in WASH:
            command(world, load, on=minute != 12 * 60)


def play(
    world: World, minutes: int, script: Callable[[World], None] = half_of_the_heaters
) -> list[PowerSample]:
    samples = []
    for _ in range(minutes):
        world.tick()
        script(world)
        samples.append(world.advance())
    return samples


def result_of(world: World) -> TownResult:
    world.tick()
    world.close()
    return world.result(Wire())


def test_same_seed_same_day() -> None:
    one, other = World(SPEC), World(SPEC)
    assert play(one, 300) == play(other, 300)
    assert one.ledger.hours == other.ledger.hours


def test_other_seed_other_registers_but_the_same_recording() -> None:
    one, other = World(SPEC), World(demo_town(seed=2))
    assert play(one, 60) == play(other, 60)
    assert one.ledger.hours != other.ledger.hours


@pytest.mark.parametrize("cut", [37, 60, 119, 750])
def test_a_second_start_continues(tmp_path: Path, cut: int) -> None:
    through = World(SPEC)
    expected = play(through, 800)
    first = World(SPEC, state_dir=tmp_path, ledger=tmp_path / "l.csv")
    samples = play(first, cut)
    first.close()
    second = World(SPEC, state_dir=tmp_path, ledger=tmp_path / "l.csv")
    samples += play(second, 800 - cut)
    second.close()
    assert [s.site_w for s in samples] == [s.site_w for s in expected]
    assert [s.load_w for s in samples] == [s.load_w for s in expected]
    assert second.ledger.hours == through.ledger.hours
    assert len(read(tmp_path / "l.csv")) == through.ledger.readings


def test_a_start_after_a_crash_repeats_the_hour_and_its_ledger(tmp_path: Path) -> None:
    through = World(SPEC)
    play(through, 240)
    crashed = World(SPEC, state_dir=tmp_path, ledger=tmp_path / "l.csv")
    play(crashed, 155)  # and neither saved nor closed
    again = World(SPEC, state_dir=tmp_path, ledger=tmp_path / "l.csv")
    assert again.plant.minute == 120
    play(again, 120)
    again.close()
    crashed.ledger.close()
    assert again.ledger.hours == through.ledger.hours


def test_a_lost_ledger_is_written_again_from_the_rings(tmp_path: Path) -> None:
    first = World(SPEC, state_dir=tmp_path, ledger=tmp_path / "l.csv")
    play(first, 180)
    first.close()
    (tmp_path / "l.csv").unlink()
    second = World(SPEC, state_dir=tmp_path, ledger=tmp_path / "l.csv")
    second.close()
    assert second.ledger.hours == first.ledger.hours
    assert len(read(tmp_path / "l.csv")) == 4 * len(SPEC.channels)


def test_the_state_of_another_seed_is_refused(tmp_path: Path) -> None:
    World(SPEC, state_dir=tmp_path).close()
    with pytest.raises(StateError):
        World(demo_town(seed=2), state_dir=tmp_path)


def test_the_ledger_is_the_integral_of_the_recording() -> None:
    """Against a sum made directly of the recorded weeks, flat by flat and hour by hour."""
    world, recording = World(SPEC), town_minutes()
    play(world, 25 * 60, script=lambda _: None)
    begin = (SPEC.start_s - EPOCH_UNIX_S) // 3600
    assert sorted(world.ledger.hours) == list(range(begin, begin + 26))
    codes = list(SPEC.channel_codes)
    for flat, week in ((flat, flat.week) for flat in SPEC.flats):
        for module, channel in SPEC.channels:
            if channel.resource is not Resource.ELECTRICITY or channel.node != flat.code:
                continue
            kind = channel.load.rsplit("-", 1)[-1]
            watts = {
                "": recording.total_w,
                "heat": recording.heat_w,
                "wash": recording.laundry_w,
            }[kind][week, : 25 * 60]
            counted = [
                world.ledger.hours[hour][codes.index(module.channel_code(channel))]
                for hour in range(begin, begin + 26)
            ]
            wh = np.concatenate(([0], watts.reshape(25, 60).sum(axis=1).cumsum() / 60))
            assert (np.array(counted) == channel.start_register + np.floor(wh + 1e-9)).all()


def test_registers_never_shrink_and_sub_meters_stay_below_their_flat() -> None:
    world = World(SPEC)
    play(world, 24 * 60)
    hours = np.array([world.ledger.hours[hour] for hour in sorted(world.ledger.hours)])
    assert (np.diff(hours, axis=0) >= 0).all()
    used = dict(zip(SPEC.channels, (hours[-1] - hours[0]).tolist(), strict=True))
    for flat in SPEC.flats:
        of_flat = {
            c.role: sum(
                used[m, d] for m, d in SPEC.channels if d.node == flat.code and d.role is c.role
            )
            for _, c in SPEC.channels
            if c.resource is Resource.ELECTRICITY and c.node == flat.code
        }
        assert of_flat[PointRole.SUB_METER] <= of_flat[PointRole.CONSUMER]


def test_sample_shows_what_the_sensors_see() -> None:
    world = World(SPEC)
    (sample,) = play(world, 1, script=lambda _: None)
    assert (sample.seq, sample.time, sample.step_s) == (1, SPEC.start_s + 60, 60)
    assert sample.site_w == sample.reference_w == sum(sample.phase_w)
    assert sample.load_w.keys() == {load.name for load in SPEC.loads}


def test_result_of_a_day_under_control() -> None:
    world = World(SPEC)
    samples = play(world, 24 * 60)
    result = result_of(world)
    assert result.hours == 24
    assert result.controlled_w.tolist() == [sample.site_w for sample in samples]
    assert result.uncontrolled_w.tolist() == [sample.reference_w for sample in samples]
    assert (result.unavoidable_w <= result.uncontrolled_w).all()
    assert round(result.overload_kwh(result.uncontrolled_w), 1) == 11.8
    assert result.minutes_over(result.uncontrolled_w) == 83
    assert round(result.peak_kw(result.uncontrolled_w), 1) == 80.7
    assert result.red_interruptions == 0
    assert result.yellow.longest_off_s == 900
    assert result.yellow.interruptions == 24 * 3 * 12
    assert result.green.interruptions == 24
    assert result.green.longest_off_s == 8 * 3600
    assert result.obeyed == 24 * 3 * 12 + 48
    assert result.refused == {}
    assert result.load_on.shape == (1440, len(SPEC.loads))
    off_minutes = dict(zip(result.load_names, (~result.load_on).sum(axis=0).tolist(), strict=True))
    assert {off_minutes[name] for name in WASH} == {480}
    assert {off_minutes[name] for name in HEAT} == {36 * 15}
    demand = result.uncontrolled_w.sum() - result.controlled_w.sum()
    assert demand == pytest.approx(result.backlog_kwh * 60_000, abs=1e-6)


def test_laundry_kept_off_past_its_deadline_is_late() -> None:
    world = World(SPEC)
    play(world, 6 * 60, script=lambda _: None)
    for load in WASH:
        command(world, load, on=False)
    play(world, 60, script=lambda _: None)
    owed = world.plant.backlog_wmin.sum() / 60_000
    assert result_of(world).green_late_kwh == pytest.approx(owed)
    assert owed > 0


def test_faults_come_by_seed() -> None:
    plan = FaultPlan(lost_command=0.5, silent_module=0.1, stuck_relays=frozenset(HEAT[:2]), seed=5)
    one, other = World(SPEC, plan), World(SPEC, plan)
    assert play(one, 120) == play(other, 120)
    lost = result_of(one)
    assert 24 < lost.obeyed < 48
    assert lost.refused["the contact does not move"] > 0
    assert not {move.load for move in one.bank.moves} & {0, 3}
    reporting = {report.message.serial for report in one.modules.due(0.0)}
    assert 0 < len(reporting) < len(SPEC.modules)
