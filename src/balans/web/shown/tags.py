"""Tags of every template: texts that the live stream keeps up to date, and fragments."""

from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag(takes_context=True)
def live(context: template.Context, key: str, prefix: str = "") -> SafeString:
    """Show a text of the picture in an element that the stream updates."""
    name = _name(prefix, key)
    return format_html('<span data-live="{}">{}</span>', name, context["picture"].get(name, ""))


@register.simple_tag(takes_context=True)
def live_text(context: template.Context, key: str, prefix: str = "") -> str:
    """Show a text of the picture as it is now; a script of the page takes over from it."""
    return str(context["picture"].get(_name(prefix, key), ""))


@register.simple_tag(takes_context=True)
def live_attrs(context: template.Context, *pairs: str, prefix: str = "") -> SafeString:
    """Set attributes that the stream updates, from ``attribute:key``.

    The attribute ``hidden`` is set while the text is empty.
    """
    named = [
        (attribute, _name(prefix, key)) for attribute, key in (pair.split(":") for pair in pairs)
    ]
    now = [(attribute, context["picture"].get(name, "")) for attribute, name in named]
    plain = format_html_join(" ", '{}="{}"', [pair for pair in now if pair[0] != "hidden"])
    hidden = SafeString(" hidden" if ("hidden", "") in now else "")
    watched = " ".join(f"{attribute}:{name}" for attribute, name in named)
    return format_html('{}{} data-live-attrs="{}"', plain, hidden, watched)


@register.simple_tag(takes_context=True)
def query(context: template.Context, **values: Any) -> str:
    """Return the query of the present address with `values` set."""
    params = context["request"].GET.copy()
    for name, value in values.items():
        params[name] = str(value)
    return f"?{params.urlencode()}"


def _name(prefix: str, key: str) -> str:
    return f"{prefix}.{key}" if prefix else key
