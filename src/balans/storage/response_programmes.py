"""Programmes of demand response. Call inside a scope of the person's tenant."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from django.db import IntegrityError, transaction

from balans.core.text import printable
from balans.core.words import LoadClass
from balans.protocols.fields import NAME
from balans.storage import access, lookups
from balans.storage.access import ForbiddenError, NotVisibleError, Person, Right
from balans.storage.commands import Author
from balans.storage.models import Event, Programme
from balans.storage.records import NodeInfo
from balans.storage.response_marks import guard_opening, set_mark
from balans.storage.response_records import (
    ProgrammeInfo,
    ProgrammeState,
    ProgrammeTerms,
    ResponseRefusedError,
)

if TYPE_CHECKING:
    from django.db.models import QuerySet

CODE_MAX: Final = 32
DAY_S: Final = 86_400
RANGES: Final = {
    "priority": (0, 9),
    "notice_s": (0, 7 * DAY_S),
    "max_event_s": (60, DAY_S),
    "max_per_day": (1, 96),
    "max_per_month": (1, 1000),
    "pause_s": (0, 7 * DAY_S),
    "opt_out_s": (0, 7 * DAY_S),
    "start_spread_s": (0, 3600),
    "release_spread_s": (0, 7200),
    "fallback_after_s": (60, DAY_S),
    "fallback_hold_s": (0, DAY_S),
}
"""Least and most of the numbers of a programme."""
_TERMS: Final = tuple(ProgrammeTerms.__dataclass_fields__)


def create_programme(
    user: Author, node_code: str, code: str, terms: ProgrammeTerms, now: datetime
) -> ProgrammeInfo:
    """Draft a programme for the subtree of a node.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `access.node_for`, without the right to keep programmes there.
    ResponseRefusedError
        ``code``, ``taken``, or the name of the term that is wrong.
    """
    node = access.node_for(user, node_code, Right.RESPONSE)
    if not NAME.fullmatch(code) or len(code) > CODE_MAX:
        message = f"code {code[:64]!r}: expected 1-{CODE_MAX} of A-Z a-z 0-9 _ . -"
        raise ResponseRefusedError("code", message)
    check_terms(terms)
    try:
        with transaction.atomic():
            row = Programme.objects.create(
                tenant_id=node.tenant_id,
                node_id=node.id,
                code=code,
                author=user.get_username(),
                created=now,
                **_columns(terms),
            )
    except IntegrityError as error:
        raise ResponseRefusedError("taken", f"programme {code} exists already") from error
    return _programmes(Programme.objects.filter(id=row.pk))[0]


def edit_programme(user: Author, code: str, terms: ProgrammeTerms, now: datetime) -> ProgrammeInfo:
    """Change what a programme says. Events that were announced keep what they were called with.

    A looser mark for a second person waits for one, see `response_marks`.

    Raises
    ------
    NotVisibleError, ForbiddenError, ResponseRefusedError
        As `create_programme`; ``closed`` for one that is closed.
    """
    programme = programme_for(user, code, Right.RESPONSE)
    check_terms(terms)
    if programme.state == ProgrammeState.CLOSED:
        raise ResponseRefusedError("closed", f"programme {code} is closed")
    row = Programme.objects.select_for_update().get(id=programme.id)
    columns = _columns(terms)
    set_mark(row, columns.pop("second_person_kw"), user, now)
    for name, value in columns.items():
        setattr(row, name, value)
    row.save()
    return _programmes(Programme.objects.filter(id=row.pk))[0]


def set_programme_state(
    user: Author, code: str, state: ProgrammeState, now: datetime
) -> ProgrammeInfo:
    """Open a programme, close it, or open it again; it never becomes a draft again.

    Opened beside others it begins with the strictest mark of theirs, see `response_marks`.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `access.node_for`.
    ResponseRefusedError
        ``state``: for a programme that has been opened, drafting is over; ``live_events``: it has
        events that are announced or active, which have to be cancelled first.
    """
    programme = programme_for(user, code, Right.RESPONSE)
    row = Programme.objects.select_for_update().get(id=programme.id)
    if state == ProgrammeState.DRAFT and row.state != ProgrammeState.DRAFT:
        raise ResponseRefusedError("state", f"programme {code} is {row.state}: not a draft again")
    if state == ProgrammeState.CLOSED and _has_live_events(row.pk):
        raise ResponseRefusedError("live_events", f"programme {code} has events that are not over")
    if row.state != state:
        if row.state == ProgrammeState.DRAFT and state == ProgrammeState.OPEN:
            guard_opening(row, user, now)
        row.state = state.value
        row.save(update_fields=["state", "second_person_kw"])
    return _programmes(Programme.objects.filter(id=row.pk))[0]


def programme_for(user: Person, code: str, right: Right = Right.AUDIT) -> ProgrammeInfo:
    """Return the programme with `code`, if `user` has `right` on its node.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `access.node_for`.
    """
    rows = Programme.objects.filter(tenant_id=user.tenant_id, code=code)
    found = _programmes(rows) if NAME.fullmatch(code) else []
    rights = access.rights_on(user, lookups.node(found[0].node_id)) if found else frozenset()
    if Right.VIEW not in rights:
        raise NotVisibleError(f"programme {code}: not found")
    if right not in rights:
        word = right.value.replace("_", " ")
        raise ForbiddenError(f"programme {code}: the right to {word} is missing")
    return found[0]


def programmes_of(user: Person, right: Right = Right.RESPONSE) -> list[ProgrammeInfo]:
    """Return the programmes on whose nodes `user` has `right`, by code."""
    paths = access.granted_paths(user, right)
    return _programmes(Programme.objects.filter(node__path__under=paths)) if paths else []


def programmes_at(node: NodeInfo) -> list[ProgrammeInfo]:
    """Return the open programmes that `node` could join, by code."""
    ids = (*node.ancestor_ids, node.id)
    return _programmes(
        Programme.objects.filter(
            tenant_id=node.tenant_id, node_id__in=ids, state=ProgrammeState.OPEN.value
        )
    )


def check_terms(terms: ProgrammeTerms) -> None:
    """Raise `ResponseRefusedError`, named after the term, for what no programme can say."""
    for name, (least, most) in RANGES.items():
        value = getattr(terms, name)
        if not least <= value <= most:
            raise ResponseRefusedError(name, f"{name} {value}: expected {least} to {most}")
    checks = (
        (not 0 < len(terms.title.strip()) <= 200, "title", "expected 1 to 200 letters"),
        (len(terms.incentive) > 1000, "incentive", "expected at most 1000 letters"),
        (not terms.load_classes, "load_classes", "expected at least one class"),
        (LoadClass.RED in terms.load_classes, "load_classes", "red is never switched"),
        (
            terms.second_person_kw is not None and not 0 <= terms.second_person_kw < 10**9,
            "second_person_kw",
            "expected 0 or more",
        ),
        (
            terms.fallback_w is not None and not 0 <= terms.fallback_w < 10**9,
            "fallback_w",
            "expected 0 or more",
        ),
    )
    for refused, name, message in checks:
        if refused:
            raise ResponseRefusedError(name, f"{name}: {message}")


def checked_reason(reason: str) -> str:
    """Return `reason` as it is kept; raise ``reason`` without one of 1 to 500 letters."""
    kept = printable(reason.strip())
    if not 0 < len(kept) <= 500:
        raise ResponseRefusedError("reason", "a reason of 1 to 500 letters is needed")
    return kept


def programme_by_id(programme_id: int) -> ProgrammeInfo:
    """Return one programme by id, which must exist in the scope."""
    return _programmes(Programme.objects.filter(id=programme_id))[0]


def _has_live_events(programme_id: int) -> bool:
    rows = Event.objects.filter(programme_id=programme_id, state__in=["announced", "active"])
    return rows.exists()


def _columns(terms: ProgrammeTerms) -> dict[str, Any]:
    found: dict[str, Any] = {name: getattr(terms, name) for name in _TERMS}
    found["load_classes"] = [word.value for word in terms.load_classes]
    found["tariffs"] = [printable(tariff)[:200] for tariff in terms.tariffs]
    found["benefits"] = [printable(benefit)[:200] for benefit in terms.benefits]
    found["title"] = printable(terms.title.strip())
    found["incentive"] = printable(terms.incentive)
    return found


def _programmes(rows: "QuerySet[Programme]") -> list[ProgrammeInfo]:
    return [
        ProgrammeInfo(
            id=row.pk,
            tenant_id=row.tenant_id,
            code=row.code,
            node_id=row.node_id,
            node_code=row.node.code,
            node_name=row.node.name,
            node_path=row.node.path,
            state=ProgrammeState(row.state),
            terms=_terms(row),
            author=row.author,
            created=row.created,
        )
        for row in rows.select_related("node").order_by("code")
    ]


def _terms(row: Programme) -> ProgrammeTerms:
    values = {name: getattr(row, name) for name in _TERMS}
    values["load_classes"] = tuple(LoadClass(word) for word in row.load_classes)
    values["tariffs"] = tuple(row.tariffs)
    values["benefits"] = tuple(row.benefits)
    return ProgrammeTerms(**values)
