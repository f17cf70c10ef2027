"""What the server itself does: the duties of its worker."""

from datetime import datetime

from ninja import Schema

from balans.storage import access, jobs
from balans.storage.access import Right
from balans.storage.api_keys import Scope
from balans.storage.jobs import DutyRun
from balans.web.api.askers import ApiRequest
from balans.web.api.operations import Operations

operations = Operations("Service")


class DutyOut(Schema):
    """The last run of a duty, `done` or `failed`, and how often both so far.

    What it did concerns all utilities of the server, so that stands in the log of the worker only.
    """

    name: str
    begun: datetime | None
    ended: datetime | None
    outcome: str
    runs: int
    failures: int


@operations.get("/duties", Scope.READ_EVENTS, list[DutyOut])
def list_duties(request: ApiRequest) -> list[DutyOut]:
    """Tell what the worker did last. This needs the right to audit on the whole utility."""
    access.demand_everywhere(request.auth.person, Right.AUDIT)
    return [_out(one) for one in jobs.duty_runs()]


def _out(one: DutyRun) -> DutyOut:
    return DutyOut(
        name=one.name,
        begun=one.begun,
        ended=one.ended,
        outcome=one.outcome,
        runs=one.runs,
        failures=one.failures,
    )
