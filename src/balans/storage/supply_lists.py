"""Orders to supplies as they are read: by a person, of a point, all under way. In a scope."""

from collections import defaultdict
from collections.abc import Iterable

from django.db import connection

from balans.domain.supply import OPEN, OrderState, SupplyAction, SupplyReason
from balans.storage import access, lookups
from balans.storage.access import NotVisibleError, Right
from balans.storage.commands import Author
from balans.storage.models import SupplyOrder
from balans.storage.records import PointInfo
from balans.storage.supply_records import OrderInfo, StepInfo, checks_of


def order_for(user: Author, order: str, right: Right = Right.AUDIT) -> OrderInfo:
    """Return an order of a point on which the person has `right`; errors as `access.point_for`."""
    row = SupplyOrder.objects.filter(tenant_id=user.tenant_id, code=order).first()
    if row is None:
        raise NotVisibleError(f"order {order[:64]}: not found")
    (point,) = lookups.points_by_id([row.point_id])
    access.point_for(user, point.code, right)
    if row.state == OrderState.DRAFT and row.user_id != user.pk:
        raise NotVisibleError(f"order {order[:64]}: not found")
    return infos([row])[0]


def orders_of(point: PointInfo, n: int = 50) -> list[OrderInfo]:
    """Return the newest `n` orders of a point with their steps; drafts are their authors' alone."""
    rows = SupplyOrder.objects.filter(point_id=point.id).exclude(state=OrderState.DRAFT.value)
    return infos(rows.order_by("-id")[:n])


def open_orders(user: Author, n: int = 200) -> list[OrderInfo]:
    """Return the orders under way where `user` may switch supplies, the oldest first."""
    paths = access.granted_paths(user, Right.SUPPLY)
    rows = SupplyOrder.objects.filter(
        tenant_id=user.tenant_id,
        point__node__path__under=paths,
        state__in=[state.value for state in OPEN],
    )
    return infos(rows.order_by("id")[:n]) if paths else []


def infos(rows: Iterable[SupplyOrder]) -> list[OrderInfo]:
    """Return rows as values with their steps, in their order."""
    found = list(rows)
    points = {point.id: point for point in lookups.points_by_id({row.point_id for row in found})}
    steps: dict[int, list[StepInfo]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(
            "select order_id, state, at, author, detail from supply_step"
            " where order_id = any(%s) order by id",
            [[row.pk for row in found]],
        )
        for order_id, *rest in cursor.fetchall():
            steps[order_id].append(StepInfo(*rest))
    return [_record(row, points[row.point_id], tuple(steps[row.pk])) for row in found]


def _record(row: SupplyOrder, point: PointInfo, steps: tuple[StepInfo, ...]) -> OrderInfo:
    return OrderInfo(
        code=row.code,
        point_code=point.code,
        point_name=point.name,
        node_id=point.node_id,
        action=SupplyAction(row.action),
        reason=SupplyReason(row.reason),
        text=row.text,
        author=row.author,
        user_id=row.user_id,
        created=row.created,
        not_before=row.not_before,
        expires=row.expires,
        state=OrderState(row.state),
        second_person=row.second_person,
        checks=checks_of(row.checks),
        moved=row.moved,
        approver=row.approver,
        sent_at=row.sent_at,
        done_at=row.done_at,
        detail=row.detail,
        steps=steps,
    )
