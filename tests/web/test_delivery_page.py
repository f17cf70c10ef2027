"""The proof of completeness of a point, and reading it now: for all who see its readings."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from tests.web import town

from balans.core.hours import hour_of
from balans.protocols.hub import (
    KIND_OF,
    NO_ANSWER,
    Batch,
    Entry,
    Hello,
    HoursGone,
    ReadResult,
    ReadState,
    encode_news,
)
from balans.protocols.readings import Flag
from balans.storage import hub_state, read_requests
from balans.storage.flush import flush_inbox
from balans.storage.inbox import store_batch, take_hello
from balans.storage.scope import system_scope

POINT = "/points/alice-flat-01-el/"
PROOF = f"{POINT}delivery/"
READ = f"{POINT}read/"


def execute(sql: str) -> None:
    with system_scope(), connection.cursor() as cursor:
        cursor.execute(sql)


def proof(client: Client, date: str = "") -> dict[str, object]:
    page = client.get(PROOF, {"date": date} if date else {})
    (channel,) = page.context["channels"]
    return dict(channel)


def test_a_complete_month_says_so(operator: Client) -> None:
    execute(f"update meter_mounting set valid_from = '{town.START.isoformat()}'")
    town.seed_readings()
    page = operator.get(PROOF).content.decode()
    assert "Module 1001, input 1: January 2026" in page
    assert "Everything that is due has come." in page
    shown = proof(operator)
    assert (shown["share"], shown["missing"], shown["late"]) == ("100.0", "0", "0")
    assert [row["label"] for row in shown["rows"]] == ["Sat 10", "Sun 11", "Mon 12"]  # type: ignore[attr-defined]


def test_what_is_missing_says_why_and_since_when(operator: Client) -> None:
    gone = [datetime(2026, 1, 11, hour, tzinfo=UTC) for hour in (9, 10, 20)]
    execute(f"update meter_mounting set valid_from = '{town.START.isoformat()}'")
    town.seed_readings(without=gone)
    first = hour_of(gone[0])
    told = HoursGone(1001, 1, 0.0, ((first, first + 1),), first + 5)
    entry = Entry(KIND_OF[HoursGone], encode_news(told))
    store_batch("alice-hub", Batch.of(7, 1, (entry,)), town.NOW)
    flush_inbox(town.NOW)
    execute(
        "update channel_delivery set asks = 3, asked_at = '2026-01-12 15:00Z',"
        f" wanted = int4multirange(int4range({first + 1}, {first + 2}))"
    )
    shown = proof(operator)
    assert shown["missing"] == "3"
    texts = [(gap["first"], gap["hours"], gap["cause"], gap["detail"]) for gap in shown["gaps"]]  # type: ignore[attr-defined]
    assert texts == [
        (
            "11 January 2026, 10:00",
            "1 hour",
            "the module no longer holds it",
            "it holds hours from 11 January 2026, 15:00 on, as it said on 12 January 2026, 18:00",
        ),
        (
            "11 January 2026, 11:00",
            "1 hour",
            "asked for again",
            "3 times, last on 12 January 2026, 16:00",
        ),
        ("11 January 2026, 21:00", "1 hour", "missing; it will be asked for", ""),
    ]
    day = proof(operator, "2026-01-11")
    missing = [row["label"] for row in day["rows"] if not row["whole"]]  # type: ignore[attr-defined]
    assert missing == ["10:00", "11:00", "21:00"]
    assert "data-missing" in operator.get(PROOF, {"date": "2026-01-11"}).content.decode()


def test_hours_of_a_silent_module_and_those_to_come_are_told_apart(operator: Client) -> None:
    execute(f"update meter_mounting set valid_from = '{town.START.isoformat()}'")
    town.seed_readings(end=town.NOW - timedelta(hours=6))
    causes = [(gap["cause"], gap["hours"]) for gap in proof(operator)["gaps"]]  # type: ignore[attr-defined]
    assert causes[-1] == ("not due yet", "2 hours")
    assert "is silent" in str(causes[-2][0])


def test_a_time_without_a_meter_and_a_time_to_come_say_so(operator: Client) -> None:
    town.seed_readings()
    page = operator.get(PROOF, {"date": "2030-01"}).content.decode()
    assert "Nothing was due" in page
    page = operator.get(PROOF, {"date": "2005"}).content.decode()
    assert "No module counted this point then" in page


@pytest.mark.parametrize("date", ["2026", "2026-01", "2026-01-12"])
def test_year_month_and_day_add_up_to_the_same(operator: Client, date: str) -> None:
    execute(f"update meter_mounting set valid_from = '{town.START.isoformat()}'")
    town.seed_readings(without=[datetime(2026, 1, 12, 9, tzinfo=UTC)])
    shown = proof(operator, date)
    rows = shown["rows"]
    assert isinstance(rows, list)
    assert sum(int(row["due"]) for row in rows) == int(str(shown["due"]))
    assert sum(int(row["missing"]) for row in rows) == int(str(shown["missing"])) == 1


def test_a_stranger_sees_no_proof_and_may_not_read(visit: object) -> None:
    bob = visit("bob-operator")  # type: ignore[operator]
    for path in (PROOF, READ):
        assert bob.get(path).status_code == 404
    assert bob.post(READ).status_code == 404
    assert count() == 0


def count() -> int:
    with system_scope(), connection.cursor() as cursor:
        cursor.execute("select count(*) from read_request")
        return int(cursor.fetchone()[0])


def test_a_resident_has_the_own_meter_read(resident: Client) -> None:
    page = resident.get(POINT).content.decode()
    assert 'id="read-now"' in page
    assert "Read now" in page
    answer = resident.post(READ)
    assert (answer.status_code, answer["Location"]) == (302, f"{POINT}#read-now")
    part = resident.get(READ)
    assert part["Cache-Control"] == "private, no-store"
    text = part.content.decode()
    assert "on its way" in text
    assert "data-open" in text
    assert "<html" not in text
    resident.post(READ)
    assert count() == 1


def answer(state: ReadState, **what: object) -> None:
    (one,) = read_requests.open_requests()
    own = (one.request.id, one.request.module, one.request.input)
    assert read_requests.take_result("alice-hub", ReadResult(*own, state, **what))  # type: ignore[arg-type]


def test_what_was_read_is_shown_with_time_dial_and_flags(operator: Client) -> None:
    execute("update meter_mounting set dial_at_mount = 1000, register_at_mount = 100")
    operator.post(READ)
    at = town.NOW.timestamp() + 90
    answer(ReadState.DONE, time=at, register=2_600, flags=int(Flag.MAGNETIC_FIELD))
    text = " ".join(operator.get(READ).content.decode().split())
    assert "3.500" in text
    assert "2,600 pulses" in text
    assert "12 January 2026, 18:01" in text
    assert "magnetic field" in text
    assert "asked by alice-operator" in text
    assert "data-open" not in text


def test_a_failure_says_why(operator: Client) -> None:
    operator.post(READ)
    answer(ReadState.FAILED, detail=NO_ANSWER)
    text = operator.get(READ).content.decode()
    assert "failed" in text
    assert "The module does not answer its hub." in text


def test_time_ends_a_request_even_if_nobody_is_left_to_do_so(operator: Client) -> None:
    operator.post(READ)
    execute("update read_request set deadline = now() - interval '1 second'")
    text = operator.get(READ).content.decode()
    assert "no answer in time" in text
    assert "data-open" not in text


def test_a_point_without_module_or_hub_has_no_button(operator: Client) -> None:
    execute("update module set hub_id = null")
    page = operator.get(POINT).content.decode()
    assert "No hub is known for the module" in page
    assert "data-read" not in page
    text = operator.post(READ, follow=True).content.decode()
    assert "No hub is known for the module" in text
    execute("update meter_mounting set channel_id = null")
    assert "No module counts this point now" in operator.get(POINT).content.decode()


@pytest.mark.parametrize(("language", "word"), [("ru", "Считать"), ("ro", "Citește")])
def test_the_words_are_translated(operator: Client, language: str, word: str) -> None:
    operator.cookies["language"] = language
    assert word in operator.get(POINT).content.decode()
    town.seed_readings()
    assert "Everything that is due" not in operator.get(PROOF).content.decode()


def test_a_hub_says_how_it_is(operator: Client) -> None:
    page = operator.get("/hubs/alice-hub/").content.decode()
    assert "never" in page
    hello = Hello(9, 0, 0, software="balans 1", trouble="journal: No space left on device")
    take_hello("alice-hub", hello, town.NOW)
    execute(
        "insert into module_news (tenant_id, hub_id, serial, silent, at)"
        " select tenant_id, hub_id, serial, true, now() from module where serial = 1002"
    )
    page = operator.get("/hubs/alice-hub/").content.decode()
    assert "It says since 12 January 2026, 18:00: journal: No space left on device." in page
    assert "balans 1" in page
    assert "Silent modules" in page
    assert "Two hubs" not in page
    assert "could not be stored" not in page
    execute(
        "insert into inbox_batch"
        " (tenant_id, hub_id, journal_id, first_offset, n, received, payload, note)"
        " select tenant_id, id, 9, 0, 1, now(), '', 'cannot be flushed' from hub"
        " where code = 'alice-hub'"
    )
    page = operator.get("/hubs/alice-hub/").content.decode()
    assert "Messages that could not be stored" in page
    take_hello("alice-hub", Hello(10, 0, 0), town.NOW)
    hub_state.note_doubled("alice-hub", (9, 10), town.NOW)
    page = operator.get("/hubs/alice-hub/").content.decode()
    assert "Two hubs bear this code" in page
    assert "It says since" not in page
