"""Keys for programs in a real Chromium: made, copied and revoked, on a phone, in the dark."""

import pytest
from playwright.sync_api import expect
from tests.web.test_browser import (
    AXE,
    PHONE,
    RULES,
    SERIOUS,
    Open,
    chromium,
    open_window,
    signed_in,
)

__all__ = ["chromium", "open_window", "signed_in"]
pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def test_a_key_is_made_copied_and_revoked(open_window: Open) -> None:
    with open_window(user="alice-resident", permissions=["clipboard-read", "clipboard-write"]) as w:
        page = w.page
        w.go("/")
        page.locator(".menu summary").click()
        page.get_by_role("link", name="Keys for programs").click()
        page.get_by_label("Name").fill("Home Assistant")
        page.get_by_text("read readings and consumption").click()
        page.get_by_role("button", name="Make the key").click()
        key = page.locator("#made-key").input_value()
        assert key.startswith("balans_")
        page.get_by_role("button", name="Copy").click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        assert page.evaluate("navigator.clipboard.readText()") == key
        page.goto("/keys/")
        assert page.locator("#made-key").count() == 0
        page.get_by_role("button", name="Revoke").click()
        page.get_by_role("button", name="Yes, do it").click()
        expect(page.get_by_text("opens nothing any more")).to_be_visible()
        expect(page.locator(".settings .chip")).to_have_attribute("data-tone", "quiet")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_phone_and_is_accessible(open_window: Open, scheme: str) -> None:
    with open_window(PHONE, user="alice-operator", color_scheme=scheme, bypass_csp=True) as window:
        page = window.page
        window.go("/keys/")
        page.get_by_label("Name").fill("Billing of the whole utility, every night")
        for box in page.locator(".checks input").all():
            box.check()
        page.get_by_role("button", name="Make the key").click()
        expect(page.locator("#made-key")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        page.add_script_tag(path=str(AXE))
        found = page.evaluate(f"axe.run(document, {{runOnly: {RULES!r}}})")
        serious = [one for one in found["violations"] if one["impact"] in SERIOUS]
        assert [(one["id"], one["nodes"][0]["html"]) for one in serious] == []


def test_the_description_of_the_api_opens_on_a_phone(open_window: Open) -> None:
    with open_window(PHONE, user="alice-resident", bypass_csp=True) as window:
        page = window.page
        window.go("/keys/")
        page.get_by_role("link", name="What the API can do").click()
        page.locator("#get_profile summary").click()
        expect(page.locator("#get_profile table").first).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        page.add_script_tag(path=str(AXE))
        found = page.evaluate(f"axe.run(document, {{runOnly: {RULES!r}}})")
        serious = [one for one in found["violations"] if one["impact"] in SERIOUS]
        assert [(one["id"], one["nodes"][0]["html"]) for one in serious] == []
