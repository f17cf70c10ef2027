"""Attacks on the mark for a second person, by one who may call events: each written out."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest
from django.db import DatabaseError, transaction
from tests.adapters.response_events import NOW, PUBLIC, drafted, open_programme, person

from balans.storage.access import ForbiddenError, NotVisibleError
from balans.storage.lookups import site_by_code
from balans.storage.models import MarkChange
from balans.storage.records import NodeInfo
from balans.storage.registry import apply_plan
from balans.storage.response_acts import announce, approve
from balans.storage.response_marks import (
    MarkInfo,
    approve_mark,
    waiting_marks,
    withdraw_mark,
)
from balans.storage.response_programmes import (
    create_programme,
    edit_programme,
    programme_for,
    set_programme_state,
)
from balans.storage.response_records import (
    ProgrammeInfo,
    ProgrammeState,
    ProgrammeTerms,
    ResponseRefusedError,
)
from balans.storage.scope import tenant_scope
from balans.storage.signing_keys import add_key
from balans.usecases.registry_plan import AccountPlan, RegistryPlan

pytestmark = pytest.mark.django_db
MARK = Decimal("0.1")


@pytest.fixture(autouse=True)
def site(plan: RegistryPlan) -> Iterator[NodeInfo]:
    """Alice's utility: an operator, otto who may do the same, and mary who only looks."""
    others = (
        AccountPlan(username="otto", password="x", grants=(("operator", "alice-city"),)),
        AccountPlan(username="mary", password="x", grants=(("manager", "alice-city"),)),
    )
    tenant_id = apply_plan(replace(plan, accounts=(*plan.accounts, *others))).tenant_id
    with tenant_scope(tenant_id):
        add_key(tenant_id, PUBLIC, "root", NOW)
        open_programme(second_person_kw=MARK)
        found = site_by_code(tenant_id, "alice-house")
        assert found is not None
        yield found


def programme(code: str = "evening") -> ProgrammeInfo:
    return programme_for(person("alice-operator"), code)


def mark(code: str = "evening") -> Decimal | None:
    return programme(code).terms.second_person_kw


def waiting(code: str = "evening") -> MarkInfo | None:
    found = programme(code)
    return waiting_marks([found.id]).get(found.id)


def edit(kw: Decimal | None, username: str = "alice-operator", **more: str) -> ProgrammeInfo:
    terms = replace(programme().terms, second_person_kw=kw, **more)  # type: ignore[arg-type]
    return edit_programme(person(username), "evening", terms, NOW)


def refused_alone(code: str) -> bool:
    """Tell whether the operator is refused to announce the event `code` without another."""
    with pytest.raises(ResponseRefusedError) as caught, transaction.atomic():
        announce(person("alice-operator"), code, NOW)
    return caught.value.code == "approval"


@pytest.mark.parametrize("kw", [None, Decimal(1000)])
def test_he_lifts_the_mark_and_announces(kw: Decimal | None) -> None:
    """He may call events, the mark says no, so he takes it away or raises it, and calls again."""
    event = drafted()
    assert event.needs_approval
    assert refused_alone(event.code)
    edit(kw, title="Evenings")
    assert programme().terms.title == "Evenings"  # the rest of what he changed counts
    assert mark() == MARK
    assert waiting() == MarkInfo(kw, "alice-operator", person("alice-operator").pk, NOW)
    assert refused_alone(event.code)
    with pytest.raises(ResponseRefusedError) as caught:
        approve_mark(person("alice-operator"), programme(), kw, NOW)
    assert caught.value.code == "author"
    assert refused_alone(event.code)


def test_another_person_lets_it_count() -> None:
    event = drafted()
    edit(None)
    approve_mark(person("otto"), programme(), None, NOW)
    assert mark() is None
    assert waiting() is None
    assert announce(person("alice-operator"), event.code, NOW).state == "announced"
    row = MarkChange.objects.get()
    assert (row.author, row.decider, row.verdict) == ("alice-operator", "otto", "approved")


def test_who_may_not_approve_does_not() -> None:
    edit(None)
    with pytest.raises(ForbiddenError):
        approve_mark(person("mary"), programme(), None, NOW)
    with pytest.raises(NotVisibleError):
        approve_mark(person("alice-consumer"), programme(), None, NOW)
    assert mark() == MARK


def test_he_lets_another_ask_for_what_he_has_asked() -> None:
    """He asks, otto saves the programme as he sees it: he does not become the one who asks."""
    edit(None)
    edit(mark(), "otto", title="Other words")
    found = waiting()
    assert found is not None
    assert found.author == "alice-operator"
    edit(None, "otto")
    again = waiting()
    assert again is not None
    assert again.author == "alice-operator"  # so otto is still the second person, not he


def test_he_changes_what_the_second_person_has_seen() -> None:
    """Otto sees 1 kW; before he agrees the mark that waits is another one, and it says so."""
    edit(Decimal(1))
    edit(Decimal(1000))
    found = waiting()
    assert found is not None
    assert found.kw == 1000
    with pytest.raises(ResponseRefusedError) as caught:
        approve_mark(person("otto"), programme(), Decimal(1), NOW)
    assert caught.value.code == "state"
    assert mark() == MARK
    assert MarkChange.objects.filter(verdict="withdrawn").count() == 1


def test_he_makes_a_programme_of_his_own_without_a_mark() -> None:
    """The same places, another programme, no mark: it begins with the strictest around it."""
    operator = person("alice-operator")
    terms = ProgrammeTerms(title="Mine", consent_needed=False, max_per_day=4)
    for code, node in (("mine", "alice-city"), ("house", "alice-house")):
        create_programme(operator, node, code, terms, NOW)
        set_programme_state(operator, code, ProgrammeState.OPEN, NOW)
        assert mark(code) == MARK
        found = waiting(code)
        assert found is not None
        assert found.kw is None
    assert refused_alone(drafted(programme="mine").code)
    approve_mark(person("otto"), programme("mine"), None, NOW)
    assert mark("mine") is None


def test_he_closes_the_programme_that_has_the_mark_first() -> None:
    operator = person("alice-operator")
    set_programme_state(operator, "evening", ProgrammeState.CLOSED, NOW)
    terms = ProgrammeTerms(title="Mine", consent_needed=False)
    create_programme(operator, "alice-city", "mine", terms, NOW)
    set_programme_state(operator, "mine", ProgrammeState.OPEN, NOW)
    assert mark("mine") == MARK


def test_he_writes_his_approval_into_the_database() -> None:
    """Whatever program does it: the database takes no approval of one's own."""
    edit(None)
    row = MarkChange.objects.get()
    row.verdict, row.decider_user_id = "approved", row.user_id
    with pytest.raises(DatabaseError, match="dr_mark_change_two"), transaction.atomic():
        row.save()


def test_a_stricter_mark_counts_at_once() -> None:
    edit(Decimal(5))
    edit(Decimal("0.05"))
    assert mark() == Decimal("0.05")
    assert waiting() is None  # what was wanted before was wanted of another mark


def test_what_is_wanted_no_more_is_withdrawn() -> None:
    edit(None)
    withdraw_mark(person("otto"), programme(), NOW)
    assert (mark(), waiting()) == (MARK, None)
    with pytest.raises(ResponseRefusedError) as caught:
        approve_mark(person("otto"), programme(), None, NOW)
    assert caught.value.code == "state"


def test_the_mark_of_a_draft_is_free() -> None:
    operator = person("alice-operator")
    create_programme(operator, "alice-city", "new", ProgrammeTerms(title="New"), NOW)
    for kw in (Decimal(5), None, Decimal(7)):
        terms = replace(programme("new").terms, second_person_kw=kw)
        edit_programme(operator, "new", terms, NOW)
        assert mark("new") == kw
    assert waiting("new") is None


def test_an_approved_event_is_still_announced_under_the_old_mark() -> None:
    event = drafted()
    approve(person("otto"), event.code, NOW)
    edit(None)
    assert announce(person("alice-operator"), event.code, NOW).approver == "otto"
