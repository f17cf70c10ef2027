"""A place in a form: searched by name, kept by code; without scripts the code or a name is typed.

`places` answers the search of the page, `PlaceField` checks what came of it.
"""

from typing import Any, Final

from django import forms
from django.forms.boundfield import BoundField
from django.http import HttpRequest, JsonResponse
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe
from typing_extensions import override

from balans.protocols.fields import NAME
from balans.storage import access
from balans.storage.access import ForbiddenError, NotVisibleError, Right
from balans.storage.commands import Author
from balans.storage.place_search import PlaceHit, place_hit, search_places
from balans.storage.response_programmes import programme_for
from balans.web.shown.fields import short
from balans.web.shown.names import asked_words, named
from balans.web.shown.people import person

HITS_MAX: Final = 20
TYPED_MAX: Final = 200
ABOVE_MARK: Final = " / "


@require_safe
def places(request: HttpRequest) -> JsonResponse:
    """Find places where the person may call events, in a programme if one is named."""
    user = person(request)
    if not access.granted_paths(user, Right.RESPONSE):
        raise ForbiddenError("no right to call events anywhere")
    within = ""
    if programme := request.GET.get("programme", "").replace("\0", "")[:64]:
        within = programme_for(user, programme, Right.RESPONSE).node_path
    text = request.GET.get("q", "")[:TYPED_MAX]
    found = search_places(user, asked_words(text), HITS_MAX + 1, Right.RESPONSE, within)
    shown = [place_option(hit) for hit in found[:HITS_MAX]]
    return JsonResponse({"places": shown, "more": len(found) > HITS_MAX})


def place_option(hit: PlaceHit) -> dict[str, str]:
    """Return a place with its name and the names of what it lies in."""
    return {
        "code": hit.node.code,
        "name": named(hit.node.name),
        "path": ABOVE_MARK.join(named(one.name) for one in hit.above),
    }


class PlaceField(forms.CharField):
    """A place where the person may call events; its code comes out, "" where none was given.

    Parameters
    ----------
    user
        Whose places are offered.
    empty
        What an empty field means, shown in it.
    """

    def __init__(self, user: Author, *, empty: Any = "", **options: Any) -> None:
        options.setdefault("error_messages", {"required": _("Choose the place.")})
        super().__init__(max_length=TYPED_MAX, **options)
        self.user, self.empty = user, empty
        self.hits: list[PlaceHit] | None = None

    @override
    def clean(self, value: Any) -> str:
        """Return the code of the place.

        Raises
        ------
        ValidationError
            If it is none of the person's, or what was typed fits several.
        """
        text = str(super().clean(value))
        if not text:
            return ""
        if NAME.fullmatch(text) and self.hit_of(text):
            return text
        found = search_places(self.user, asked_words(text), HITS_MAX, Right.RESPONSE)
        if len(found) == 1:
            return found[0].node.code
        self.hits = found or None
        told = {"given": short(text)}
        if found:
            raise forms.ValidationError(
                gettext("Several places are called like “%(given)s”: choose one.") % told
            )
        raise forms.ValidationError(gettext("You look after no place “%(given)s”.") % told)

    def hit_of(self, code: str) -> PlaceHit | None:
        """Return the place with `code`, if the person may call events there."""
        try:
            return place_hit(self.user, code, Right.RESPONSE)
        except (NotVisibleError, ForbiddenError):
            return None

    @override
    def get_bound_field(self, form: forms.BaseForm, field_name: str) -> "BoundPlace":
        """Return the field with what its template shows."""
        return BoundPlace(form, self, field_name)


class BoundPlace(BoundField):
    """A field for a place in its form."""

    field: PlaceField

    @property
    def given(self) -> str:
        """What stands in the field: a code, or what was typed."""
        return str(self.value() or "")

    @property
    def chosen(self) -> dict[str, str] | None:
        """The place with the code that stands in the field."""
        hit = self.field.hit_of(self.given) if NAME.fullmatch(self.given) else None
        return None if hit is None else place_option(hit)

    @property
    def options(self) -> list[dict[str, str]]:
        """What a browser without scripts offers: what fits what was typed, else the topmost."""
        found = self.field.hits
        if found is None:
            found = search_places(self.field.user, [], HITS_MAX, Right.RESPONSE)
        return [place_option(hit) for hit in found]

    @property
    def search_url(self) -> str:
        """Where the page searches."""
        return reverse("response-places")
