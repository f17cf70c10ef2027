"""Makes the pictures of README and docs with the product itself.

python tools/make_pictures.py                              the recorded day, the shares, the study
python tools/make_pictures.py --screenshots http://127.0.0.1:8000   pages of a running demo
"""

import argparse
from dataclasses import replace
from pathlib import Path

from balans.adapters.pictures.feeder_png import draw_feeder
from balans.adapters.pictures.site_png import draw_site
from balans.adapters.pictures.study_png import draw_study
from balans.cli.demo_study import feeder_of
from balans.cli.simulate_feeder import play, ratings, studio
from balans.simulator.town import demo_town
from balans.usecases.feeder.street import Recipe
from balans.usecases.feeder.study import Plan
from balans.usecases.simulate_feeder import simulate_feeder
from balans.usecases.site_report import summarize
from balans.web.accounts.demo import DEMO_ACCOUNTS

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]


def draw_day(seed: int = 1) -> None:
    """Draw the recorded first day of the demo building, and the same with some taking part."""
    shares = simulate_feeder(feeder_of(demo_town(seed)), seed)
    draw_feeder(shares, IMAGES / "transformer-shares.png")
    everybody = shares[-1].replay
    named = replace(everybody, site=replace(everybody.site, name="24 flats behind one transformer"))
    draw_site(named, summarize(named), IMAGES / "day.png")


def draw_transformer_study() -> None:
    """Draw what ``balans simulate feeder`` finds for 100 flats, some with vehicles and pumps."""
    limit_kw, transformer = ratings(100, None, 250.0, 20.0, upgraded_paper=False)
    recipe = Recipe(100, 1, 1, ev_share=0.3, heat_pump_share=0.2)
    plan = Plan(recipe, 10, tuple(n / 10 for n in range(11)), limit_kw, transformer)
    street = studio(plan).street(recipe.seed)
    draw_study(plan, play(plan, 2), street, IMAGES / "transformer-study.png")


def take_screenshots(url: str) -> None:
    """Take pictures of the pages of the demo that runs at `url`."""
    from playwright.sync_api import sync_playwright

    account = DEMO_ACCOUNTS[0]
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_context(viewport={"width": 1280, "height": 1400}).new_page()
        page.goto(f"{url}/login/")
        page.fill("input[name=username]", account.username)
        page.fill("input[name=password]", account.password)
        page.press("input[name=password]", "Enter")
        page.wait_for_url(f"{url}/**")
        page.goto(f"{url}/sites/house-1/")
        page.wait_for_timeout(2500)
        page.screenshot(path=IMAGES / "live.png")
        browser.close()


def main() -> None:
    """Make what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--screenshots", metavar="URL", help="address of a running demo")
    url = parser.parse_args().screenshots
    if url:
        take_screenshots(url)
    else:
        draw_day()
        draw_transformer_study()


if __name__ == "__main__":
    main()
