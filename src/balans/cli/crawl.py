"""Opens every page that a logged-in person can reach by links, and notes the answers."""

import re
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from urllib.error import HTTPError, URLError
from urllib.parse import urldefrag, urlencode, urljoin, urlsplit
from urllib.request import HTTPCookieProcessor, OpenerDirector, Request, build_opener

from typing_extensions import override

from balans.core.errors import UnavailableError

PAGES_MAX = 150
PER_SHAPE_MAX = 4
"""Pages that differ only in numbers (flat-01, flat-02, a date) are alike: so many are opened."""
TIMEOUT_S = 30.0


class _Links(HTMLParser):
    """Collects what a page links to by ``<a href>``."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        target = dict(attrs).get("href")
        if tag == "a" and target:
            self.found.append(target)


class Visitor:
    """A person with a browser: keeps cookies, logs in, follows links.

    Parameters
    ----------
    base_url
        Address of the pages, ``http://host:port``.
    """

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self._cookies = CookieJar()
        self._opener: OpenerDirector = build_opener(HTTPCookieProcessor(self._cookies))

    def log_in(self, path: str, username: str, password: str) -> None:
        """Log in by the form at `path`.

        Raises
        ------
        UnavailableError
            When the form does not take the name and password.
        """
        _, page = self.open(path)
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        form = {
            "csrfmiddlewaretoken": token[1] if token else "",
            "username": username,
            "password": password,
        }
        status, _ = self.open(path, urlencode(form).encode())
        if status != 200 or not any(cookie.name == "sessionid" for cookie in self._cookies):
            raise UnavailableError(f"{self.base_url}{path}: {username} cannot log in ({status})")

    def open(self, path: str, form: bytes | None = None) -> tuple[int, str]:
        """Return the status and the text of the page at `path`; 0 when nobody answers."""
        url = urljoin(self.base_url, path)
        request = Request(url, data=form, headers={"Referer": url})  # noqa: S310  (http only)
        try:
            with self._opener.open(request, timeout=TIMEOUT_S) as answer:
                is_page = answer.headers.get_content_type() == "text/html"
                return answer.status, answer.read().decode("utf-8") if is_page else ""
        except HTTPError as error:
            return error.code, ""
        except (URLError, TimeoutError):
            return 0, ""

    def visit_all(self, start: str = "/") -> dict[str, int]:
        """Follow links from `start` and return the status of each page by its path."""
        answers: dict[str, int] = {}
        shapes: dict[str, int] = {}
        waiting = [start]
        while waiting and len(answers) < PAGES_MAX:
            path = waiting.pop(0)
            shape = re.sub(r"\d+", "#", path)
            if path in answers or shapes.get(shape, 0) >= PER_SHAPE_MAX:
                continue
            shapes[shape] = shapes.get(shape, 0) + 1
            answers[path], page = self.open(path)
            waiting += self._links(path, page)
        return answers

    def _links(self, path: str, page: str) -> list[str]:
        parser = _Links()
        parser.feed(page)
        targets = (urldefrag(urljoin(self.base_url + path, link))[0] for link in parser.found)
        here = urlsplit(self.base_url).netloc
        parts = (urlsplit(target) for target in targets if urlsplit(target).netloc == here)
        return [part.path + (f"?{part.query}" if part.query else "") for part in parts]
