"""Limits that consumers set for themselves, on nodes where they have the right.

They stand among the other limits with the source ``customer``; the strictest of all holds, so an
own limit never loosens anything. Call inside a scope of the person's tenant. A limit that was
taken back stays in the table with its period closed, beside the history of the registry.
"""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Final

from django.db import connection
from django.db.models import Q, QuerySet

from balans.core.errors import BalansError
from balans.core.words import LimitSource
from balans.storage import access, live, lookups
from balans.storage.access import Right
from balans.storage.commands import Author
from balans.storage.models import Limit
from balans.storage.records import LimitInfo, NodeInfo

NAME: Final = "own limit"
KW_MAX: Final = Decimal(10_000)
ALIVE_MAX: Final = 5
PERIOD_MAX: Final = timedelta(days=366)


class OwnLimitRefusedError(BalansError):
    """The limit may not or cannot be set; ``code`` says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnLimit:
    """What a consumer wishes: at most `kw`, at all hours or at those named, until `until`.

    Hours are local to the node; past midnight when `to_time` lies before `from_time`.
    """

    kw: Decimal
    from_time: time | None = None
    to_time: time | None = None
    until: datetime | None = None


def set_own_limit(user: Author, node: NodeInfo, wish: OwnLimit, now: datetime) -> LimitInfo:
    """Set a limit of the consumer's own at `node` from now on.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `access.node_for`, when the person may not set one there.
    OwnLimitRefusedError
        ``kw``, ``hours``, ``until``, ``no_gateway`` or ``too_many``.
    """
    access.node_for(user, node.code, Right.CONSENT)
    _check(wish, now)
    site = lookups.site_of(node)
    if site is None:
        raise OwnLimitRefusedError("no_gateway", f"node {node.code} is under no load control")
    taken = {one.name for one in own_limits_of(node, now)}
    if len(taken) >= ALIVE_MAX:
        raise OwnLimitRefusedError("too_many", f"at most {ALIVE_MAX} own limits at a time")
    names = (NAME, *(f"{NAME} {n}" for n in range(2, ALIVE_MAX + 1)))
    row = Limit.objects.create(
        tenant_id=user.tenant_id,
        node_id=node.id,
        name=next(name for name in names if name not in taken),
        source=LimitSource.CUSTOMER.value,
        kw=wish.kw,
        from_time=wish.from_time,
        to_time=wish.to_time,
        valid_from=now,
        valid_to=wish.until,
        author=user.get_username(),
    )
    _tell(site)
    return lookups.limits(Limit.objects.filter(id=row.pk))[0]


def end_own_limit(user: Author, node: NodeInfo, limit_id: int, now: datetime) -> bool:
    """Take back an own limit of `node`; return False when there is none that still holds.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `access.node_for`, when the person may not.
    """
    access.node_for(user, node.code, Right.CONSENT)
    row = _alive(node, now).filter(id=limit_id).select_for_update().first()
    if row is None:
        return False
    if row.valid_from >= now:
        row.delete()  # it never held; the history keeps it
    else:
        row.valid_to = now
        row.ended_by = user.get_username()
        row.save(update_fields=["valid_to", "ended_by"])
    site = lookups.site_of(node)
    if site is not None:
        _tell(site)
    return True


def own_limits_of(node: NodeInfo, now: datetime) -> list[LimitInfo]:
    """Return the own limits of `node` that hold now, the smallest first."""
    return lookups.limits(_alive(node, now).order_by("kw", "name"))


def past_own_limits(node: NodeInfo, now: datetime, n: int = 10) -> list[LimitInfo]:
    """Return the last `n` own limits of `node` that hold no more, the newest first."""
    rows = Limit.objects.filter(
        node_id=node.id, source=LimitSource.CUSTOMER.value, valid_to__lte=now
    )
    return lookups.limits(rows.order_by("-valid_to", "-id")[:n])


def _alive(node: NodeInfo, now: datetime) -> "QuerySet[Limit]":
    rows = Limit.objects.filter(node_id=node.id, source=LimitSource.CUSTOMER.value)
    return rows.filter(Q(valid_to__isnull=True) | Q(valid_to__gt=now))


def _check(wish: OwnLimit, now: datetime) -> None:
    until = wish.until
    checks = (
        (not 0 < wish.kw <= KW_MAX, "kw", f"{wish.kw} kW is not above 0 and at most {KW_MAX}"),
        (
            (wish.from_time is None) != (wish.to_time is None),
            "hours",
            "give both hours or neither",
        ),
        (
            wish.from_time is not None and wish.from_time == wish.to_time,
            "hours",
            "the hours begin and end at the same time",
        ),
        (
            until is not None and not now < until <= now + PERIOD_MAX,
            "until",
            f"it must end later than now and within {PERIOD_MAX.days} days",
        ),
    )
    for refused, code, message in checks:
        if refused:
            raise OwnLimitRefusedError(code, message)


def _tell(site: NodeInfo) -> None:
    with connection.cursor() as cursor:
        cursor.execute("select pg_notify(%s, %s)", [live.CHANNEL, str(site.id)])
