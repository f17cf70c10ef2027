"""What people may set at the gateway: a limit of their own, pauses, consent."""

import math
import re
from collections.abc import Mapping

from balans.core.errors import InputError
from balans.core.words import LimitSource, LoadClass
from balans.gateway.board import Board
from balans.gateway.page.markup import Child, Safe, join, tag
from balans.gateway.page.view import hidden
from balans.gateway.page.words import Words
from balans.protocols.hub import ConsentSetting, LimitSetting
from balans.usecases.run_load_control import OWN, OwnSettings

KW_MAX = 1000.0
PAUSES_S = {"hours_1": 3600.0, "hours_4": 4 * 3600.0, "hours_24": 24 * 3600.0}
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
Fields = Mapping[str, str]


class FormError(Exception):
    """What was sent cannot be; the text is the code of a text of the page."""


def changed(path: str, fields: Fields, board: Board, now_s: float) -> OwnSettings:
    """Return what is set here, with what the form at `path` asks for.

    `now_s` is the time of the site [Unix s].

    Raises
    ------
    FormError
        Naming what is wrong.
    """
    if path == "/limit":
        return _with_limit(board.own, fields, board)
    if path == "/pause":
        return _with_pause(board.own, fields, board, now_s)
    return _with_consent(board.own, fields, board)


def _with_limit(own: OwnSettings, fields: Fields, board: Board) -> OwnSettings:
    node = fields.get("node", "")
    if node not in {"", *board.places}:
        raise FormError("error.place")
    if fields.get("do") == "take_back":
        return own.without_limit(node)
    hours = [fields.get(key, "").strip() or None for key in ("from_time", "to_time")]
    if (hours[0] is None) != (hours[1] is None) or (hours[0] and hours[0] == hours[1]):
        raise FormError("error.hours")
    if any(hour and not _CLOCK.fullmatch(hour) for hour in hours):
        raise FormError("error.hours")
    limit_w = _kw(fields.get("kw", "")) * 1000
    limit = LimitSetting(
        OWN, LimitSource.CUSTOMER, limit_w, from_time=hours[0], to_time=hours[1], node=node
    )
    wanted = own.with_limit(limit)
    try:
        wanted.own_limits(board.places)  # as load control will: no promise that it breaks
    except InputError:
        raise FormError("error.limit") from None
    return wanted


def _kw(text: str) -> float:
    try:
        value = float(text.strip().replace(",", "."))
    except ValueError:
        raise FormError("error.kw") from None
    if not math.isfinite(value) or not 0 <= value <= KW_MAX:
        raise FormError("error.kw")
    return value


def _with_pause(own: OwnSettings, fields: Fields, board: Board, now_s: float) -> OwnSettings:
    name, until_s = fields.get("load", ""), None
    if fields.get("do") != "resume":
        seconds = PAUSES_S.get(fields.get("long", ""))
        if seconds is None:
            raise FormError("error.pause")
        until_s = now_s + seconds
    if not name:
        return own.with_pause(until_s)
    if name not in _loads(board):
        raise FormError("error.load")
    consent = own.consent(name)
    return own.with_consent(ConsentSetting(name, consent.released, until_s))


def _with_consent(own: OwnSettings, fields: Fields, board: Board) -> OwnSettings:
    name = fields.get("load", "")
    if name not in _loads(board):
        raise FormError("error.load")
    released = fields.get("released") == "true"
    return own.with_consent(ConsentSetting(name, released, own.consent(name).paused_until))


def _loads(board: Board) -> list[str]:
    """Return the loads that load control may touch at all: not red."""
    loads = board.status.loads if board.status else ()
    return [load.name for load in loads if load.load_class is not LoadClass.RED]


# --- the forms ---


def settings_part(board: Board, words: Words, token: str, now_s: float) -> Safe:
    """Return the forms with what holds at `now_s`, the time of the site [Unix s]."""
    return tag(
        "div",
        _limit_card(board, words, token),
        _pause_card(board, words, token, now_s),
        _consent_card(board, words, token),
        class_="stack settings",
    )


def _limit_card(board: Board, words: Words, token: str) -> Safe:
    nodes = {"": words.say("site"), **{name: name for name in board.places}}
    holding = [
        tag(
            "li",
            tag("span", _holding(limit, nodes.get(limit.node, limit.node), words)),
            _form(
                "/limit",
                token,
                hidden("node", limit.node),
                _button(words.say("take_back"), "do", "take_back", plain=True),
            ),
        )
        for limit in board.own.limits
    ]
    return tag(
        "section",
        tag("h2", words.say("own_limit")),
        tag("p", words.say("own_limit_help"), class_="help"),
        tag("ul", holding, class_="holding") if holding else None,
        _form(
            "/limit",
            token,
            tag(
                "div",
                _where(nodes, words),
                _input("kw", words.say("limit_kw"), inputmode="decimal", required=True),
                _input("from_time", words.say("from_time"), type="time"),
                _input("to_time", words.say("to_time"), type="time"),
                class_="fields",
            ),
            _button(words.say("set_limit"), "do", "set"),
        ),
        class_="card stack",
    )


def _where(nodes: Mapping[str, str], words: Words) -> Safe:
    return _select("node", words.say("place"), nodes) if len(nodes) > 1 else hidden("node", "")


def _holding(limit: LimitSetting, place: str, words: Words) -> str:
    text = words.say("own_limit_now", limit=words.kw(limit.limit_w), node=place)
    return f"{text} ({limit.from_time}–{limit.to_time})" if limit.from_time else text


def _pause_card(board: Board, words: Words, token: str, now_s: float) -> Safe:
    loads = {"": words.say("everything"), **{name: name for name in _loads(board)}}
    long = {code: words.say(code) for code in PAUSES_S}
    holding = [
        tag(
            "li",
            tag("span", f"{loads.get(name, name)}: {_until(until_s, words)}"),
            _form(
                "/pause",
                token,
                hidden("load", name),
                _button(words.say("resume"), "do", "resume", plain=True),
            ),
        )
        for name, until_s in _pauses(board.own, now_s)
    ]
    return tag(
        "section",
        tag("h2", words.say("pause_title")),
        tag("p", words.say("pause_help"), class_="help"),
        tag("ul", holding, class_="holding") if holding else None,
        _form(
            "/pause",
            token,
            tag(
                "div",
                _select("load", words.say("what"), loads),
                _select("long", words.say("how_long"), long),
                class_="fields",
            ),
            _button(words.say("pause"), "do", "pause"),
        ),
        class_="card stack",
    )


def _pauses(own: OwnSettings, now_s: float) -> list[tuple[str, float]]:
    """Return what was paused here and still is."""
    found = [("", own.paused_until), *((one.load, one.paused_until) for one in own.consents)]
    return [(name, until_s) for name, until_s in found if until_s is not None and until_s > now_s]


def _until(until_s: float, words: Words) -> str:
    return words.say("paused_until", time=words.moment(until_s))


def _consent_card(board: Board, words: Words, token: str) -> Safe:
    loads = board.status.loads if board.status else ()
    rows = []
    for load in loads:
        if load.load_class is LoadClass.RED:
            continue
        own = board.own.consent(load.name)
        is_elsewhere = own.released and not load.released
        state = words.say("released" if load.released else "consent_none")
        action = "withdraw" if own.released else "release"
        rows.append(
            tag(
                "li",
                tag("span", load.name, tag("span", state, class_="muted small")),
                tag("span", words.say("elsewhere"), class_="muted small") if is_elsewhere else None,
                _form(
                    "/consent",
                    token,
                    hidden("load", load.name),
                    hidden("released", "false" if own.released else "true"),
                    tag(
                        "button",
                        words.say(action),
                        class_="button plain small",
                        aria_label=words.say(f"{action}_load", load=load.name),
                    ),
                ),
            )
        )
    return tag(
        "section",
        tag("h2", words.say("consent_title")),
        tag("p", words.say("consent_help"), class_="help"),
        tag("ul", rows, class_="holding"),
        class_="card stack",
    )


def _form(path: str, token: str, *children: Child) -> Safe:
    fields = join(hidden("token", token), hidden("back", "/settings"))
    return tag("form", fields, *children, method="post", action=path)


def _button(text: str, name: str, value: str, *, plain: bool = False) -> Safe:
    look = "button plain small" if plain else "button"
    return tag("button", text, class_=look, name=name, value=value)


def _input(name: str, label: str, **attributes: str | bool) -> Safe:
    return tag(
        "div",
        tag("label", label, for_=f"field-{name}"),
        tag("input", id=f"field-{name}", name=name, autocomplete="off", **attributes),
        class_="field",
    )


def _select(name: str, label: str, options: Mapping[str, str]) -> Safe:
    choices = [tag("option", text, value=value) for value, text in options.items()]
    return tag(
        "div",
        tag("label", label, for_=f"field-{name}"),
        tag("select", choices, id=f"field-{name}", name=name),
        class_="field",
    )
