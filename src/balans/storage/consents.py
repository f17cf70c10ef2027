"""Consent and pauses: what the owners of loads allow load control to do with them.

Changes are made inside a scope of the person's tenant, and only by who has the right on the load's
own node; each is a row of its own, so the rows are the audit. Listeners on the channel `CHANNEL`
learn after COMMIT that a consent, a limit or a load has changed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import connection

from balans.core.errors import BalansError
from balans.core.words import LoadClass
from balans.storage import access, live
from balans.storage.access import Right
from balans.storage.commands import Author
from balans.storage.models import Consent
from balans.storage.records import LoadInfo, NodeInfo

CHANNEL: Final = "balans_settings"
ACTOR: Final = "headend"
PAUSE_MAX: Final = timedelta(days=31)


class ConsentRefusedError(BalansError):
    """The consent may not or cannot be changed so; ``code`` says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class ConsentInfo:
    """What was allowed with a load from `at` on, and who said so."""

    load_name: str
    at: datetime
    released: bool
    paused_until: datetime | None
    author: str


def set_released(
    user: Author, site: NodeInfo, names: Sequence[str], *, released: bool, now: datetime
) -> int:
    """Give or take back consent for loads of a site; return how many changed.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `access.load_for`, for the first load that is not the person's own.
    ConsentRefusedError
        ``empty`` or ``red``.
    """
    loads = _own(user, site, names)
    changed = [load for load in loads if load.released != released]
    rows = [
        _row(user, load, released=released, until=_lasting(load, now), now=now) for load in changed
    ]
    return _note(site, rows)


def set_paused(
    user: Author, site: NodeInfo, names: Sequence[str], *, until: datetime | None, now: datetime
) -> int:
    """Let load control leave loads of a site alone until `until`; None ends a pause.

    Returns
    -------
    int
        How many loads changed.

    Raises
    ------
    NotVisibleError, ForbiddenError
        As `access.load_for`, for the first load that is not the person's own.
    ConsentRefusedError
        ``empty``, ``red``, ``past`` or ``too_long``.
    """
    if until is not None and until <= now:
        raise ConsentRefusedError("past", f"a pause until {until.isoformat()} is over already")
    if until is not None and until > now + PAUSE_MAX:
        raise ConsentRefusedError("too_long", f"a pause lasts at most {PAUSE_MAX.days} days")
    loads = _own(user, site, names)
    changed = [load for load in loads if _lasting(load, now) != until]
    rows = [_row(user, load, released=load.released, until=until, now=now) for load in changed]
    return _note(site, rows)


def history(loads: Iterable[LoadInfo], n: int = 20) -> list[ConsentInfo]:
    """Return the last `n` changes of what is allowed with `loads`, the newest first."""
    names = {load.id: load.name for load in loads}
    rows = Consent.objects.filter(load_id__in=names).order_by("-id")[:n]
    return [
        ConsentInfo(names[row.load_id], row.at, row.released, row.paused_until, row.author)
        for row in rows
    ]


def _own(user: Author, site: NodeInfo, names: Sequence[str]) -> list[LoadInfo]:
    """Return the loads `names`, all of which the person may release."""
    if not names:
        raise ConsentRefusedError("empty", "no load is named")
    loads = [access.load_for(user, site.id, name, Right.CONSENT) for name in dict.fromkeys(names)]
    for load in loads:
        if load.load_class == LoadClass.RED:
            raise ConsentRefusedError("red", f"load {load.name} is never switched anyway")
    return loads


def _lasting(load: LoadInfo, now: datetime) -> datetime | None:
    """Return until when the load is paused, None when a pause is over."""
    return load.paused_until if load.paused_until and load.paused_until > now else None


def _row(
    user: Author, load: LoadInfo, *, released: bool, until: datetime | None, now: datetime
) -> Consent:
    return Consent(
        tenant_id=user.tenant_id,
        load_id=load.id,
        at=now,
        released=released,
        paused_until=until,
        author=user.get_username(),
        user_id=user.pk,
    )


def _note(site: NodeInfo, rows: Sequence[Consent]) -> int:
    if rows:
        Consent.objects.bulk_create(rows)
        with connection.cursor() as cursor:
            cursor.execute("select pg_notify(%s, %s)", [live.CHANNEL, str(site.id)])
    return len(rows)
