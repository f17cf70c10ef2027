"""What a point used each hour: exact, through gaps, exchanges of the meter and roll-over."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest

from balans.core.hours import hour_of
from balans.domain.metering import Quality
from balans.protocols.hub import Batch, Entry, EntryKind
from balans.protocols.readings import Flag, Reading, pack
from balans.storage import lookups
from balans.storage.flush import flush_inbox
from balans.storage.inbox import store_batch
from balans.storage.profile import HourValue, hourly_profile
from balans.storage.registry import apply_plan
from balans.storage.scope import tenant_scope
from balans.usecases.registry_plan import MountingPlan, RegistryPlan

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 28, 12, tzinfo=UTC)
HOUR = hour_of(NOON)


def store(readings: Mapping[int, int], number: int = 1, flags: int = 0, module: int = 1000) -> None:
    """Store registers by hours after NOON."""
    data = pack([Reading(module, number, HOUR + h, r, flags) for h, r in readings.items()])
    journal = 1 + hash((number, flags, module, tuple(readings))) % 2**40
    store_batch("alice-hub", Batch.of(journal, 0, (Entry(EntryKind.READINGS, data),)), NOON)
    flush_inbox(NOON + timedelta(days=1))


def profile(plan: RegistryPlan, hours: int, code: str = "alice-p1") -> list[HourValue]:
    tenant_id = apply_plan(plan).tenant_id
    with tenant_scope(tenant_id):
        flat = lookups.site_by_code(tenant_id, "alice-flat-1")
        assert flat is not None
        (point,) = (p for p in lookups.points_of(flat) if p.code == code)
        return hourly_profile(point, NOON, NOON + timedelta(hours=hours))


def seen(values: list[HourValue]) -> list[tuple[Fraction | None, str]]:
    return [(value.energy, value.quality.value) for value in values]


def test_energy_is_pulses_times_their_worth(plan: RegistryPlan) -> None:
    apply_plan(plan)
    store({0: 10, 1: 13, 2: 13, 3: 20})
    values = profile(plan, 3)
    assert seen(values) == [
        (Fraction(3, 2), "measured"),
        (Fraction(0), "measured"),
        (Fraction(7, 2), "measured"),
    ]
    assert [value.start for value in values] == [NOON + timedelta(hours=h) for h in range(3)]
    assert [value.register for value in values] == [10, 13, 13]


def test_transformer_ratio_and_weights_without_a_decimal_are_exact(plan: RegistryPlan) -> None:
    meter = replace(plan.meters[0], pulse_weight=Fraction(5, 3), transformer_ratio=Fraction(100, 5))
    plan = replace(plan, meters=(meter, *plan.meters[1:]))
    apply_plan(plan)
    store({0: 0, 1: 7})
    assert profile(plan, 1)[0].energy == Fraction(700, 3)


def test_a_missing_register_loses_shape_and_is_never_zero(plan: RegistryPlan) -> None:
    apply_plan(plan)
    store({0: 10, 1: 12, 3: 20})
    assert seen(profile(plan, 4)) == [
        (Fraction(1), "measured"),
        (None, "missing"),
        (None, "missing"),
        (None, "missing"),
    ]


def test_a_doubted_register_makes_both_its_hours_suspect(plan: RegistryPlan) -> None:
    apply_plan(plan)
    store({0: 10, 1: 12, 3: 20, 4: 21})
    store({2: 14}, flags=int(Flag.LINE_BREAK))
    assert [value.quality for value in profile(plan, 4)] == [
        Quality.MEASURED,
        Quality.SUSPECT,
        Quality.SUSPECT,
        Quality.MEASURED,
    ]


def test_a_register_rolls_over(plan: RegistryPlan) -> None:
    meter = replace(plan.meters[0], register_modulus=1000)
    plan = replace(plan, meters=(meter, *plan.meters[1:]))
    apply_plan(plan)
    store({0: 996, 1: 4})
    assert profile(plan, 1)[0].energy == Fraction(4)


def test_a_register_that_goes_back_is_no_roll_over(plan: RegistryPlan) -> None:
    apply_plan(plan)
    store({0: 996, 1: 4, 2: 5})
    assert seen(profile(plan, 2)) == [(None, "suspect"), (Fraction(1, 2), "measured")]


def test_a_meter_exchanged_within_an_hour(plan: RegistryPlan) -> None:
    """12:20: the old meter of 0.5 Wh goes at 1007, the new one of 2 Wh begins at 40 on input 3."""
    apply_plan(plan)
    at = NOON + timedelta(minutes=20)
    old = plan.mountings[0]
    plan = replace(
        plan,
        meters=(*plan.meters, replace(plan.meters[0], serial="alice-m9", pulse_weight=Fraction(2))),
        mountings=(
            replace(old, valid_to=at, register_at_removal=1007),
            replace(old, meter="alice-m9", input=3, valid_from=at, register_at_mount=40),
        ),
    )
    apply_plan(plan)
    store({-1: 990, 0: 1001})
    store({1: 45, 2: 46}, number=3)
    assert seen(profile(plan, 2)) == [(Fraction(3 + 10), "measured"), (Fraction(2), "measured")]


def test_an_exchange_on_the_hour_needs_no_registers_of_its_own(plan: RegistryPlan) -> None:
    at = NOON + timedelta(hours=1)
    old = plan.mountings[0]
    plan = replace(
        plan,
        meters=(*plan.meters, replace(plan.meters[0], serial="alice-m9", pulse_weight=Fraction(2))),
        mountings=(replace(old, valid_to=at), replace(old, meter="alice-m9", valid_from=at)),
    )
    apply_plan(plan)
    store({0: 10, 1: 16, 2: 18})
    assert seen(profile(plan, 2)) == [(Fraction(3), "measured"), (Fraction(4), "measured")]


def test_an_exchange_without_registers_is_missing(plan: RegistryPlan) -> None:
    at = NOON + timedelta(minutes=20)
    old = plan.mountings[0]
    plan = replace(
        plan,
        meters=(*plan.meters, replace(plan.meters[0], serial="alice-m9")),
        mountings=(replace(old, valid_to=at), replace(old, meter="alice-m9", valid_from=at)),
    )
    apply_plan(plan)
    store({0: 10, 1: 16, 2: 18})
    assert seen(profile(plan, 2)) == [(None, "missing"), (Fraction(1), "measured")]


def test_hours_without_a_meter_are_told_apart_from_missing_ones(plan: RegistryPlan) -> None:
    start = NOON + timedelta(hours=1, minutes=30)
    mounting = replace(plan.mountings[0], valid_from=start, register_at_mount=5)
    plan = replace(plan, mountings=(mounting,))
    apply_plan(plan)
    store({0: 1, 1: 2, 2: 9, 3: 11})
    assert seen(profile(plan, 3)) == [
        (None, "unmetered"),
        (Fraction(2), "partial"),
        (Fraction(1), "measured"),
    ]


def test_a_meter_read_by_hand_has_no_hours(plan: RegistryPlan) -> None:
    by_hand = MountingPlan(meter="alice-m1", point="alice-p1", valid_from=NOON - timedelta(days=1))
    plan = replace(plan, mountings=(by_hand,))
    apply_plan(plan)
    assert seen(profile(plan, 1)) == [(None, "missing")]


def test_the_hours_of_a_changeover_to_summer_time_are_all_there(plan: RegistryPlan) -> None:
    """Stored hours are UTC: 48 of them, whatever the clocks of Paris do on 29 March."""
    apply_plan(plan)
    store({h: 100 + h for h in range(49)})
    values = profile(plan, 48)
    assert len(values) == 48
    assert {value.energy for value in values} == {Fraction(1, 2)}
