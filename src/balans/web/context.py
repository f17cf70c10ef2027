"""What every template may use."""

from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest

from balans import __version__
from balans.web.shown.people import person
from balans.web.shown.sections import Section, sections

THEMES: Final = frozenset({"auto", "light", "dark"})


def frame(request: HttpRequest) -> dict[str, Any]:
    """Return the theme the person chose and the version of the product."""
    theme = request.COOKIES.get("theme", "auto")
    return {
        "theme": theme if theme in THEMES else "auto",
        "version": __version__,
        "demo": settings.DEMO,
        "sections": lambda: _sections(request),
    }


def _sections(request: HttpRequest) -> list[Section]:
    """Return the bar at the top; a page about a fault has none, the database may be the fault."""
    return sections(person(request)) if getattr(request, "in_scope", False) else []
