"""What every template may use."""

from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest

from balans import __version__

THEMES: Final = frozenset({"auto", "light", "dark"})


def frame(request: HttpRequest) -> dict[str, Any]:
    """Return the theme the person chose and the version of the product."""
    theme = request.COOKIES.get("theme", "auto")
    return {
        "theme": theme if theme in THEMES else "auto",
        "version": __version__,
        "demo": settings.DEMO,
    }
