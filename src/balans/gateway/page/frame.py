"""The frame of every page: head, top bar, languages, foot."""

from balans.gateway.page.markup import Child, Safe, join, tag
from balans.gateway.page.words import LANGUAGES, Words

REFRESH_S = 10


def page(
    words: Words, title: str, *content: Child, site: str = "", here: str = "", token: str = ""
) -> bytes:
    """Return a whole page; `here` is the tab it stands on, "" before a person has signed in."""
    refresh = tag("meta", http_equiv="refresh", content=str(REFRESH_S)) if here == "live" else None
    body = tag(
        "body",
        tag("a", words.say("skip"), class_="skip", href="#main"),
        _top(words, site, here, token),
        tag("main", tag("div", tag("h1", title), class_="page-head"), *content, id="main",
            tabindex=-1),
        tag("footer", tag("span", words.say("local")), class_="foot"),
        data_lost=words.say("lost"),
    )  # fmt: skip
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"{title} · Balans"),
        tag("link", rel="icon", href="/static/icon.svg", type="image/svg+xml"),
        tag("link", rel="stylesheet", href="/static/look.css"),
        tag("link", rel="stylesheet", href="/static/page.css"),
        tag("script", type="module", src="/static/page.js") if here == "live" else None,
        tag("noscript", refresh) if refresh else None,
    )
    return f"<!doctype html>{tag('html', head, body, lang=words.language)}".encode()


def _top(words: Words, site: str, here: str, token: str) -> Safe:
    tabs = [
        tag("a", words.say(code), href=path, aria_current="page" if here == code else None)
        for code, path in (("live", "/"), ("settings", "/settings"))
    ]
    return tag(
        "header",
        tag(
            "div",
            tag("a", tag("span", f"Balans {site}".strip()), class_="brand", href="/"),
            tag("nav", tabs, aria_label=words.say("local")) if here else None,
            tag("div", _languages(words, here), _sign_out(words, token), class_="top-end"),
            class_="top-row",
        ),
        class_="top",
    )


def _languages(words: Words, here: str) -> Safe:
    path = {"settings": "/settings", "": "/login"}.get(here, "/")
    links = [
        tag(
            "a",
            code.upper(),
            href=f"{path}?language={code}",
            lang=code,
            aria_label=name,
            aria_current="true" if code == words.language else None,
        )
        for code, name in LANGUAGES.items()
    ]
    return tag("nav", links, class_="languages", aria_label=words.say("language"))


def _sign_out(words: Words, token: str) -> Safe | None:
    if not token:
        return None
    return tag(
        "form",
        tag("input", type="hidden", name="token", value=token),
        tag("button", words.say("sign_out"), class_="button plain small"),
        method="post",
        action="/logout",
    )


def sign_in_form(words: Words, problem: str = "") -> Safe:
    """Return the form that asks for the key of the house."""
    told = tag("p", problem, class_="errors", id="problem", role="alert") if problem else None
    return tag(
        "div",
        tag(
            "form",
            told,
            # A password manager wants a name to the key.
            tag("input", name="username", autocomplete="username", value="house", hidden=True),
            tag(
                "div",
                tag("label", words.say("key"), for_="key"),
                tag(
                    "input",
                    id="key",
                    name="key",
                    type="password",
                    autocomplete="current-password",
                    required=True,
                    autofocus=True,
                    aria_invalid="true" if problem else None,
                    aria_describedby="problem key-help" if problem else "key-help",
                ),
                tag("p", words.say("key_help"), class_="help", id="key-help"),
                class_="field",
            ),
            tag("button", words.say("sign_in"), class_="button"),
            method="post",
            action="/login",
            class_="card stack",
        ),
        class_="signin",
    )


def notice(text: str, tone: str) -> Safe:
    """Return a sentence that stands out."""
    return join(tag("p", text, class_="notice", data_tone=tone, role="status"))
