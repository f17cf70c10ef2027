"""The pages in a real Chromium: live, by keyboard, on a phone, in the dark, in three languages."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, expect, sync_playwright
from tests.web import town
from tests.web.conftest import Pages, in_thread

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
AXE = Path(__file__).parent / "assets" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]
SERIOUS = {"serious", "critical"}
SITE = "/sites/alice-house/"
PAGES = (
    "/",
    SITE,
    f"{SITE}day/",
    f"{SITE}day/?date=2026-01-01",
    f"{SITE}transformer/",
    "/nodes/alice-house/",
    "/nodes/alice-riser/",
    "/nodes/alice-house/balance/electricity/meters/?date=2026-01-11",
    "/nodes/alice-house/balance/cold_water/consumers/?date=2026-01",
    (
        "/nodes/alice-house/balance/electricity/meters/explained/"
        "?from=2026-01-11T00:00%2B01:00&to=2026-01-12T00:00%2B01:00"
    ),
    "/nodes/alice-house/balance-groups/",
    "/points/alice-flat-01-el/",
    "/points/alice-flat-01-el/?date=2026-01",
    "/points/alice-flat-01-el/events/",
    "/points/alice-flat-01-el/delivery/",
    "/points/alice-flat-01-el/delivery/?date=2026-01-11",
    "/points/alice-flat-01-el/dials/",
    "/points/alice-flat-01-el/validity/",
    "/points/alice-flat-01-el/meter/",
    "/points/alice-flat-04-el/",
    "/nodes/alice-house/events/",
    "/nodes/alice-house/dials/",
    "/flats/alice-flat-01/",
    "/nothing/",
)
DESKTOP, PHONE = (1280, 900), (390, 844)


@pytest.fixture(scope="module")
def chromium(request: pytest.FixtureRequest) -> Iterator[Browser]:
    """The system's browser. Skips without it; in CI that is a failure.

    Its event loop runs in the thread of the tests, where Django then refuses to ask the
    database: hence the pages come up before it and go down after it.
    """
    request.getfixturevalue("pages")
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        reason = "needs Chromium: sudo apt-get install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@dataclass
class Window:
    """A tab, and what its console complained about."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def hear(self, message: ConsoleMessage) -> None:
        """Note what the console says, such as a violation of the content policy."""
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def suffer(self, error: Error) -> None:
        """Note what a script did not catch."""
        self.complaints.append(str(error))

    def go(self, path: str) -> None:
        """Open `path` and wait for its charts."""
        self.page.goto(path)
        expect(self.page.locator(".plot.skeleton")).to_have_count(0)

    def sign_in(self, username: str) -> None:
        """Sign in by the form."""
        self.go("/login/")
        self.page.fill("#id_username", username)
        self.page.fill("#id_password", town.PASSWORD)
        self.page.keyboard.press("Enter")
        expect(self.page.locator("h1")).not_to_have_text("Sign in")


Open = Callable[..., Any]


@pytest.fixture(scope="module")
def signed_in(chromium: Browser, pages: Pages) -> Callable[[str], Any]:
    """A function that gives the cookies of a person, who signs in once."""
    known: dict[str, Any] = {}

    def cookies_of(username: str) -> Any:
        if username not in known:
            context = chromium.new_context(base_url=pages.url)
            Window(context.new_page()).sign_in(username)
            known[username] = context.storage_state()
            context.close()
        return known[username]

    return cookies_of


@pytest.fixture
def open_window(chromium: Browser, pages: Pages, signed_in: Callable[[str], Any]) -> Iterator[Open]:
    """A function that opens a window for `user`; any complaint of a console fails the test."""
    opened: list[Window] = []

    @contextmanager
    def window(
        size: tuple[int, int] = DESKTOP, user: str = "alice-operator", **options: Any
    ) -> Iterator[Window]:
        width, height = size
        if user:
            options["storage_state"] = signed_in(user)
        context = chromium.new_context(
            base_url=pages.url,
            viewport={"width": width, "height": height},
            **{"locale": "en-GB", **options},
        )
        page = context.new_page()
        one = Window(page)
        opened.append(one)
        page.on("console", one.hear)
        page.on("pageerror", one.suffer)
        try:
            yield one
        finally:
            context.close()

    yield window
    for one in opened:
        assert [text for text in one.complaints if "404" not in text] == []


def test_a_person_signs_in(open_window: Open) -> None:
    with open_window(user="") as window:
        window.sign_in("alice-operator")
        expect(window.page.locator("h1")).to_have_text("Overview")


def test_the_live_page_changes_without_reload(open_window: Open) -> None:
    with open_window() as window:
        window.go(SITE)
        page = window.page
        load = page.locator('[data-live="site.load"]')
        heat = page.locator('[data-live="load.flat-02-heat.word"]')
        expect(heat).to_have_text("On")
        page.evaluate("window.unchanged = true")
        points = "JSON.parse(document.querySelector('.plot').getAttribute('aria-valuemax'))"
        before = page.evaluate(points)
        at = town.NOW + timedelta(minutes=2)
        in_thread(town.report, "alice", town.status(at, site_w=12_340.0, off=["flat-02-heat"]))
        expect(load).to_have_text("12.34")
        expect(heat).to_have_text("Switched off")
        expect(page.locator('[data-live="site.level_word"]')).to_have_text("Over the limit")
        row = page.locator("tr", has=heat)
        expect(row).to_contain_text("the limit would be exceeded")
        expect(row.locator(".off-left")).to_have_text("8 min")
        assert page.evaluate("window.unchanged")
        assert page.evaluate(points) > before - 2
        expect(page.locator("#loads tbody tr").first).to_contain_text("Flat 2 Water heater")
        page.get_by_label("Only what is off").check()
        expect(page.locator("#loads tbody tr:visible")).to_have_count(1)


def test_a_command_shows_its_true_state(open_window: Open) -> None:
    from balans.storage import commands

    with open_window() as window:
        window.go(SITE)
        page = window.page
        page.get_by_label("Load", exact=True).select_option("flat-03-wash")
        page.get_by_label("Reason").fill("quiet hours")
        page.get_by_role("button", name="Send the command").click()
        line = page.locator("#log li", has_text="quiet hours")
        expect(line.locator(".chip")).to_have_text("queued")
        queued = in_thread(commands.queued_commands, town.NOW)
        assert in_thread(commands.mark_sent, queued, town.NOW) == 1
        in_thread(town.report, "alice", town.status(town.NOW + timedelta(minutes=3)))
        expect(line.locator(".chip")).to_have_text("sent")
        expect(page.locator('[data-live="load.flat-03-wash.word"]')).to_have_text("On")


def test_a_meter_is_read_now_without_reload(open_window: Open) -> None:
    from balans.protocols.hub import ReadResult, ReadState
    from balans.storage import read_requests

    with open_window(PHONE, "alice-resident") as window:
        window.go("/points/alice-flat-01-el/")
        page = window.page
        place = page.locator("#read-now")
        page.evaluate("window.same = true")
        place.get_by_role("button", name="Read now").focus()
        page.keyboard.press("Enter")
        expect(place.locator(".chip")).to_have_text("on its way")
        expect(place.get_by_role("button", name="Read now")).to_be_disabled()
        (one,) = in_thread(read_requests.open_requests)
        in_thread(read_requests.mark_sent, [one.id])
        expect(place.locator(".chip")).to_have_text("asked, waiting for the answer")
        own = (one.request.id, one.request.module, one.request.input)
        at = town.NOW.timestamp() + 60
        in_thread(
            read_requests.take_result, "alice-hub", ReadResult(*own, ReadState.DONE, at, 4_711)
        )
        expect(place.locator(".chip")).to_have_text("read")
        expect(place).to_contain_text("4,711 pulses")
        expect(place.get_by_role("button", name="Read now")).to_be_enabled()
        assert page.evaluate("window.same")


def test_the_remaining_off_time_counts_down(open_window: Open, pages: Pages) -> None:
    pages.clock.set(town.NOW.timestamp(), 300.0)
    try:
        with open_window() as window:
            at = town.NOW + timedelta(minutes=4)
            in_thread(town.report, "alice", town.status(at, off=["flat-01-heat"]))
            window.go(SITE)
            left = window.page.locator('tr:has([data-live="load.flat-01-heat.word"]) .off-left')
            expect(left).to_have_text("0 s", timeout=15_000)
    finally:
        pages.clock.set(town.NOW.timestamp())


def test_a_lost_connection_is_said(open_window: Open) -> None:
    with open_window() as window:
        window.page.context.route("**/stream/**", lambda route: route.abort())
        window.go(SITE)
        expect(window.page.locator("[data-offline]")).to_be_visible(timeout=10_000)
        expect(window.page.locator(".hero .when-lost")).to_be_visible()
        expect(window.page.locator(".hero .when-heard")).to_be_hidden()
        window.page.context.unroute("**/stream/**")
        expect(window.page.locator("[data-offline]")).to_be_hidden(timeout=15_000)
        expect(window.page.locator(".hero .when-heard")).to_be_visible()
        window.complaints.clear()  # the failed connections are meant


def test_the_language_is_switched_and_kept(open_window: Open) -> None:
    with open_window() as window:
        window.go(SITE)
        page = window.page
        page.locator("details.menu summary").click()
        page.get_by_role("button", name="Русский").click()
        expect(page.locator("html")).to_have_attribute("lang", "ru")
        expect(page.locator("h2").first).to_have_text("Нагрузка здания")
        window.go("/points/alice-flat-01-el/")
        expect(page.locator("caption")).to_have_text("То же по часам")


def test_the_theme_is_switched_and_kept(open_window: Open) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    with open_window(color_scheme="light") as window:
        window.go("/")
        page = window.page
        light = page.evaluate(background)
        page.locator("details.menu summary").click()
        page.get_by_role("button", name="Dark").click()
        dark = page.evaluate(background)
        assert dark != light
        window.go(SITE)
        assert page.evaluate(background) == dark
        assert page.locator("html").get_attribute("data-theme") == "dark"


def test_everything_is_reached_by_keyboard(open_window: Open) -> None:
    with open_window() as window:
        window.go("/points/alice-flat-01-el/?date=2026-01-11")
        page = window.page
        page.keyboard.press("Tab")
        expect(page.locator(".skip")).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.locator("main")).to_be_focused()
        plot = page.locator(".plot")
        for _ in range(30):
            page.keyboard.press("Tab")
            if plot.evaluate("plot => plot === document.activeElement"):
                break
        expect(plot).to_be_focused()
        page.keyboard.press("ArrowRight")
        expect(page.locator("[data-readout]")).to_have_text("00:00 · Used 0.123\u00a0kWh")
        page.keyboard.press("End")
        expect(plot).to_have_attribute("aria-valuetext", "23:00 · Used 0.122\u00a0kWh")
        page.keyboard.press("ArrowLeft")
        expect(plot).to_have_attribute("aria-valuenow", "22")


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Chisinau", "Asia/Kolkata"])
def test_the_browser_s_zone_decides_nothing(open_window: Open, zone: str) -> None:
    with open_window(timezone_id=zone) as window:
        window.go("/points/alice-flat-01-el/?date=2026-01-11")
        plot = window.page.locator(".plot")
        plot.focus()
        window.page.keyboard.press("Home")
        expect(plot).to_have_attribute("aria-valuetext", "00:00 · Used 0.123\u00a0kWh")


@pytest.mark.parametrize("path", PAGES)
def test_nothing_overflows_a_phone(open_window: Open, path: str) -> None:
    with open_window(PHONE) as window:
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
@pytest.mark.parametrize("path", [*PAGES, "/login/"])
def test_no_serious_fault_of_access(open_window: Open, path: str, theme: str) -> None:
    user = "" if path == "/login/" else "alice-operator"
    options = {"color_scheme": theme, "bypass_csp": True, "reduced_motion": "reduce"}
    with open_window(user=user, **options) as window:
        window.go(path)
        window.page.add_script_tag(path=str(AXE))
        found = window.page.evaluate(
            "rules => axe.run(document, {runOnly: rules}).then(result => result.violations)", RULES
        )
        faults = [
            (one["id"], [node["html"][:200] for node in one["nodes"]])
            for one in found
            if one["impact"] in SERIOUS
        ]
        assert faults == []


def test_a_resident_watches_the_own_flat(open_window: Open) -> None:
    with open_window(PHONE, user="alice-resident") as window:
        window.go("/")
        page = window.page
        expect(page.locator("h1")).to_have_text("Flat 1")
        at = town.NOW + timedelta(minutes=6)
        in_thread(town.report, "alice", town.status(at, off=["flat-01-wash"]))
        expect(page.locator('[data-live="load.flat-01-wash.word"]')).to_have_text("Switched off")
