"""Clocks that are wrong: at 1970 after a start, or years ahead until they are put right."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.unit.usecases.control_bench import HEATER, KITCHEN, T0, Bench, site_of

from balans.domain.demand.rating import MOST_HALVINGS, Drawing
from balans.gateway.keep import MemoryFile
from balans.protocols import hub, module
from balans.usecases.run_load_control import Past

DAY_S, SLOT_S = 86_400.0, 900.0
YEAR_2000_S = 946_684_800.0


@pytest.mark.parametrize("boot_s", [100.0, YEAR_2000_S])
def test_a_clock_that_boots_decades_ago_stops_nothing(boot_s: float) -> None:
    bench = Bench(site_of(HEATER, KITCHEN))
    bench.tick()
    for _ in range(200):
        bench.step(2500.0, heater=2000.0)
    true_s, learned_w = bench.now_s, bench.control.memory.ratings["heater"].high_w
    bench.now_s = boot_s
    bench.restart()
    bench.tick()
    assert bench.step(2500.0, heater=2000.0) == []
    assert bench.step(4500.0, heater=2000.0) == ["heater off over_limit"]
    assert bench.control.memory.ratings["heater"].at_s <= bench.now_s
    bench.now_s = true_s + 600.0  # the time of the network
    bench.step(2500.0)
    while not bench.actuators.on["heater"]:
        bench.step(2500.0)
    bench.step(2500.0, heater=2000.0)
    assert bench.control.memory.ratings["heater"].high_w == pytest.approx(learned_w)


def test_what_is_told_by_a_clock_of_1970_can_be_read() -> None:
    bench = Bench(site_of(HEATER, KITCHEN))
    bench.tick()
    bench.step(4500.0, heater=2000.0)
    bench.now_s = 5.0
    for output in [*bench.tick(), *bench.tick(200.0)]:
        match output:
            case hub.CallReport():
                raise AssertionError(output)
            case hub.CommandReport():
                encoded = hub.encode_command_report(output)
                assert hub.decode_command_report(encoded) == output
            case hub.SiteStatus():
                assert hub.decode(hub.encode(output)) == output
            case module.Switch() | module.Query():
                assert module.decode(module.encode(output)) == output
    assert bench.control.memory.time_s == 205.0


def test_nothing_fades_backwards_and_a_clock_put_right_forgets_no_rating() -> None:
    drawing = Drawing({10: 8000.0}, T0)
    assert drawing.after(50.0, 60.0, 0.0).seconds[10] == 8000.0
    later = drawing.after(50.0, 60.0, T0 + 50 * 365 * DAY_S)
    assert later.seconds[10] == pytest.approx(8000.0 / 2**MOST_HALVINGS)


def test_a_memory_with_fields_missing_or_of_another_kind_is_read_or_left(tmp_path: Path) -> None:
    bench = Bench(site_of(HEATER, KITCHEN))
    bench.tick()
    bench.step(4500.0, heater=2000.0)
    kept = msgspec.msgpack.decode(MemoryFile.encode(bench.control.memory))
    for name in list(kept):
        for old in ({k: v for k, v in kept.items() if k != name}, {**kept, name: "old"}):
            file = MemoryFile(tmp_path / "memory")
            file.write(msgspec.msgpack.encode(old))
            again = Bench(site_of(HEATER, KITCHEN), file.read())
            again.now_s = bench.now_s
            again.tick()
            again.step(2500.0)


# --- what the planner remembers ---


def seen(days: float, power_w: float = 1000.0) -> Past:
    past = Past(SLOT_S, ("washer",))
    for step in range(1, round(days * 1440) + 1):
        past.see(T0 + 60.0 * step, 60.0, power_w, {"washer": 10.0}, {})
    past.close(T0 + days * DAY_S)
    return past


def test_slots_of_a_clock_that_was_ahead_are_forgotten() -> None:
    past = seen(3.0)
    back_s = T0 + 2 * DAY_S + 100.0
    past.set_back(back_s)
    assert past.end_s <= back_s < past.end_s + SLOT_S
    assert past.first_s == T0
    assert len(past.rows) == 2 * 96


@pytest.mark.parametrize("ahead_s", [3 * DAY_S, 40 * 365 * DAY_S])
def test_after_an_excursion_what_was_seen_before_it_counts_on(ahead_s: float) -> None:
    past = seen(2.0)
    start_s = T0 + 2 * DAY_S
    for step in range(1, 61):
        past.see(start_s + ahead_s + 60.0 * step, 60.0, 9000.0, {"washer": 10.0}, {})
    past.close(start_s + ahead_s + 3600.0)
    for step in range(61, 121):
        past.see(start_s + 60.0 * step, 60.0, 2000.0, {"washer": 10.0}, {})
    past.close(start_s + 7200.0)
    assert past.end_s == start_s + 7200.0
    powers = past.site_w()
    assert 9000.0 not in powers
    assert np.nanmax(powers) == 2000.0
    assert np.count_nonzero(powers == 1000.0) == (2 * 96 if ahead_s < 42 * DAY_S else 0)


def test_a_sample_that_comes_late_forgets_nothing() -> None:
    past = seen(1.0)
    past.see(past.end_s + 30.0, 60.0, 1000.0, {}, {})
    assert len(past.rows) == 96


def test_a_past_that_is_not_whole_is_not_used() -> None:
    past = seen(1.0)
    assert past.fits(SLOT_S, ("washer",))
    assert not past.fits(SLOT_S, ("washer", "heater"))
    past.rows[7] = [1.0]
    assert not past.fits(SLOT_S, ("washer",))
