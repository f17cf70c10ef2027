"""The gateway's own page in a real Chromium: live, without scripts, on a phone, in the dark."""

import asyncio
import os
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from tests.unit.gateway.page_bench import KEY, NOW_S, ZONE, board, status
from tests.web.test_browser import ARGUMENTS, AXE, RULES, SERIOUS

from balans.gateway.board import Board
from balans.gateway.page.app import Clocks, PageApp
from balans.gateway.page.hosts import Hosts
from balans.gateway.page.server import listen, serve
from balans.gateway.page.session import Sessions
from balans.usecases.run_load_control import OwnSettings

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("gateway page")]
PHONE = {"width": 390, "height": 844}


@dataclass
class Served:
    """The page on a real socket, in a thread of its own."""

    url: str
    board: Board
    taken: list[OwnSettings]
    loop: asyncio.AbstractEventLoop
    task: "asyncio.Task[None]"

    def stop(self) -> None:
        """Let the server end."""
        self.loop.call_soon_threadsafe(self.task.cancel)


@pytest.fixture
def served() -> Iterator[Served]:
    shown = board()
    taken: list[OwnSettings] = []
    ready: list[Served] = []
    begun = threading.Event()

    async def run() -> None:
        clocks = Clocks(ZONE, lambda: NOW_S, time.monotonic)
        app = PageApp(shown, Sessions(KEY), clocks, taken.append, Hosts())
        listening = listen("127.0.0.1", 0)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        task = asyncio.ensure_future(serve(app, listening))
        ready.append(Served(url, shown, taken, asyncio.get_running_loop(), task))
        begun.set()
        await asyncio.gather(task, return_exceptions=True)

    thread = threading.Thread(target=asyncio.run, args=(run(),), daemon=True)
    thread.start()
    assert begun.wait(10)
    yield ready[0]
    if thread.is_alive():
        ready[0].stop()
    thread.join(10)
    assert not thread.is_alive()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The system's browser. Skips without it; in CI that is a failure."""
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


@pytest.fixture
def complaints() -> list[str]:
    return []


@pytest.fixture
def open_page(chromium: Browser, served: Served, complaints: list[str]) -> Iterator[Any]:
    contexts = []

    def new(**options: Any) -> Page:
        context = chromium.new_context(base_url=served.url, locale="en-GB", **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda told: complaints.append(f"{told.type}: {told.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto("/")
        page.get_by_label("Key of the house").fill(KEY)
        page.keyboard.press("Enter")
        expect(page.locator("h1")).to_have_text("house")
        return page

    yield new
    for context in contexts:
        context.close()


def test_the_page_changes_by_itself_and_keeps_what_a_person_is_at(
    open_page: Any, served: Served, complaints: list[str]
) -> None:
    page = open_page()
    button = page.get_by_role("button", name="Withdraw washer from load control")
    button.focus()
    page.locator("summary").click()
    button.focus()
    served.board.show(msgspec.structs.replace(status(), site_w=6543.0, guard=""))
    expect(page.locator(".figures .big dd")).to_contain_text("6.54")
    expect(page.get_by_text("Over the limit")).to_be_visible()
    expect(page.get_by_text("Shedding does not help")).to_have_count(0)
    expect(button).to_be_focused()
    expect(page.locator("#plan-table table")).to_be_visible()
    assert complaints == []


def test_a_gateway_that_is_gone_is_said_to_be(open_page: Any, served: Served) -> None:
    page = open_page()
    served.stop()
    expect(page.get_by_role("alert")).to_contain_text("The gateway does not answer")


def test_consent_limit_and_pause_by_keyboard_alone(open_page: Any, served: Served) -> None:
    page = open_page()
    page.get_by_role("button", name="Withdraw washer from load control").focus()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("house")
    assert [one.load for one in served.taken[-1].consents] == ["washer"]
    page.get_by_role("link", name="Settings").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Limit in kW").focus()
    page.keyboard.type("2.5")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_have_text("It holds from now on.")
    assert served.taken[-1].limits[-1].limit_w == 2500.0
    page.get_by_label("How long").select_option("hours_4")
    page.get_by_role("button", name="Pause").press("Enter")
    expect(page.get_by_text("Everything: Paused until 12/01 16:00")).to_be_visible()
    assert served.taken[-1].paused_until == NOW_S + 4 * 3600


def test_it_works_without_scripts(open_page: Any, served: Served) -> None:
    page = open_page(java_script_enabled=False)
    assert page.locator("head meta[http-equiv=refresh]").get_attribute("content") == "10"
    page.get_by_role("button", name="Withdraw washer from load control").click()
    expect(page.locator("h1")).to_have_text("house")
    assert [one.load for one in served.taken[-1].consents] == ["washer"]
    page.goto("/settings")
    assert page.locator("meta[http-equiv=refresh]").count() == 0
    page.get_by_label("Limit in kW").fill("3")
    page.get_by_role("button", name="Set the limit").click()
    expect(page.get_by_role("status")).to_have_text("It holds from now on.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/settings", "/nothing"])
def test_nobody_is_shut_out(open_page: Any, scheme: str, path: str, complaints: list[str]) -> None:
    page = open_page(color_scheme=scheme, viewport=PHONE)
    page.goto(path)
    page.evaluate(Path(AXE).read_text(encoding="utf-8"))
    found = page.evaluate(
        "rules => axe.run(document, {runOnly: rules}).then(r => r.violations)", RULES
    )
    assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in SERIOUS] == []
    assert [text for text in complaints if "404" not in text] == []


@pytest.mark.parametrize("language", ["en", "ro", "ru"])
@pytest.mark.parametrize("path", ["/", "/settings"])
def test_nothing_is_wider_than_a_phone(open_page: Any, language: str, path: str) -> None:
    page = open_page(viewport={"width": 360, "height": 740})
    page.goto(f"{path}?language={language}")
    expect(page.locator("html")).to_have_attribute("lang", language)
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0
    folder = os.environ.get("BALANS_SCREENSHOTS")
    if folder:
        name = f"gateway-{path.strip('/') or 'live'}-{language}.png"
        page.screenshot(path=str(Path(folder) / name), full_page=True)
