"""HTML built of elements: everything is escaped unless it is an element itself."""

from collections.abc import Iterable
from html import escape

EMPTY = frozenset({"br", "hr", "input", "link", "meta"})
DRAWN = frozenset({"circle", "line", "path", "polyline", "rect"})
"""Elements of a drawing: in HTML too they have to be closed."""


class Safe(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = str | Iterable["Child"] | None
Value = str | float | bool | None


def tag(element: str, /, *children: Child, **attributes: Value) -> Safe:
    """Return an element. ``class_`` and ``data_x`` stand for ``class`` and ``data-x``.

    An attribute that is None or False is left out; True has no value.

    >>> tag("p", "a < b", tag("br"), class_="note", hidden=True)
    '<p class="note" hidden>a &lt; b<br></p>'
    """
    head = "".join(_attribute(key, value) for key, value in attributes.items())
    if element in EMPTY:
        return Safe(f"<{element}{head}>")
    if element in DRAWN:
        return Safe(f"<{element}{head}/>")
    return Safe(f"<{element}{head}>{join(*children)}</{element}>")


def join(*children: Child) -> Safe:
    """Return the children one after another, escaped where they are plain text."""
    return Safe("".join(_text(child) for child in children))


def _text(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Safe):
        return str(child)
    if isinstance(child, str):
        return escape(child)
    return str(join(*child))


def _attribute(key: str, value: Value) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'
