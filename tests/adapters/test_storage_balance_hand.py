"""Balance groups that people put together."""

import pytest
from django.db import connection
from tests.adapters.balance_town import (
    LATER,
    NOON,
    RATES,
    deliver,
    node_of,
    seen,
    steady,
    street_plan,
)

from balans.core.errors import InputError
from balans.core.words import Resource
from balans.domain.balances import Reach, Side
from balans.storage import balance_dirty
from balans.storage.balance_groups import GroupInfo, hand_groups
from balans.storage.balance_hand import (
    HandPlan,
    Member,
    MembersRefusedError,
    delete_group,
    members_of,
    save_group,
)
from balans.storage.balance_upkeep import take_news
from balans.storage.balances import Report, Step, balance
from balans.storage.registry import apply_plan
from balans.storage.scope import tenant_scope

pytestmark = pytest.mark.django_db
IN, OUT, MADE = Side.INFLOW, Side.OUTFLOW, Side.PRODUCTION
LOWER = (Member(IN, "b1-in"), Member(OUT, "shop"), Member(OUT, "riser", is_group=True))


@pytest.fixture
def alice() -> int:
    tenant = apply_plan(street_plan()).tenant_id
    deliver(steady(RATES, range(-24, 60)))
    with tenant_scope(tenant):
        take_news(wait=True)
    return tenant


def save(tenant: int, code: str, *members: Member, node: str = "street") -> GroupInfo:
    plan = HandPlan(code, code.upper(), Resource.ELECTRICITY, members)
    return save_group(node_of(tenant, node), plan)


def report(group: GroupInfo, reach: Reach = Reach.METERS) -> Report:
    bounds = [NOON, NOON.replace(hour=13)]
    return balance(group, bounds, Step.HOUR, LATER, reach)


def test_points_and_what_flows_into_other_groups(alice: int) -> None:
    with tenant_scope(alice, "anna"):
        group = save(alice, "lower", *LOWER)
        assert (group.by_hand, group.code, group.name) == (True, "lower", "LOWER")
        assert seen(report(group)) == [(105, 100, 5)]  # the riser has no meter: what it uses
        assert members_of(group) == [*LOWER]
        with connection.cursor() as cursor:
            cursor.execute(
                "select count(*) from registry_history where table_name = 'balance_member'"
                " and actor = 'anna'"
            )
            assert cursor.fetchone() == (3,)


def test_groups_by_hand_nest(alice: int) -> None:
    with tenant_scope(alice):
        save(alice, "lower", *LOWER)
        both = save(
            alice, "both", Member(IN, "b2-in"), Member(IN, "lower", is_group=True),
            Member(OUT, "b1", is_group=True), Member(OUT, "f21"), Member(OUT, "f22"),
            Member(MADE, "roof"),
        )  # fmt: skip
        assert seen(report(both)) == [(159, 158, 1)]
        assert seen(report(both, Reach.CONSUMERS)) == [(159, 153, 6)]


def test_other_members_another_balance(alice: int) -> None:
    with tenant_scope(alice):
        group = save(alice, "lower", *LOWER)
        assert seen(report(group)) == [(105, 100, 5)]
        again = save(alice, "lower", *LOWER[:2])
        assert again.id == group.id
        assert seen(report(again)) == [(105, 40, 65)]
        again = save(alice, "lower", Member(IN, "b1-in"), Member(MADE, "shop"), Member(OUT, "f11"))
        assert seen(report(again)) == [(145, 10, 135)]


@pytest.mark.parametrize("few", [balance_dirty.FEW, 0])
def test_late_readings_reach_it(alice: int, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also those of a big flush, which remembers what channels count for."""
    monkeypatch.setattr(balance_dirty, "FEW", few)
    deliver(steady({"b1-in": 105}, range(60, 62)))
    with tenant_scope(alice):
        group = save(alice, "night", Member(IN, "b1-in"), Member(OUT, "shop"))
        late = NOON.replace(day=31)
        bounds = [late, late.replace(hour=13)]
        (line,) = balance(group, bounds, Step.HOUR, LATER).lines
        assert (line.balance.known, line.balance.expected) == (0, 2)
    deliver(steady({"b1-in": 105, "shop": 40}, range(95, 100)))
    with tenant_scope(alice):
        (line,) = balance(group, bounds, Step.HOUR, LATER).lines
        assert line.balance.imbalance == 65_000


@pytest.mark.parametrize(
    ("member", "complaint"),
    [
        (Member(IN, "nowhere"), "no such metering point at the node or below it"),
        (Member(OUT, "shop"), "it is there twice"),
        (Member(OUT, "f12", is_group=True), "no balance group with this code"),
        (Member(OUT, "riser", is_group=True), "it is there twice"),
        (Member(OUT, "lower", is_group=True), "a group cannot contain itself"),
        (Member(MADE, "b2", is_group=True), "a group is inflow or outflow"),
        (Member(OUT, "city", is_group=True), "no balance group with this code"),
    ],
)
def test_each_member_that_cannot_be_is_named(alice: int, member: Member, complaint: str) -> None:
    with tenant_scope(alice):
        with pytest.raises(MembersRefusedError, match=complaint) as refused:
            save(alice, "lower", *LOWER, member)
        (refusal,) = refused.value.refusals
        assert (refusal.number, refusal.code) == (4, member.code)


def test_a_point_elsewhere_is_no_member(alice: int) -> None:
    with tenant_scope(alice), pytest.raises(MembersRefusedError, match="no such metering point"):
        save(alice, "b2-only", Member(IN, "b1-in"), node="b2")


def test_a_circle_through_others_is_refused(alice: int) -> None:
    with tenant_scope(alice):
        save(alice, "one", Member(IN, "b1-in"))
        save(alice, "two", Member(OUT, "one", is_group=True))
        with pytest.raises(MembersRefusedError, match="not even through others"):
            save(alice, "one", Member(OUT, "two", is_group=True))
        (one,) = hand_groups(alice, "one")
        assert members_of(one) == [Member(IN, "b1-in")]


def test_a_group_keeps_its_place(alice: int) -> None:
    with tenant_scope(alice):
        save(alice, "lower", *LOWER)
        with pytest.raises(InputError, match="at another node"):
            save(alice, "lower", Member(IN, "b2-in"), node="b2")


def test_a_group_is_removed_when_no_other_needs_it(alice: int) -> None:
    with tenant_scope(alice):
        lower = save(alice, "lower", *LOWER)
        save(alice, "both", Member(OUT, "lower", is_group=True))
        with pytest.raises(InputError, match="both contains it"):
            delete_group(lower)
        save(alice, "both")
        delete_group(lower)
        assert [group.code for group in hand_groups(alice)] == ["both"]
