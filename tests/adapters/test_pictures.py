"""The pictures of a replay: drawn, the same each time, and the page opens from a file."""

import base64
import json
import os
import re
import shutil
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from tests.unit.usecases.streets import MONDAY_S, weeks

from balans.adapters.pictures.feeder_png import draw_feeder
from balans.adapters.pictures.site_html import write_site_page
from balans.adapters.pictures.site_png import draw_site
from balans.adapters.pictures.site_views import off_runs, period_labels, telling_view
from balans.adapters.pictures.study_png import draw_study
from balans.core.words import LoadClass
from balans.domain.demand import Limit, Load, Window
from balans.usecases.feeder.heat import Transformer
from balans.usecases.feeder.street import Recipe
from balans.usecases.feeder.study import Place, Plan, Studio
from balans.usecases.profile import Profile
from balans.usecases.simulate_feeder import Feeder, Flat, simulate_feeder
from balans.usecases.simulate_site import Replay, simulate_site
from balans.usecases.site_file import Site
from balans.usecases.site_report import summarize

PARIS = ZoneInfo("Europe/Paris")
STEP_S = 300.0


def replay(days: int = 3, loads: int = 1, limit: Limit | None = None) -> Replay:
    """Return a replay whose second day has by far the most overload."""
    count = int(days * 86_400 / STEP_S)
    start_s = np.arange(count, dtype=np.float64) * STEP_S
    local_s = start_s % 86_400
    evening = (local_s > 18 * 3600) & (local_s < 20 * 3600)
    base_w = np.where(evening, 3000.0, 500.0) + np.where(start_s // 86_400 == 1, 800.0, 0.0)
    classes = (LoadClass.YELLOW, LoadClass.GREEN, LoadClass.RED)
    made = tuple(Load(f"load{i}", classes[i % 3], 2000.0) for i in range(loads))
    wants = np.where(evening, 2000.0, 0.0)
    moments = np.datetime64("2026-01-12T00:00", "s") + start_s.astype("timedelta64[s]")
    profile = Profile(
        moments.astype(str).tolist(), start_s, local_s, STEP_S, base_w,
        {load.name: wants for load in made},
    )  # fmt: skip
    limits = (limit,) if limit else (Limit("contract", 4000.0),)
    return simulate_site(Site("<b>house</b>", "", PARIS, (), limits, made), profile, lambda: 0)


@pytest.mark.parametrize(
    "case",
    [
        pytest.param({}, id="days"),
        pytest.param({"days": 1}, id="one day"),
        pytest.param({"loads": 0}, id="no loads"),
        pytest.param({"loads": 60}, id="many loads"),
        pytest.param({"days": 70}, id="months"),
        pytest.param(
            {"limit": Limit("hours", 4000.0, window=Window(17 * 3600, 21 * 3600))}, id="hours"
        ),
        pytest.param({"limit": Limit("mean", 3000.0, interval_s=900)}, id="mean"),
    ],
)
def test_every_kind_of_replay_is_drawn(case: dict[str, object], tmp_path: Path) -> None:
    found = replay(**case)  # type: ignore[arg-type]
    draw_site(found, summarize(found), tmp_path / "plot.png")
    write_site_page(found, summarize(found), tmp_path / "plot.html")
    assert (tmp_path / "plot.png").stat().st_size > 20_000


def test_the_same_replay_gives_the_same_picture(tmp_path: Path) -> None:
    found = replay()
    for name in ("one.png", "two.png"):
        draw_site(found, summarize(found), tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_the_day_with_most_overload_is_shown() -> None:
    view = telling_view(replay())
    per_day = int(86_400 / STEP_S)
    assert (view.first, view.last) == (per_day, 2 * per_day)
    assert "Tuesday 13 January 2026" in view.title


def test_periods_are_days_then_months() -> None:
    period, labels, word = period_labels(replay())
    assert (labels, word) == (["12 Jan", "13 Jan", "14 Jan"], "day")
    assert np.bincount(period).tolist() == [288, 288, 288]
    assert period_labels(replay(days=70))[1:] == (["Jan", "Feb", "Mar"], "month")


def test_runs_of_being_off() -> None:
    assert off_runs(np.array([False, True, False, False, True])) == [(0, 1), (2, 4)]
    assert off_runs(np.array([True])) == []


def test_the_page_holds_the_replay(tmp_path: Path) -> None:
    found = replay()
    write_site_page(found, summarize(found), tmp_path / "plot.html")
    page = (tmp_path / "plot.html").read_text()
    assert "<b>house" not in page
    text = re.search(r'id="replay">(.*?)</script>', page, re.DOTALL)
    assert text
    data = json.loads(text[1])
    packed = np.frombuffer(base64.b64decode(data["with"]), dtype="<i4")
    assert packed.tolist() == np.rint(found.controlled_w).astype(int).tolist()
    assert data["loads"][0]["off"] == [list(run) for run in off_runs(found.is_on[0])]


def test_the_transformer_study_is_drawn(tmp_path: Path) -> None:
    count = 288
    wants = np.where(np.arange(count) % 12 < 6, 2000.0, 0.0)
    load = Load("heat", LoadClass.YELLOW, 2000.0)
    flats = tuple(Flat(f"f{n}", np.full(count, 300.0), (load,), {"heat": wants}) for n in range(5))
    feeder = Feeder("riser", PARIS, 1.7e9, STEP_S, flats, (Limit("transformer", 8000.0),))
    draw_feeder(simulate_feeder(feeder, seed=1), tmp_path / "feeder.png")
    assert (tmp_path / "feeder.png").stat().st_size > 20_000


@pytest.mark.parametrize("shares", [(0.4, 1.0), (0.0,), (0.2, 0.5, 0.9)])
def test_the_study_of_shares_is_drawn(shares: tuple[float, ...], tmp_path: Path) -> None:
    plan = Plan(Recipe(8, 2, 1, 0.5), 2, shares, 10.0, Transformer(12.0))
    studio = Studio(plan, weeks(), Place(PARIS, MONDAY_S))
    cases = [studio.play(seed, share) for seed, share in plan.cases]
    for name in ("one.png", "again.png"):
        draw_study(plan, cases, studio.street(1), tmp_path / name)
    one = (tmp_path / "one.png").read_bytes()
    assert len(one) > 40_000
    assert one == (tmp_path / "again.png").read_bytes()


@pytest.mark.browser
@pytest.mark.xdist_group("browser")
def test_the_page_opens_from_a_file_without_network(tmp_path: Path) -> None:
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        reason = "needs Chromium: sudo apt-get install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    found = replay()
    write_site_page(found, summarize(found), tmp_path / "plot.html")
    told: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("console", lambda message: told.append(message.text))
        page.on("pageerror", lambda error: told.append(str(error)))
        page.on("request", lambda request: told.append(request.url))
        page.goto((tmp_path / "plot.html").as_uri())
        page.wait_for_selector(".u-over")
        page.get_by_role("button", name="Everything").click()
        page.locator(".u-over").hover()
        page.wait_for_function("document.querySelector('.u-legend').innerText.includes(' kW')")
        strip = page.locator("#strip").evaluate(
            "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.includes(227)"
        )
        browser.close()
    assert strip  # the yellow of a load that was off
    assert told == [(tmp_path / "plot.html").as_uri()]
