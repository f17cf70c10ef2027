"""What the gateway's own page shows, and in which words."""

import re
import tomllib
from pathlib import Path

import msgspec
import pytest
from tests.unit.gateway.page_bench import NOW_S, Browser, plan, report, status

from balans.core.words import CommandState
from balans.gateway.board import DECISIONS_MAX, Board
from balans.gateway.page import words as words_module
from balans.gateway.page.markup import Safe, tag
from balans.gateway.page.view import gravest_level, level_of
from balans.gateway.page.words import LANGUAGES, TEXTS, Words
from balans.protocols.hub import (
    NodeStatus,
    PlanReport,
    PlanState,
)


def test_the_live_page_shows_everything(inside: Browser) -> None:
    body = inside.get("/").body
    for text in (
        "<h1>house</h1>",
        "Near the limit",
        "5.60 kW of 6.00 kW",
        "0.40 kW left",
        "L1: 12.9 A left",
        "L3: – A",
        "3.10 kW left",
        "Switched off",
        "the limit would be exceeded",
        "7 min",
        "Not released for control",
        "Shedding does not help",
        "12.5 kW·min",
        "0.77",
        "keeps all limits",
        "washer waits until 12/01 23:00",
        "Cost 3.20, without the plan 4.10",
        "expected −2.00 kW, achieved −1.87 kW",
        "limit contract",
    ):
        assert text in body, text
    assert "out of reach" not in body


def test_names_are_escaped(inside: Browser) -> None:
    assert "<b>kitchen" not in inside.get("/").body
    assert "&lt;b&gt;kitchen&lt;/b&gt;" in inside.get("/").body


def test_what_is_missing_is_said_and_no_zero() -> None:
    browser = Browser(Board("house"))
    browser.sign_in()
    assert "Waiting for the first measurement" in browser.get("/").body
    assert browser.get("/settings").status == 200
    browser.board.show(status())
    body = browser.get("/").body
    assert "This gateway does not plan ahead" not in body
    assert "There is no plan." in body
    assert "The server is out of reach" in body
    assert "– kW" in body


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_language_has_every_text(inside: Browser, language: str) -> None:
    body = inside.get(f"/?language={language}").body
    assert f'lang="{language}"' in body
    assert inside.cookies["language"] == language
    assert inside.get("/settings").body.count(TEXTS[language]["own_limit"]) == 1
    assert set(TEXTS[language]) == set(TEXTS["en"])
    for code, text in TEXTS[language].items():
        assert text.strip()
        places = sorted(re.findall(r"{(\w+)}", TEXTS["en"][code]))
        assert sorted(re.findall(r"{(\w+)}", text)) == places, code


def test_every_text_that_is_asked_for_is_there() -> None:
    folder = Path(words_module.__file__).parent
    source = "".join(path.read_text("utf-8") for path in folder.glob("*.py"))
    asked = set(re.findall(r'say\(\s*"([^"]+)"', source))
    assert asked
    assert asked <= set(TEXTS["en"])
    assert set(tomllib.loads((folder / "texts" / "en.toml").read_text("utf-8"))) == set(TEXTS["en"])


def test_the_browser_s_language_counts_until_one_is_chosen(inside: Browser) -> None:
    inside.headers = {"accept-language": "de, ru;q=0.9"}
    assert 'lang="ru"' in inside.get("/").body
    assert "5,60 кВт" in inside.get("/").body
    inside.get("/?language=ro")
    assert "Rezervă" in inside.get("/").body


def test_numbers_as_each_language_writes_them() -> None:
    from tests.unit.gateway.page_bench import ZONE

    assert Words("en", ZONE).number(-1234.5, 1) == "−1,234.5"
    assert Words("ro", ZONE).number(1234.5, 1) == "1.234,5"
    assert Words("ru", ZONE).number(1234.5, 1) == "1 234,5"
    assert Words("en", ZONE).number(-0.001, 2) == "0.00"
    assert Words("en", ZONE).number(None, 2) == "–"


@pytest.mark.parametrize(
    ("power_w", "allowed_w", "level"),
    [
        (None, 100.0, "unknown"),
        (50.0, None, "within"),
        (90.0, 100.0, "within"),
        (91.0, 100.0, "near"),
        (101.0, 100.0, "over"),
        (0.0, 0.0, "within"),
        (1.0, 0.0, "over"),
    ],
)
def test_levels(power_w: float | None, allowed_w: float | None, level: str) -> None:
    assert level_of(power_w, allowed_w) == level


@pytest.mark.parametrize(
    ("power_w", "allowed_w", "phase_a", "phase_limit_a", "level"),
    [
        (4011.0, 40_000.0, (17.4, 0.0, 0.0), 16.0, "over"),
        (4011.0, 40_000.0, (-17.4, 0.0, 0.0), 16.0, "over"),
        (4011.0, 40_000.0, (15.0, None, 0.0), 16.0, "near"),
        (4011.0, 40_000.0, (5.0, 5.0, 5.0), 16.0, "within"),
        (4011.0, 4000.0, (5.0, 5.0, 5.0), 16.0, "over"),
        (None, 4000.0, (17.4, 0.0, 0.0), 16.0, "over"),
        (None, 4000.0, (5.0, 0.0, 0.0), 16.0, "unknown"),
        (None, None, (5.0, 0.0, 0.0), 16.0, "within"),
        (4011.0, None, (None, None, None), 16.0, "unknown"),
        (4011.0, None, (), 16.0, "unknown"),
        (4011.0, 40_000.0, (17.4, 0.0, 0.0), None, "within"),
    ],
)
def test_the_gravest_of_power_and_phases_counts(
    power_w: float | None,
    allowed_w: float | None,
    phase_a: tuple[float | None, ...],
    phase_limit_a: float | None,
    level: str,
) -> None:
    node = NodeStatus("", "", power_w, allowed_w, None, "", phase_a, phase_limit_a)
    assert gravest_level(node) == level


def test_a_phase_over_its_limit_is_said_of_the_site_and_of_a_flat(inside: Browser) -> None:
    full = (17.4, 0.0, 0.0)
    for name in ("", "flat-1"):
        nodes = [
            NodeStatus(one, "", 4000.0, 40_000.0, None, "", full if one == name else (), 16.0)
            for one in ("", "flat-1")
        ]
        inside.board.show(msgspec.structs.replace(status(), limit_w=40_000.0, nodes=tuple(nodes)))
        body = inside.get("/part").body
        assert ("Over the limit" in body) == (name == "")
        assert re.findall(r'<div data-level="(\w+)"', body) == [
            "within" if one != name else "over" for one in ("", "flat-1")
        ]


def test_a_relaxed_plan_and_none_say_so(inside: Browser) -> None:
    relaxed = msgspec.structs.replace(plan(), state=PlanState.RELAXED, reason="limit: 900 Wh")
    inside.board.show_plan(relaxed)
    body = inside.get("/").body
    assert "cannot keep every limit" in body
    assert "limit: 900 Wh" in body
    inside.board.show_plan(PlanReport(NOW_S, state=PlanState.NONE, reason="no plan found in time"))
    assert "There is no plan. no plan found in time" in inside.get("/").body


def test_the_board_keeps_the_last_decisions_with_their_latest_state() -> None:
    found = Board("house")
    for number in range(DECISIONS_MAX + 5):
        found.note(report(CommandState.SENT, id=f"id{number}"))
    found.note(report(CommandState.CONFIRMED, id="id40", achieved_w=-5.0))
    found.note(report(CommandState.CONFIRMED, id="id40"))
    assert len(found.decisions) == DECISIONS_MAX
    assert found.decisions[0].id == f"id{DECISIONS_MAX + 4}"
    (kept,) = (one for one in found.decisions if one.id == "id40")
    assert (kept.state, kept.achieved_w) == (CommandState.CONFIRMED, -5.0)


def test_every_code_of_load_control_has_words() -> None:
    from balans.domain.demand.model import Reason
    from balans.usecases.run_load_control import Detail, LeftAlone, NoPlan

    codes = {str(code) for kind in (Reason, Detail, LeftAlone, NoPlan) for code in kind}
    assert codes <= set(TEXTS["en"])
    guards = {f"guard.{code}" for code in ("sensor_lost", "futile", "switch_cap", "planner_lost")}
    assert guards <= set(TEXTS["en"])


def test_a_detail_keeps_what_the_actuator_said(inside: Browser) -> None:
    inside.board.note(report(CommandState.FAILED, id="a2", detail="refused: <stuck>"))
    assert "the actuator refused: &lt;stuck&gt;" in inside.get("/").body


def test_elements_escape() -> None:
    assert tag("a", "<", tag("br"), title='"', hidden=True, data_x=None) == (
        '<a title="&quot;" hidden>&lt;<br></a>'
    )
    assert isinstance(tag("p"), Safe)
