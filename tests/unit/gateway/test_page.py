"""The gateway's own page: who may see it, and what people may set."""

import re
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.gateway.page_bench import KEY, NOW_S, Browser, board

from balans.core.words import LimitSource
from balans.gateway.board import Board
from balans.gateway.page.app import BODY_MAX
from balans.gateway.page.session import CEILING, LASTS_S, SLOW_S, TRIES, TRIES_S, Sessions
from balans.protocols.hub import (
    ConsentSetting,
    LimitSetting,
)
from balans.usecases.run_load_control import OwnSettings

# --- who may ---


@pytest.mark.parametrize("path", ["/", "/settings", "/part", "/nothing"])
def test_nothing_is_shown_without_the_key(browser: Browser, path: str) -> None:
    reply = browser.get(path)
    assert (reply.status, reply.header("location"), reply.body) == (303, "/login", "")


@pytest.mark.parametrize("path", ["/limit", "/pause", "/consent", "/logout"])
def test_nothing_is_set_without_the_key(browser: Browser, path: str) -> None:
    assert browser.post(path, kw="1", load="heater", released="false").status == 403
    assert browser.taken == []


def test_the_key_opens_and_the_cookie_is_kept_from_scripts_and_other_sites(
    browser: Browser,
) -> None:
    reply = browser.sign_in()
    assert (reply.status, reply.header("location")) == (303, "/")
    cookie = reply.header("set-cookie")
    assert cookie is not None
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert browser.get("/").status == 200


def test_a_wrong_key_opens_nothing_and_too_many_have_to_wait(browser: Browser) -> None:
    for _ in range(TRIES):
        reply = browser.post("/login", key="guess")
        assert reply.status == 403
        assert "This is not the key." in reply.body
    assert browser.post("/login", key=KEY).status == 429
    assert browser.get("/").status == 303
    browser.steady_s += TRIES_S
    assert browser.sign_in().status == 303


def test_who_guesses_locks_out_nobody_else(browser: Browser) -> None:
    browser.peer = "192.168.1.66"
    for _ in range(TRIES):
        browser.post("/login", key="guess")
    assert browser.post("/login", key=KEY).status == 429
    browser.peer = "192.168.1.7"
    assert browser.sign_in().status == 303


def test_addresses_of_one_home_are_counted_together(browser: Browser) -> None:
    for number in range(TRIES):
        browser.peer = f"2001:db8:1:2::{number + 1:x}"
        assert browser.post("/login", key="guess").status == 403
    browser.peer = "2001:db8:1:2::ffff"
    assert browser.post("/login", key=KEY).status == 429
    browser.peer = "2001:db8:1:3::1"
    assert browser.sign_in().status == 303


def test_guesses_from_everywhere_slow_every_try_and_refuse_no_right_key(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("balans.gateway.page.app.asyncio.sleep", sleep)
    for number in range(3 * CEILING):
        browser.peer = f"10.0.0.{number}"
        assert browser.post("/login", key="guess").status == 403
    assert waited[: CEILING + 1] == [0.0] * CEILING + [SLOW_S]
    browser.peer = "192.168.1.7"
    assert browser.sign_in().status == 303
    assert waited[-1] == SLOW_S
    browser.steady_s += TRIES_S
    browser.sign_in()
    assert waited[-1] == 0.0


@pytest.mark.parametrize(
    "host",
    ["evil.example:8088", "evil.example", "", "localhost.evil.example", "localhost@evil.example",
     "192.168.1.3:8088", "gateway.house.evil.example", "[::2]", "[", "localhost:8088, evil"],
)  # fmt: skip
def test_a_name_that_is_not_ours_is_not_answered(inside: Browser, host: str) -> None:
    inside.headers = {"host": host, "origin": f"http://{host}", "sec-fetch-site": "same-origin"}
    for reply in (inside.get("/"), inside.get("/static/page.js"), inside.sign_in(),
                  inside.send("/limit", kw="1")):  # fmt: skip
        assert reply.status == 421
        assert "house</h1>" not in reply.body
        assert "[page] hosts" in reply.body
    assert inside.taken == []


@pytest.mark.parametrize(
    "host",
    ["gateway.house", "GATEWAY.house.:8088", "localhost:8088", "127.0.0.1", "[::1]:8088",
     "192.168.1.2:8088", socket.gethostname(), f"{socket.gethostname().partition('.')[0]}.local"],
)  # fmt: skip
def test_our_own_names_are_answered(inside: Browser, host: str) -> None:
    inside.headers = {"host": host, "origin": f"http://{host}"}
    assert inside.get("/").status == 200
    assert inside.send("/limit", kw="1").status == 200


def test_the_address_reached_is_ours_in_each_way_of_writing(inside: Browser) -> None:
    inside.server = "fd00::2"
    inside.headers = {"host": "[FD00:0::2]:8088"}
    assert inside.get("/").status == 200
    inside.server = "::ffff:192.168.1.2"
    inside.headers = {"host": "192.168.1.2"}
    assert inside.get("/").status == 200


def test_a_session_ends_by_itself_and_by_signing_out(inside: Browser) -> None:
    assert inside.get("/").status == 200
    inside.steady_s += LASTS_S
    assert inside.get("/").status == 303
    inside.sign_in()
    assert inside.send("/logout").status == 303
    assert inside.get("/").status == 303


def test_many_sessions_push_out_the_oldest() -> None:
    sessions = Sessions(KEY)
    first = sessions.open(KEY, 0.0)
    for number in range(1, 60):
        sessions.open(KEY, float(number))
    assert not sessions.is_open(first, 100.0)


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
    ],
)
def test_a_form_of_another_site_is_refused(inside: Browser, headers: dict[str, str]) -> None:
    inside.headers = headers
    assert inside.send("/consent", load="heater", released="false").status == 403
    assert inside.send("/login", key=KEY).status == 403
    assert inside.taken == []


def test_a_form_without_its_token_is_refused_with_a_word(inside: Browser) -> None:
    for token in ("", "0" * 64, "ключ"):
        reply = inside.post("/consent", token=token, load="heater", released="false")
        assert reply.status == 403
        assert "too old" in reply.body
    assert inside.taken == []


def test_what_browsers_are_told(inside: Browser) -> None:
    for path in ("/", "/login", "/static/page.js", "/nothing"):
        reply = inside.get(path)
        policy = reply.header("content-security-policy")
        assert policy is not None
        assert policy.startswith("default-src 'self'; ")
        assert "unsafe" not in policy
        assert reply.header("x-content-type-options") == "nosniff"
    assert inside.get("/").header("cache-control") == "no-store"
    body = inside.get("/").body + inside.get("/settings").body
    assert not re.search(r"<style| style=|\son\w+=|<script(?! type=\"module\" src=)", body)


def test_a_body_that_is_too_large_is_refused(inside: Browser) -> None:
    assert inside.ask("POST", "/limit", b"x" * (BODY_MAX + 1)).status == 413


@given(
    st.sampled_from(["GET", "POST", "PUT", "HEAD"]),
    st.text(st.characters(codec="utf-8"), max_size=20),
    st.binary(max_size=60),
    st.booleans(),
)
def test_any_request_is_answered(method: str, path: str, body: bytes, signed_in: bool) -> None:  # noqa: FBT001
    browser = Browser(board())
    if signed_in:
        browser.sign_in()
    reply = browser.ask(method, f"/{path}", body)
    assert reply.status in {200, 303, 403, 404, 422}


# --- what people may set ---


def test_an_own_limit_is_set_and_taken_back(inside: Browser) -> None:
    reply = inside.send("/limit", do="set", kw="2,5", from_time="17:00", to_time="21:00", node="")
    assert reply.status == 200
    assert "It holds from now on." in reply.body
    wanted = LimitSetting("own", LimitSource.CUSTOMER, 2500.0, from_time="17:00", to_time="21:00")
    assert inside.taken[-1].limits == (wanted,)
    inside.send("/limit", do="set", kw="1", node="flat-1", from_time="", to_time="")
    assert [limit.node for limit in inside.taken[-1].limits] == ["", "flat-1"]
    inside.send("/limit", do="take_back", node="")
    assert [limit.node for limit in inside.taken[-1].limits] == ["flat-1"]


def test_zero_is_a_limit(inside: Browser) -> None:
    inside.send("/limit", do="set", kw="0")
    assert inside.taken[-1].limits[0].limit_w == 0.0


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"kw": ""}, "must be a number"),
        ({"kw": "-1"}, "must be a number"),
        ({"kw": "nan"}, "must be a number"),
        ({"kw": "1001"}, "must be a number"),
        ({"kw": "2", "from_time": "17:00"}, "both hours"),
        ({"kw": "2", "from_time": "17:00", "to_time": "17:00"}, "both hours"),
        ({"kw": "2", "from_time": "7", "to_time": "9"}, "both hours"),
        ({"kw": "2", "node": "attic"}, "no such place"),
        ({"kw": "2", "from_time": "1٣:00", "to_time": "1٤:00"}, "both hours"),
        ({"kw": "2", "from_time": "13:00", "to_time": "14:0٠"}, "both hours"),
    ],
)
def test_a_limit_that_cannot_be_is_told(inside: Browser, fields: dict[str, str], told: str) -> None:
    reply = inside.send("/limit", do="set", **fields)
    assert reply.status == 422
    assert told in reply.body
    assert inside.taken == []


def test_pauses_of_everything_and_of_a_load(inside: Browser) -> None:
    inside.send("/pause", load="", long="hours_1", do="pause")
    assert inside.taken[-1].paused_until == NOW_S + 3600
    inside.send("/pause", load="heater", long="hours_4", do="pause")
    assert inside.taken[-1].consents == (
        ConsentSetting("heater", released=True, paused_until=NOW_S + 4 * 3600),
    )
    assert "heater: Paused until 12/01 16:00" in inside.get("/settings").body
    inside.send("/pause", load="heater", do="resume")
    inside.send("/pause", load="", do="resume")
    assert inside.taken[-1] == OwnSettings(inside.board.own.limits)
    assert inside.send("/pause", load="", do="pause").status == 422
    assert inside.send("/pause", load="boiler", long="hours_1", do="pause").status == 422


def test_consent_is_withdrawn_and_given(inside: Browser) -> None:
    reply = inside.send("/consent", load="heater", released="false", back="/")
    assert reply.header("location") == "/"
    inside.send("/consent", load="heater", released="true")
    assert [own.consents for own in inside.taken] == [
        (ConsentSetting("heater", released=False),),
        (),
    ]
    for load in ("boiler", "<b>kitchen</b>"):  # the kitchen is red: there is nothing to withdraw
        assert inside.send("/consent", load=load, released="false").status == 422


def test_a_load_withdrawn_elsewhere_is_said_to_be(inside: Browser) -> None:
    assert "Withdrawn at the server or in the file" in inside.get("/settings").body


def test_what_load_control_refuses_is_not_promised(inside: Browser) -> None:
    gone = LimitSetting("own", LimitSource.CUSTOMER, 3000.0, node="attic")
    inside.board.own = OwnSettings((gone,))
    reply = inside.send("/limit", do="set", kw="2")
    assert reply.status == 422
    assert "Load control does not accept this limit" in reply.body
    assert inside.taken == []
    assert inside.send("/limit", do="take_back", node="").status == 200


def test_a_pause_lasts_from_now_on_when_no_status_comes(inside: Browser) -> None:
    inside.now_s = NOW_S + 5 * 3600  # the last status came five hours ago
    reply = inside.send("/pause", load="", long="hours_4")
    assert inside.taken[-1].paused_until == NOW_S + 9 * 3600
    assert reply.body.count('value="resume"') == 1
    inside.now_s = NOW_S + 9 * 3600 + 1
    assert 'value="resume"' not in inside.get("/settings").body


def test_a_pause_before_the_first_status_lasts_from_now_on() -> None:
    browser = Browser(Board("house"))
    browser.sign_in()
    browser.send("/pause", load="", long="hours_1")
    assert browser.taken[-1].paused_until == NOW_S + 3600
