"""Commands in words: who switched what, why, and how far it has come."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from balans.core.words import CommandState
from balans.storage.commands import CommandEventInfo, CommandInfo
from balans.storage.reports import RANK
from balans.web.shown import words
from balans.web.shown.days import clock_label
from balans.web.shown.picture import limit_name
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
    reason: str
    detail: str
    steps: tuple[str, ...]


def log_entry(command: CommandInfo, titles: Mapping[str, str], zone: ZoneInfo) -> LogEntry:
    """Return `command` in words; `titles` names its load."""
    title = titles.get(command.load_name, command.load_name)
    what = _("%(load)s: on") if command.on else _("%(load)s: off")
    reason = reason_text(command.reason)
    if command.limit:
        reason = f"{reason} ({limit_name(command.limit)})"
    return LogEntry(
        at=clock_label(command.created, zone, seconds=True),
        at_iso=command.created.astimezone(UTC).isoformat(),
        what=what % {"load": title},
        state=words.word(words.COMMAND_STATES, command.state),
        tone=words.COMMAND_TONES[command.state],
        open=command.state in OPEN,
        author=command.author,
        reason=reason,
        detail=detail_text(command.detail),
        steps=tuple(_step(event, zone) for event in _in_order(command.events)),
    )


def _in_order(events: Iterable[CommandEventInfo]) -> list[CommandEventInfo]:
    """Return the states as they follow each other: the clocks behind them need not agree."""
    entered = [event for event in events if event.state != CommandState.QUEUED]
    return sorted(entered, key=lambda event: RANK[event.state])


def _step(event: CommandEventInfo, zone: ZoneInfo) -> str:
    state = words.word(words.COMMAND_STATES, event.state)
    return f"{state} {clock_label(event.at, zone, seconds=True)}"
