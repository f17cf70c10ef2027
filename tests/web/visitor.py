"""A person with cookies over plain HTTP, as a browser would be without its engine."""

import http.client
import re
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

from tests.web import town


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    text: str


class Visitor:
    """Keeps cookies, signs in, posts forms, opens streams."""

    def __init__(self, url: str) -> None:
        self.host = urlsplit(url).netloc
        self.cookies: dict[str, str] = {}

    def ask(self, path: str, form: dict[str, str] | None = None, **headers: str) -> Answer:
        """Return the answer to a GET, or to a POST of `form`."""
        connection = http.client.HTTPConnection(self.host, timeout=20)
        with closing(connection):
            answer = self._send(connection, path, form, headers)
            return Answer(answer.status, answer.headers, answer.read().decode())

    @contextmanager
    def stream(self, path: str, **headers: str) -> Iterator[Iterator[str]]:
        """Give the lines of the live stream at `path`."""
        connection = http.client.HTTPConnection(self.host, timeout=20)
        with closing(connection):
            answer = self._send(connection, path, None, headers)
            assert answer.status == 200, answer.status
            assert answer.headers["Content-Type"] == "text/event-stream"
            with closing(answer):
                yield (line.decode().rstrip("\n") for line in answer)

    def log_in(self, username: str) -> None:
        """Sign in through the form."""
        self.ask("/login/")
        answer = self.ask("/login/", {"username": username, "password": town.PASSWORD})
        assert answer.status == 302, answer.text

    def _send(
        self,
        connection: http.client.HTTPConnection,
        path: str,
        form: dict[str, str] | None,
        headers: dict[str, str],
    ) -> http.client.HTTPResponse:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {"Cookie": cookie, **named}
        body = None
        if form is not None:
            body = urlencode({**form, "csrfmiddlewaretoken": self.cookies["csrftoken"]})
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request("GET" if form is None else "POST", path, body, sent)
        answer = connection.getresponse()
        for header in answer.headers.get_all("Set-Cookie", []):
            name, _, value = header.split(";")[0].partition("=")
            self.cookies[name] = value
        return answer


def until(lines: Iterator[str], pattern: str, limit_s: float = 10) -> str:
    """Return the first line that matches; heartbeats of the stream bound each wait."""
    deadline = time.monotonic() + limit_s
    for line in lines:
        if re.search(pattern, line):
            return line
        assert time.monotonic() < deadline, f"no {pattern}"
    raise AssertionError(f"the stream ended without {pattern}")
