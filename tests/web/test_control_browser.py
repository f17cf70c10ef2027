"""Load control in a real Chromium: live tree, a new plan, own limits by keyboard and on a phone."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import expect
from tests.web import control_town, town
from tests.web.conftest import Pages, in_thread
from tests.web.test_browser import (
    AXE,
    DESKTOP,
    PHONE,
    RULES,
    SERIOUS,
    Open,
    Window,
    chromium,
    open_window,
    signed_in,
)

__all__ = ["chromium", "open_window", "signed_in"]

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("control-browser")]

CONTROL = "/sites/alice-house/control/"
DECISIONS = "/nodes/alice-house/decisions/"
OWN = "/nodes/alice-flat-01/own/"
FIRST_SLOT = re.compile(
    r"^18:0\d · Without the plan 9\.00\skW · Planned 9\.00\skW · Limit 12\.00\skW$"
)
PAGES = (CONTROL, DECISIONS, "/nodes/alice-house/own/", OWN, "/nodes/alice-flat-01/decisions/")


@pytest.fixture(scope="module", autouse=True)
def _reported(pages: Pages) -> None:
    """The gateway has told of its tree and of a plan, and has switched some loads."""
    assert pages.url
    in_thread(seed)


def seed() -> None:
    from tests.web.test_decisions_page import switching

    from balans.storage import plans
    from balans.storage.lookups import hub
    from balans.storage.reports import SiteReport, apply_reports
    from balans.storage.scope import system_scope

    report_tree(town.NOW, off=["flat-02-heat"], guard="futile planner_lost")
    plans.store("alice-hub", control_town.plan(town.NOW), datetime.now(UTC))
    with system_scope():
        found = hub("alice-hub")
        assert found is not None
        apply_reports(SiteReport(found.tenant_id, found.site_id, switching(n)) for n in range(30))


def report_tree(at: datetime, **values: Any) -> None:
    town.report("alice", control_town.status(at, **values))


def test_head_room_changes_without_reload(open_window: Open) -> None:
    with open_window() as window:
        window.go(CONTROL)
        page = window.page
        free = page.locator('[data-live="node.alice-flat-01.free"]')
        expect(free).to_have_text("2.00 kW free")
        page.evaluate("window.unchanged = true")
        tree = control_town.nodes(flat_1_w=3_100.0)
        in_thread(report_tree, town.NOW + timedelta(minutes=1), tree=tree, guard="switch_cap")
        expect(free).to_have_text("0.10 kW too much")
        expect(page.locator('[data-live="node.alice-flat-01.level_word"]')).to_have_text(
            "Over the limit"
        )
        expect(page.get_by_text("Many loads had to be switched at once.")).to_be_visible()
        expect(page.get_by_text("Shedding does not help")).to_be_hidden()
        assert page.evaluate("window.unchanged")


def test_a_new_plan_is_drawn_without_reload(open_window: Open) -> None:
    from balans.storage import plans

    with open_window() as window:
        window.go(CONTROL)
        page = window.page
        expect(page.locator("#plan-title")).to_be_visible()
        expect(page.locator(".moves tbody tr")).to_have_count(2)
        page.locator("[data-refresh=plan] details.twin summary").click()
        page.evaluate("window.unchanged = true")
        later = town.NOW + timedelta(minutes=5)
        load = control_town.plan(later).loads[:1]
        fresh = control_town.plan(later, loads=load, cost=20.0)
        page.locator("#main").focus()  # what is in use is not replaced
        in_thread(plans.store, "alice-hub", fresh, datetime.now(UTC))
        expect(page.locator(".plan-figures dd").first).to_contain_text("20.00", timeout=20_000)
        expect(page.locator(".moves tbody tr")).to_have_count(1)
        expect(page.locator("[data-refresh=plan] canvas")).to_have_count(2)
        assert page.evaluate("document.querySelector('[data-refresh=plan] details').open")
        assert page.evaluate("window.unchanged")


def test_the_tree_and_the_plan_are_read_by_keyboard(open_window: Open) -> None:
    with open_window() as window:
        window.go(CONTROL)
        page = window.page
        fold = page.locator(".limit-below > summary").first
        for _ in range(40):
            page.keyboard.press("Tab")
            if fold.evaluate("one => one === document.activeElement"):
                break
        expect(fold).to_be_focused()
        flat = page.locator('[data-live="node.alice-flat-01.load"]')
        expect(flat).to_be_visible()
        page.keyboard.press("Enter")
        expect(flat).to_be_hidden()
        page.keyboard.press("Enter")
        expect(flat).to_be_visible()
        plot = page.locator("[data-chart=plan-chart] .plot")
        plot.focus()
        page.keyboard.press("Home")
        expect(plot).to_have_attribute("aria-valuetext", FIRST_SLOT)


def test_a_resident_sets_an_own_limit_on_a_phone_by_keyboard(open_window: Open) -> None:
    with open_window(PHONE, user="alice-resident") as window:
        window.go(OWN)
        page = window.page
        page.get_by_label("At most, kW").fill("abc")
        page.keyboard.press("Enter")
        expect(page.locator("#id_kw_error")).to_have_text(
            "“abc” is no power: give kilowatts, such as 3.5."
        )
        expect(page.get_by_label("At most, kW")).to_have_attribute("aria-invalid", "true")
        page.get_by_label("At most, kW").fill("2,5")
        page.get_by_label("From (empty: all day)").fill("17:00")
        page.get_by_label("To", exact=True).fill("21:00")
        page.get_by_label("To", exact=True).press("Enter")
        expect(page.locator("h1")).to_have_text("Set this limit?")
        page.keyboard.press("Tab")
        page.get_by_role("button", name="Yes, do it").press("Enter")
        expect(page.get_by_text("Your limit is set.")).to_be_visible()
        row = page.locator("#limit .settings li")
        expect(row).to_contain_text("at most 2.50 kW, from 17:00 to 21:00")
        row.get_by_role("button").click()
        expect(page.get_by_text("You have set none.")).to_be_visible()
        window.complaints[:] = [text for text in window.complaints if "422" not in text]


def test_a_pause_asks_for_a_time_only_when_it_is_ones_own(open_window: Open) -> None:
    with open_window(user="alice-resident") as window:
        window.go(OWN)
        page = window.page
        until = page.get_by_label("Until (only for a time of your own)")
        expect(until).to_be_hidden()
        page.get_by_label("For how long").select_option("custom")
        expect(until).to_be_visible()
        until.fill("2026-01-13T08:00")
        page.get_by_role("button", name="Pause").click()
        page.get_by_role("button", name="Yes, do it").click()
        paused = page.locator("#pause .settings li")
        expect(paused).to_have_count(2)
        expect(paused.first).to_contain_text("until 13 January, 08:00")
        expect(paused.first).to_contain_text("on its way to the gateway")
        ends = datetime(2026, 1, 13, 7, tzinfo=UTC).timestamp()
        states = {f"flat-01-{key}": {"paused_until": ends} for key in ("heat", "wash")}
        page.locator("#main").focus()
        in_thread(report_tree, town.NOW + timedelta(minutes=7), loads=states)
        expect(paused.first).to_contain_text("in force", timeout=20_000)
        for _ in range(2):
            page.get_by_role("button", name="End the pause").first.click()
        expect(paused).to_have_count(0)


@pytest.mark.parametrize("path", PAGES)
def test_nothing_overflows_a_phone(open_window: Open, path: str) -> None:
    with open_window(PHONE, user=owner_of(path)) as window:
        window.go(path)
        page = window.page
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        small = page.evaluate(
            "[...document.querySelectorAll('a, button, input, select, summary')]"
            ".filter(e => e.checkVisibility({visibilityProperty: true}) && !e.closest('.sr, .skip')"
            " && e.type !== 'radio' && e.type !== 'checkbox')"
            ".map(e => [e.outerHTML.slice(0, 80), e.getBoundingClientRect().height])"
            ".filter(([, height]) => height > 0 && height < 24)"
        )
        assert small == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_no_serious_fault_of_access(open_window: Open, path: str, theme: str) -> None:
    options = {"color_scheme": theme, "bypass_csp": True, "reduced_motion": "reduce"}
    with open_window(DESKTOP, user=owner_of(path), **options) as window:
        window.go(path)
        assert faults_of(window) == []


def test_the_confirmation_and_the_refusal_have_no_serious_fault(open_window: Open) -> None:
    with open_window(user="alice-resident", bypass_csp=True) as window:
        window.go(OWN)
        page = window.page
        page.get_by_label("At most, kW").fill("x")
        page.get_by_role("button", name="Set the limit").click()
        expect(page.locator("#id_kw_error")).to_be_visible()
        assert faults_of(window) == []
        page.get_by_label("At most, kW").fill("2")
        page.get_by_role("button", name="Set the limit").click()
        expect(page.locator("h1")).to_have_text("Set this limit?")
        assert faults_of(window) == []
        window.complaints[:] = [text for text in window.complaints if "422" not in text]


def owner_of(path: str) -> str:
    """Return who looks at a page: the resident at the own flat, else the operator."""
    return "alice-resident" if "flat-01" in path else "alice-operator"


def faults_of(window: Window) -> list[Any]:
    """Return what axe finds serious."""
    window.page.add_script_tag(path=str(AXE))
    found = window.page.evaluate(
        "rules => axe.run(document, {runOnly: rules}).then(result => result.violations)", RULES
    )
    return [
        (one["id"], [node["html"][:200] for node in one["nodes"]])
        for one in found
        if one["impact"] in SERIOUS
    ]
