"""The mark of a programme for a second person, where a looser one waits for one."""

from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpRequest
from django.utils.translation import gettext as _

from balans.storage import access, lookups
from balans.storage.access import Right
from balans.storage.commands import Author
from balans.storage.response_marks import approve_mark, waiting_marks, withdraw_mark
from balans.storage.response_records import ProgrammeInfo, ResponseRefusedError
from balans.web.clock import site_clock
from balans.web.shown import response_words, words
from balans.web.shown.days import full_moment
from balans.web.shown.numbers import decimal

DEEDS = ("approve_mark", "withdraw_mark")


def mark_view(user: Author, found: ProgrammeInfo, zone: ZoneInfo) -> dict[str, Any] | None:
    """Return the looser mark that waits, and what `user` may do about it; None: none waits."""
    waits = waiting_marks([found.id]).get(found.id)
    if waits is None:
        return None
    rights = access.rights_on(user, lookups.node(found.node_id))
    return {
        "now": _kw(found.terms.second_person_kw),
        "wanted": _kw(waits.kw),
        "seen": "" if waits.kw is None else str(waits.kw),
        "author": waits.author,
        "at": full_moment(waits.created, zone),
        "approves": Right.APPROVE in rights and waits.user_id != user.pk,
        "withdraws": Right.RESPONSE in rights,
    }


def decide_mark(request: HttpRequest, user: Author, found: ProgrammeInfo) -> str:
    """Approve the looser mark, or leave it; return what is wrong."""
    now, post = site_clock().now(), request.POST
    try:
        if post.get("do") == "approve_mark":
            approve_mark(user, found, _seen(post.get("seen", "")), now)
            messages.success(request, _("The looser mark counts from now on."))
        else:
            withdraw_mark(user, found, now)
            messages.success(request, _("The mark stays as it is."))
    except ResponseRefusedError as error:
        return words.word(response_words.REFUSALS, error.code)
    return ""


def tell_waiting(request: HttpRequest, found: ProgrammeInfo) -> None:
    """Say that the mark was not changed with the rest, where a looser one waits."""
    if waiting_marks([found.id]):
        messages.warning(
            request, _("A looser mark for the second person counts once another has agreed to it.")
        )


def _kw(mark: Decimal | None) -> str:
    return _("never") if mark is None else f"{decimal(float(mark), 1)} {_('kW')}"


def _seen(text: str) -> Decimal | None:
    """Return the mark that the form showed; what is no number was never shown."""
    try:
        return Decimal(text) if text else None
    except InvalidOperation:
        return Decimal(-1)
