"""`balans serve` as a process: it answers, streams at once, and ends promptly."""

import signal
import socket
import time
from datetime import timedelta

import pytest
from django.db import connection
from tests.web import town
from tests.web.conftest import Pages, in_thread
from tests.web.visitor import Visitor, until

from balans.cli.serve import listening_socket
from balans.storage.scope import system_scope

pytestmark = pytest.mark.xdist_group("pages")

SOON_S = 2.0
STREAM = "/nodes/alice-house/stream/"


@pytest.fixture
def operator(pages: Pages) -> Visitor:
    """Alice's operator, signed in."""
    visitor = Visitor(pages.url)
    visitor.log_in("alice-operator")
    return visitor


def test_the_stream_begins_at_once_and_tells_of_changes(operator: Visitor) -> None:
    began = time.monotonic()
    with operator.stream(STREAM) as lines:
        assert until(lines, "^retry:")
        assert time.monotonic() - began < SOON_S
        assert '"site.limit": "12.00"' in until(lines, '^data: .*"site.load"')
        until(lines, "^event: log")
        at = town.NOW + town.MINUTE
        in_thread(town.report, "alice", town.status(at, site_w=4321.0))
        assert '"site.load": "4.32"' in until(lines, '^data: .*"site.load": "4')
        assert '"load": 4.321' in until(lines, '^data: .*"values"')


def test_a_stream_resumes_after_what_the_reader_has(operator: Visitor) -> None:
    since = f"{(town.NOW - timedelta(minutes=5)).timestamp():.0f}"
    for path, headers in ((f"{STREAM}?from={since}", {}), (STREAM, {"Last_Event_ID": since})):
        with operator.stream(path, **headers) as lines:
            data = until(lines, '^data: .*"values"')
        assert f'"x": {since}' in data
        assert 5 <= data.count('"values"') <= 10


@pytest.mark.parametrize("junk", ["x", "-1", "9" * 30, "%00", "1e3"])
def test_a_senseless_mark_is_no_error(operator: Visitor, junk: str) -> None:
    with operator.stream(f"{STREAM}?from={junk}") as lines:
        assert until(lines, "^event: samples")


def test_streams_are_for_those_who_may_see_the_site(pages: Pages, operator: Visitor) -> None:
    assert operator.ask("/nodes/bob-house/stream/").status == 404
    assert Visitor(pages.url).ask(STREAM).status == 302
    resident = Visitor(pages.url)
    resident.log_in("alice-resident")
    assert resident.ask(STREAM).status == 404
    assert resident.ask("/nodes/alice-flat-02/stream/").status == 404


def test_a_resident_hears_of_own_loads_only(pages: Pages) -> None:
    resident = Visitor(pages.url)
    resident.log_in("alice-resident")
    with resident.stream("/nodes/alice-flat-01/stream/") as lines:
        data = until(lines, '^data: .*"site.freshness"')
    assert '"load.flat-01-heat.word"' in data
    assert "flat-02" not in data
    assert "site.load" not in data


def test_a_stream_ends_soon_after_logout(pages: Pages) -> None:
    visitor = Visitor(pages.url)
    visitor.log_in("alice-operator")
    with visitor.stream(STREAM) as lines:
        until(lines, "^event: log")
        assert visitor.ask("/logout/", {}).status == 302
        with pytest.raises(AssertionError, match="ended"):
            until(lines, "never", limit_s=60)


def test_a_lost_database_connection_is_made_good(operator: Visitor) -> None:
    with operator.stream(STREAM) as lines:
        until(lines, "^event: log")
        assert in_thread(end_connections, "balans live") == 1
        for n in range(1, 20):
            at = town.NOW + timedelta(minutes=10 + n)
            in_thread(town.report, "alice", town.status(at, site_w=1000.0 + n))
            if '"site.load": "1.0' in next(line for line in lines if line.startswith("data")):
                break
        else:
            pytest.fail("the stream hears nothing any more")


def end_connections(application: str) -> int:
    """End the server's connections of `application`; return how many there were."""
    with system_scope(), connection.cursor() as cursor:
        cursor.execute(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity"
            " where application_name = %s and datname = current_database()",
            [application],
        )
        return int(cursor.fetchone()[0])


def test_health_and_metrics(pages: Pages, operator: Visitor) -> None:
    assert Visitor(pages.url).ask("/healthz").text == "ok\n"
    with operator.stream(STREAM) as lines:
        until(lines, "^event: log")
        metrics = Visitor(pages.url).ask("/metrics").text
    assert "balans_live_streams 1.0" in metrics
    assert "balans_live_listening 1.0" in metrics


def test_metrics_are_not_for_everybody(pages: Pages) -> None:
    assert Visitor(pages.url).ask("/metrics", X_Forwarded_For="203.0.113.7").status == 403


def test_static_files_may_be_kept(pages: Pages) -> None:
    page = Visitor(pages.url).ask("/login/").text
    path = next(part for part in page.split('"') if part.endswith("base.css"))
    answer = Visitor(pages.url).ask(path)
    assert answer.status == 200
    assert "max-age=31536000" in answer.headers["Cache-Control"]
    again = Visitor(pages.url).ask(path, If_Modified_Since=answer.headers["Last-Modified"])
    assert (again.status, again.text) == (304, "")


def test_nothing_of_the_server_is_told(pages: Pages) -> None:
    headers = Visitor(pages.url).ask("/login/").headers
    assert headers["Server"] is None
    assert headers["Content-Security-Policy"]


def test_sigterm_ends_open_streams_promptly(pages: Pages, operator: Visitor) -> None:
    with operator.stream(STREAM) as lines:
        until(lines, "^event: log")
        began = time.monotonic()
        pages.process.send_signal(signal.SIGTERM)
        with pytest.raises(AssertionError, match="ended"):
            until(lines, "never")
        assert pages.process.wait(timeout=10) == 0
        assert time.monotonic() - began < 5


@pytest.mark.usefixtures("committed")
def test_the_database_has_been_left_in_order() -> None:
    def open_transactions() -> int:
        with system_scope(), connection.cursor() as cursor:
            cursor.execute(
                "select count(*) from pg_stat_activity where state like 'idle in transaction%%'"
                " and pid <> pg_backend_pid() and datname = current_database()"
            )
            return int(cursor.fetchone()[0])

    assert in_thread(open_transactions) == 0


def test_the_body_of_an_answer_does_not_wait_for_the_head() -> None:
    """Connections inherit it from the listener; without it each answer with a body costs 40 ms."""
    with (
        listening_socket("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname()) as client,
    ):
        served, _ = listener.accept()
        with served:
            assert served.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert client.fileno() >= 0
