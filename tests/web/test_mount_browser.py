"""The installer's phone in a real Chromium: taps counted, the network lost, all pages looked at."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from tests.web import town
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

__all__ = ["chromium", "open_window", "signed_in"]

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("mount-browser")]

TOWER = "/mount/alice-tower/"
FLATS = 60
WEIGHTS = ("1600/kWh", "10 l", "10 l")
RESOURCES = ("electricity", "cold_water", "hot_water")
CAMERA = """
// A browser that reads codes: what `window.seen` holds comes before the camera one after another.
window.seen = [];
window.BarcodeDetector = class {
  async detect() { return window.seen.length ? [{ rawValue: window.seen.shift() }] : []; }
};
const canvas = document.createElement("canvas");
canvas.getContext("2d").fillRect(0, 0, 8, 8);
navigator.mediaDevices.getUserMedia = async () => canvas.captureStream(5);
"""
SHOTS = os.environ.get("SHOTS_OF_PAGES")


@pytest.fixture(scope="module", autouse=True)
def _tower(pages: Pages) -> None:
    """A tower without a single module beside the town, and what was found and prepared."""
    assert pages.url
    in_thread(seed)


def seed() -> None:
    from django.contrib.auth import get_user_model

    from balans.core.words import DeviceKind
    from balans.protocols.claim import claim_of
    from balans.storage import found, prepared
    from balans.storage.found import Heard
    from balans.storage.models import Hub
    from balans.storage.registry import apply_plan
    from balans.storage.scope import system_scope, tenant_scope
    from balans.usecases.prepared_list import parse_prepared
    from balans.usecases.registry_plan import AccountPlan, NodePlan, RegistryPlan, TenantPlan

    plan = RegistryPlan(
        tenant=TenantPlan(code="alice", name="Alice Energy"),
        nodes=(
            NodePlan(code="alice-tower", name="Tower 7", kind="building", parent="alice-street"),
            *(
                NodePlan(code=f"tower-{n}", name=f"Flat {n}", kind="flat", parent="alice-tower")
                for n in range(1, FLATS + 1)
            ),
        ),
        accounts=(
            AccountPlan(
                username="alice-mounter",
                password=town.PASSWORD,
                grants=(("installer", "alice-tower"), ("installer", "alice-house")),
            ),
        ),
    )
    tenant = apply_plan(plan).tenant_id
    with system_scope():
        hub = Hub.objects.get(code="alice-hub").pk
        heard = [
            Heard(
                kind=DeviceKind.MODULE,
                code=str(serial),
                tenant_id=tenant,
                hub_id=hub,
                inputs=3 - adapter,
                has_adapter=bool(adapter),
                model="D100-F" if adapter else "D100",
                software="4.2",
            )
            for serial, adapter in ((520_001, 0), (520_002, 1), (520_003, 0))
        ]
        found.note(
            [
                *heard,
                Heard(
                    kind=DeviceKind.HUB,
                    code="hub-9",
                    model="J100",
                    claim=claim_of("hub-9", "4K7M0N2P9QRS5TVW"),
                ),
            ],
            town.NOW,
        )
    parsed = parse_prepared(
        "code;place;input;resource;meter;pulse_weight\n"
        "730059;tower-59;1;electricity;E59;1600/kWh\n"
        "730059;tower-59;2;cold_water;W59;10 l\n"
        "730060;tower-60;1;electricity;E60;1600/kWh\n"
    )
    with tenant_scope(tenant, "alice-operator"):
        user: Any = get_user_model().objects.get(username="alice-operator")
        assert prepared.prepare(user, parsed.devices, town.NOW).prepared == 2


def shoot(page: Page, name: str) -> None:
    """Keep a picture for people, if they asked for it."""
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)


def set_up(page: Page) -> None:
    """Say once what hangs in every flat."""
    for number, (resource, weight) in enumerate(zip(RESOURCES, WEIGHTS, strict=True), start=1):
        page.locator(f"#id_resource-{number}").select_option(resource)
        page.locator(f'[data-input="{number}"] summary').click()
        page.locator(f"#id_weight-{number}").fill(weight)
        page.locator(f'[data-input="{number}"] summary').click()


def entry(page: Page, title: str) -> Any:
    return page.locator("[data-entries] li", has_text=re.compile(rf"{title}\b"))


class Hand:
    """Counts what an installer does."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.taps = self.keys = self.scans = 0

    def tap(self, selector: str) -> None:
        self.page.locator(selector).tap()
        self.taps += 1

    def type(self, text: str) -> None:
        self.page.keyboard.type(text)
        self.keys += len(text)

    def enter(self) -> None:
        self.page.keyboard.press("Enter")
        self.keys += 1

    def hold(self, *texts: str) -> None:
        """Hold labels before the camera, one after the other."""
        self.page.evaluate("texts => { window.seen = texts; }", list(texts))
        expect(self.page.locator("#scanner")).to_be_hidden()
        self.scans += len(texts)


def test_three_points_by_camera_are_a_scan_three_readings_and_a_save(open_window: Open) -> None:
    with open_window(PHONE, "alice-mounter", has_touch=True) as window:
        page = window.page
        page.add_init_script(CAMERA)
        window.go(TOWER)
        set_up(page)
        shoot(page, "mount-phone")
        hand = Hand(page)
        for flat in (1, 2, 3):
            assert page.locator("#id_place").input_value() == f"tower-{flat}"
            hand.tap('[data-scan="module"]')
            hand.hold(f"BALANS:M:{600 + flat}:3", *(f"{kind}{flat:05d}" for kind in "EWH"))
            expect(page.locator("#id_dial-1")).to_be_focused()
            for dial in ("01234.5", "00321.123", "00123.456"):
                hand.type(dial)
                hand.enter()  # goes on to the next reading, and after the last one saves
            expect(entry(page, f"Flat {flat}").locator(".chip").first).to_have_text("saved")
        shoot(page, "mount-phone-saved")
        expect(entry(page, "Flat 3")).to_contain_text("no hub has heard it yet")
        expect(entry(page, "Flat 3")).to_contain_text("meter E00003, point tower-3-el")
        modules, points = 3, 9
        assert (hand.taps, hand.scans) == (modules, 4 * modules)
        assert hand.taps / points < 0.5
        assert hand.keys / points < 11  # the digits of the dial, and Enter


def test_without_a_camera_everything_is_typed(open_window: Open) -> None:
    with open_window(PHONE, "alice-mounter", has_touch=True) as window:
        page = window.page
        window.go(f"{TOWER}?place=tower-10")
        expect(page.locator('[data-scan="module"]')).to_be_hidden()
        set_up(page)
        hand = Hand(page)
        hand.tap("#id_module")
        for text in ("610", "E10", "123.4", "W10", "5", "H10", "6"):
            hand.type(text)
            hand.enter()
        expect(entry(page, "Flat 10").locator(".chip").first).to_have_text("saved")
        assert hand.taps == 1


def test_what_is_saved_without_a_network_is_sent_later_and_once(open_window: Open) -> None:
    with open_window(PHONE, "alice-mounter", has_touch=True) as window:
        page = window.page
        window.go(f"{TOWER}?place=tower-20")
        set_up(page)
        page.context.set_offline(True)
        for flat in (20, 21):
            expect(page.locator("#id_place")).to_have_value(f"tower-{flat}")
            page.locator("#id_module").fill(str(600 + flat))
            for number, kind in enumerate("EWH", start=1):
                page.locator(f"#id_meter-{number}").fill(f"{kind}{flat}")
            page.get_by_role("button", name="Save, next place").tap()
        expect(page.locator("[data-pending]")).to_contain_text("2 entries are not sent yet")
        shoot(page, "mount-phone-offline")
        assert in_thread(modules_named, 620, 621) == []
        page.context.set_offline(False)
        for flat in (20, 21):
            expect(entry(page, f"Flat {flat}").locator(".chip").first).to_have_text(
                "saved", timeout=15_000
            )
        assert in_thread(modules_named, 620, 621) == [620, 621]
        window.complaints.clear()  # the lost network is meant


def test_an_answer_that_is_lost_on_its_way_changes_nothing_twice(open_window: Open) -> None:
    with open_window(PHONE, "alice-mounter", has_touch=True) as window:
        page = window.page
        window.go(f"{TOWER}?place=tower-30")
        posts = []

        def lose_first(route: Any) -> None:
            if route.request.method != "POST" or route.request.url.endswith("/test/"):
                route.continue_()
                return
            posts.append(route.request.post_data)
            if len(posts) == 1:
                route.fetch()  # the server gets it and answers
                route.abort()
            else:
                route.continue_()

        page.context.route("**/mount/**", lose_first)
        set_up(page)
        page.locator("#id_module").fill("630")
        for number, kind in enumerate("EWH", start=1):
            page.locator(f"#id_meter-{number}").fill(f"{kind}30")
        page.get_by_role("button", name="Save, next place").tap()
        line = entry(page, "Flat 30")
        expect(line.locator(".chip").first).to_have_text("saved", timeout=15_000)
        assert len(posts) == 2
        assert posts[0] == posts[1]
        expect(line).not_to_contain_text("It was so already")
        window.complaints.clear()  # the lost answer is meant


def test_what_waits_outlives_the_page_and_what_is_wrong_is_mended(open_window: Open) -> None:
    with open_window(PHONE, "alice-mounter", has_touch=True) as window:
        page = window.page
        page.on("dialog", lambda dialog: dialog.accept())
        window.go(f"{TOWER}?place=tower-40")
        for number in (1, 2, 3):
            page.locator(f"#id_resource-{number}").select_option("")
        page.locator("#id_module").fill("1001")  # hangs in the house beside
        page.context.set_offline(True)
        page.get_by_role("button", name="Save, next place").tap()
        expect(entry(page, "Flat 40").locator(".chip").first).to_have_text("not sent yet")
        page.context.set_offline(False)
        page.reload()
        line = entry(page, "Flat 40")
        expect(line.locator(".chip").first).to_have_text("needs your attention", timeout=15_000)
        expect(line).to_contain_text("Module 1001 hangs at Flat 1 already")
        shoot(page, "mount-phone-faulty")
        line.get_by_role("button", name="Mend").tap()
        expect(page.locator("#id_module")).to_have_value("1001")
        expect(page.locator('[data-error="module"]')).to_contain_text("hangs at Flat 1")
        page.locator("#id_module").fill("640")
        page.get_by_role("button", name="Save, next place").tap()
        expect(entry(page, "Flat 40").locator(".chip").first).to_have_text("saved")
        window.complaints.clear()  # the lost network is meant


def modules_named(*serials: int) -> list[int]:
    from balans.storage.models import Module
    from balans.storage.scope import system_scope

    with system_scope():
        rows = Module.objects.filter(serial__in=serials).order_by("serial")
        return list(rows.values_list("serial", flat=True))


def test_a_prepared_module_needs_nothing_but_its_scan(open_window: Open) -> None:
    with open_window(PHONE, "alice-mounter", has_touch=True) as window:
        page = window.page
        page.add_init_script(CAMERA)
        window.go(TOWER)
        set_up(page)  # as it hung in the flats before: three meters, this one has two
        hand = Hand(page)
        hand.tap('[data-scan="module"]')
        hand.hold("BALANS:M:730059:3")
        expect(page.locator("#id_place")).to_have_value("tower-59")
        expect(page.locator("#id_meter-2")).to_have_value("W59")
        hand.tap('button[type="submit"].wide')
        expect(entry(page, "Flat 59").locator(".chip").first).to_have_text("saved")
        assert (hand.taps, hand.keys) == (2, 0)


def test_a_found_module_is_accepted_in_two_steps(open_window: Open) -> None:
    with open_window() as window:
        page = window.page
        window.go("/found/")
        shoot(page, "found-desktop")
        page.get_by_role("row", name="520001").get_by_role("link", name="Accept").click()
        page.locator("#id_place").select_option("alice-flat-04")
        page.locator("#id_resource-1").select_option("heat")
        page.locator("#id_meter-1").fill("Q520")
        page.locator("#id_weight-1").fill("1 kWh")
        shoot(page, "accept-desktop")
        page.get_by_role("button", name="Check").click()
        expect(page.locator("h1")).to_have_text("Accept module 520001?")
        expect(page.locator(".confirm")).to_contain_text(
            "Input 1: Heat, meter Q520 at the new point alice-flat-04-heat."
        )
        shoot(page, "accept-confirm")
        assert in_thread(modules_named, 520_001) == []
        page.get_by_role("button", name="Yes, do it").click()
        expect(page.locator("h1")).to_have_text("Module 520001")
        shoot(page, "module-desktop")
        assert in_thread(modules_named, 520_001) == [520_001]


def test_a_hub_is_accepted_by_its_label(open_window: Open) -> None:
    with open_window() as window:
        page = window.page
        window.go("/claim/")
        page.locator("#id_label").fill("BALANS:H:hub-9:AAAA-AAAA-AAAA-AAAA")
        page.locator("#id_site").select_option("alice-tower")
        page.get_by_role("button", name="Check").click()
        expect(page.locator(".errors")).to_contain_text("No hub hub-9 waits with this secret")
        page.locator("#id_label").fill("BALANS:H:hub-9:4k7m-0n2p-9qrs-5tvw")
        page.get_by_role("button", name="Check").click()
        expect(page.locator(".confirm")).to_contain_text("It is the right one: hub-9 J100")
        page.get_by_role("button", name="Yes, do it").click()
        expect(page.locator("h1")).to_have_text("Hub hub-9")
        expect(page.locator(".log")).to_contain_text("registered at Tower 7")
        shoot(page, "hub-desktop")
        window.complaints.clear()  # the 422 of the wrong secret is meant


LOOKED_AT = (
    TOWER,
    "/mount/",
    "/found/",
    "/found/520002/",
    "/prepared/",
    "/prepared/labels/",
    "/claim/",
    "/hubs/alice-hub/",
    "/modules/1001/",
    "/nodes/alice-house/devices/",
)


@pytest.mark.parametrize("path", LOOKED_AT)
@pytest.mark.parametrize("look", ["phone", "dark", "russian"])
def test_pages_fit_and_are_accessible(open_window: Open, path: str, look: str) -> None:
    options: dict[str, Any] = {"color_scheme": "dark"} if look == "dark" else {}
    if look == "russian":
        options["locale"] = "ru-RU"
    size = DESKTOP if look == "dark" else PHONE
    with open_window(size, **options) as window:
        window.go(path)
        page = window.page
        shoot(page, f"{path.strip('/').replace('/', '-')}-{look}")
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= size[0], f"{path} is {width} wide"
    with open_window(size, bypass_csp=True, **options) as window:
        window.go(path)
        window.page.add_script_tag(path=str(AXE))
        found = window.page.evaluate("rules => axe.run(document, {runOnly: rules})", RULES)
        bad = [one for one in found["violations"] if one["impact"] in SERIOUS]
        assert [(one["id"], one["nodes"][0]["html"]) for one in bad] == []
