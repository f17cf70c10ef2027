"""The page of imports in a real Chromium: a file is brought, its steps are told, findings read."""

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from tests.web import town
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

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("imports-browser")]
SHOTS = os.environ.get("SHOTS_OF_PAGES")

REGISTRY = (
    "[nodes]\ncode,name,kind,parent\nalice-flat-09,Flat 9,flat,alice-riser\n"
    "alice-flat-10,Flat 10,hut,alice-riser\n"
    "[points]\ncode,name,node,resource\nalice-flat-09-el,Electricity,alice-flat-09,electricity\n"
    "alice-flat-11-el,Electricity,alice-flat-11,electricity\n"
    "[meters]\nserial,resource,pulses_per_unit\nE-99,electricity,sixteen hundred\n"
)


def readings() -> str:
    """Return what a handheld reader may have written: odd minutes, a gap, a step back."""
    rows = [
        f"alice-flat-04-cw;{10 + hour // 24:02d}.01.2026 {hour % 24:02d}:17;{value}"
        for hour, value in enumerate(range(500, 548))
        if not 20 < hour < 46
    ]
    rows[5] = rows[5].replace("505", "900")
    rows[12] = rows[12].replace("512", "51?")
    return "\n".join(["point;when;litres", *rows]) + "\n"


def fill(page: Page, folder: Path, kind: str, name: str, text: str) -> None:
    file = folder / name
    file.write_text(text)
    page.get_by_label(kind).check()
    page.get_by_label("File: CSV").set_input_files(file)


def test_a_file_of_another_program_is_brought(open_window: Open, tmp_path: Path) -> None:
    with open_window() as window:
        window.go("/imports/")
        page = window.page
        fill(page, tmp_path, "Readings", "walk of 12 January.csv", readings())
        page.get_by_text("How the file is laid out").click()
        page.get_by_label("Column of the time").fill("when")
        page.get_by_label("Column of the value").fill("litres")
        page.get_by_label("The values are").select_option("dial")
        page.get_by_label("Unit").select_option("l")
        page.get_by_role("button", name="Import").click()
        expect(page.locator("h1")).to_have_text("walk of 12 January.csv")
        expect(page.locator(".page-head .chip")).to_have_text("refused")
        expect(page.get_by_text("dial: '51?': expected a number")).to_be_visible()
        page.get_by_role("link", name="long gap").click()
        expect(page.locator(".findings tbody tr")).to_have_count(1)
        page.get_by_role("button", name="Take the good rows").click()
        expect(page.locator(".page-head .chip")).to_have_text("imported")


def test_a_fault_of_the_form_is_told_beside_it(open_window: Open, tmp_path: Path) -> None:
    with open_window() as window:
        window.go("/imports/")
        page = window.page
        fill(page, tmp_path, "Readings", "r.csv", "a,b\n1,2\n")
        page.get_by_role("button", name="Import").click()
        expect(page.get_by_role("alert")).to_contain_text("r.csv: no column 'time'")
        expect(page.get_by_role("button", name="Import")).to_be_enabled()


@pytest.mark.parametrize(
    ("size", "scheme", "language"),
    [(DESKTOP, "light", ""), (PHONE, "light", ""), (PHONE, "dark", "ro-RO"), (DESKTOP, "dark", "")],
)
def test_the_pages_fit_and_are_accessible(
    open_window: Open, tmp_path: Path, size: tuple[int, int], scheme: str, language: str
) -> None:
    with open_window(size, color_scheme=scheme) as window:
        page = window.page
        window.go("/imports/")
        fill(page, tmp_path, "Registry", "registry.csv", REGISTRY)
        page.get_by_role("button", name="Import").click()
        expect(page.locator(".findings tbody tr")).to_have_count(3)
        if language:
            page.locator("details.menu summary").click()
            page.get_by_role("button", name="Română").click()
            expect(page.locator("html")).to_have_attribute("lang", "ro")
        look(page, size, f"import-{scheme}")
        window.go("/imports/")
        page.locator("form summary").click()
        look(page, size, f"imports-{scheme}")


def look(page: Page, size: tuple[int, int], name: str) -> None:
    """Check that nothing sticks out and axe finds nothing serious; keep a picture if wanted."""
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    page.evaluate(AXE.read_text())
    found: dict[str, Any] = page.evaluate("rules => axe.run(document, {runOnly: rules})", RULES)
    serious = [v for v in found["violations"] if v["impact"] in SERIOUS]
    assert [(v["id"], v["nodes"][0]["html"]) for v in serious] == []
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}-{size[0]}.png", full_page=True)


def test_many_rows_are_brought_while_their_number_is_told(
    open_window: Open, tmp_path: Path
) -> None:
    start = int(town.START.timestamp())
    rows = [f"1004-{1 + n % 3},{start + n * 7},{n}" for n in range(60_000)]
    text = "channel,time,register\n" + "\n".join(rows).replace(str(start), "x")
    with open_window() as window:
        window.go("/imports/")
        page = window.page
        fill(page, tmp_path, "Readings", "many.csv", text)
        page.get_by_role("button", name="Import").click()
        expect(page.locator("#progress")).to_be_visible()
        expect(page.locator("h1")).to_have_text("many.csv", timeout=60_000)
        expect(page.locator(".figures")).to_contain_text("60,000")
