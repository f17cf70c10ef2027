"""The sections of the product that a person has a use for, for the bar at the top of pages."""

from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext as _

from balans.storage import access
from balans.storage.access import Right


@dataclass(frozen=True, slots=True)
class Section:
    """An entry of the bar; `views` are the names of the pages that belong to it."""

    title: str
    url: str
    views: frozenset[str]


OVERVIEW = frozenset({"home"})
FOUND = frozenset({"found", "found-accept", "prepared", "labels", "claim", "hub", "module"})
MOUNTING = frozenset({"mounting", "mount", "devices"})
RESPONSE = frozenset(
    {
        "response",
        "response-new",
        "response-event",
        "response-programmes",
        "response-programme",
        "response-programme-new",
        "response-programme-edit",
        "response-triggers",
        "response-trigger",
        "response-trigger-new",
        "response-trigger-edit",
    }
)
SUPPLY = frozenset({"supply-orders", "supply-order"})
IMPORTS = frozenset({"imports", "import"})


def sections(user: access.Person) -> list[Section]:
    """Return the sections for `user`; call inside a scope."""
    found = [Section(_("Overview"), reverse("home"), OVERVIEW)]
    if access.granted_paths(user, Right.REGISTRY):
        found += [
            Section(_("Found devices"), reverse("found"), FOUND),
            Section(_("Mounting"), reverse("mounting"), MOUNTING),
        ]
    if access.granted_paths(user, Right.RESPONSE):
        found.append(Section(_("Demand response"), reverse("response"), RESPONSE))
    if access.granted_paths(user, Right.SUPPLY):
        found.append(Section(_("Disconnecting"), reverse("supply-orders"), SUPPLY))
    if access.granted_paths(user, Right.JUDGE) or access.has_everywhere(user, Right.REGISTRY):
        found.append(Section(_("Import and export"), reverse("imports"), IMPORTS))
    return found
