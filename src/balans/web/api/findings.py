"""What was noticed about data: of the whole utility, for those who may audit all of it."""

from datetime import datetime
from typing import Any

from ninja import Query, Schema

from balans.storage import access, findings
from balans.storage.access import Right
from balans.storage.api_keys import Scope
from balans.storage.findings import DataFinding, Severity
from balans.web.api.askers import ApiRequest
from balans.web.api.operations import Operations
from balans.web.api.paging import Page, PageAsked, decode, page_of

operations = Operations("Events")


class FindingOut(Schema):
    """Something noticed `n` times at a place; `detail` is an example."""

    id: int
    place: str
    what: str
    detail: str
    severity: Severity
    first_seen: datetime
    last_seen: datetime
    n: int


@operations.get("/findings", Scope.READ_EVENTS, Page[FindingOut])
def list_findings(request: ApiRequest, asked: Query[PageAsked]) -> dict[str, Any]:
    """List what was noticed about data, the newest first.

    Findings belong to the utility and to no node: this needs the right to audit on all of it.
    """
    access.demand_everywhere(request.auth.person, Right.AUDIT)
    after = decode(asked.cursor, int)
    found = findings.listed(after[0] if after else None, asked.limit + 1)
    return page_of(found, asked.limit, _out, lambda one: [one[0]])


def _out(row: tuple[int, DataFinding]) -> FindingOut:
    key, one = row
    return FindingOut(
        id=key,
        place=one.place,
        what=one.what,
        detail=one.detail,
        severity=one.severity,
        first_seen=one.first_seen,
        last_seen=one.last_seen,
        n=one.n,
    )
