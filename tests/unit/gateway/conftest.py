"""A browser at the gateway's own page, outside and signed in."""

import pytest
from tests.unit.gateway.page_bench import Browser, board


@pytest.fixture
def browser() -> Browser:
    return Browser(board())


@pytest.fixture
def inside(browser: Browser) -> Browser:
    browser.sign_in()
    return browser
