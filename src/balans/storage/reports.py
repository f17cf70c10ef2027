"""Reports of commands from the journals of hubs. Call inside a system scope.

==========  ====  ===============================================================
state       rank  entered by
==========  ====  ===============================================================
queued      0     a person, through `balans.storage.commands`
sent        1     the head-end, or a report
expired     2     the head-end when no report came in time, or a report
confirmed   3     a report: the actuator's own feedback
failed      3     a report
==========  ====  ===============================================================

A state of a lower or equal rank never replaces one of a higher, so reports may come twice and
in any order. Expiry seen by the head-end only means that nothing was heard; what a hub reports
later, having been out of reach, is the truth and replaces it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import connection

from balans.core.words import CommandState
from balans.protocols.hub import CommandReport

RANK = {
    CommandState.QUEUED: 0,
    CommandState.SENT: 1,
    CommandState.EXPIRED: 2,
    CommandState.CONFIRMED: 3,
    CommandState.FAILED: 3,
}
FINAL = (CommandState.CONFIRMED, CommandState.FAILED, CommandState.EXPIRED)


@dataclass(frozen=True, slots=True)
class SiteReport:
    """A report with the site it came from."""

    tenant_id: int
    site_id: int
    report: CommandReport


def apply_reports(reports: Iterable[SiteReport]) -> None:
    """Bring commands forward by `reports`; commands of load control itself come to be here."""
    rows = [_row(one) for one in reports]
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.executemany(_UPSERT, rows)
        cursor.executemany(_EVENT, rows)


def rank_case(column: str) -> str:
    """Return SQL for the rank of the state in `column`."""
    cases = " ".join(f"when '{state}' then {rank}" for state, rank in RANK.items())
    return f"(case {column} {cases} end)"


_FORWARD = f"{rank_case('excluded.state')} > {rank_case('c.state')}"
_UPSERT = f"""
insert into command as c (tenant_id, code, site_id, load_id, load_name, "on", author, reason,
  created, expires, state, limit_name, expected_w, sent_at, done_at, detail)
values (%(tenant)s, %(code)s, %(site)s,
  (select id from load where site_id = %(site)s and name = %(load)s), %(load)s, %(on)s,
  %(author)s, %(reason)s, %(created)s, %(expires)s, %(state)s, %(limit)s, %(expected_w)s,
  %(sent_at)s, %(done_at)s, %(detail)s)
on conflict (site_id, code) do update set
  sent_at = coalesce(c.sent_at, excluded.sent_at),
  state = case when {_FORWARD} then excluded.state else c.state end,
  done_at = case when {_FORWARD} then excluded.done_at else c.done_at end,
  detail = case when {_FORWARD} then excluded.detail else c.detail end
"""
_EVENT = """
insert into command_event (tenant_id, command_id, state, at, detail)
select %(tenant)s, id, %(state)s, %(at)s, %(detail)s from command
where site_id = %(site)s and code = %(code)s
on conflict (command_id, state) do nothing
"""


def _row(one: SiteReport) -> dict[str, Any]:
    report = one.report
    at = datetime.fromtimestamp(report.time, UTC)
    return {
        "tenant": one.tenant_id,
        "site": one.site_id,
        "code": report.id,
        "load": report.load,
        "on": report.on,
        "author": report.author,
        "reason": report.reason,
        "created": datetime.fromtimestamp(report.created, UTC),
        "expires": datetime.fromtimestamp(max(report.created, report.expires), UTC),
        "state": report.state.value,
        "limit": report.limit,
        "expected_w": report.expected_w,
        "sent_at": at if report.state == CommandState.SENT else None,
        "done_at": at if report.state in FINAL else None,
        "detail": report.detail,
        "at": at,
    }
