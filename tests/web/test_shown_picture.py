"""The live picture: what is shown when the signal is fresh, old, gone or not yet there."""

from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import translation

from balans.core.words import LoadClass
from balans.protocols.hub import LoadStatus, SiteStatus
from balans.usecases.judge_load import level
from balans.web.shown.picture import Heard, Reader, changes, picture

LOADS = ("heat", "wash")
ZONE = ZoneInfo("Europe/Paris")
WHOLE = Reader(loads=LOADS, whole=True, zone=ZONE)


@dataclass(frozen=True)
class Case:
    age_s: float
    freshness: str
    word: str
    state: str


def load(
    name: str, load_class: LoadClass, power_w: float, *, on: bool = True, **values: Any
) -> LoadStatus:
    return LoadStatus(name, load_class, on=on, power_w=power_w, **values)


def status(**values: Any) -> SiteStatus:
    loads = (
        load("heat", LoadClass.YELLOW, 0.0, on=False, reason="over_limit", off_left_s=485.0),
        load("wash", LoadClass.GREEN, 1234.0),
        load("secret", LoadClass.GREEN, 0.0, on=False),
    )
    given: dict[str, Any] = {
        "seq": 1,
        "time": 1e9,
        "step_s": 60.0,
        "site_w": 3500.0,
        "limit_w": 4000.0,
        "limit": "contract",
        "loads": loads,
        "valid_s": 60.0,
    }
    return SiteStatus(**{**given, **values})


@pytest.mark.parametrize(
    "case",
    [
        Case(0, "fresh", "Live", "off"),
        Case(179, "fresh", "Live", "off"),
        Case(180, "stale", "Delayed", "off"),
        Case(540, "dead", "No signal", "unknown"),
    ],
)
def test_freshness_follows_the_interval_of_the_sender(case: Case) -> None:
    texts = picture(Heard(status(), case.age_s), WHOLE, 1)
    assert texts["site.freshness"] == case.freshness
    assert texts["site.freshness_word"] == case.word
    assert texts["load.heat.state"] == case.state


def test_a_fresh_site_shows_load_limit_and_head_room() -> None:
    texts = picture(Heard(status(), 3), WHOLE, 1)
    assert (texts["site.load"], texts["site.limit"]) == ("3.50", "4.00")
    assert texts["site.headroom"] == "0.50"
    assert texts["site.level"] == "inside"
    assert texts["load.heat.left"] == "8 min"
    assert texts["load.heat.reason"] == "the limit would be exceeded"
    assert texts["load.wash.power"] == "1.23 kW"
    assert texts["site.off"] == "1 load is off"


@pytest.mark.parametrize(
    ("on", "ordered", "word", "state"),
    [
        (True, False, "Switching off…", "switching"),
        (False, True, "Switching on…", "switching"),
        (True, True, "On", "on"),
        (False, None, "Switched off", "off"),
    ],
)
def test_an_order_without_an_answer_is_a_state_of_its_own(
    *, on: bool, ordered: bool | None, word: str, state: str
) -> None:
    one = load("heat", LoadClass.YELLOW, 900.0, on=on, ordered=ordered)
    texts = picture(Heard(status(loads=(one,)), 3), WHOLE, 1)
    assert (texts["load.heat.word"], texts["load.heat.state"]) == (word, state)
    assert texts["load.heat.busy"] == ("true" if state == "switching" else "false")
    assert texts["site.off"].startswith("0" if on else "1")
    dead = picture(Heard(status(loads=(one,)), 600), WHOLE, 1)
    assert dead["load.heat.state"] == "unknown"


def test_a_dead_site_is_not_called_inside_its_limit() -> None:
    texts = picture(Heard(status(), 600), WHOLE, 1)
    assert texts["site.level_word"] == "Unknown now; last: inside the limit"
    assert texts["site.level_tone"] == "quiet"


def test_before_the_first_status_nothing_is_claimed() -> None:
    texts = picture(None, WHOLE, 1)
    assert texts["site.freshness"] == "waiting"
    assert texts["site.load"] == texts["site.limit"] == texts["site.headroom"] == "–"
    assert texts["load.heat.word"] == "No data yet"
    assert texts["site.level"] == "unknown"


def test_a_silent_sensor_is_no_load_of_zero() -> None:
    texts = picture(Heard(status(sensor_ok=False), 3), WHOLE, 1)
    assert texts["site.load"] == "–"
    assert texts["site.sensor_silent"] == "1"


def test_who_sees_a_part_learns_nothing_of_the_whole() -> None:
    texts = picture(Heard(status(), 3), Reader(loads=("heat",), whole=False, zone=ZONE), 1)
    assert not [key for key in texts if key.startswith(("site.load", "site.limit", "site.L"))]
    assert not [key for key in texts if "wash" in key or "secret" in key]
    assert "3.50" not in texts.values()


def test_only_changes_travel() -> None:
    before = picture(Heard(status(), 3), WHOLE, 1)
    after = picture(Heard(status(site_w=3600.0), 3), WHOLE, 1)
    assert changes(before, before) == {}
    assert set(changes(before, after)) == {
        "site.load",
        "site.headroom",
        "site.share",
        "site.gauge_fill",
        "announce",
    }


def test_numbers_and_words_follow_the_language() -> None:
    with translation.override("ro"):
        texts = picture(Heard(status(site_w=5234.5), 3), WHOLE, 1)
    assert texts["site.load"] == "5,23"
    assert texts["site.level"] == "over"
    assert texts["site.level_word"] != "Over the limit"


@pytest.mark.parametrize(
    ("site_w", "limit_w", "expected"),
    [
        (None, 4000, "unknown"),
        (100, None, "unlimited"),
        (3600, 4000, "inside"),
        (3601, 4000, "near"),
        (4000, 4000, "near"),
        (4001, 4000, "over"),
    ],
)
def test_level(site_w: float | None, limit_w: float | None, expected: str) -> None:
    assert level(site_w, limit_w) == expected


@pytest.mark.parametrize("language", ["en", "ru", "ro"])
@pytest.mark.parametrize("code", ["not_obeying", "state_unknown"])
def test_a_fault_is_told_in_words(language: str, code: str) -> None:
    heard = Heard(status(loads=(load("heat", LoadClass.YELLOW, 900.0, reason=code),)), 3)
    with translation.override(language):
        text = picture(heard, WHOLE, 1)["load.heat.reason"]
    assert text
    assert "_" not in text
    with translation.override("en"):
        assert (text == picture(heard, WHOLE, 1)["load.heat.reason"]) is (language == "en")
