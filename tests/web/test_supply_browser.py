"""Disconnecting in a real Chromium: two steps by keyboard, two people, every page looked at."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from tests.web import supply_people, town
from tests.web.conftest import Pages, in_thread
from tests.web.test_browser import (
    AXE,
    DESKTOP,
    PHONE,
    RULES,
    SERIOUS,
    Open,
    chromium,
    open_window,
    signed_in,
)

from balans.protocols.hub import SupplyOutcome
from balans.protocols.supply_words import Contact
from balans.storage import supply_sending

__all__ = ["chromium", "open_window", "signed_in"]

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("supply-browser")]
SHOTS = os.environ.get("SHOTS_OF_PAGES")
PAGE = f"/points/{supply_people.POINT}/supply/"


@pytest.fixture(scope="module", autouse=True)
def _device(pages: Pages) -> None:
    """Flat 1 has a contactor beside what the town has."""
    assert pages.url
    in_thread(seed)


def seed() -> None:
    from django.contrib.auth import get_user_model

    from balans.domain.supply import ReconnectMode, SupplyKind
    from balans.storage import supply
    from balans.storage.scope import system_scope, tenant_scope

    supply_people.add_people()
    with system_scope():
        user: Any = get_user_model().objects.get(username="alice-operator")
    with tenant_scope(user.tenant_id, "alice-operator"):
        supply.add_device(
            user,
            supply_people.POINT,
            supply_people.ADAPTER,
            SupplyKind.CONTACTOR,
            ReconnectMode.REMOTE,
            town.NOW,
        )


def as_person(window: Any, username: str) -> None:
    window.page.context.clear_cookies()
    window.sign_in(username)


def look(page: Page, size: tuple[int, int], name: str) -> None:
    """Check that nothing sticks out and axe finds nothing serious; keep a picture if wanted."""
    page.wait_for_load_state()
    page.evaluate("scrollTo(0, 0)")  # what the top bar half covers counts as too small
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    page.evaluate(AXE.read_text())
    found: dict[str, Any] = page.evaluate("rules => axe.run(document, {runOnly: rules})", RULES)
    serious = [v for v in found["violations"] if v["impact"] in SERIOUS]
    assert [(v["id"], v["nodes"][0]["html"]) for v in serious] == []
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}-{size[0]}.png", full_page=True)


@pytest.mark.parametrize(
    ("size", "scheme", "language"),
    [(DESKTOP, "light", ""), (PHONE, "dark", ""), (PHONE, "light", "Română")],
)
def test_an_order_by_keyboard_with_its_second_person(
    open_window: Open, size: tuple[int, int], scheme: str, language: str
) -> None:
    with open_window(size, color_scheme=scheme) as window:
        page: Page = window.page
        as_person(window, "alice-dora")
        window.go(PAGE)
        if language:
            page.locator("details.menu summary").click()
            page.get_by_role("button", name=language).click()
        page.locator("#id_order_reason").select_option("non_payment")
        page.locator("#id_order_not_before").fill("2026-01-12T10:00")
        page.locator("#id_order_text").fill("three bills, letter of 2 January")
        look(page, size, f"supply-{scheme}")
        page.locator("#id_order_text").press("Tab")
        page.keyboard.press("Enter")
        expect(page.locator("input[name=check]")).to_have_count(2)
        look(page, size, f"supply-step-{scheme}")
        page.locator("fieldset ~ p button").press("Enter")
        expect(page.get_by_role("alert")).to_be_visible()
        for box in page.locator("input[name=check]").all():
            box.press("Space")
        page.locator("fieldset ~ p button").press("Enter")
        expect(page.locator("input[name=check]")).to_have_count(0)
        order = page.url.partition("#")[0]
        look(page, size, f"supply-waits-{scheme}")
        as_person(window, "alice-dan")
        window.go("/supply/")
        look(page, size, f"supply-orders-{scheme}")
        page.locator("table.rows th a").first.click()
        look(page, size, f"supply-decide-{scheme}")
        page.locator("form:has(input[value=decline]) input[name=why]").fill("paid this morning")
        page.locator("form:has(input[value=decline]) button").press("Enter")
        expect(page.locator("form:has(input[value=decline])")).to_have_count(0)
        assert page.url.partition("#")[0] == order
        window.go(PAGE)
        look(page, size, f"supply-history-{scheme}")
        window.complaints[:] = [text for text in window.complaints if "422" not in text]


@pytest.mark.parametrize(("size", "scheme"), [(PHONE, "light"), (DESKTOP, "dark")])
def test_what_the_operator_keeps(open_window: Open, size: tuple[int, int], scheme: str) -> None:
    with open_window(size, color_scheme=scheme) as window:
        page: Page = window.page
        window.go(PAGE)
        page.locator("#protection summary").click()
        page.locator("#id_protection_reason").fill("ventilator at home")
        page.locator("#id_protection_reason").press("Enter")
        expect(page.locator("#protection tbody .chip")).to_have_count(1)
        look(page, size, f"supply-keeps-{scheme}")
        window.go("/nodes/alice-house/supply/")
        page.locator("details.change-form summary").click()
        look(page, size, f"supply-places-{scheme}")
        window.go(PAGE)
        page.locator("#protection summary").click()
        page.locator("#id_protection_reason").fill("moved out")
        page.locator("#id_protection_reason").press("Enter")
        expect(page.locator("#protection tbody .chip")).to_have_count(0)


def test_what_a_contact_says_first_appears_by_itself(open_window: Open) -> None:
    def tell(contact: Contact, offset: int) -> None:
        supply_people.tell("", SupplyOutcome.TOLD, contact, offset)

    with open_window(PHONE, color_scheme="dark") as window:
        page: Page = window.page
        as_person(window, "alice-dora")
        window.go(PAGE)
        chip, action = page.locator("#state-title ~ .chip"), page.locator("#id_order_action")
        expect(chip).to_have_text("not known yet")
        in_thread(tell, Contact.ARMED, 0)
        expect(chip).to_have_text("disconnected, may be turned on by hand", timeout=12_000)
        expect(action).to_have_value("reconnect")
        in_thread(tell, Contact.ON, 1)
        expect(chip).to_have_text("connected", timeout=12_000)
        expect(action).to_have_value("disconnect")
        look(page, PHONE, "supply-told")


def bring(order: str) -> Callable[[], None]:
    """Return what sends the order and lets its hub confirm that the supply is off."""

    def work() -> None:
        supply_sending.release_due(town.NOW)
        supply_people.tell(order, SupplyOutcome.CONFIRMED, Contact.OFF, 2)

    return work


def test_the_outcome_appears_by_itself(open_window: Open) -> None:
    with open_window(DESKTOP, color_scheme="light") as window:
        page: Page = window.page
        as_person(window, "alice-dora")
        window.go(PAGE)
        page.locator("#id_order_reason").select_option("customer_wish")
        page.locator("#id_order_text").fill("moves out")
        page.locator("form:has(input[value=draft]) button").press("Enter")
        page.locator("input[name=check]").press("Space")
        page.locator("fieldset ~ p button").press("Enter")
        head = page.locator(".page-head .chip")
        expect(head).to_have_text("approved")
        expect(page.locator("main > .notice")).to_have_count(1)
        page.locator("#id_cancel_why").fill("on the pho")
        page.evaluate("document.body.dataset.same = 'page'")
        order = page.url.partition("#")[0].strip("/").split("/")[-1]
        in_thread(bring(order))
        expect(head).to_have_text("done, confirmed by feedback")
        expect(page.locator("main > .notice")).to_have_count(0)
        assert page.locator("#id_cancel_why").input_value() == "on the pho"  # nothing is taken away
        page.locator("#id_cancel_why").fill("")
        page.locator("#id_cancel_why").blur()
        expect(page.locator("#id_cancel_why")).to_have_count(0)
        assert page.locator("body").get_attribute("data-same") == "page"
        look(page, DESKTOP, "supply-outcome")
        window.go(PAGE)
        expect(page.locator("#state-title ~ .chip")).to_have_text("disconnected")
        assert page.locator("#id_order_action").input_value() == "reconnect"
