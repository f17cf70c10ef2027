"""Rights by role and subtree: what no grant allows is denied."""

from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth import authenticate, get_user_model

from balans.storage import lookups
from balans.storage.access import (
    ForbiddenError,
    NotVisibleError,
    ancestors_of,
    load_for,
    node_for,
    point_for,
    rights_on,
    roles_of,
    search_nodes,
    sites_of,
    top_nodes,
    visible_nodes,
)
from balans.storage.models import Grant, Node, User
from balans.storage.registry import apply_plan
from balans.storage.scope import system_scope, tenant_scope
from balans.usecases.registry_plan import AccountPlan, NodePlan, RegistryPlan
from balans.usecases.rights import RIGHTS, Right, Role

pytestmark = pytest.mark.django_db

ROLES = {
    "otto": Role.OPERATOR,
    "carol": Role.CONSUMER,
    "maria": Role.MANAGER,
    "ivan": Role.INSTALLER,
    "dora": Role.DISPATCHER,
}


@pytest.fixture(autouse=True)
def tenant_id(plan: RegistryPlan) -> Any:
    """Each person has one role on the house; flat 1 and flat 2 lie below, the city above."""
    accounts = tuple(
        AccountPlan(username=name, password="x", grants=((role, "alice-house"),))
        for name, role in ROLES.items()
    )
    nobody = AccountPlan(username="nobody", password="x")
    found = apply_plan(replace(plan, accounts=(*accounts, nobody))).tenant_id
    with tenant_scope(found):
        yield found


def person(username: str) -> User:
    found = get_user_model().objects.get(username=username)
    assert isinstance(found, User)
    return found


MATRIX = {
    Right.VIEW: {"otto", "carol", "maria", "ivan", "dora"},
    Right.READINGS: {"otto", "carol", "maria", "dora"},
    Right.REPORT: {"otto", "carol", "ivan"},
    Right.JUDGE: {"otto"},
    Right.LIVE: {"otto", "carol", "maria", "dora"},
    Right.AUDIT: {"otto", "carol", "maria", "dora"},
    Right.CONTROL: {"otto", "carol"},
    Right.CONTROL_UNRELEASED: {"carol"},
    Right.LIMITS: {"otto", "carol"},
    Right.CONSENT: {"carol"},
    Right.RESPONSE: {"otto"},
    Right.APPROVE: {"otto"},
    Right.SUPPLY: {"dora"},
    Right.REGISTRY: {"otto", "ivan"},
    Right.ACCESS: {"otto"},
}


def test_the_matrix_names_every_right_and_role() -> None:
    assert set(MATRIX) == set(Right)
    assert set(RIGHTS) == set(Role) == set(ROLES.values())


@pytest.mark.parametrize("username", [*ROLES, "nobody"])
@pytest.mark.parametrize("right", list(Right))
def test_rights_by_role(username: str, right: Right) -> None:
    allowed = username in MATRIX[right]
    user = person(username)
    for code in ("alice-house", "alice-flat-1"):
        if allowed:
            assert node_for(user, code, right).code == code
        else:
            error = ForbiddenError if username in ROLES else NotVisibleError
            with pytest.raises(error, match=code):
                node_for(user, code, right)
    with pytest.raises(NotVisibleError):
        node_for(user, "alice-city", right)


def test_what_exists_and_what_does_not_look_the_same_to_strangers() -> None:
    with pytest.raises(NotVisibleError) as of_something:
        node_for(person("nobody"), "alice-house")
    with pytest.raises(NotVisibleError) as of_nothing:
        node_for(person("nobody"), "alice-tower")
    there, nowhere = str(of_something.value), str(of_nothing.value)
    assert there.replace("house", "tower") == nowhere


def test_the_tree_begins_at_the_grant() -> None:
    (top,) = top_nodes(person("carol"))
    assert top.code == "alice-house"
    assert top.timezone.key == "Europe/Paris"  # from the city, which Carol does not see
    assert [node.code for node in lookups.children_of([top.id])] == [
        "alice-flat-1",
        "alice-flat-2",
    ]
    assert lookups.parents_among([top.id, lookups.children_of([top.id])[0].id]) == {top.id}
    assert ancestors_of(person("carol"), lookups.children_of([top.id])[0]) == [top]
    assert top_nodes(person("nobody")) == []
    assert [site.code for site in sites_of(person("carol"))] == ["alice-house"]
    assert sites_of(person("ivan")) == sites_of(person("nobody")) == []


def test_points_and_loads_go_by_their_node(tenant_id: int) -> None:
    house = lookups.site_by_code(tenant_id, "alice-house")
    assert house is not None
    assert point_for(person("carol"), "alice-p1").code == "alice-p1"
    assert load_for(person("otto"), house.id, "heat", Right.CONTROL).name == "heat"
    with pytest.raises(ForbiddenError):
        point_for(person("ivan"), "alice-p1")
    with pytest.raises(ForbiddenError):
        load_for(person("maria"), house.id, "heat", Right.CONTROL)
    with pytest.raises(NotVisibleError):
        point_for(person("nobody"), "alice-p1")
    with pytest.raises(NotVisibleError):
        load_for(person("carol"), house.id, "toaster")


def test_several_grants_add_up(tenant_id: int) -> None:
    ivan = person("ivan")
    flat = node_for(ivan, "alice-flat-1")
    Grant.objects.create(tenant_id=tenant_id, user=ivan, role=Role.MANAGER, node_id=flat.id)
    assert rights_on(ivan, flat) == RIGHTS[Role.INSTALLER] | RIGHTS[Role.MANAGER]
    assert rights_on(ivan, node_for(ivan, "alice-flat-2")) == RIGHTS[Role.INSTALLER]
    assert roles_of(ivan) == {Role.INSTALLER, Role.MANAGER}
    assert len(top_nodes(ivan)) == 1  # the flat lies below the other grant


def test_a_search_finds_what_may_be_seen() -> None:
    assert [node.code for node in search_nodes(person("carol"), "FLAT-1", 10)] == ["alice-flat-1"]
    assert len(search_nodes(person("carol"), "alice", 2)) == 2
    assert search_nodes(person("nobody"), "alice", 10) == []


def test_an_account_out_of_use_has_no_rights() -> None:
    otto = person("otto")
    house = node_for(otto, "alice-house")
    otto.is_active = False
    assert rights_on(otto, house) == frozenset()
    assert visible_nodes(otto) == []
    assert roles_of(otto) == frozenset()


def test_grants_move_with_their_nodes(plan: RegistryPlan) -> None:
    """A house moved to another street takes its flats and the grants on them along."""
    more = (
        NodePlan(code="village", name="", kind="city"),
        NodePlan(code="street", name="", kind="street", parent="village"),
    )
    flat_holder = AccountPlan(username="fay", password="x", grants=(("consumer", "alice-flat-1"),))
    apply_plan(replace(plan, nodes=(*plan.nodes, *more), accounts=(flat_holder,)))
    moved = tuple(
        replace(node, parent="street") if node.code == "alice-house" else node
        for node in plan.nodes
    )
    apply_plan(RegistryPlan(tenant=plan.tenant, nodes=moved), actor="otto")
    ids = dict(Node.objects.values_list("code", "id"))
    for code, chain in {
        "alice-house": ("village", "street", "alice-house"),
        "alice-flat-2": ("village", "street", "alice-house", "alice-flat-2"),
    }.items():
        path = ".".join(f"n{ids[label]}" for label in chain)
        assert Node.objects.get(code=code).path == path
    for grant in Grant.objects.select_related("node"):
        assert grant.path == grant.node.path
    assert node_for(person("fay"), "alice-flat-1", Right.READINGS).timezone.key == "UTC"
    with pytest.raises(NotVisibleError):
        node_for(person("fay"), "alice-flat-2")
    assert [n.code for n in visible_nodes(person("carol"))] == [
        "alice-house",
        "alice-flat-1",
        "alice-flat-2",
    ]


def test_rights_end_at_the_tenant(plan: RegistryPlan) -> None:
    """Even in the system's scope a person gets nothing of another tenant."""
    other = replace(plan.tenant, code="bob")
    node = NodePlan(code="alice-house", name="same code", kind="building")
    bob = apply_plan(RegistryPlan(tenant=other, nodes=(node,))).tenant_id
    otto = person("otto")
    with system_scope():
        theirs = lookups.site_by_code(bob, "alice-house")
        assert theirs is not None
        assert rights_on(otto, theirs) == frozenset()
        assert node_for(otto, "alice-house").tenant_id == otto.tenant_id


def test_login_finds_the_user_before_the_tenant_is_known() -> None:
    with tenant_scope(0):
        found = authenticate(username="otto", password="x")
        assert found is not None
        assert authenticate(username="otto", password="y") is None
        assert authenticate(username="nemo", password="x") is None
