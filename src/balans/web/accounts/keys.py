"""Keys for programs: made here, shown once, listed, revoked."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import pgettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from balans.core.errors import InputError
from balans.storage import access, api_keys
from balans.storage.access import ForbiddenError, NotVisibleError
from balans.storage.api_keys import ApiKey, NewKey, Scope
from balans.storage.commands import Author
from balans.usecases.rights import SCOPES
from balans.web.accounts.key_forms import SCOPE_WORDS, KeyForm
from balans.web.shown.days import full_moment
from balans.web.shown.names import named
from balans.web.shown.people import person
from balans.web.shown.places import Crumb

UTC_ZONE: Final = ZoneInfo("UTC")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def keys(request: HttpRequest) -> HttpResponse:
    """Show the keys of the person, and those of others that the person may end."""
    if request.method == "POST":
        action = ACTIONS.get(request.POST.get("action", ""))
        if action is not None:
            return action(request)
    return _page(request, _form(request))


def _create(request: HttpRequest) -> HttpResponse:
    form = _form(request, request.POST)
    if not form.is_valid():
        return _page(request, form, status=422)
    now = datetime.now(UTC)
    try:
        made = api_keys.create(person(request), form.order(now), now)
    except NotVisibleError:
        form.add_error("place", _("There is no such place, or it is not yours to see."))
    except ForbiddenError:
        form.add_error("scopes", _("Your own rights there do not reach for all of this."))
    except InputError as error:
        form.add_error(None, str(error))
    else:
        return _page(request, _form(request), made)
    return _page(request, form, status=422)


def _revoke(request: HttpRequest) -> HttpResponse:
    user = person(request)
    number = _number(request)
    key = next((one for one in _seen(user) if one.id == number), None)
    if key is None:
        raise NotVisibleError("key: not found")
    if request.POST.get("confirmed") != "yes":
        return render(request, "accounts/key_revoke.html", {"key": key, "crumbs": _crumbs()})
    api_keys.revoke(user, key.id, datetime.now(UTC))
    messages.success(request, _("The key “%(name)s” opens nothing any more.") % {"name": key.name})
    return redirect("keys")


ACTIONS: Final[dict[str, Callable[[HttpRequest], HttpResponse]]] = {
    "create": _create,
    "revoke": _revoke,
}


def _page(
    request: HttpRequest, form: KeyForm, made: NewKey | None = None, status: int = 200
) -> HttpResponse:
    user = person(request)
    tops = access.top_nodes(user)
    zone = tops[0].timezone if tops else UTC_ZONE
    context = {
        "form": form if tops else None,
        "places": [{"code": node.code, "name": named(node.name)} for node in tops],
        "made": made,
        "own": [_row(key, zone) for key in api_keys.owned_by(user)],
        "others": [_row(key, zone) for key in api_keys.of_others(user)],
        "crumbs": _crumbs(),
        "api_url": request.build_absolute_uri("/api/v1/nodes"),
    }
    return render(request, "accounts/keys.html", context, status=status)


def _form(request: HttpRequest, data: Any = None) -> KeyForm:
    user = person(request)
    tops = access.top_nodes(user)
    return KeyForm(_grantable(user), tops[0].code if tops else "", data)


def _grantable(user: Author) -> list[Scope]:
    """Return the purposes for which the person has a right anywhere."""
    rights = {right for scope in Scope for right in SCOPES[scope]}
    has = {right for right in rights if access.granted_paths(user, right)}
    return [scope for scope in Scope if SCOPES[scope] & has]


def _seen(user: Author) -> list[ApiKey]:
    return [*api_keys.owned_by(user), *api_keys.of_others(user)]


def _number(request: HttpRequest) -> int:
    text = request.POST.get("key", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _crumbs() -> list[Crumb]:
    return [Crumb(_("Keys for programs"))]


def _row(key: ApiKey, zone: ZoneInfo) -> dict[str, Any]:
    now = datetime.now(UTC)
    in_force = key.is_in_force(now)
    return {
        "id": key.id,
        "name": key.name,
        "owner": key.owner,
        "ident": key.ident,
        "place": named(key.node_name),
        "scopes": [str(SCOPE_WORDS[scope]) for scope in key.scopes],
        "in_force": in_force,
        "tone": "good" if in_force else "quiet",
        "state": _state(key, zone, now),
        "used": full_moment(key.last_used, zone) if key.last_used else "",
        "created": full_moment(key.created, zone),
    }


def _state(key: ApiKey, zone: ZoneInfo, now: datetime) -> str:
    if key.revoked is not None:
        told = {"time": full_moment(key.revoked, zone), "person": key.revoked_by}
        return _("revoked %(time)s by %(person)s") % told
    if key.expires is None:
        return pgettext("key", "without end")
    word = _("until %(time)s") if key.expires > now else _("ended %(time)s")
    return word % {"time": full_moment(key.expires, zone)}
