"""Demand response in a real Chromium: made, called, followed live, left; every page looked at."""

import os
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from tests.web import events_town, town
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

from balans.core.words import CallState
from balans.protocols.hub import bitmap

__all__ = ["chromium", "open_window", "signed_in"]

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("events-browser")]
SHOTS = os.environ.get("SHOTS_OF_PAGES")
HALF = timedelta(minutes=30)


@pytest.fixture(scope="module", autouse=True)
def codes(pages: Pages) -> dict[str, str]:
    """A programme with one event that runs, one that is over and one that waits."""
    assert pages.url
    return in_thread(seed)


def seed() -> dict[str, str]:
    from balans.storage.response_life import advance_events, settle_events

    events_town.open_programme()
    events_town.open_programme("winter", title="Cold days", second_person_kw=Decimal("0.5"))
    over = events_town.announced(length=HALF)
    for state in (CallState.ACTIVE, CallState.DONE):
        advance_events(over.starts)
        for flat in events_town.FLATS:
            events_town.tell(over, state, flat)
    advance_events(over.ends)
    settle_events(over.ends + timedelta(hours=1))
    town.seed_minutes(start=town.NOW, end=over.starts + 6 * events_town.HOUR, received=over.starts)
    live = events_town.announced(start=timedelta(hours=3), length=2 * events_town.HOUR)
    advance_events(live.starts)
    names = ("flat-02-heat", "flat-02-wash")
    events_town.tell(live, CallState.DONE, events_town.FLATS[0])
    events_town.tell(
        live,
        CallState.FAILED,
        events_town.FLATS[1],
        failed=bitmap(names, {names[1]}),
        detail="nothing_left: 300 W above",
    )
    coming = events_town.announced(start=timedelta(hours=8))
    waits = events_town.drafted(start=timedelta(hours=12), programme="winter", wanted_kw=None)
    found = {"over": over, "live": live, "coming": coming, "waits": waits}
    return {name: event.code for name, event in found.items()}


def hear(code: str) -> None:
    """Let flat 3 tell that it does what the event asks."""
    from balans.storage.response_events import event_for
    from balans.storage.scope import tenant_scope

    operator = events_town.person("alice-operator")
    with tenant_scope(operator.tenant_id):
        event = event_for(operator, code)
    events_town.tell(event, CallState.DONE, events_town.FLATS[2])


def as_person(window: Any, username: str) -> None:
    window.page.context.clear_cookies()
    window.sign_in(username)


def speak(page: Page, language: str) -> None:
    if language:
        page.locator("details.menu summary").click()
        page.get_by_role("button", name=language).click()


def look(page: Page, size: tuple[int, int], name: str) -> None:
    """Check that nothing sticks out and axe finds nothing serious; keep a picture if wanted."""
    page.wait_for_load_state()
    page.evaluate("scrollTo(0, 0)")  # what the top bar half covers counts as too small
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    page.evaluate("scrollTo(0, 0)")
    page.evaluate(AXE.read_text())
    found: dict[str, Any] = page.evaluate("rules => axe.run(document, {runOnly: rules})", RULES)
    serious = [v for v in found["violations"] if v["impact"] in SERIOUS]
    assert [(v["id"], v["nodes"][0]["html"]) for v in serious] == []
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}-{size[0]}.png", full_page=True)


@pytest.mark.parametrize(
    ("size", "scheme", "language"),
    [
        (DESKTOP, "light", ""),
        (PHONE, "dark", ""),
        (DESKTOP, "dark", "Русский"),
        (PHONE, "light", "Română"),
    ],
)
def test_the_operator_reads_everything(
    open_window: Open,
    pages: Pages,
    codes: dict[str, str],
    size: tuple[int, int],
    scheme: str,
    language: str,
) -> None:
    pages.clock.set((town.NOW + timedelta(hours=4)).timestamp())
    with open_window(size, color_scheme=scheme) as window:
        page: Page = window.page
        tag = f"{scheme}{language[:2]}"
        as_person(window, "alice-second")
        window.go("/response/")
        speak(page, language)
        look(page, size, f"events-{tag}")
        for path in ("programmes/", "programmes/evening/", "programmes/evening/edit/", "new/"):
            window.go(f"/response/{path}")
            look(page, size, f"{path.replace('/', '-')}{tag}")
        for name, code in codes.items():
            window.go(f"/response/events/{code}/")
            for twin in page.locator("details.twin summary").all():
                twin.click()
            look(page, size, f"event-{name}-{tag}")
        as_person(window, "alice-of-01")
        window.go("/nodes/alice-flat-01/response/")
        speak(page, language)
        look(page, size, f"own-{tag}")


def test_an_event_by_keyboard_and_live(
    open_window: Open, pages: Pages, codes: dict[str, str]
) -> None:
    pages.clock.set((town.NOW + timedelta(hours=4)).timestamp())
    with open_window(DESKTOP) as window:
        page: Page = window.page
        as_person(window, "alice-operator")
        window.go("/response/new/")
        page.locator("#id_programme").select_option("evening")
        page.locator("#id_starts").fill("2026-01-12T23:30")
        page.locator("#id_minutes_1").fill("15")
        page.locator("#id_value_1").fill("0.5")
        page.locator("#id_wanted_kw").fill("0.5")
        page.locator("#id_reason").press("Enter")
        expect(page.locator("#id_reason_error")).to_be_visible()
        page.locator("#id_reason").fill("test")
        page.locator("#id_reason").press("Enter")
        page.get_by_role("button", name="Announce").press("Enter")
        expect(page.get_by_text("The event is announced")).to_be_visible()
        page.locator("#id_why").fill("only a test")
        page.locator("#id_why").press("Enter")
        expect(page.get_by_text("The event is cancelled.")).to_be_visible()
        window.go(f"/response/events/{codes['live']}/")
        expect(page.get_by_text("2 of 3 answered")).to_be_visible()
        page.wait_for_timeout(500)
        in_thread(hear, codes["live"])
        expect(page.get_by_text("3 of 3 answered")).to_be_visible(timeout=10_000)
        window.complaints[:] = [text for text in window.complaints if "422" not in text]


def test_a_consumer_opts_out(open_window: Open, pages: Pages) -> None:
    pages.clock.set((town.NOW + timedelta(hours=4)).timestamp())
    with open_window(PHONE) as window:
        page: Page = window.page
        as_person(window, "alice-of-03")
        window.go("/nodes/alice-flat-03/response/")
        buttons = page.get_by_role("button", name="Opt out")
        expect(buttons).to_have_count(2)
        buttons.last.press("Enter")
        expect(page.get_by_text("You have left this event.")).to_be_visible()
        expect(buttons).to_have_count(1)
        look(page, PHONE, "own-left")
        page.locator("form:has(input[value=leave]) button").first.press("Enter")
        expect(page.get_by_text("You take part no more.")).to_be_visible()
        page.get_by_role("button", name="I agree and take part").press("Enter")
        expect(page.get_by_text("You take part now.")).to_be_visible()
