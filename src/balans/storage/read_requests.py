"""Reading now: a person wants the present register of a point, and knows within a minute.

The clock is that of the database, so pages, head-end and hubs may disagree about the time. A
request whose deadline has passed reads as expired, whoever has died; so does one from the future,
for then the clock was set back. `create` and `latest` are called inside a scope of the tenant;
the functions of the head-end open their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol
from uuid import uuid4

from django.db import IntegrityError, connection, transaction

from balans.core.errors import BalansError
from balans.core.text import printable
from balans.protocols.hub import ReadNow, ReadResult, ReadState
from balans.storage import access
from balans.storage.access import Person, Right
from balans.storage.records import PointInfo
from balans.storage.scope import system_scope

CHANNEL: Final = "balans_read"
"""Listeners are told of a new request, after COMMIT."""
ACTOR: Final = "headend"
LIFE: Final = timedelta(seconds=50)
HUB_MARGIN_S: Final = 8.0
"""The hub gives up so much earlier, to be heard saying so."""
REASON_MAX: Final = 200
NEVER_SENT: Final = "never sent"
NO_ANSWER: Final = "no answer in time"
TOO_LATE: Final = "the answer came too late"


class ReadRefusedError(BalansError):
    """The point cannot be read now; ``code`` says why: ``no_channel``, ``no_hub`` or ``reason``."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Author(Person, Protocol):
    """A person with a name for the audit."""

    def get_username(self) -> str:
        """Return the name of the account."""
        ...


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """A request and what became of it.

    `register` [pulses] and `flags` are those at `read_at`, by the module's clock.
    """

    code: str
    channel_id: int
    state: ReadState
    author: str
    reason: str
    created: datetime
    deadline: datetime
    sent_at: datetime | None
    done_at: datetime | None
    register: int | None
    read_at: datetime | None
    flags: int
    detail: str


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A request on its way to a hub."""

    id: int
    hub_code: str
    request: ReadNow


def create(user: Author, code: str, reason: str = "", right: Right = Right.READINGS) -> ReadRequest:
    """Ask for the present register of the metering point `code`; an open request is returned.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `access.point_for`: who may see the readings of a point may have it read; who mounts
        a meter asks with the right to mount instead.
    ReadRefusedError
        If no module counts the point, no hub reaches it, or the reason is too long.
    """
    point = access.point_for(user, code, right)
    reason = printable(reason.strip())
    if len(reason) > REASON_MAX:
        raise ReadRefusedError("reason", f"the reason is longer than {REASON_MAX} letters")
    channel_id = _channel_of(point)
    expire_due()
    with connection.cursor() as cursor:
        cursor.execute(_MOVED_AWAY, [channel_id, point.id])
        asked = (uuid4().hex, user.pk, user.get_username(), reason)
        values = (user.tenant_id, channel_id, point.id, *asked)
        try:
            with transaction.atomic():
                cursor.execute(_CREATE, (*values, LIFE.total_seconds()))
        except IntegrityError:
            pass  # somebody else asks already, and gets this answer too
        cursor.execute("select pg_notify(%s, '')", [CHANNEL])
    found = latest(point)
    assert found is not None  # noqa: S101  (just made, in this transaction)
    return found


def refusal_of(point: PointInfo) -> ReadRefusedError | None:
    """Return why the point cannot be read now, None if it can."""
    try:
        _channel_of(point)
    except ReadRefusedError as error:
        return error
    return None


def latest(point: PointInfo) -> ReadRequest | None:
    """Return the newest request for a point, None without any.

    What a module was asked while it counted for another point is not told here.
    """
    return _one("point_id = %s", point.id)


def by_code(code: str) -> ReadRequest | None:
    """Return the request with this code, None if there is none in the scope."""
    return _one("code = %s", code)


def open_requests() -> list[OpenRequest]:
    """Return the requests that wait for an answer, with the hubs to ask, the oldest first."""
    with system_scope(ACTOR), connection.cursor() as cursor:
        cursor.execute(_OPEN)
        rows = cursor.fetchall()
    return [
        OpenRequest(
            pk, hub, ReadNow(code, serial, number, min(max(left - HUB_MARGIN_S, 1.0), 60.0))
        )
        for pk, hub, code, serial, number, left in rows
    ]


def mark_sent(ids: Sequence[int]) -> int:
    """Note that requests were handed to the broker; return how many were still queued."""
    with system_scope(ACTOR, durable=True), connection.cursor() as cursor:
        cursor.execute(_SENT, [list(ids)])
        return int(cursor.rowcount)


def expire_due() -> int:
    """Give up on requests whose time is over; return how many there were. In any scope, or none."""
    if connection.in_atomic_block:
        return _expire()
    with system_scope(ACTOR, durable=True):
        return _expire()


def take_result(hub_code: str, result: ReadResult) -> bool:
    """Keep what a hub answers and commit; return whether its request was still waiting.

    An answer for a request that has ended is noted in its detail and changes its state no more;
    one to a request of another tenant than the hub's is passed over.
    """
    read_at = None if result.time is None else datetime.fromtimestamp(result.time, UTC)
    values: dict[str, Any] = {
        "code": result.id,
        "hub": hub_code,
        "state": result.state.value,
        "register": result.register,
        "read_at": read_at,
        "flags": result.flags,
        "detail": printable(result.detail),
        "serial": result.module,
        "input": result.input,
    }
    with system_scope(ACTOR, durable=True), connection.cursor() as cursor:
        cursor.execute(_RESULT, values)
        if cursor.rowcount:
            return True
        cursor.execute(_TOO_LATE, values)
    return False


def purge(keep: timedelta = timedelta(days=400)) -> int:
    """Delete requests created longer than `keep` ago; return how many."""
    with system_scope(ACTOR, durable=True), connection.cursor() as cursor:
        cursor.execute(
            "delete from read_request where created < now() - make_interval(secs => %s)",
            [keep.total_seconds()],
        )
        return int(cursor.rowcount)


def _channel_of(point: PointInfo) -> int:
    with connection.cursor() as cursor:
        cursor.execute(_MOUNTED, [point.id])
        row = cursor.fetchone()
    if row is None:
        raise ReadRefusedError("no_channel", f"no module counts point {point.code} now")
    channel_id, hub_id = row
    if hub_id is None:
        raise ReadRefusedError("no_hub", f"no hub is known for the module of point {point.code}")
    return int(channel_id)


def _one(where: str, value: int | str) -> ReadRequest | None:
    with connection.cursor() as cursor:
        cursor.execute(f"{_READ} where {where} order by id desc limit 1", [value])
        row = cursor.fetchone()
    if row is None:
        return None
    code, channel_id, state, *rest = row
    return ReadRequest(code, channel_id, ReadState(state), *rest)


def _expire() -> int:
    with connection.cursor() as cursor:
        cursor.execute(_EXPIRE)
        return int(cursor.rowcount)


_OVER = (
    "(state in ('queued', 'sent') and (deadline <= clock_timestamp()"
    " or created > clock_timestamp() + interval '5 seconds'))"
)
_READ = f"""
select code, channel_id, case when {_OVER} then 'expired' else state end, author, reason, created,
  deadline, sent_at, coalesce(done_at, case when {_OVER} then deadline end), register, read_at,
  flags, case when {_OVER} then '{NO_ANSWER}' else detail end
from read_request
"""
_MOUNTED = """
select mm.channel_id, m.hub_id from meter_mounting mm
join channel c on c.id = mm.channel_id join module m on m.id = c.module_id
where mm.point_id = %s and mm.valid_to is null and m.removed_at is null
order by mm.valid_from desc limit 1
"""
_CREATE = """
insert into read_request
  (tenant_id, channel_id, point_id, code, user_id, author, reason, state, created, deadline)
values (%s, %s, %s, %s, %s, %s, %s, 'queued', clock_timestamp(),
  clock_timestamp() + make_interval(secs => %s))
"""
_MOVED_AWAY = """
update read_request set state = 'expired', done_at = clock_timestamp(),
  detail = 'the module counts for another point now'
where channel_id = %s and point_id is distinct from %s and state in ('queued', 'sent')
"""
_OPEN = f"""
select r.id, h.code, r.code, m.serial, c.input,
  extract(epoch from r.deadline - clock_timestamp())::float8
from read_request r join channel c on c.id = r.channel_id join module m on m.id = c.module_id
join hub h on h.id = m.hub_id
where state in ('queued', 'sent') and not {_OVER} order by r.id
"""
_SENT = """
update read_request set state = 'sent', sent_at = clock_timestamp()
where id = any(%s) and state = 'queued'
"""
_EXPIRE = f"""
update read_request set state = 'expired', done_at = clock_timestamp(),
  detail = case state when 'queued' then '{NEVER_SENT}' else '{NO_ANSWER}' end
where {_OVER}
"""
_OF_HUB = """
from hub h, channel c join module m on m.id = c.module_id
where h.code = %(hub)s and h.tenant_id = r.tenant_id and c.id = r.channel_id
  and m.serial = %(serial)s and c.input = %(input)s and r.code = %(code)s
"""
_RESULT = f"""
update read_request r set state = %(state)s, done_at = clock_timestamp(),
  register = %(register)s, read_at = %(read_at)s, flags = %(flags)s, detail = %(detail)s
{_OF_HUB} and r.state in ('queued', 'sent') and not {_OVER}
"""
_TOO_LATE = f"""
update read_request r set state = 'expired', done_at = coalesce(r.done_at, r.deadline),
  register = %(register)s, read_at = %(read_at)s, flags = %(flags)s,
  detail = '{TOO_LATE}'
{_OF_HUB} and r.state in ('queued', 'sent', 'expired') and r.register is null
  and %(register)s::int is not null
"""
