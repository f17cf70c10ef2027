"""The mark above which events of a programme need a second person: who may loosen it.

Whoever calls events is who the mark guards against, so he cannot lift it alone: a looser mark, or
none, waits until another person who may approve has agreed. A stricter one counts at once. A
programme that is opened beside others begins with the strictest mark of those it shares places
with, so that nobody gets around a mark by a programme of his own. Call inside a scope of the
person's tenant.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from django.db.models import Q

from balans.storage import access
from balans.storage.access import Right
from balans.storage.commands import Author
from balans.storage.models import MarkChange, Programme
from balans.storage.response_records import (
    ProgrammeInfo,
    ProgrammeState,
    ResponseRefusedError,
)

OPEN, APPROVED, WITHDRAWN = "open", "approved", "withdrawn"
DRAFT: Final = ProgrammeState.DRAFT.value


@dataclass(frozen=True, slots=True)
class MarkInfo:
    """A looser mark [kW] that waits for a second person; None: no mark at all."""

    kw: Decimal | None
    author: str
    user_id: int
    created: datetime


def is_looser(mark: Decimal | None, wanted: Decimal | None) -> bool:
    """Tell whether `wanted` lets more pass than `mark`; None lets everything pass.

    >>> is_looser(Decimal(5), None), is_looser(None, Decimal(5)), is_looser(Decimal(5), Decimal(5))
    (True, False, False)
    """
    return mark is not None and (wanted is None or wanted > mark)


def set_mark(row: Programme, wanted: Decimal | None, user: Author, now: datetime) -> None:
    """Set the mark of `row`, which is locked and saved by the caller; a looser one has to wait.

    What is not open yet calls nobody, so its mark is free.
    """
    if row.state != DRAFT and is_looser(row.second_person_kw, wanted):
        _ask(row, wanted, user, now)
        return
    if wanted != row.second_person_kw:
        _withdraw(row, user, now)
        row.second_person_kw = wanted


def guard_opening(row: Programme, user: Author, now: datetime) -> None:
    """Let `row`, a draft that is about to be opened, begin with the strictest mark around it.

    The mark that it was drafted with waits for a second person, if it is looser. Programmes that
    were closed count too: else closing one would lift its mark.
    """
    around = Q(node__path__under=row.node.path) | Q(node__path__above=row.node.path)
    marks = (
        Programme.objects.filter(around, tenant_id=row.tenant_id, second_person_kw__isnull=False)
        .exclude(id=row.pk)
        .exclude(state=DRAFT)
        .values_list("second_person_kw", flat=True)
    )
    strictest = min((one for one in marks if one is not None), default=None)
    if is_looser(strictest, row.second_person_kw):
        _ask(row, row.second_person_kw, user, now)
        row.second_person_kw = strictest


def waiting_marks(programme_ids: Iterable[int]) -> dict[int, MarkInfo]:
    """Return the looser marks that wait for a second person, by programme."""
    rows = MarkChange.objects.filter(programme_id__in=list(programme_ids), verdict=OPEN)
    return {
        one.programme_id: MarkInfo(one.kw, one.author, one.user_id, one.created) for one in rows
    }


def approve_mark(
    user: Author, programme: ProgrammeInfo, seen: Decimal | None, now: datetime
) -> None:
    """Be the second person: let the looser mark of `programme` count, if it is the one `seen`.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `access.node_for`, without the right to approve.
    ResponseRefusedError
        ``state``: none waits, or not the one that was seen; ``author``: who wants it cannot
        approve it.
    """
    access.node_for(user, programme.node_code, Right.APPROVE)
    row = Programme.objects.select_for_update().get(id=programme.id)
    found = _open(row)
    if found is None or found.kw != seen:
        raise ResponseRefusedError("state", f"programme {programme.code}: no such mark waits")
    if found.user_id == user.pk:
        raise ResponseRefusedError("author", "a mark is loosened by another than who wants it")
    row.second_person_kw = found.kw
    row.save(update_fields=["second_person_kw"])
    _decide(found, APPROVED, user, now)


def withdraw_mark(user: Author, programme: ProgrammeInfo, now: datetime) -> None:
    """Leave the mark as it is: the looser one is wanted no more, or not agreed to.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `access.node_for`, without the right to keep programmes there.
    """
    access.node_for(user, programme.node_code, Right.RESPONSE)
    _withdraw(Programme.objects.select_for_update().get(id=programme.id), user, now)


def _ask(row: Programme, wanted: Decimal | None, user: Author, now: datetime) -> None:
    found = _open(row)
    if found is not None and found.kw == wanted:
        return  # who asks for it again does not become its author
    _withdraw(row, user, now)
    MarkChange.objects.create(
        tenant_id=row.tenant_id,
        programme_id=row.pk,
        kw=wanted,
        author=user.get_username(),
        user_id=user.pk,
        created=now,
    )


def _withdraw(row: Programme, user: Author, now: datetime) -> None:
    found = _open(row)
    if found is not None:
        _decide(found, WITHDRAWN, user, now)


def _decide(found: MarkChange, verdict: str, user: Author, now: datetime) -> None:
    found.verdict, found.decided_at = verdict, now
    found.decider, found.decider_user_id = user.get_username(), user.pk
    found.save()


def _open(row: Programme) -> MarkChange | None:
    return MarkChange.objects.filter(programme_id=row.pk, verdict=OPEN).first()
