"""The page as an ASGI application: routes, sign-in, language, and what browsers are told."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from datetime import tzinfo
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs

from balans.gateway.board import Board
from balans.gateway.page import frame
from balans.gateway.page.forms import FormError, changed, settings_part
from balans.gateway.page.hosts import Hosts
from balans.gateway.page.markup import Child, tag
from balans.gateway.page.session import COOKIE, LASTS_S, Sessions
from balans.gateway.page.view import live_part
from balans.gateway.page.words import LANGUAGES, Words, language_of
from balans.usecases.run_load_control import OwnSettings

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
BODY_MAX = 8_192
HTML = "text/html; charset=utf-8"
STATIC = {
    "look.css": "text/css; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
EVERYWHERE = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
TEXT = "text/plain; charset=utf-8"
NOT_OURS = b"This name is none of the gateway's. If it is meant to be, write it in [page] hosts.\n"
YEAR_S = 365 * 86_400


@dataclass(slots=True)
class Request:
    """What a browser asked for."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    cookies: dict[str, str]
    fields: dict[str, str]
    peer: str = ""
    session: str | None = None


@dataclass(slots=True)
class Answer:
    """What it gets."""

    status: HTTPStatus = HTTPStatus.OK
    body: bytes = b""
    content_type: str = HTML
    headers: list[tuple[str, str]] = field(default_factory=list)

    def set_cookie(self, name: str, value: str, lasts_s: float, *, hidden: bool = True) -> None:
        """Let the browser keep a cookie; `hidden`: from scripts."""
        kept = f"{name}={value}; Path=/; Max-Age={lasts_s:.0f}; SameSite=Strict"
        self.headers.append(("Set-Cookie", f"{kept}; HttpOnly" if hidden else kept))


@dataclass(frozen=True, slots=True)
class Clocks:
    """What time it is.

    zone
        Time zone of the site.
    now_s
        Time of the site [Unix s], by the gateway's clock: it goes on when no status comes.
    steady_s
        Seconds of a clock that nobody sets.
    """

    zone: tzinfo
    now_s: Callable[[], float]
    steady_s: Callable[[], float]


class PageApp:
    """The page of one gateway.

    Parameters
    ----------
    board
        What is shown.
    sessions
        Who has signed in.
    take
        Takes what people have set.
    hosts
        The names that it is reached by.
    """

    def __init__(
        self,
        board: Board,
        sessions: Sessions,
        clocks: Clocks,
        take: Callable[[OwnSettings], None],
        hosts: Hosts,
    ) -> None:
        self._board = board
        self._sessions = sessions
        self._clocks = clocks
        self._take = take
        self._hosts = hosts
        folder = files("balans.gateway.page") / "static"
        self._static = {name: (folder / name).read_bytes() for name in STATIC}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        await _write(await self._reply(scope, receive), send, with_body=scope["method"] != "HEAD")

    async def _reply(self, scope: Scope, receive: Receive) -> Answer:
        request = await _read(scope, receive)
        if request is None:
            return Answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        reached_at = (scope.get("server") or ("",))[0]
        if not self._hosts.are_ours(request.headers.get("host", ""), reached_at):
            return Answer(HTTPStatus.MISDIRECTED_REQUEST, NOT_OURS, TEXT)
        if request.path == "/login" and request.method == "POST":
            await asyncio.sleep(self._sessions.pause_s(self._clocks.steady_s()))
        known = request.cookies.get(COOKIE)
        if self._sessions.is_open(known, self._clocks.steady_s()):
            request.session = known
        return self.answer(request)

    def answer(self, request: Request) -> Answer:
        """Return the answer to `request`."""
        if request.path.startswith("/static/"):
            return self._file(request.path.removeprefix("/static/"))
        words = Words(_language(request), self._clocks.zone)
        if request.path == "/login":
            answer = self._login(request, words)
        elif request.session is None:
            answer = _go_to("/login") if request.method == "GET" else Answer(HTTPStatus.FORBIDDEN)
        elif request.method == "POST":
            answer = self._post(request, request.session, words)
        else:
            answer = self._show(request.path, request.session, words)
        if request.query.get("language") in LANGUAGES:
            answer.set_cookie("language", words.language, YEAR_S, hidden=False)
        return answer

    def _file(self, name: str) -> Answer:
        if name not in STATIC:
            return Answer(HTTPStatus.NOT_FOUND)
        headers = [("Cache-Control", "max-age=3600")]
        return Answer(HTTPStatus.OK, self._static[name], STATIC[name], headers)

    # --- pages ---

    def _show(self, path: str, session: str, words: Words) -> Answer:
        token = self._sessions.token(session)
        if path == "/part":
            return Answer(body=str(live_part(self._board, words, token)).encode())
        if path == "/":
            part = live_part(self._board, words, token)
            live = tag("div", part, id="live")
            return self._page(words, "live", token, live)
        if path == "/settings":
            return self._settings(words, token)
        back = tag("p", tag("a", words.say("back"), href="/"))
        body = frame.page(words, words.say("not_found"), back, here="settings", token=token)
        return Answer(HTTPStatus.NOT_FOUND, body)

    def _page(self, words: Words, here: str, token: str, *content: Child) -> Answer:
        title = self._board.site if here == "live" else words.say(here)
        return Answer(
            body=frame.page(words, title, *content, site="", here=here, token=token),
        )

    # --- forms ---

    def _login(self, request: Request, words: Words) -> Answer:
        if request.method != "POST":
            return _sign_in(words)
        if _is_foreign(request):
            return Answer(HTTPStatus.FORBIDDEN)
        now_s = self._clocks.steady_s()
        if self._sessions.must_wait(request.peer, now_s):
            return _sign_in(words, "must_wait", HTTPStatus.TOO_MANY_REQUESTS)
        session = self._sessions.open(request.fields.get("key", ""), now_s, request.peer)
        if session is None:
            return _sign_in(words, "wrong_key", HTTPStatus.FORBIDDEN)
        answer = _go_to("/")
        answer.set_cookie(COOKIE, session, LASTS_S)
        return answer

    def _post(self, request: Request, session: str, words: Words) -> Answer:
        if _is_foreign(request):
            return Answer(HTTPStatus.FORBIDDEN)
        token = self._sessions.token(session)
        if not self._sessions.is_token(session, request.fields.get("token", "")):
            told = frame.notice(words.say("stale_form"), "bad")
            answer = self._settings(words, token, told)
            answer.status = HTTPStatus.FORBIDDEN
            return answer
        if request.path == "/logout":
            self._sessions.close(session)
            answer = _go_to("/login")
            answer.set_cookie(COOKIE, "", 0)
            return answer
        if request.path not in {"/limit", "/pause", "/consent"}:
            return Answer(HTTPStatus.NOT_FOUND)
        return self._set(request, words, token)

    def _set(self, request: Request, words: Words, token: str) -> Answer:
        try:
            own = changed(request.path, request.fields, self._board, self._clocks.now_s())
        except FormError as error:
            answer = self._settings(words, token, frame.notice(words.say(str(error)), "bad"))
            answer.status = HTTPStatus.UNPROCESSABLE_ENTITY
            return answer
        self._board.own = own
        self._take(own)
        if request.fields.get("back") == "/":
            return _go_to("/")
        return self._settings(words, token, frame.notice(words.say("saved"), "good"))

    def _settings(self, words: Words, token: str, told: Child = None) -> Answer:
        part = settings_part(self._board, words, token, self._clocks.now_s())
        return self._page(words, "settings", token, told, part)


def _sign_in(words: Words, problem: str = "", status: HTTPStatus = HTTPStatus.OK) -> Answer:
    form = frame.sign_in_form(words, words.say(problem) if problem else "")
    return Answer(status, frame.page(words, words.say("sign_in"), form))


def _go_to(path: str) -> Answer:
    return Answer(HTTPStatus.SEE_OTHER, headers=[("Location", path)])


def _language(request: Request) -> str:
    for wanted in (request.query.get("language"), request.cookies.get("language")):
        if wanted in LANGUAGES:
            return str(wanted)
    return language_of(request.headers.get("accept-language", ""))


def _is_foreign(request: Request) -> bool:
    """Tell whether a form was sent from a page of another site."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = request.headers.get("origin")
    return origin is not None and origin.split("://")[-1] != request.headers.get("host")


async def _read(scope: Scope, receive: Receive) -> Request | None:
    """Return the request; None when its body is too large."""
    headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > BODY_MAX:
            return None
        if not message.get("more_body"):
            break
    return Request(
        "GET" if scope["method"] == "HEAD" else scope["method"],
        scope["path"],
        _fields(scope.get("query_string", b"")),
        headers,
        _cookies(headers.get("cookie", "")),
        _fields(body),
        (scope.get("client") or ("",))[0],
    )


def _fields(raw: bytes) -> dict[str, str]:
    try:
        found = parse_qs(raw.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        return {}
    return {key: values[-1] for key, values in found.items()}


def _cookies(header: str) -> dict[str, str]:
    try:
        return {key: morsel.value for key, morsel in SimpleCookie(header).items()}
    except CookieError:
        return {}


async def _write(answer: Answer, send: Send, *, with_body: bool) -> None:
    headers = {"Content-Type": answer.content_type, **EVERYWHERE}
    headers.setdefault("Cache-Control", "no-store")
    listed = [*headers.items(), *answer.headers]
    names = {name for name, _ in answer.headers}
    if "Cache-Control" in names:
        listed.remove(("Cache-Control", "no-store"))
    listed.append(("Content-Length", str(len(answer.body))))
    raw = [(key.lower().encode(), value.encode("latin-1")) for key, value in listed]
    await send({"type": "http.response.start", "status": int(answer.status), "headers": raw})
    await send({"type": "http.response.body", "body": answer.body if with_body else b""})
