"""Who takes part in programmes of demand response, and who is never asked.

Call inside a scope of the person's tenant. To join and to leave is the consumer's alone, at his
own place; operators set which places are never asked.
"""

from datetime import datetime
from typing import TYPE_CHECKING

from balans.storage import access, lookups
from balans.storage.access import Person, Right
from balans.storage.commands import Author
from balans.storage.models import Enrolment, Exemption
from balans.storage.records import NodeInfo
from balans.storage.response_acts import leave_events, spare
from balans.storage.response_programmes import checked_reason, programmes_at
from balans.storage.response_records import (
    EnrolmentInfo,
    ExemptionInfo,
    ExemptionKind,
    ProgrammeInfo,
    ResponseRefusedError,
)

if TYPE_CHECKING:
    from django.db.models import QuerySet


def join(user: Author, code: str, node_code: str, now: datetime) -> EnrolmentInfo:
    """Let the place `node_code` take part; if it does already, that is returned.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `access.node_for`: only who may consent for the place.
    ResponseRefusedError
        ``not_open``, ``outside`` the programme's subtree, or ``no_gateway``.
    """
    node = access.node_for(user, node_code, Right.CONSENT)
    programme = next((one for one in programmes_at(node) if one.code == code), None)
    if programme is None:
        raise ResponseRefusedError("not_open", f"no open programme {code} covers {node_code}")
    if lookups.site_of(node) is None:
        raise ResponseRefusedError("no_gateway", f"node {node_code} is under no load control")
    row, _ = Enrolment.objects.get_or_create(
        tenant_id=node.tenant_id,
        programme_id=programme.id,
        node_id=node.id,
        left_at=None,
        defaults={"joined_at": now, "joined_by": user.get_username()},
    )
    return _enrolments(Enrolment.objects.filter(id=row.pk))[0]


def leave(user: Author, code: str, node_code: str, now: datetime) -> bool:
    """Take the place `node_code` out of a programme; return False if it took no part.

    Events that are announced lose it too, as if it had opted out of each, and those that run if the
    programme lets consumers out of them.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `access.node_for`: only who may consent for the place.
    """
    node = access.node_for(user, node_code, Right.CONSENT)
    rows = Enrolment.objects.filter(programme__code=code, node_id=node.id, left_at__isnull=True)
    row = rows.select_for_update(of=("self",)).first()
    if row is None:
        return False
    row.left_at, row.left_by = max(now, row.joined_at), user.get_username()
    row.save(update_fields=["left_at", "left_by"])
    leave_events(node, row.programme_id, now)
    return True


def enrolments_of(programme: ProgrammeInfo, *, past_too: bool = False) -> list[EnrolmentInfo]:
    """Return who takes part in a programme, by node; with `past_too` also who did."""
    rows = Enrolment.objects.filter(programme_id=programme.id)
    return _enrolments(rows if past_too else rows.filter(left_at__isnull=True))


def enrolments_at(node: NodeInfo) -> dict[str, EnrolmentInfo]:
    """Return in which programmes `node` takes part now, by the programme's code."""
    rows = Enrolment.objects.filter(node_id=node.id, left_at__isnull=True)
    codes = dict(rows.values_list("id", "programme__code"))
    return {
        codes[row.pk]: _enrolment(row) for row in rows.select_related("node").order_by("node__code")
    }


def exempt(
    user: Author, node_code: str, kind: ExemptionKind, reason: str, now: datetime
) -> ExemptionInfo:
    """Set that a place, and whatever lies below it, is never asked, from now on.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `access.node_for`.
    ResponseRefusedError
        ``reason``: one of 1 to 500 letters is needed.
    """
    node = access.node_for(user, node_code, Right.RESPONSE)
    row, _ = Exemption.objects.get_or_create(
        tenant_id=node.tenant_id,
        node_id=node.id,
        kind=kind.value,
        ended_at=None,
        defaults={"reason": checked_reason(reason), "author": user.get_username(), "at": now},
    )
    spare(node, now)
    return _exemptions(Exemption.objects.filter(id=row.pk))[0]


def end_exemption(user: Author, node_code: str, kind: ExemptionKind, now: datetime) -> bool:
    """Let a place be asked again; return False if it was not exempt so.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `access.node_for`.
    """
    node = access.node_for(user, node_code, Right.RESPONSE)
    rows = Exemption.objects.filter(node_id=node.id, kind=kind.value, ended_at__isnull=True)
    return bool(rows.update(ended_at=now, ended_by=user.get_username()))


def exemptions_of(user: Person) -> list[ExemptionInfo]:
    """Return the places that are never asked, of those where `user` may set it, by node."""
    paths = access.granted_paths(user, Right.RESPONSE)
    rows = Exemption.objects.filter(ended_at__isnull=True)
    return _exemptions(rows.filter(node__path__under=paths)) if paths else []


def _enrolments(rows: "QuerySet[Enrolment]") -> list[EnrolmentInfo]:
    found = rows.select_related("node").order_by("node__code", "-joined_at")
    return [_enrolment(row) for row in found]


def _enrolment(row: Enrolment) -> EnrolmentInfo:
    return EnrolmentInfo(
        row.node_id,
        row.node.code,
        row.node.name,
        row.joined_at,
        row.joined_by,
        row.left_at,
        row.left_by,
    )


def _exemptions(rows: "QuerySet[Exemption]") -> list[ExemptionInfo]:
    return [
        ExemptionInfo(
            row.pk,
            row.node_id,
            row.node.code,
            row.node.name,
            ExemptionKind(row.kind),
            row.reason,
            row.author,
            row.at,
        )
        for row in rows.select_related("node").order_by("node__code", "kind")
    ]
