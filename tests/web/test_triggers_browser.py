"""Triggers, places and emergencies in a real Chromium: by keyboard, on a phone, in the dark."""

from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect
from tests.web import events_town, town, trigger_town
from tests.web.conftest import Pages, in_thread
from tests.web.test_browser import DESKTOP, PHONE, Open, chromium, open_window, signed_in
from tests.web.test_events_browser import look, speak

from balans.domain.response.triggers import Mode
from balans.storage.response_life import advance_events

__all__ = ["chromium", "open_window", "signed_in"]

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("triggers-browser")]
LIST = "/response/triggers/"


@pytest.fixture(scope="module", autouse=True)
def emergency(pages: Pages) -> str:
    """Three triggers, one of which has called an event; the code of a drafted emergency."""
    return in_thread(seed, pages)


def seed(pages: Pages) -> str:
    events_town.open_programme()
    peak = {"peak": trigger_town.SETTINGS["peak"]}
    trigger_town.add_trigger()
    trigger_town.add_trigger("off", title="Evening hours", settings=peak, enabled=False)
    trigger_town.add_trigger(
        "calm", title="Riser A", node="alice-riser", mode=Mode.PROPOSE, settings=peak
    )
    for minute in range(3):
        trigger_town.look(minute, 11_000)
    at = town.NOW + timedelta(minutes=2)
    advance_events(at)
    trigger_town.look(3, 8_600)
    pages.clock.set((town.NOW + timedelta(minutes=3)).timestamp())
    return events_town.drafted(emergency=True).code


@pytest.mark.parametrize(
    ("size", "scheme", "language"),
    [
        (DESKTOP, "light", ""),
        (PHONE, "dark", ""),
        (PHONE, "light", "Русский"),
        (DESKTOP, "dark", "Română"),
    ],
)
def test_every_page_looks_right(
    open_window: Open, emergency: str, size: tuple[int, int], scheme: str, language: str
) -> None:
    with open_window(size, color_scheme=scheme) as window:
        page: Page = window.page
        tag = f"{scheme}{language[:2]}"
        window.go(LIST)
        speak(page, language)
        look(page, size, f"triggers-{tag}")
        for path in ("trafo/", "off/", "calm/", "trafo/edit/", "new/"):
            window.go(f"{LIST}{path}")
            look(page, size, f"trigger-{path.replace('/', '-')}{tag}")
        for box in ("watch][value=peak", "watch][value=price", "thermal", "mode][value=act"):
            page.locator(f"[name={box}]").check()
        page.locator("#id_end_pct").fill("120")
        page.locator("#id_limit_kw").press("Enter")
        expect(page.locator("#id_end_pct_error")).to_be_visible()
        look(page, size, f"trigger-errors-{tag}")
        window.go("/response/new/")
        page.locator("#id_emergency").check()
        page.locator("#id_node").click()
        expect(page.locator("#id_node_hits [role=option]")).to_have_count(8)
        look(page, size, f"event-new-{tag}")
        window.go(f"/response/events/{emergency}/")
        look(page, size, f"event-emergency-{tag}")
        window.go("/response/programmes/")
        look(page, size, f"programmes-{tag}")
        window.complaints[:] = [text for text in window.complaints if "422" not in text]


def test_a_trigger_by_keyboard(open_window: Open) -> None:
    with open_window(DESKTOP) as window:
        page: Page = window.page
        window.go(f"{LIST}new/")
        expect(page.locator("#id_kva")).to_be_hidden()
        expect(page.locator("#id_peak_limit_kw")).to_be_hidden()
        expect(page.locator("#id_cap_kw")).to_be_hidden()
        page.locator("#id_title").fill("Street")
        page.locator("#id_code").fill("street")
        place = page.locator("#id_node")
        place.press_sequentially("linden 12 flat 2")
        expect(page.locator("#id_node_hits [role=option]").first).to_contain_text("alice-flat-02")
        place.press("ArrowDown")
        expect(place).to_have_attribute("aria-activedescendant", "id_node_hits_0")
        place.press("Enter")
        expect(page.locator("[data-place-path]")).to_contain_text("Riser A / Flat 2")
        expect(place).to_have_attribute("aria-expanded", "false")
        page.locator("#id_limit_kw").fill("5")
        page.locator("[name=mode][value=act]").press("Space")
        page.locator("#id_cap_kw").fill("2")
        page.locator("#id_cap_kw").press("Enter")
        expect(page.locator("h1")).to_have_text("Street")
        page.get_by_role("button", name="Switch it on").press("Enter")
        expect(page.get_by_text("The trigger is on.")).to_be_visible()
        page.locator("[name=sure]").press("Space")
        page.get_by_role("button", name="End the trigger").press("Enter")
        expect(page.get_by_text("The trigger has ended.")).to_be_visible()


def test_a_place_on_a_phone_and_what_was_not_chosen(open_window: Open) -> None:
    with open_window(PHONE, has_touch=True) as window:
        page: Page = window.page
        window.go("/response/new/")
        place = page.locator("#id_node")
        place.fill("nowhere")
        expect(page.get_by_text("No place of yours is called so.")).to_be_visible()
        place.press("Escape")
        expect(page.locator(".place-hits")).to_be_hidden()
        place.fill("flat")
        page.locator("#id_node_hits [role=option]").nth(2).tap()
        expect(place).to_have_value("Flat 3")
        expect(page.locator("input[type=hidden][name=node]")).to_have_value("alice-flat-03")


def test_without_scripts_a_name_or_a_code_is_typed(open_window: Open) -> None:
    with open_window(PHONE, java_script_enabled=False) as window:
        page: Page = window.page
        window.go(f"{LIST}new/")
        page.locator("#id_title").fill("Plain")
        page.locator("#id_code").fill("plain")
        page.locator("#id_node").fill("flat")
        page.locator("#id_limit_kw").fill("5")
        page.locator("#id_limit_kw").press("Enter")
        expect(page.locator("#id_node_error")).to_contain_text("Several places")
        assert page.locator("#id_node_list option").count() == 4
        page.locator("#id_node").fill("alice-flat-04")
        page.locator("#id_limit_kw").press("Enter")
        expect(page.locator("h1")).to_have_text("Plain")
        window.complaints[:] = [text for text in window.complaints if "422" not in text]


def test_an_emergency_is_confirmed_once_more(open_window: Open, emergency: str) -> None:
    with open_window(DESKTOP) as window:
        page: Page = window.page
        window.go(f"/response/events/{emergency}/")
        button = page.get_by_role("button", name="Announce the emergency")
        button.press("Enter")
        expect(page.get_by_role("alert").first).to_contain_text("tick that you know")
        page.locator("[name=sure]").press("Space")
        button.press("Enter")
        expect(page.get_by_text("The event is announced")).to_be_visible()
        window.complaints[:] = [text for text in window.complaints if "422" not in text]
