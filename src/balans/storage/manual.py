"""Dials that people read by eye: handed in with a photo, accepted or refused by the operator.

A dial counts once it is accepted: a meter without a channel lives from its accepted dials; of a
meter with one they are a check, and on wish give the register of the hour. Call inside a scope of
the person's tenant.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Final

from django.db import IntegrityError, connection, transaction
from django.db.models import Q, QuerySet

from balans.core.errors import BalansError
from balans.domain.metering import EditKind, ManualSource, ManualState
from balans.storage import access, dials, lookups
from balans.storage.access import Right
from balans.storage.balance_dirty import mark_points
from balans.storage.commands import Author
from balans.storage.editing import Change, edit
from balans.storage.models import ManualReading, MeteringPoint
from balans.storage.mountings import mountings_of
from balans.storage.records import NodeInfo, PointInfo

DIAL_MAX: Final = Decimal(10) ** 15
TEXT_MAX: Final = 500
PHOTO_MAX: Final = 5_000_000
BACK_MAX: Final = timedelta(days=400)
OPEN_MAX: Final = 20
JPEG: Final = b"\xff\xd8\xff"


class ManualRefusedError(BalansError):
    """The dial cannot be taken so; ``code`` says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial:
    """What somebody read: `value` [Wh, varh or l] at `at`; `photo` is a JPEG without metadata."""

    at: datetime
    value: Decimal
    note: str = ""
    photo: bytes | None = None


@dataclass(frozen=True, slots=True)
class ManualInfo:
    """A dial that was handed in, and what became of it."""

    id: int
    point: PointInfo
    at: datetime
    dial: Decimal
    source: ManualSource
    state: ManualState
    note: str
    author: str
    made_at: datetime
    reviewer: str
    reviewed_at: datetime | None
    reason: str
    has_photo: bool


def hand_in(
    user: Author, point: PointInfo, dial: Dial, now: datetime, source: ManualSource | None = None
) -> ManualInfo:
    """Keep what `user` read at the meter of `point`, for the operator to accept.

    Parameters
    ----------
    source
        None: operator for who may judge readings, else consumer.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `access.point_for`, without the right to hand in readings there.
    ManualRefusedError
        ``dial``, ``time`` (in the future, or more than 400 days ago), ``no_meter`` (none was
        mounted then), ``note``, ``photo`` (no JPEG, or more than 5 MB) or ``too_many`` (20 wait).
    """
    access.point_for(user, point.code, Right.REPORT)
    _check(dial, now)
    if not mountings_of([point.id], dial.at, dial.at + timedelta(microseconds=1)):
        raise ManualRefusedError("no_meter", f"no meter was at {point.code} at {dial.at}")
    waiting = ManualReading.objects.filter(point_id=point.id, state=ManualState.PROPOSED.value)
    if waiting.count() >= OPEN_MAX:
        raise ManualRefusedError("too_many", f"{OPEN_MAX} readings of {point.code} wait already")
    if source is None:
        judges = Right.JUDGE in access.rights_on(user, lookups.node(point.node_id))
        source = ManualSource.OPERATOR if judges else ManualSource.CONSUMER
    row = ManualReading.objects.create(
        tenant_id=user.tenant_id,
        point_id=point.id,
        at=dial.at,
        dial=dial.value,
        source=source.value,
        note=dial.note.strip(),
        author=user.get_username(),
        made_at=now,
    )
    if dial.photo is not None:
        with connection.cursor() as cursor:
            cursor.execute(
                "insert into manual_photo (reading_id, tenant_id, jpeg) values (%s, %s, %s)",
                [row.pk, user.tenant_id, dial.photo],
            )
    return _infos(ManualReading.objects.filter(id=row.pk))[0]


def accept(
    user: Author, reading_id: int, now: datetime, reason: str = "", *, set_register: bool = False
) -> ManualInfo:
    """Let a dial count.

    Parameters
    ----------
    set_register
        Also give the channel's register of the nearest full hour by it (an edit, estimated unless
        the dial was read at that hour).

    Raises
    ------
    NotVisibleError, ForbiddenError
        If there is none, or the person may not judge readings there.
    ManualRefusedError
        ``state`` (was accepted already), ``same_time`` (another dial of the same instant was),
        ``reason`` (too long), or ``no_register`` (with `set_register`: what the dial showed at
        mounting is not known or more than this, or there is no channel).
    """
    row = _own(user, reading_id)
    if row.state == ManualState.ACCEPTED.value:
        raise ManualRefusedError("state", f"reading {reading_id} was accepted already")
    with transaction.atomic():  # refused with its register, it is not accepted either
        _judge(row, user, ManualState.ACCEPTED, reason, now)
        if set_register:
            _set_register(user, row, now)
    return _infos(ManualReading.objects.filter(id=row.pk))[0]


def refuse(user: Author, reading_id: int, now: datetime, reason: str) -> ManualInfo:
    """Do not let a dial count, also one that was accepted before; `reason` tells its author why.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `accept`.
    ManualRefusedError
        ``state`` (was refused already) or ``reason`` (none, or too long).
    """
    row = _own(user, reading_id)
    if row.state == ManualState.REFUSED.value:
        raise ManualRefusedError("state", f"reading {reading_id} was refused already")
    if not reason.strip():
        raise ManualRefusedError("reason", f"say why, in 1 to {TEXT_MAX} letters")
    _judge(row, user, ManualState.REFUSED, reason, now)
    return _infos(ManualReading.objects.filter(id=row.pk))[0]


def dials_of(point: PointInfo, limit: int = 50) -> list[ManualInfo]:
    """Return the dials that were handed in for a point, the latest first."""
    rows = ManualReading.objects.filter(point_id=point.id)
    return _infos(rows.order_by("-at", "-id")[:limit])


def dials_below(
    node: NodeInfo, state: ManualState | None = ManualState.PROPOSED, limit: int = 100
) -> list[ManualInfo]:
    """Return the dials of a node and all below it, the oldest first; None: of whatever state."""
    rows = ManualReading.objects.filter(
        Q() if state is None else Q(state=state.value),
        tenant_id=node.tenant_id,
        point__node__path__under=node.path,
    )
    return _infos(rows.order_by("at", "id")[:limit])


def count_waiting(node: NodeInfo) -> int:
    """Return how many dials of a node and all below it wait to be judged."""
    rows = ManualReading.objects.filter(
        state=ManualState.PROPOSED.value,
        tenant_id=node.tenant_id,
        point__node__path__under=node.path,
    )
    return rows.count()


def photo_of(user: Author, reading_id: int) -> bytes | None:
    """Return the photo of a dial as JPEG, None without one.

    Raises
    ------
    NotVisibleError, ForbiddenError
        If there is no such dial, or the person may not see readings there.
    """
    row = _row(user, reading_id)
    access.point_for(user, row.point.code, Right.READINGS)
    with connection.cursor() as cursor:
        cursor.execute("select jpeg from manual_photo where reading_id = %s", [row.pk])
        found = cursor.fetchone()
    return bytes(found[0]) if found else None


def _check(dial: Dial, now: datetime) -> None:
    photo = dial.photo
    checks = (
        (not 0 <= dial.value < DIAL_MAX, "dial", f"{dial.value}: expected 0 to {DIAL_MAX}"),
        (
            not now - BACK_MAX <= dial.at <= now,
            "time",
            f"{dial.at}: expected a time up to now, at most {BACK_MAX.days} days ago",
        ),
        (len(dial.note.strip()) > TEXT_MAX, "note", f"expected at most {TEXT_MAX} letters"),
        (
            photo is not None and not (photo.startswith(JPEG) and len(photo) <= PHOTO_MAX),
            "photo",
            f"expected a JPEG of at most {PHOTO_MAX} bytes",
        ),
    )
    for refused, code, message in checks:
        if refused:
            raise ManualRefusedError(code, message)


def _row(user: Author, reading_id: int) -> ManualReading:
    rows = ManualReading.objects.filter(id=reading_id, tenant_id=user.tenant_id)
    row = rows.select_related("point__node").first()
    if row is None:
        raise access.NotVisibleError(f"reading {reading_id}: not found")
    return row


def _own(user: Author, reading_id: int) -> ManualReading:
    """Return the row, locked, for who may judge it."""
    row = _row(user, reading_id)
    access.point_for(user, row.point.code, Right.JUDGE)
    ManualReading.objects.select_for_update().get(id=row.pk)
    row.refresh_from_db(fields=["state"])
    return row


def _judge(
    row: ManualReading, user: Author, state: ManualState, reason: str, now: datetime
) -> None:
    reason = reason.strip()
    if len(reason) > TEXT_MAX:
        raise ManualRefusedError("reason", f"expected at most {TEXT_MAX} letters")
    counted = ManualState.ACCEPTED.value in {row.state, state.value}
    row.state, row.reason = state.value, reason
    row.reviewer, row.reviewed_at = user.get_username(), now
    try:
        with transaction.atomic():
            row.save(update_fields=["state", "reason", "reviewer", "reviewed_at"])
    except IntegrityError as error:
        raise ManualRefusedError(
            "same_time", f"another dial of {row.point.code} at {row.at} was accepted"
        ) from error
    if counted:
        mark_points([row.point_id], *dials.neighbours(row.point_id, row.at))


def _set_register(user: Author, row: ManualReading, now: datetime) -> None:
    point = access.point_for(user, row.point.code, Right.JUDGE)
    found = dials.register_of(point, row.at, Fraction(row.dial), now)
    if found is None:
        raise ManualRefusedError(
            "no_register", f"the register of {point.code} does not follow from its dial"
        )
    time, register = found
    kind = EditKind.CORRECT if time == row.at else EditKind.ESTIMATE
    edit(user, point, [Change(time, kind, register)], f"dial read at {row.at.isoformat()}", now)


def _infos(rows: "QuerySet[ManualReading]") -> list[ManualInfo]:
    found = list(rows)
    ids = {row.point_id for row in found}
    points = {one.id: one for one in lookups.points(MeteringPoint.objects.filter(id__in=ids))}
    with_photo = _with_photo([row.pk for row in found])
    return [
        ManualInfo(
            id=row.pk,
            point=points[row.point_id],
            at=row.at,
            dial=row.dial,
            source=ManualSource(row.source),
            state=ManualState(row.state),
            note=row.note,
            author=row.author,
            made_at=row.made_at,
            reviewer=row.reviewer,
            reviewed_at=row.reviewed_at,
            reason=row.reason,
            has_photo=row.pk in with_photo,
        )
        for row in found
    ]


def _with_photo(ids: list[int]) -> set[int]:
    with connection.cursor() as cursor:
        cursor.execute("select reading_id from manual_photo where reading_id = any(%s)", [ids])
        return {reading_id for (reading_id,) in cursor.fetchall()}
