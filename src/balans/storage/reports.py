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

import json
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
_Row = dict[str, Any]
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
        cursor.execute(_UPSERT, [json.dumps(_one_a_command(rows))])
        cursor.execute(_EVENTS, [json.dumps(rows)])


def _one_a_command(rows: Iterable[_Row]) -> list[_Row]:
    """Return for each command the report that counts: the first of the highest rank.

    It keeps what another report tells: the time of sending, and the effect, which is measured
    after the command was confirmed.
    """
    best: dict[tuple[int, str], _Row] = {}
    for row in rows:
        held = best.setdefault((row["site_id"], row["code"]), row)
        kept = {"sent_at": held["sent_at"] or row["sent_at"]}
        kept["achieved_w"] = held["achieved_w"] if row["achieved_w"] is None else row["achieved_w"]
        if RANK[row["state"]] > RANK[held["state"]]:
            held = row
        best[row["site_id"], row["code"]] = held | kept
    return list(best.values())


def rank_case(column: str) -> str:
    """Return SQL for the rank of the state in `column`."""
    cases = " ".join(f"when '{state}' then {rank}" for state, rank in RANK.items())
    return f"(case {column} {cases} end)"


_FORWARD = f"{rank_case('excluded.state')} > {rank_case('c.state')}"
_UPSERT = f"""
insert into command as c (tenant_id, code, site_id, load_id, load_name, "on", author, reason,
  created, expires, state, limit_name, expected_w, achieved_w, sent_at, done_at, detail)
select r.tenant_id, r.code, r.site_id, l.id, r.load_name, r."on", r.author, r.reason, r.created,
  r.expires, r.state, r.limit_name, r.expected_w, r.achieved_w, r.sent_at, r.done_at, r.detail
from jsonb_to_recordset(%s::jsonb) as r (tenant_id int, code text, site_id bigint, load_name text,
  "on" boolean, author text, reason text, created timestamptz, expires timestamptz, state text,
  limit_name text, expected_w float8, achieved_w float8,
  sent_at timestamptz, done_at timestamptz, detail text)
left join load l on l.site_id = r.site_id and l.name = r.load_name
order by r.site_id, r.created, r.code
on conflict (site_id, code) do update set
  sent_at = coalesce(c.sent_at, excluded.sent_at),
  achieved_w = coalesce(excluded.achieved_w, c.achieved_w),
  state = case when {_FORWARD} then excluded.state else c.state end,
  done_at = case when {_FORWARD} then excluded.done_at else c.done_at end,
  detail = case when {_FORWARD} then excluded.detail else c.detail end
"""
_EVENTS = """
insert into command_event (tenant_id, command_id, state, at, detail)
select r.tenant_id, c.id, r.state, r.at, r.detail
from jsonb_to_recordset(%s::jsonb) as r (tenant_id int, site_id bigint, code text, state text,
  at timestamptz, detail text)
join command c on c.site_id = r.site_id and c.code = r.code
on conflict (command_id, state) do nothing
"""


def _row(one: SiteReport) -> _Row:
    report = one.report
    at = _iso(report.time)
    return {
        "tenant_id": one.tenant_id,
        "site_id": one.site_id,
        "code": report.id,
        "load_name": report.load,
        "on": report.on,
        "author": report.author,
        "reason": report.reason,
        "created": _iso(report.created),
        "expires": _iso(max(report.created, report.expires)),
        "state": report.state.value,
        "limit_name": report.limit,
        "expected_w": report.expected_w,
        "achieved_w": report.achieved_w,
        "sent_at": at if report.state == CommandState.SENT else None,
        "done_at": at if report.state in FINAL else None,
        "detail": report.detail,
        "at": at,
    }


def _iso(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat()
