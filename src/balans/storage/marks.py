"""Marks "temporarily incorrect": over their period nobody knows what a point used.

A mark says why, who made it and who ended it. It reaches every profile, sum and balance, at once
and also back-dated. Call inside a scope of the person's tenant.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q, QuerySet

from balans.core.errors import BalansError
from balans.storage import access
from balans.storage.access import Right
from balans.storage.balance_dirty import mark_points
from balans.storage.commands import Author
from balans.storage.models import PointMark
from balans.storage.records import NodeInfo, PointInfo

REASON_MAX: Final = 500
AHEAD_MAX: Final = timedelta(days=366)


class MarkRefusedError(BalansError):
    """The mark cannot be made or changed so; ``code`` says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class MarkInfo:
    """A period over which a point is called incorrect; `end` is None until it is over."""

    id: int
    point_id: int
    point_code: str
    point_name: str
    node_code: str
    node_name: str
    start: datetime
    end: datetime | None
    reason: str
    author: str
    made_at: datetime
    ended_by: str
    ended_at: datetime | None
    void: bool


def mark_incorrect(
    user: Author,
    point: PointInfo,
    period: tuple[datetime, datetime | None],
    reason: str,
    now: datetime,
) -> MarkInfo:
    """Call `point` incorrect over `period`, also back-dated; end None: until further notice.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `access.point_for`, without the right to judge readings there.
    MarkRefusedError
        ``reason`` (none, or more than 500 letters) or ``period`` (ends before it begins, begins
        in the future, or ends more than a year ahead).
    """
    access.point_for(user, point.code, Right.JUDGE)
    start, end = period
    reason = reason.strip()
    if not 1 <= len(reason) <= REASON_MAX:
        raise MarkRefusedError("reason", f"say why, in 1 to {REASON_MAX} letters")
    if start > now or (end is not None and not start < end <= now + AHEAD_MAX):
        raise MarkRefusedError(
            "period", f"{start} to {end}: expected a start not after now, and an end after it"
        )
    row = PointMark.objects.create(
        tenant_id=user.tenant_id,
        point_id=point.id,
        valid_from=start,
        valid_to=end,
        reason=reason,
        author=user.get_username(),
        made_at=now,
    )
    mark_points([point.id], start, end)
    return _infos(PointMark.objects.filter(id=row.pk))[0]


def end_mark(user: Author, mark_id: int, at: datetime, now: datetime) -> MarkInfo:
    """Let a mark end at `at`, earlier or later than it would.

    Raises
    ------
    NotVisibleError, ForbiddenError
        If there is none, or the person may not judge readings there.
    MarkRefusedError
        ``void``, or ``period`` when it would end before it begins or in the future.
    """
    row = _own(user, mark_id)
    if not row.valid_from < at <= now:
        raise MarkRefusedError("period", f"{at}: expected a time after the start, up to now")
    before = row.valid_to
    row.valid_to, row.ended_by, row.ended_at = at, user.get_username(), now
    row.save(update_fields=["valid_to", "ended_by", "ended_at"])
    mark_points([row.point_id], min(at, before) if before else at, before and max(at, before))
    return _infos(PointMark.objects.filter(id=row.pk))[0]


def void_mark(user: Author, mark_id: int, now: datetime) -> MarkInfo:
    """Take a mark back that was a mistake: it says nothing any more and stays for the record.

    Raises
    ------
    NotVisibleError, ForbiddenError, MarkRefusedError
        As `end_mark`.
    """
    row = _own(user, mark_id)
    row.void, row.ended_by, row.ended_at = True, user.get_username(), now
    row.save(update_fields=["void", "ended_by", "ended_at"])
    mark_points([row.point_id], row.valid_from, row.valid_to)
    return _infos(PointMark.objects.filter(id=row.pk))[0]


def marks_of(
    point_ids: Sequence[int],
    start: datetime | None = None,
    end: datetime | None = None,
    *,
    void: bool = False,
) -> list[MarkInfo]:
    """Return the marks of points that overlap [start, end), the latest start first.

    With `void` also those that were taken back.
    """
    rows = PointMark.objects.filter(point_id__in=point_ids)
    if start is not None:
        rows = rows.filter(Q(valid_to__isnull=True) | Q(valid_to__gt=start))
    if end is not None:
        rows = rows.filter(valid_from__lt=end)
    return _infos(rows if void else rows.filter(void=False))


def marks_below(node: NodeInfo, start: datetime, end: datetime, limit: int) -> list[MarkInfo]:
    """Return up to `limit` marks of a node and all below it in [start, end), the latest first."""
    rows = PointMark.objects.filter(
        Q(valid_to__isnull=True) | Q(valid_to__gt=start),
        tenant_id=node.tenant_id,
        point__node__path__under=node.path,
        valid_from__lt=end,
        void=False,
    )
    return _infos(rows, limit)


def _own(user: Author, mark_id: int) -> PointMark:
    found = PointMark.objects.filter(id=mark_id, tenant_id=user.tenant_id)
    row = found.select_for_update(of=("self",)).select_related("point").first()
    if row is None:
        raise access.NotVisibleError(f"mark {mark_id}: not found")
    access.point_for(user, row.point.code, Right.JUDGE)
    if row.void:
        raise MarkRefusedError("void", f"mark {mark_id} was taken back already")
    return row


def _infos(rows: "QuerySet[PointMark]", limit: int | None = None) -> list[MarkInfo]:
    return [
        MarkInfo(
            id=row.pk,
            point_id=row.point_id,
            point_code=row.point.code,
            point_name=row.point.name,
            node_code=row.point.node.code,
            node_name=row.point.node.name,
            start=row.valid_from,
            end=row.valid_to,
            reason=row.reason,
            author=row.author,
            made_at=row.made_at,
            ended_by=row.ended_by,
            ended_at=row.ended_at,
            void=row.void,
        )
        for row in rows.select_related("point__node").order_by("-valid_from", "-id")[:limit]
    ]
