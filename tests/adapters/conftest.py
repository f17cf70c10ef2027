"""A small registry for the tests of the storage: Alice's utility, and Bob's next door."""

from collections.abc import Callable
from datetime import UTC, datetime, time
from decimal import Decimal
from fractions import Fraction

import pytest

from balans.usecases.registry_plan import (
    AccountPlan,
    ContractPlan,
    CustomerPlan,
    HubPlan,
    LimitPlan,
    LoadPlan,
    MeterPlan,
    ModulePlan,
    MountingPlan,
    NodePlan,
    PointPlan,
    RegistryPlan,
    TenantPlan,
    ZonePlan,
)

START = datetime(2026, 1, 1, tzinfo=UTC)


def small_plan(tenant: str = "alice", serial: int = 1000) -> RegistryPlan:
    """A building with two flats; flat 1 has a meter of 0.5 Wh a pulse on input 1.

    All codes begin with the name of the tenant; modules have serial numbers from `serial` on.
    """
    t = tenant
    return RegistryPlan(
        tenant=TenantPlan(code=t, name=f"{t} energy"),
        nodes=(
            NodePlan(code=f"{t}-flat-1", name="Flat 1", kind="flat", parent=f"{t}-house"),
            NodePlan(code=f"{t}-flat-2", name="Flat 2", kind="flat", parent=f"{t}-house"),
            NodePlan(
                code=f"{t}-city", name="City", kind="city", parent=None, timezone="Europe/Paris"
            ),
            NodePlan(code=f"{t}-house", name="House", kind="building", parent=f"{t}-city"),
        ),
        points=(
            PointPlan(
                code=f"{t}-p1",
                name="Flat 1",
                node=f"{t}-flat-1",
                resource="electricity",
                phase="L1",
            ),
            PointPlan(code=f"{t}-w1", name="Water", node=f"{t}-flat-1", resource="cold_water"),
        ),
        meters=(
            MeterPlan(serial=f"{t}-m1", resource="electricity", pulse_weight=Fraction(1, 2)),
            MeterPlan(serial=f"{t}-m2", resource="cold_water", pulse_weight=Fraction(1)),
        ),
        mountings=(
            MountingPlan(
                meter=f"{t}-m1", point=f"{t}-p1", module=serial, input=1, valid_from=START
            ),
            MountingPlan(
                meter=f"{t}-m2", point=f"{t}-w1", module=serial, input=2, valid_from=START
            ),
        ),
        hubs=(HubPlan(code=f"{t}-hub", site=f"{t}-house", controls=True),),
        modules=(
            ModulePlan(serial=serial, node=f"{t}-flat-1", hub=f"{t}-hub", inputs=(1, 2, 3)),
            ModulePlan(
                serial=serial + 1, node=f"{t}-flat-1", hub=f"{t}-hub", has_adapter=True, inputs=(1,)
            ),
        ),
        customers=(CustomerPlan(code=f"{t}-c1", name="Carol"),),
        contracts=(
            ContractPlan(
                number=f"{t}-k1",
                customer=f"{t}-c1",
                node=f"{t}-flat-1",
                contracted_kw=Decimal(6),
                tariff="day and night",
            ),
        ),
        loads=(
            LoadPlan(
                site=f"{t}-house",
                name="heat",
                node=f"{t}-flat-1",
                load_class="yellow",
                rated_w=2200,
                phase="L1",
                max_off_s=900,
                min_on_s=300,
                actuator=serial + 1,
                released=True,
            ),
            LoadPlan(
                site=f"{t}-house",
                name="wash",
                node=f"{t}-flat-1",
                load_class="green",
                rated_w=2000,
                deadline=time(7),
                actuator=serial + 1,
            ),
            LoadPlan(
                site=f"{t}-house",
                name="kitchen",
                node=f"{t}-flat-1",
                load_class="red",
                rated_w=3000,
            ),
        ),
        zones=(
            ZonePlan(
                node=f"{t}-city",
                name="night",
                from_time=time(23),
                to_time=time(7),
                price=Decimal("0.60"),
                currency="EUR",
            ),
        ),
        limits=(
            LimitPlan(node=f"{t}-house", name="contract", kw=Decimal(12)),
            LimitPlan(
                node=f"{t}-house",
                name="evening",
                kw=Decimal(8),
                from_time=time(17),
                to_time=time(21),
            ),
        ),
        accounts=(
            AccountPlan(
                username=f"{t}-operator", password="pass-1", grants=(("operator", f"{t}-city"),)
            ),
            AccountPlan(
                username=f"{t}-consumer", password="pass-2", grants=(("consumer", f"{t}-flat-1"),)
            ),
        ),
    )


@pytest.fixture
def make_plan() -> Callable[..., RegistryPlan]:
    """`small_plan`, for a second utility."""
    return small_plan


@pytest.fixture
def plan() -> RegistryPlan:
    """The registry of Alice's utility."""
    return small_plan()


@pytest.fixture(autouse=True)
def _fast_passwords(request: pytest.FixtureRequest) -> None:
    """Hash passwords cheaply: their strength is Django's business."""
    if "storage" in request.node.path.name:
        settings = request.getfixturevalue("settings")
        settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
