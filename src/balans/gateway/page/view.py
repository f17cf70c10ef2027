"""The live part of the page: power, limits by node and phase, loads, fairness, decisions."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from balans.core.words import LoadClass
from balans.gateway.board import Board
from balans.gateway.page.chart import plan_card
from balans.gateway.page.markup import Safe, join, tag
from balans.gateway.page.words import MISSING, Words
from balans.protocols.hub import CommandReport, LoadStatus, NodeStatus, SiteStatus
from balans.usecases import judge_load
from balans.usecases.run_load_control import CONTROL, DEVICE

GRAVEST = ("over", "near", "unknown", "within")
TONES = {"within": "good", "near": "warn", "over": "bad", "unknown": "quiet"}


def live_part(board: Board, words: Words, token: str) -> Safe:
    """Return everything that changes by itself."""
    status = board.status
    if status is None:
        return tag("p", words.say("waiting"), class_="notice", data_tone="warn")
    return join(
        _notices(board, status, words),
        tag(
            "div",
            tag("div", _now(status, words), _tree(status, words), class_="stack third"),
            tag("div", _loads(status, words, token), class_="two-thirds"),
            plan_card(board.plan, status, words),
            tag("div", _fairness(status, words), class_="half"),
            tag("div", _decisions(board.decisions, words), class_="half"),
            class_="grid",
        ),
    )


def _notices(board: Board, status: SiteStatus, words: Words) -> Safe:
    texts = [words.say(f"guard.{code}") for code in status.guard.split()]
    if not status.sensor_ok and "sensor_lost" not in status.guard:
        texts.insert(0, words.say("guard.sensor_lost"))
    if status.paused_until is not None:
        texts.append(words.say("all_paused", time=words.moment(status.paused_until)))
    notices = [tag("p", text, class_="notice", data_tone="warn") for text in texts]
    if not board.server_connected:
        notices.append(tag("p", words.say("server_away"), class_="notice"))
    return join(notices)


# --- now ---


def level_of(power_w: float | None, allowed_w: float | None) -> str:
    """Return how near a power is to what is allowed: within, near, over or unknown."""
    found = judge_load.level(power_w, allowed_w)
    return "within" if found in {"inside", "unlimited"} else found


def gravest_level(node: NodeStatus) -> str:
    """Return the gravest of the levels of a node's power and of the current of each phase."""
    levels = set[str]()
    if node.allowed_w is not None or node.phase_limit_a is None:
        levels.add(level_of(node.power_w, node.allowed_w))
    if node.phase_limit_a is not None:
        known = [abs(current_a) for current_a in node.phase_a if current_a is not None]
        levels |= {level_of(current_a, node.phase_limit_a) for current_a in known}
    return next((grave for grave in GRAVEST if grave in levels), "unknown")


def _now(status: SiteStatus, words: Words) -> Safe:
    level = gravest_level(
        msgspec.structs.replace(_root(status), power_w=status.site_w, allowed_w=status.limit_w)
    )
    left_w = _difference(status.limit_w, status.site_w)
    allowed = words.say("no_limit") if status.limit_w is None else words.kw(status.limit_w)
    return tag(
        "section",
        tag(
            "div",
            tag("h2", words.say("now")),
            _chip(words.say(level), TONES[level]),
            class_="card-head",
        ),
        tag(
            "dl",
            _figure(words.say("load_now"), words.kw(status.site_w), big=True),
            _figure(words.say("allowed"), allowed, status.limit),
            _figure(words.say("headroom"), words.kw(left_w)),
            class_="figures",
        ),
        gauge(status.site_w, status.limit_w),
        tag(
            "p",
            words.say("measured_at", time=words.moment(status.time)),
            class_="muted small measured",
        ),
        class_="card",
        data_level=level,
    )


def _figure(name: str, value: str, note: str = "", *, big: bool = False) -> Safe:
    number, _, unit = value.rpartition(" ")
    shown = join(number, tag("span", unit, class_="unit")) if number else value
    note_part = tag("span", note, class_="note") if note else None
    return tag("div", tag("dt", name), tag("dd", shown, note_part), class_="big" if big else None)


def gauge(power_w: float | None, allowed_w: float | None, *, slim: bool = False) -> Safe:
    """Return a bar of a power against what is allowed; the bar ends a quarter beyond it."""
    if allowed_w is None:
        return join()
    span_w = max(allowed_w * 1.25, power_w or 0.0, 1.0)
    filled = 1000 * min(max((power_w or 0.0) / span_w, 0.0), 1.0)
    mark = 1000 * min(max(allowed_w / span_w, 0.0), 1.0)
    return tag(
        "svg",
        tag("rect", class_="track", width=1000, height=14),
        tag("rect", class_="fill", width=round(filled, 1), height=14),
        tag("rect", class_="mark", x=round(mark, 1), y=-4, width=4, height=22),
        class_="gauge slim" if slim else "gauge",
        viewBox="0 0 1000 14",
        preserveAspectRatio="none",
        aria_hidden="true",
    )


def _chip(text: str, tone: str) -> Safe:
    return tag("span", text, class_="chip", data_tone=tone)


def _difference(more: float | None, less: float | None) -> float | None:
    return None if more is None or less is None else more - less


# --- the tree of limits ---


def _tree(status: SiteStatus, words: Words) -> Safe:
    nodes = status.nodes or (_site_alone(status),)
    below: dict[str, list[NodeStatus]] = defaultdict(list)
    for node in nodes:
        if node.name:
            below[node.parent].append(node)
    branches = _branch(_root(status), below, words)
    return tag(
        "section",
        tag("h2", words.say("tree"), id="tree-title"),
        tag("ul", branches, class_="tree", aria_labelledby="tree-title"),
        class_="card",
    )


def _root(status: SiteStatus) -> NodeStatus:
    return next((node for node in status.nodes if not node.name), _site_alone(status))


def _site_alone(status: SiteStatus) -> NodeStatus:
    left_w = _difference(status.limit_w, status.site_w)
    return NodeStatus("", "", status.site_w, status.limit_w, left_w, status.limit)


def _branch(node: NodeStatus, below: dict[str, list[NodeStatus]], words: Words) -> Safe:
    level = gravest_level(node)
    children = below.get(node.name, [])
    return tag(
        "li",
        tag(
            "div",
            tag("strong", node.name or words.say("site")),
            tag("span", _power_of(node, words), class_="end number"),
            class_="tree-row",
        ),
        _branch_figures(node, words),
        tag("div", gauge(node.power_w, node.allowed_w, slim=True), data_level=level),
        tag("ul", [_branch(child, below, words) for child in children]) if children else None,
    )


def _power_of(node: NodeStatus, words: Words) -> str:
    if node.allowed_w is None:
        return words.kw(node.power_w)
    return words.say("of", power=words.kw(node.power_w), allowed=words.kw(node.allowed_w))


def _branch_figures(node: NodeStatus, words: Words) -> Safe | None:
    parts = [node.limit] if node.limit else []
    if node.headroom_w is not None:
        parts.append(words.say("left", headroom=words.kw(node.headroom_w)))
    for number, current_a in enumerate(node.phase_a, 1):
        left_a = _difference(node.phase_limit_a, current_a)
        if left_a is None:
            text = words.say("phase_now", phase=f"L{number}", current=words.amperes(current_a))
        else:
            text = words.say("phase_left", phase=f"L{number}", left=words.amperes(left_a))
        parts.append(text)
    if not parts:
        return None
    return tag("p", [tag("span", part) for part in parts], class_="muted small parts")


# --- loads ---


def _loads(status: SiteStatus, words: Words, token: str) -> Safe:
    columns = ("load", "state", "off_left", "power", "owner")
    numbers = {"off_left", "power"}
    head = [
        tag("th", words.say(code), scope="col", class_="num" if code in numbers else None)
        for code in columns
    ]
    ordered = sorted(status.loads, key=lambda load: (load.on, load.load_class is LoadClass.RED))
    return tag(
        "section",
        tag("h2", words.say("loads"), id="loads-title"),
        tag(
            "div",
            tag(
                "table",
                tag("caption", words.say("loads"), class_="sr"),
                tag("thead", tag("tr", head)),
                tag("tbody", [_load(load, words, token) for load in ordered]),
                class_="rows loads",
            ),
            class_="scroll",
            tabindex=0,
            role="group",
            aria_labelledby="loads-title",
        ),
        class_="card",
    )


def _load(load: LoadStatus, words: Words, token: str) -> Safe:
    word, tone = _state(load)
    left = "" if load.off_left_s is None else words.minutes(load.off_left_s)
    kind = tag(
        "span", words.say(load.load_class.value), class_="klass", data_class=load.load_class.value
    )
    return tag(
        "tr",
        tag("th", load.name, kind, scope="row"),
        tag("td", _chip(words.say(word), tone), _reasons(load, words)),
        tag("td", tag("span", left, class_="off-left") if left else None, class_="num"),
        tag("td", words.kw(load.power_w), class_="num push"),
        tag("td", _consent_form(load, words, token)),
        data_on="true" if load.on else "false",
    )


def _state(load: LoadStatus) -> tuple[str, str]:
    """Return the word for what a load is, and its tone."""
    if load.ordered is not None:
        return ("switching_on", "warn") if load.ordered else ("switching_off", "warn")
    if not load.on:
        return "off", "warn"
    return (
        ("held", "warn") if load.reason in {"over_limit", "near_limit", "plan"} else ("on", "good")
    )


def _reasons(load: LoadStatus, words: Words) -> Safe:
    lines = [words.say(load.reason)] if load.reason else []
    if not load.released and load.load_class is not LoadClass.RED:
        lines.append(words.say("consent_none"))
    elif load.paused_until is not None:
        lines.append(words.say("paused_until", time=words.moment(load.paused_until)))
    return join(tag("span", line, class_="reason") for line in lines)


def _consent_form(load: LoadStatus, words: Words, token: str) -> Safe | None:
    if load.load_class is LoadClass.RED:
        return None
    action = "withdraw" if load.released else "release"
    return tag(
        "form",
        hidden("token", token),
        hidden("load", load.name),
        hidden("back", "/"),
        tag(
            "button",
            words.say(action),
            name="released",
            value="false" if load.released else "true",
            class_="button plain small",
            aria_label=words.say(f"{action}_load", load=load.name),
        ),
        method="post",
        action="/consent",
    )


def hidden(name: str, value: str) -> Safe:
    """Return a field that is sent along."""
    return tag("input", type="hidden", name=name, value=value)


# --- fairness and decisions ---


def _fairness(status: SiteStatus, words: Words) -> Safe:
    given = sorted(
        (load for load in status.loads if load.given_kwmin > 0), key=lambda load: -load.given_kwmin
    )
    title = tag("h2", words.say("fairness"))
    if not given:
        empty = tag("p", words.say("nothing_given"), class_="muted")
        return tag("section", title, empty, class_="card stack")
    rows = [
        tag(
            "tr",
            tag("th", load.name, scope="row"),
            tag("td", f"{words.number(load.given_kwmin, 1)} {words.say('kWmin')}", class_="num"),
        )
        for load in given
    ]
    head = tag(
        "tr",
        tag("th", words.say("load"), scope="col"),
        tag("th", words.say("given_up"), scope="col", class_="num"),
    )
    return tag(
        "section",
        title,
        _evenness(status, words),
        tag("table", tag("caption", words.say("given_up"), class_="sr"), tag("thead", head),
            tag("tbody", rows)),
        class_="card stack",
    )  # fmt: skip


def _evenness(status: SiteStatus, words: Words) -> Safe | None:
    fairness = status.fairness
    if fairness is None:
        return None
    indices = {"jain_loads": fairness.jain_loads, "jain_nodes": fairness.jain_nodes}
    figures = [
        _figure(words.say(code), words.number(value, 2))
        for code, value in indices.items()
        if value is not None
    ]
    return join(
        tag("dl", figures, class_="figures"),
        tag("p", words.say("jain_help"), class_="help"),
    )


def _decisions(reports: Sequence[CommandReport], words: Words) -> Safe:
    title = tag("h2", words.say("decisions"))
    if not reports:
        nothing = tag("p", words.say("no_decisions"), class_="muted")
        return tag("section", title, nothing, class_="card stack")
    items = [_decision(report, words) for report in reports[:20]]
    return tag("section", title, tag("ol", items, class_="log"), class_="card")


def _decision(report: CommandReport, words: Words) -> Safe:
    tone = {"confirmed": "good", "failed": "bad", "expired": "bad"}.get(report.state, "quiet")
    code = "switched_on" if report.on else "switched_off"
    return tag(
        "li",
        tag("time", words.moment(report.created)),
        _chip(words.say(report.state.value), tone),
        tag("span", words.say(code, load=report.load), class_="what"),
        tag("span", "; ".join(_why(report, words)), class_="why"),
    )


def _why(report: CommandReport, words: Words) -> Iterable[str]:
    if report.author in {CONTROL, DEVICE}:
        if report.reason:
            yield words.say(report.reason)
    else:
        yield words.say("by_person", author=report.author, reason=report.reason)
    if report.limit:
        yield words.say("because_limit", limit=report.limit)
    if report.expected_w or report.achieved_w is not None:
        achieved = MISSING if report.achieved_w is None else words.kw(report.achieved_w)
        yield words.say("effect", expected=words.kw(report.expected_w), achieved=achieved)
    if report.detail:
        code, colon, told = report.detail.partition(":")
        yield f"{words.say(code)}{colon}{told}"
