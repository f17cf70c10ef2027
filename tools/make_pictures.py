"""Makes the pictures of README and docs with the product itself.

python tools/make_pictures.py                              the recorded day, the shares
python tools/make_pictures.py --screenshots http://127.0.0.1:8000   pages of a running demo
"""

import argparse
from dataclasses import replace
from pathlib import Path

from balans.adapters.pictures.feeder_png import draw_feeder
from balans.adapters.pictures.site_png import draw_site
from balans.cli.demo_study import feeder_of
from balans.simulator.town import demo_town
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


if __name__ == "__main__":
    main()
