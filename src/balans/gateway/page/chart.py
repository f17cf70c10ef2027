"""The plan of the next 24 hours: a picture, figures by the hour, and what waits until when."""

from collections.abc import Callable, Iterator, Sequence

from balans.gateway.page.markup import Safe, join, tag
from balans.gateway.page.words import MISSING, Words
from balans.protocols.hub import PlanReport, PlanState, SiteStatus

AHEAD_S = 86_400.0
WIDTH, HEIGHT, TOP = 1000.0, 220.0, 8.0


def plan_card(plan: PlanReport | None, status: SiteStatus, words: Words) -> Safe:
    """Return the card with the plan, or with the reason why there is none."""
    title = tag("h2", words.say("plan_title"), id="plan-title")
    if plan is None or plan.state is PlanState.NONE or not plan.expected_w:
        code = "plan_off" if not status.plan_state and plan is None else "plan_none"
        reason = words.say(plan.reason) if plan and plan.reason else ""
        text = f"{words.say(code)} {reason}".strip()
        return tag("section", title, tag("p", text, class_="muted"), class_="card")
    tone = "good" if plan.state is PlanState.OPTIMAL else "warn"
    chip = tag("span", words.say(f"plan_{plan.state.value}"), class_="chip", data_tone=tone)
    return tag(
        "section",
        tag("div", title, chip, class_="card-head"),
        _picture(plan, words),
        _legend(words),
        _costs(plan, words),
        _deferred(plan, words),
        _table(plan, words),
        class_="card stack",
    )


def _count(plan: PlanReport) -> int:
    """Return how many slots lie within the next 24 hours."""
    return min(len(plan.expected_w), max(1, round(AHEAD_S / plan.slot_s)))


def _picture(plan: PlanReport, words: Words) -> Safe:
    count = _count(plan)
    expected = plan.expected_w[:count]
    limits = [plan.limit_w[i] if i < len(plan.limit_w) else None for i in range(count)]
    known = [limit for limit in limits if limit is not None]
    peak_w = max([*expected, *known, 1.0])
    low_w = min([*expected, 0.0])
    hours = count * plan.slot_s / 3600
    label = words.say("plan_chart", hours=words.number(hours, 0), peak=words.kw(max(expected)))

    def y(power_w: float) -> float:
        return round(TOP + (HEIGHT - TOP) * (peak_w - power_w) / (peak_w - low_w), 1)

    return tag(
        "svg",
        _price_bars(plan, count),
        _hours(plan, count, words),
        _powers(peak_w, y, words),
        tag("polyline", points=_stairs([y(power) for power in expected]), class_="expected"),
        [tag("polyline", points=points, class_="limit") for points in _limit_lines(limits, y)],
        viewBox=f"0 0 {WIDTH:g} {HEIGHT + 44:g}",
        class_="plan",
        role="img",
        aria_label=label,
    )


def _powers(peak_w: float, y: Callable[[float], float], words: Words) -> Safe:
    """Mark the highest power and half of it on the left."""
    return join(
        [
            tag("line", x1=0, y1=y(power_w), x2=WIDTH, y2=y(power_w), class_="hour"),
            tag("text", words.kw(power_w), x=4, y=y(power_w) + 4, class_="hour"),
        ]
        for power_w in (peak_w, peak_w / 2)
    )


def _stairs(heights: Sequence[float], first: int = 0, count: int | None = None) -> str:
    width = WIDTH / (count or len(heights))
    points = []
    for index, height in enumerate(heights, first):
        points += [f"{index * width:.1f},{height}", f"{(index + 1) * width:.1f},{height}"]
    return " ".join(points)


def _limit_lines(limits: Sequence[float | None], y: Callable[[float], float]) -> Iterator[str]:
    """Return the stairs of the limit, one line for each stretch where there is one."""
    run: list[float] = []
    first = 0
    for index, limit in enumerate([*limits, None]):
        if limit is not None:
            first = first if run else index
            run.append(y(limit))
        elif run:
            yield _stairs(run, first, len(limits))
            run = []


def _price_bars(plan: PlanReport, count: int) -> Safe:
    """Shade the dear hours: the dearer, the darker."""
    prices = plan.price[:count]
    if len(prices) < count or max(prices) <= min(prices):
        return join()
    low, span, width = min(prices), max(prices) - min(prices), WIDTH / count
    return join(
        tag("rect", x=round(i * width, 1), y=0, width=round(width, 1), height=HEIGHT,
            class_="price", opacity=round((price - low) / span, 2))
        for i, price in enumerate(prices)
        if price > low
    )  # fmt: skip


def _hours(plan: PlanReport, count: int, words: Words) -> Safe:
    """Mark every third whole hour below the picture."""
    marks = []
    for i in range(count):
        text = words.clock(plan.start + i * plan.slot_s)
        if text.endswith(":00") and int(text[:2]) % 3 == 0:
            x = round(i * WIDTH / count, 1)
            marks += [
                tag("line", x1=x, y1=0, x2=x, y2=HEIGHT, class_="hour"),
                tag("text", text[:2], x=x + 4, y=HEIGHT + 6, class_="hour"),
            ]
    return join(marks)


def _legend(words: Words) -> Safe:
    return tag(
        "ul",
        tag("li", words.say("expected")),
        tag("li", words.say("limit"), data_style="limit"),
        tag("li", words.say("price"), data_style="price"),
        class_="legend",
    )


def _costs(plan: PlanReport, words: Words) -> Safe:
    parts = [words.say("plan_made", time=words.moment(plan.made))]
    if plan.cost is not None and plan.cost_unplanned is not None:
        cost, unplanned = (words.number(value, 2) for value in (plan.cost, plan.cost_unplanned))
        parts.append(words.say("plan_saves", cost=cost, unplanned=unplanned))
    if plan.reason:
        parts.append(plan.reason)
    return tag("p", [tag("span", part) for part in parts], class_="muted small parts")


def _deferred(plan: PlanReport, words: Words) -> Safe:
    items = [
        tag("li", words.say("deferred", load=load.name, time=words.moment(load.deferred_to)))
        for load in plan.loads
        if load.deferred_to is not None
    ]
    if not items:
        return tag("p", words.say("nothing_deferred"), class_="muted")
    return tag("ul", items, class_="deferred")


def _table(plan: PlanReport, words: Words) -> Safe:
    per_hour = max(1, round(3600 / plan.slot_s))
    rows = []
    for first in range(0, _count(plan), per_hour):
        slots = range(first, min(first + per_hour, _count(plan)))
        rows.append(
            tag(
                "tr",
                tag("th", words.clock(plan.start + first * plan.slot_s), scope="row"),
                tag("td", words.kw(_mean(plan.expected_w, slots)), class_="num"),
                tag("td", _least(plan.limit_w, slots, words), class_="num"),
                tag("td", words.number(_mean(plan.price, slots), 3), class_="num"),
            )
        )
    head = [
        tag("th", words.say(code), scope="col", class_=None if code == "hour" else "num")
        for code in ("hour", "expected", "limit", "price")
    ]
    table = tag(
        "table",
        tag("caption", words.say("plan_table"), class_="sr"),
        tag("thead", tag("tr", head)),
        tag("tbody", rows),
    )
    return tag("details", tag("summary", words.say("plan_table")), table, id="plan-table")


def _mean(values: Sequence[float], slots: range) -> float | None:
    found = [values[i] for i in slots if i < len(values)]
    return sum(found) / len(found) if found else None


def _least(limits: Sequence[float | None], slots: range, words: Words) -> str:
    found = [limits[i] for i in slots if i < len(limits)]
    known = [limit for limit in found if limit is not None]
    return words.kw(min(known)) if known else MISSING
