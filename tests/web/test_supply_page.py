"""Disconnecting on pages: two steps, a second person, what each may see and do."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from tests.web import supply_people, town
from tests.web.api_client import key
from tests.web.conftest import Town

from balans.protocols.hub import SupplyOutcome
from balans.protocols.supply_words import Contact
from balans.storage import supply_sending
from balans.storage.api_keys import Scope

PAGE = f"/points/{supply_people.POINT}/supply/"
DEVICE = {
    "do": "add_device",
    "module": str(supply_people.ADAPTER),
    "kind": "contactor",
    "reconnect": "remote",
}
DEBT = {
    "do": "draft",
    "action": "disconnect",
    "reason": "non_payment",
    "text": "three bills, letter of 2 January",
    "ttl": "60",
    "not_before": "2026-01-12T10:00",
}
DANGER = DEBT | {"reason": "danger", "text": "smell of burning", "not_before": ""}


@pytest.fixture
def browser(visit: Callable[[str], Client], utilities: Town) -> Callable[[str], Client]:
    """Browsers of people, after the adapter has been registered as the device of flat 1."""
    assert utilities.alice
    supply_people.add_people()
    operator = visit("alice-operator")
    assert operator.post(PAGE, DEVICE).status_code == 302
    return visit


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", answer.content.decode())


def submit(client: Client, form: dict[str, str]) -> str:
    """Go through both steps with everything confirmed; return the address of the order."""
    url = drafted(client, form)
    page = client.get(url)
    checks = [value for value, *_ in page.context["checklist"]]
    done = client.post(url, {"do": "submit", "check": checks})
    assert done.status_code == 302, text_of(done)
    return url


def drafted(client: Client, form: dict[str, str]) -> str:
    """Go through the first step; return the address of the order."""
    answer = client.post(PAGE, form)
    assert answer.status_code == 302, text_of(answer)
    return str(answer["Location"])


def test_two_steps_a_second_person_and_the_history(browser: Callable[[str], Client]) -> None:
    dora, dan = browser("alice-dora"), browser("alice-dan")
    url = drafted(dora, DEBT)
    step = dora.get(url)
    said = text_of(step)
    assert "Step 2 of 2" in said
    assert "Carol Consumer" in said
    assert "A second person must approve it" in said
    assert [value for value, *_ in step.context["checklist"]] == ["right_place", "notified"]
    missing = dora.post(url, {"do": "submit", "check": ["right_place"]})
    assert missing.status_code == 422
    assert "Confirm every item" in text_of(missing)
    assert dan.get(url).status_code == 404
    dora.post(url, {"do": "submit", "check": ["right_place", "notified"]})
    assert "Somebody else with this right must approve it" in text_of(dora.get(url))
    assert "Approve" not in text_of(dora.get(url)).split("Every step")[0].split("<main")[1]
    assert url in text_of(dan.get("/supply/"))
    assert dan.get("/supply/").context["waiting"]
    assert not dora.get("/supply/").context["waiting"]
    assert dan.post(url, {"do": "approve"}).status_code == 302
    assert dan.post(url, {"do": "approve"}).status_code == 422
    supply_sending.release_due(town.NOW)
    code = url.strip("/").split("/")[-1]
    supply_people.tell(code, SupplyOutcome.CONFIRMED, Contact.OFF, 0)
    page = text_of(dora.get(PAGE))
    assert "done, confirmed by feedback" in page
    assert "three bills, letter of 2 January" in page
    assert "approved by alice-dan" in page
    states = [step["state"] for step in dora.get(url).context["order"]["steps"]]
    assert states[0] == "draft"
    assert len(states) == 5


def test_of_a_supply_that_is_off_the_next_order_is_proposed(
    browser: Callable[[str], Client],
) -> None:
    dora = browser("alice-dora")
    page = dora.get(PAGE)
    assert page.context["order_form"].initial["action"] == "disconnect"
    assert 'data-under-way="5000"' in page.content.decode()  # nothing was heard of the contact
    url = submit(dora, DEBT | {"reason": "customer_wish", "text": "moves out", "not_before": ""})
    assert (
        'data-under-way="1000"'
        in dora.get(PAGE, headers={"accept-language": "ro"}).content.decode()
    )
    assert 'data-under-way="1000"' in dora.get(url).content.decode()
    supply_sending.release_due(town.NOW)
    supply_people.tell(url.strip("/").split("/")[-1], SupplyOutcome.CONFIRMED, Contact.OFF, 0)
    page = dora.get(PAGE)
    first = page.context["order_form"].initial
    assert (first["action"], first["reason"]) == ("reconnect", "customer_wish")
    assert "data-under-way" not in page.content.decode()
    assert "data-under-way" not in dora.get(url).content.decode()
    again = dora.post(PAGE, DEBT | {"reason": "repair"})
    assert (again.status_code, "The supply is so already." in text_of(again)) == (422, True)


def test_the_list_leads_to_what_can_be_disconnected(browser: Callable[[str], Client]) -> None:
    dora = browser("alice-dora")
    places = dora.get("/supply/").context["places"]
    assert [one["url"] for one in places] == ["/nodes/alice-house/supply/"]
    assert PAGE in text_of(dora.get(places[0]["url"]))


def test_the_page_of_the_module_says_what_it_interrupts(browser: Callable[[str], Client]) -> None:
    operator, page = browser("alice-operator"), f"/modules/{supply_people.ADAPTER}/"
    assert f"It interrupts the supply of {supply_people.POINT}" in text_of(operator.get(page))
    asked = text_of(operator.post(page, {"action": "remove"}))
    assert f"The supply of {supply_people.POINT} can no longer be disconnected" in asked
    submit(browser("alice-dora"), DANGER)
    for form in (
        {"action": "remove"},
        {"action": "move", "place": "alice-flat-02"},
        {"action": "replace", "successor": "4712"},
    ):
        refused = operator.post(page, form | {"confirmed": "yes"})
        assert refused.status_code == 422
        assert "an order for that is under way" in text_of(refused)


def test_the_author_cannot_approve_by_a_form_of_their_own(
    browser: Callable[[str], Client],
) -> None:
    dora = browser("alice-dora")
    url = submit(dora, DEBT)
    answer = dora.post(url, {"do": "approve"})
    assert answer.status_code == 422
    assert "A second person must do this" in text_of(answer)


def test_danger_is_on_its_way_at_once_and_comes_back_by_two(
    browser: Callable[[str], Client],
) -> None:
    dora = browser("alice-dora")
    url = submit(dora, DANGER)
    assert "approved" in text_of(dora.get(url))
    supply_sending.release_due(town.NOW)
    answer = dora.post(url, {"do": "cancel", "why": "no"})
    assert answer.status_code == 422
    assert "The order has gone on meanwhile" in text_of(answer)
    supply_people.tell(url.strip("/").split("/")[-1], SupplyOutcome.CONFIRMED, Contact.OFF, 0)
    back = submit(dora, DANGER | {"action": "reconnect"})
    assert "waits for a second person" in text_of(dora.get(back))


def test_a_cancelled_order_is_not_sent(browser: Callable[[str], Client]) -> None:
    dora, dan = browser("alice-dora"), browser("alice-dan")
    url = submit(dora, DANGER)
    assert dan.post(url, {"do": "cancel", "why": " "}).status_code == 422
    assert dan.post(url, {"do": "cancel", "why": "false alarm"}).status_code == 302
    assert supply_sending.release_due(town.NOW) == 0
    assert "cancelled" in text_of(dora.get(url))


def test_a_protected_point_is_refused_for_debt(browser: Callable[[str], Client]) -> None:
    operator, dora = browser("alice-operator"), browser("alice-dora")
    protect = {"do": "protect", "kind": "life_support", "reason": "ventilator"}
    assert dora.post(PAGE, protect).status_code == 403
    assert operator.post(PAGE, protect | {"reason": ""}).status_code == 422
    assert operator.post(PAGE, protect).status_code == 302
    assert operator.post(PAGE, protect).status_code == 422
    assert "the point is protected" in text_of(dora.get(drafted(dora, DEBT)))
    operator.post(PAGE, {"do": "unprotect", "reason": "moved out"})
    assert "moved out" in text_of(dora.get(PAGE))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"text": " "}, "Say why, in 1 to 500 letters."),
        ({"not_before": ""}, "Give the date that the customer was told"),
        ({"not_before": "soon"}, "is no time"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    browser: Callable[[str], Client], change: dict[str, str], said: str
) -> None:
    answer = browser("alice-dora").post(PAGE, DEBT | change)
    assert answer.status_code == 422
    assert said in text_of(answer)


def test_who_may_see_and_who_may_do(browser: Callable[[str], Client]) -> None:
    dora = browser("alice-dora")
    url = submit(dora, DEBT)
    for name in ("alice-operator", "alice-manager", "alice-resident"):
        client = browser(name)
        assert "New order" not in text_of(client.get(PAGE))
        assert client.get(url).status_code == 200
        assert client.post(PAGE, DEBT).status_code == 403
        for do in ("approve", "cancel", "decline", "submit"):
            assert client.post(url, {"do": do, "why": "x"}).status_code == 403
        assert client.get("/supply/").status_code == 403
    for name in ("alice-installer", "alice-nobody", "bob-operator"):
        client = browser(name)
        assert client.get(PAGE).status_code in {403, 404}
        assert client.get(url).status_code in {403, 404}
        assert client.post(url, {"do": "approve"}).status_code in {403, 404}
    other = PAGE.replace("01", "02")
    assert browser("alice-resident").get(other).status_code == 404


def test_what_no_button_sends_is_refused(browser: Callable[[str], Client]) -> None:
    dora = browser("alice-dora")
    assert dora.post(PAGE, {"do": "nothing"}).status_code == 400
    assert dora.post(PAGE, {}).status_code == 400
    url = submit(dora, DANGER)
    assert dora.post(url, {"do": "nothing"}).status_code == 400
    assert dora.get("/supply/none/").status_code == 404
    assert dora.post(PAGE, DEBT | {"reason": "revenge"}).status_code == 422


def test_a_device_needs_a_module_of_its_own(browser: Callable[[str], Client]) -> None:
    operator = browser("alice-operator")
    assert operator.post(PAGE, DEVICE).status_code == 422
    assert "Is the device gone?" in text_of(operator.post(PAGE, {"do": "remove_device"}))
    gone = {"do": "remove_device", "confirmed": "yes"}
    assert operator.post(PAGE, gone).status_code == 302
    answer = operator.post(PAGE, DEVICE | {"module": "1010"})
    assert answer.status_code == 422
    assert operator.post(PAGE, DEVICE).status_code == 302
    assert browser("alice-dora").post(PAGE, {"do": "remove_device"}).status_code == 403


@pytest.mark.parametrize("language", ["ru", "ro"])
def test_the_pages_speak_other_languages(browser: Callable[[str], Client], language: str) -> None:
    dora = browser("alice-dora")
    url = submit(dora, DEBT)
    dora.post("/language/", {"language": language})
    english = ("Legal reason", "New order", "Every step", "What is ordered", "Disconnecting")
    for path in (PAGE, url, "/supply/"):
        page = text_of(dora.get(path))
        assert [text for text in english if text in page] == []


def test_a_place_shows_its_supplies_and_who_gives_rights_sets_the_rule(
    browser: Callable[[str], Client],
) -> None:
    house = "/nodes/alice-house/supply/"
    dora, operator = browser("alice-dora"), browser("alice-operator")
    page = text_of(dora.get(house))
    assert PAGE in page
    assert "Non-payment." in page
    assert "Set the rule" not in page
    rule = {"reasons": ["repair", "customer_wish"]}
    assert dora.post(house, rule).status_code == 403
    assert operator.post(house, rule | {"reasons": ["revenge"]}).status_code == 200
    assert operator.post(house, rule).status_code == 302
    assert "Wish of the customer, Repair." in text_of(dora.get("/nodes/alice-flat-01/supply/"))
    url = submit(dora, DANGER | {"reason": "repair"})
    assert "waits for a second person" in text_of(dora.get(url))
    for name in ("alice-installer", "alice-nobody", "bob-operator"):
        assert browser(name).get(house).status_code in {403, 404}
    assert browser("alice-resident").get(house).status_code == 404


def test_a_program_reads_the_supply_and_orders_nothing(browser: Callable[[str], Client]) -> None:
    submit(browser("alice-dora"), DEBT)
    text = key("alice-dora", "alice-house", frozenset({Scope.READ_EVENTS})).text
    client = Client(headers={"Authorization": f"Bearer {text}"})
    found = client.get(f"/api/v1/points/{supply_people.POINT}/supply")
    assert found.status_code == 200, found.content
    said = found.json()
    assert (said["contact"], said["kind"]) == ("unknown", "contactor")
    assert [step["state"] for step in said["orders"][0]["steps"]] == ["draft", "waiting_approval"]
    before = len(browser("alice-dora").get(PAGE).context["orders"])
    assert client.post(PAGE, DEBT).status_code in {302, 401, 403}
    assert len(browser("alice-dora").get(PAGE).context["orders"]) == before
