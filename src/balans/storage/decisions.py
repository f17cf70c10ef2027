"""What load control and people have decided at a site, page by page. Call inside a scope."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.db.models import Q, QuerySet

from balans.storage.commands import CommandInfo, infos
from balans.storage.models import Command
from balans.storage.records import NodeInfo


class By(StrEnum):
    """Who decided."""

    PEOPLE = "people"
    CONTROL = "control"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which decisions are asked for; what is empty narrows nothing down.

    `loads` are the names of the loads that the reader may see at all; None: of the whole site.
    Decisions were made in [since, until).
    """

    loads: Sequence[str] | None = None
    by: By | None = None
    state: str = ""
    reason: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the decisions, the newest first. `number` counts from 1."""

    decisions: tuple[CommandInfo, ...]
    number: int
    total: int
    size: int

    @property
    def last(self) -> int:
        """Number of the last page, 1 where there are none."""
        return max(1, -(-self.total // self.size))


def page(site: NodeInfo, asked: Asked, number: int, size: int = 25) -> Page:
    """Return page `number` of the decisions asked for; past the end, the last page."""
    rows = Command.objects.filter(_where(site, asked))
    total = rows.count()
    shown = max(1, min(number, -(-total // size)))
    return Page(tuple(infos(_part(rows, shown, size))), shown, total, size)


def reasons_of(site: NodeInfo) -> list[str]:
    """Return the different codes of reasons that load control has given at a site."""
    rows = Command.objects.filter(site_id=site.id, user_id__isnull=True).order_by("reason")
    return list(rows.values_list("reason", flat=True).distinct())


def _part(rows: "QuerySet[Command]", number: int, size: int) -> "QuerySet[Command]":
    return rows.order_by("-created", "-id")[(number - 1) * size : number * size]


def _where(site: NodeInfo, asked: Asked) -> Q:
    where = Q(site_id=site.id)
    if asked.loads is not None:
        where &= Q(load_name__in=asked.loads)
    if asked.by is not None:
        where &= Q(user_id__isnull=asked.by == By.CONTROL)
    if asked.state:
        where &= Q(state=asked.state)
    if asked.reason:
        where &= Q(reason=asked.reason)
    if asked.since is not None:
        where &= Q(created__gte=asked.since)
    if asked.until is not None:
        where &= Q(created__lt=asked.until)
    return where
