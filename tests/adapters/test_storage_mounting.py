"""Mounting, replacing, moving and removing modules: what is kept, what is refused, what is past."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth import get_user_model
from django.db import connection

from balans.core.words import DeviceKind, Phase, Resource
from balans.protocols.hub import ReadState
from balans.storage import (
    access,
    device_history,
    found,
    found_devices,
    mount_tests,
    mounting,
    mounting_places,
    prepared,
    read_requests,
    remounting,
    sent_forms,
)
from balans.storage.access import ForbiddenError, NotVisibleError
from balans.storage.found import Heard
from balans.storage.models import (
    Channel,
    Hub,
    Meter,
    MeteringPoint,
    MeterMounting,
    Module,
)
from balans.storage.mounting import Mounted, MountRefusedError
from balans.storage.registry import apply_plan
from balans.storage.scope import system_scope, tenant_scope
from balans.usecases.mount_order import InputOrder, MountOrder
from balans.usecases.prepared_list import parse_prepared
from balans.usecases.registry_plan import AccountPlan, RegistryPlan

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 12, 12, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
WATER = InputOrder(
    number=2,
    resource=Resource.COLD_WATER,
    meter="W77",
    pulse_weight=Fraction(10),
    dial=Decimal("123.456"),
)
POWER = InputOrder(
    number=1, resource=Resource.ELECTRICITY, meter="E77", pulse_weight=Fraction(5, 8)
)
ORDER = MountOrder(serial=4711, place="alice-flat-2", inputs=(POWER, WATER))


@pytest.fixture
def alice(plan: RegistryPlan) -> Iterator[int]:
    """Alice's utility, with an installer for flat 2 alone, inside the scope of the tenant."""
    accounts = (
        AccountPlan(
            username="alice-installer", password="x", grants=(("installer", "alice-flat-2"),)
        ),
    )
    tenant_id = apply_plan(replace(plan, accounts=plan.accounts + accounts)).tenant_id
    with tenant_scope(tenant_id, "test"):
        yield tenant_id


def user(name: str = "alice-operator") -> Any:
    with system_scope():
        return get_user_model().objects.get(username=name)


def mount(order: MountOrder = ORDER, at: datetime = NOW, name: str = "alice-operator") -> Mounted:
    return mounting.mount(user(name), order, at)


def counts() -> tuple[int, ...]:
    models: tuple[Any, ...] = (Module, Channel, Meter, MeteringPoint, MeterMounting)
    return tuple(model.objects.count() for model in models)


def hanging(serial: int) -> list[tuple[int, str, str, datetime]]:
    return [
        (one.input, one.meter, one.point, one.since)
        for one in remounting.module_for(user(), serial).meters
    ]


def refused(order: MountOrder, at: datetime = NOW, name: str = "alice-operator") -> str:
    """Return the code of the refusal, and see that nothing was kept."""
    before = counts()
    with pytest.raises(MountRefusedError) as error:
        mount(order, at, name)
    assert counts() == before
    assert str(error.value)
    return error.value.code


@pytest.mark.usefixtures("alice")
def test_a_module_and_its_meters_come_to_a_place() -> None:
    done = mount()
    assert (done.new_module, done.changed) == (True, True)
    assert [(one.point, one.new_point, one.new_meter) for one in done.inputs] == [
        ("alice-flat-2-el", True, True),
        ("alice-flat-2-cw", True, True),
    ]
    assert hanging(4711) == [
        (1, "E77", "alice-flat-2-el", NOW),
        (2, "W77", "alice-flat-2-cw", NOW),
    ]
    row = MeterMounting.objects.get(meter__serial="W77")
    assert (row.dial_at_mount, row.meter.pulse_weight) == (Decimal("123456.000"), Fraction(10))


@pytest.mark.usefixtures("alice")
def test_the_same_order_again_changes_nothing() -> None:
    mount()
    before = counts()
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from registry_history")
        (history,) = cursor.fetchone()
        again = mount(at=NOW + HOUR)
        assert (again.changed, [one.changed for one in again.inputs]) == (False, [False, False])
        assert counts() == before
        cursor.execute("select count(*) from registry_history")
        assert cursor.fetchone() == (history,)


@pytest.mark.usefixtures("alice")
def test_an_order_may_grow_by_inputs() -> None:
    mount(replace(ORDER, inputs=(POWER,)))
    done = mount(at=NOW + HOUR)
    assert [one.changed for one in done.inputs] == [False, True]


@pytest.mark.usefixtures("alice")
def test_what_was_tried_is_not_kept() -> None:
    before = counts()
    assert mounting.tried(mount).new_module
    assert counts() == before


@pytest.mark.usefixtures("alice")
def test_the_point_that_waits_for_a_meter_is_taken() -> None:
    with connection.cursor() as cursor:
        cursor.execute("delete from meter_mounting")
    done = mount(replace(ORDER, serial=4711, place="alice-flat-1"))
    assert [(one.point, one.new_point) for one in done.inputs] == [
        ("alice-p1", False),
        ("alice-w1", False),
    ]


@pytest.mark.usefixtures("alice")
def test_a_meter_that_hangs_uncounted_keeps_its_point() -> None:
    remounting.remove_module(user(), 1000, NOW, {"alice-m2": Decimal(7)})
    again = InputOrder(
        number=3, resource=Resource.COLD_WATER, meter="alice-m2", dial=Decimal("7.5")
    )
    later = NOW + HOUR
    mount(MountOrder(serial=4711, place="alice-flat-1", inputs=(again,)), later)
    rows = MeterMounting.objects.filter(meter__serial="alice-m2").order_by("valid_from")
    assert [
        (row.channel and row.channel.module.serial, row.valid_to, row.dial_at_removal)
        for row in rows
    ] == [
        (1000, NOW, Decimal(7000)),
        (None, later, Decimal(7500)),
        (4711, None, None),
    ]


@pytest.mark.usefixtures("alice")
def test_a_meter_with_three_phases_is_at_three_points() -> None:
    inputs = tuple(
        replace(POWER, number=n, phase=phase)
        for n, phase in enumerate((Phase.L1, Phase.L2, Phase.L3), start=1)
    )
    done = mount(replace(ORDER, inputs=inputs))
    assert [one.point for one in done.inputs] == [
        "alice-flat-2-el",
        "alice-flat-2-el-2",
        "alice-flat-2-el-3",
    ]
    assert Meter.objects.filter(serial="E77").count() == 1


def change(**values: Any) -> MountOrder:
    return replace(ORDER, inputs=(replace(POWER, **values),))


@pytest.mark.usefixtures("alice")
@pytest.mark.parametrize(
    ("order", "code"),
    [
        (replace(ORDER, serial=2**32), "order"),
        (replace(ORDER, has_adapter=True, inputs=(replace(POWER, number=3),)), "order"),
        (change(meter=""), "order"),
        (change(pulse_weight=Fraction(0)), "order"),
        (change(pulse_weight=None), "weight_missing"),
        (change(meter="alice-m2"), "meter_kind"),
        (change(meter="alice-m1"), "meter_weight"),
        (change(meter="alice-m1", pulse_weight=None), "meter_elsewhere"),
        (change(point="alice-p1"), "point_place"),
        (replace(ORDER, serial=1000), "mounted_there"),
    ],
)
def test_what_contradicts_the_registry_is_refused(order: MountOrder, code: str) -> None:
    assert refused(order) == code


@pytest.mark.usefixtures("alice")
def test_what_contradicts_what_hangs_there_is_refused() -> None:
    mount()
    assert refused(change(meter="E78")) == "input_taken"
    other = replace(ORDER, serial=4712)
    assert refused(replace(other, inputs=(POWER,))) == "meter_counted"
    water = replace(WATER, meter="W78", number=1)
    assert (
        refused(replace(other, inputs=(replace(water, point="alice-flat-2-el"),))) == "point_kind"
    )
    taken = replace(water, point="alice-flat-2-cw")
    assert refused(replace(other, inputs=(taken,))) == "point_taken"


@pytest.mark.usefixtures("alice")
def test_a_meter_mounted_for_a_time_to_come_is_refused_and_nothing_is_kept() -> None:
    mount(at=NOW + 5 * HOUR)
    remounting.remove_module(user(), 4711, NOW + 6 * HOUR, {})
    assert refused(replace(ORDER, serial=4712)) == "conflict"


def test_rights(alice: int) -> None:
    mount(name="alice-installer")
    with pytest.raises(NotVisibleError):
        mount(replace(ORDER, place="alice-flat-1"), name="alice-installer")
    with pytest.raises(ForbiddenError):
        mount(replace(ORDER, place="alice-flat-1"), name="alice-consumer")
    with pytest.raises(NotVisibleError):
        remounting.module_for(user("alice-installer"), 1000)
    with pytest.raises(NotVisibleError):
        remounting.move_module(user("alice-installer"), 4711, "alice-flat-1", NOW, {})
    assert alice
    # the name of a place that the installer may not see is not told
    with pytest.raises(MountRefusedError, match=r"hangs at \?") as error:
        mount(replace(ORDER, serial=1000), name="alice-installer")
    assert error.value.values["place"] == "?"


def test_a_module_of_another_utility_stays_there(
    alice: int, make_plan: Callable[..., RegistryPlan]
) -> None:
    with system_scope():
        bob = apply_plan(make_plan("bob", serial=2000)).tenant_id
    assert alice != bob
    assert refused(replace(ORDER, serial=2000)) == "elsewhere"


def test_what_was_found_is_accepted_and_others_forget_it(
    alice: int, make_plan: Callable[..., RegistryPlan]
) -> None:
    with system_scope():
        bob = apply_plan(make_plan("bob", serial=2000)).tenant_id
        with connection.cursor() as cursor:
            cursor.execute("select tenant_id, id from hub")
            hubs = dict(cursor.fetchall())
        found.note(
            [
                Heard(
                    kind=DeviceKind.MODULE,
                    code="4711",
                    tenant_id=tenant,
                    hub_id=hubs[tenant],
                    has_adapter=True,
                )
                for tenant in (alice, bob)
            ],
            NOW,
        )
    mount(replace(ORDER, inputs=(POWER,)))
    module = Module.objects.get(serial=4711)
    assert (module.hub_id, module.has_adapter) == (hubs[alice], True)
    with system_scope(), connection.cursor() as cursor:
        cursor.execute("select tenant_id, state, decided_by from found_device")
        assert cursor.fetchall() == [(alice, "accepted", "test")]
    assert refused(replace(ORDER, inputs=(replace(POWER, number=3),))) == "no_input"


@pytest.mark.usefixtures("alice")
def test_a_module_is_replaced_input_by_input() -> None:
    mount()
    later = NOW + HOUR
    remounting.replace_module(user(), 4711, 4712, later, {"W77": Decimal(124)})
    assert hanging(4711) == []
    assert hanging(4712) == [
        (1, "E77", "alice-flat-2-el", later),
        (2, "W77", "alice-flat-2-cw", later),
    ]
    rows = MeterMounting.objects.filter(meter__serial="W77").order_by("valid_from")
    assert [(row.valid_from, row.valid_to, row.dial_at_mount) for row in rows] == [
        (NOW, later, Decimal("123456.000")),
        (later, None, Decimal(124_000)),
    ]
    assert rows[0].dial_at_removal == Decimal(124_000)
    assert remounting.module_for(user(), 4711).removed_at == later


@pytest.mark.usefixtures("alice")
def test_a_module_that_hangs_elsewhere_replaces_none() -> None:
    mount()
    for successor in (1000, 4711, -1):
        with pytest.raises(MountRefusedError):
            remounting.replace_module(user(), 4711, successor, NOW + HOUR, {})
    assert len(hanging(4711)) == 2


@pytest.mark.usefixtures("alice")
def test_a_module_moves_and_its_meters_stay() -> None:
    mount()
    later = NOW + HOUR
    assert remounting.move_module(user(), 4711, "alice-flat-1", later, {}).meters == ()
    open_rows = mounting.open_mountings(meter__serial="E77")
    assert [(row.channel, row.point.code) for row in open_rows] == [(None, "alice-flat-2-el")]
    assert remounting.move_module(user(), 4711, "alice-flat-1", later, {}).meters == ()
    mount(
        MountOrder(
            serial=4711,
            place="alice-flat-1",
            inputs=(replace(POWER, meter="E79"),),
        ),
        later + HOUR,
    )
    assert hanging(4711) == [(1, "E79", "alice-flat-1-el", later + HOUR)]


@pytest.mark.usefixtures("alice")
def test_a_removed_module_comes_back_and_is_found_again() -> None:
    mount()
    remounting.remove_module(user(), 4711, NOW + HOUR, {})
    assert remounting.remove_module(user(), 4711, NOW + 2 * HOUR, {}).removed_at == NOW + HOUR
    channels = list(Channel.objects.filter(module__serial=4711).values_list("id", flat=True))
    done = mount(at=NOW + 3 * HOUR)
    assert done.new_module
    assert [one.channel_id for one in done.inputs] == channels
    assert remounting.module_for(user(), 4711).removed_at is None


@pytest.mark.usefixtures("alice")
def test_a_mounting_that_has_not_begun_never_was() -> None:
    mount()
    remounting.remove_module(user(), 4711, NOW, {})
    rows = MeterMounting.objects.filter(meter__serial="E77")
    assert [(row.channel, row.valid_to) for row in rows] == [(None, None)]


def test_a_found_module_is_refused_and_taken_back(alice: int) -> None:
    with system_scope(), connection.cursor() as cursor:
        cursor.execute("select id from hub where tenant_id = %s", [alice])
        (hub,) = cursor.fetchone()
        heard = [Heard(kind=DeviceKind.MODULE, code="55", tenant_id=alice, hub_id=hub)]
        found.note(heard, NOW)
    assert found_devices.count_open(user()) == 1
    assert found_devices.count_open(user("alice-installer")) == 0
    found_devices.refuse(user(), 55, "of the neighbours", NOW)
    with system_scope():
        found.note(heard, NOW + HOUR)
    device = found_devices.found_module(user(), 55)
    assert device is not None
    assert (device.state, device.reason, device.n) == ("refused", "of the neighbours", 2)
    found_devices.take_back(user(), 55, NOW)
    assert found_devices.count_open(user()) == 1
    with pytest.raises(found_devices.NotFoundError):
        found_devices.refuse(user("alice-installer"), 55, "", NOW)


@pytest.mark.usefixtures("alice")
def test_a_form_that_comes_twice_is_answered_once() -> None:
    done: list[int] = []

    def work() -> dict[str, Any]:
        done.append(1)
        return {"n": len(done)}

    token = uuid4()
    answers = [sent_forms.once(user(), token, NOW, work) for _ in range(3)]
    assert answers == [{"n": 1}] * 3
    assert sent_forms.once(user(), uuid4(), NOW, work) == {"n": 2}
    assert sent_forms.once(user("alice-installer"), token, NOW, work) == {"n": 3}
    assert sent_forms.forget_old(NOW + timedelta(days=61)) == 3


@pytest.mark.usefixtures("alice")
def test_a_form_that_failed_may_come_again() -> None:
    token = uuid4()
    with pytest.raises(ZeroDivisionError):
        sent_forms.once(user(), token, NOW, lambda: {"n": 1 // 0})
    assert sent_forms.once(user(), token, NOW, lambda: {"n": 1}) == {"n": 1}


@pytest.mark.usefixtures("alice")
def test_the_history_of_a_module_tells_every_deed() -> None:
    mount()
    remounting.move_module(user(), 4711, "alice-flat-1", NOW + HOUR, {})
    remounting.remove_module(user(), 4711, NOW + 2 * HOUR, {})
    module = remounting.module_for(user(), 4711)
    told = [
        (one.deed.value, one.before, one.after, one.meter, one.input, one.actor)
        for one in device_history.module_history(module.id)
    ]
    assert sorted(told) == sorted(
        [
            ("registered", "", "Flat 2", "", None, "test"),
            ("mounted", "", "", "E77", 1, "test"),
            ("mounted", "", "", "W77", 2, "test"),
            ("ended", "", "", "E77", 1, "test"),
            ("ended", "", "", "W77", 2, "test"),
            ("moved", "Flat 2", "Flat 1", "", None, "test"),
            ("removed", "", "", "", None, "test"),
        ]
    )


@pytest.mark.usefixtures("alice")
def test_places_in_the_order_people_count_them() -> None:
    place = access.node_for(user(), "alice-city")
    places = mounting_places.places_under(place)
    assert [(one.path, one.leaf, one.modules, one.points) for one in places] == [
        (("City",), False, 0, 0),
        (("City", "House"), False, 0, 0),
        (("City", "House", "Flat 1"), True, 2, 2),
        (("City", "House", "Flat 2"), True, 0, 0),
    ]
    areas = mounting_places.areas_of(user())
    assert [(one.node.code, one.leaves, one.done) for one in areas] == [("alice-house", 2, 1)]
    areas = mounting_places.areas_of(user("alice-installer"))
    assert [(one.node.code, one.leaves, one.done) for one in areas] == [("alice-flat-2", 1, 0)]
    assert mounting_places.areas_of(user("alice-consumer")) == []


@pytest.mark.usefixtures("alice")
def test_the_test_reading_becomes_the_register_at_mounting() -> None:
    wall = datetime.now(UTC)
    mount(at=wall)
    installer = user("alice-installer")
    assert {one.state for one in mount_tests.try_module(installer, 4711, wall)} == {"no_hub"}
    Module.objects.filter(serial=4711).update(hub=Hub.objects.get())
    assert {one.state for one in mount_tests.try_module(installer, 4711, wall)} == {"queued"}
    with connection.cursor() as cursor:
        cursor.execute(
            "update read_request set state = 'done', register = 57, read_at = %s, done_at = %s",
            [wall + timedelta(minutes=1)] * 2,
        )
    assert [
        (one.number, one.state, one.register)
        for one in mount_tests.try_module(installer, 4711, wall)
    ] == [(1, "done", 57), (2, "done", 57)]
    rows = MeterMounting.objects.filter(meter__serial__in=["E77", "W77"])
    assert {row.register_at_mount for row in rows} == {57}
    # much later the answer is asked for anew, and the register at mounting stays
    later = wall + timedelta(minutes=10)
    assert {one.state for one in mount_tests.try_module(installer, 4711, later)} == {"queued"}
    with pytest.raises(ForbiddenError):
        mount_tests.try_module(user("alice-consumer"), 1000, wall)


@pytest.mark.usefixtures("alice")
def test_a_reading_asked_for_at_another_point_is_not_told() -> None:
    """A module that was moved carries its channels along, not what was asked of them."""
    mount(replace(ORDER, inputs=(WATER,)))
    Module.objects.filter(serial=4711).update(hub=Hub.objects.first())
    remounting.move_module(user(), 4711, "alice-flat-1", NOW + HOUR, {})
    neighbours = replace(WATER, meter="W78")
    mount(replace(ORDER, place="alice-flat-1", inputs=(neighbours,)), NOW + 2 * HOUR)
    before, after = (access.point_for(user(), f"alice-flat-{n}-cw") for n in (2, 1))
    asked = read_requests.create(user(), after.code, "the neighbour is away")
    assert read_requests.latest(before) is None
    assert read_requests.latest(after) == asked
    remounting.move_module(user(), 4711, "alice-flat-2", NOW + 3 * HOUR, {})
    mount(replace(ORDER, inputs=(WATER,)), NOW + 4 * HOUR)
    again = read_requests.create(user(), before.code)
    assert (again.channel_id, again.state) == (asked.channel_id, ReadState.QUEUED)
    given_up = read_requests.by_code(asked.code)
    assert given_up is not None
    assert given_up.state == ReadState.EXPIRED


@pytest.mark.usefixtures("alice")
def test_who_may_not_see_a_place_is_not_told_its_name() -> None:
    mount(replace(ORDER, serial=4712, place="alice-flat-1", inputs=(WATER,)))
    for name, told in (("alice-operator", "Flat 1"), ("alice-installer", "?")):
        with pytest.raises(MountRefusedError) as error:
            mount(replace(ORDER, inputs=(WATER,)), name=name)
        assert (error.value.code, error.value.values["place"]) == ("meter_elsewhere", told)
        assert ("Flat 1" in str(error.value)) == (told != "?")
    text = "kind,code,place\nmodule,4712,alice-flat-2\n"
    done = prepared.prepare(user("alice-installer"), parse_prepared(text).devices, NOW)
    assert [one.what for one in done.findings] == [
        "module 4712 is registered at another place already"
    ]
