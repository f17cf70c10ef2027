"""Commands in words: who switched what, why, and how far it has come."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from balans.core.words import CommandState
from balans.storage.commands import CommandEventInfo, CommandInfo
from balans.storage.reports import RANK
from balans.usecases.run_load_control import CONTROL
from balans.web.shown import words
from balans.web.shown.days import clock_label, moment
from balans.web.shown.limit_tree import limit_title
from balans.web.shown.numbers import signed_kw
from balans.web.shown.reasons import detail_text, reason_text

OPEN = frozenset({CommandState.QUEUED, CommandState.SENT})


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A line of the log. `open` while the outcome is not known yet."""

    at: str
    at_iso: str
    what: str
    state: str
    tone: str
    open: bool
    author: str
    by_control: bool
    reason: str
    limit: str
    effect: str
    detail: str
    steps: tuple[str, ...]


def log_entry(
    command: CommandInfo, titles: Mapping[str, str], zone: ZoneInfo, *, dated: bool = False
) -> LogEntry:
    """Return `command` in words; `titles` names its load. With `dated` the day is told too."""
    title = titles.get(command.load_name, command.load_name)
    what = _("%(load)s: on") if command.on else _("%(load)s: off")
    return LogEntry(
        at=(
            moment(command.created, zone, seconds=True)
            if dated
            else clock_label(command.created, zone, seconds=True)
        ),
        at_iso=command.created.astimezone(UTC).isoformat(),
        what=what % {"load": title},
        state=words.word(words.COMMAND_STATES, command.state),
        tone=words.COMMAND_TONES[command.state],
        open=command.state in OPEN,
        author=command.author,
        by_control=command.author == CONTROL,
        reason=reason_text(command.reason),
        limit=limit_title(command.limit) if command.limit else "",
        effect=effect_text(command.expected_w, command.achieved_w),
        detail=detail_text(command.detail),
        steps=tuple(_step(event, zone) for event in _in_order(command.events)),
    )


def effect_text(expected_w: float, achieved_w: float | None) -> str:
    """Return the change of power that was expected, and the one that was measured."""
    if not expected_w and achieved_w is None:
        return ""
    expected = signed_kw(expected_w)
    if achieved_w is None:
        return _("expected %(expected)s kW") % {"expected": expected}
    return _("expected %(expected)s kW, measured %(achieved)s kW") % {
        "expected": expected,
        "achieved": signed_kw(achieved_w),
    }


def _in_order(events: Iterable[CommandEventInfo]) -> list[CommandEventInfo]:
    """Return the states as they follow each other: the clocks behind them need not agree."""
    entered = [event for event in events if event.state != CommandState.QUEUED]
    return sorted(entered, key=lambda event: RANK[event.state])


def _step(event: CommandEventInfo, zone: ZoneInfo) -> str:
    state = words.word(words.COMMAND_STATES, event.state)
    return f"{state} {clock_label(event.at, zone, seconds=True)}"
