"""The numbered word of its groups that each hub is told: it grows with every change, never back."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from django.db import connection
from tests.adapters.response_events import NOW, PUBLIC, open_programme, person

from balans.protocols.hub import Groups
from balans.storage import response_places
from balans.storage.registry import apply_plan
from balans.storage.response_members import hub_groups
from balans.storage.response_programmes import edit_programme, programme_for
from balans.storage.scope import system_scope, tenant_scope
from balans.storage.signing_keys import add_key
from balans.usecases.registry_plan import RegistryPlan

HUB = "alice-hub"


@pytest.fixture
def alice(store: None, plan: RegistryPlan) -> int:  # noqa: ARG001  (a fixture)
    """Alice's utility with a key and a programme; real commits."""
    tenant_id = apply_plan(plan).tenant_id
    with tenant_scope(tenant_id):
        open_programme()
        add_key(tenant_id, PUBLIC, "root", NOW)
    return tenant_id


def told() -> Groups:
    (found,) = hub_groups([HUB])
    return found.groups


def leave() -> None:
    response_places.leave(person("alice-consumer"), "evening", "alice-flat-1", NOW)


def join() -> None:
    response_places.join(person("alice-consumer"), "evening", "alice-flat-1", NOW)


def set_fallback() -> None:
    operator = person("alice-operator")
    terms = programme_for(operator, "evening").terms
    edit_programme(operator, "evening", replace(terms, fallback_w=500.0), NOW)


def test_what_is_the_same_has_the_same_number(alice: int) -> None:
    first = told()
    assert first.groups == (f"t{alice}-evening.0",)
    assert told() == first


@pytest.mark.parametrize("change", [leave, set_fallback])
def test_every_change_has_a_larger_number(alice: int, change: Callable[[], None]) -> None:
    first = told()
    with tenant_scope(alice):
        change()
    second = told()
    assert second.version > first.version
    assert (second.groups, second.fallback) != (first.groups, first.fallback)
    assert told() == second


def test_what_is_again_as_it_was_is_newer(alice: int) -> None:
    first = told()
    versions = [first.version]
    for change in (leave, join):
        with tenant_scope(alice):
            change()
        versions.append(told().version)
    assert told().groups == first.groups
    assert versions == sorted(set(versions))


def test_a_member_that_nobody_has_touched_is_moved(alice: int) -> None:  # noqa: ARG001
    """Membership is no record of the registry: its rows have no history to count by."""
    first = told()
    with system_scope(), connection.cursor() as cursor:
        cursor.execute("update dr_member set shard = 3")
    second = told()
    assert second.groups[0].endswith("-evening.3")
    assert second.version > first.version


def test_a_number_is_not_used_again_after_its_row_is_gone(alice: int) -> None:  # noqa: ARG001
    first = told()
    with system_scope(), connection.cursor() as cursor:
        cursor.execute("delete from dr_told_groups")
    second = told()
    assert second.groups == first.groups
    assert second.version > first.version


def test_two_head_ends_tell_the_same(alice: int) -> None:
    told()
    with tenant_scope(alice):
        leave()

    def ask(_: int) -> Groups:
        try:
            return told()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(ask, range(8)))
    assert len({one.version for one in found}) == 1
    assert len({one.groups for one in found}) == 1
