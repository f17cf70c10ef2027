"""Words of imports in the reader's language."""

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from balans.storage.imports import ImportKind, ImportState
from balans.usecases.reading_layout import Quantity

KINDS: Final[dict[ImportKind, Promise]] = {
    ImportKind.REGISTRY: _("Registry"),
    ImportKind.READINGS: _("Readings"),
}
STATES: Final[dict[ImportState, tuple[Promise, str]]] = {
    ImportState.CHECKED: (_("only checked"), "quiet"),
    ImportState.REFUSED: (_("refused"), "bad"),
    ImportState.APPLIED: (_("imported"), "good"),
}
QUANTITIES: Final[dict[str, Promise]] = {
    Quantity.REGISTER.value: _("registers in pulses"),
    Quantity.DIAL.value: _("dials of meters"),
    Quantity.USED.value: _("what was used in each interval"),
}
SEVERITIES: Final[dict[str, Promise]] = {"error": _("error"), "warning": _("warning")}
ALWAYS: Final = frozenset({"rows", "errors", "warnings"})
RESULTS: Final[dict[str, Promise]] = {
    "rows": _("Rows"),
    "used": _("Readings used"),
    "registers": _("Registers at full hours"),
    "estimated": _("of them estimated"),
    "new": _("New registers"),
    "same": _("Stored already"),
    "differs": _("Differ from what is stored"),
    "dials": _("Dials read by eye"),
    "marks": _("Periods marked as unknown"),
    "created": _("Created"),
    "updated": _("Changed"),
    "unchanged": _("As they were"),
    "skipped": _("Left out"),
    "errors": _("Errors"),
    "warnings": _("Warnings"),
}
CODES: Final[dict[str, Promise]] = {
    "time": _("time"),
    "who": _("nobody named"),
    "channel": _("unknown channel"),
    "point": _("unknown metering point"),
    "meter": _("unknown meter"),
    "unit": _("unit"),
    "register": _("register"),
    "dial": _("dial"),
    "used": _("amount used"),
    "quality": _("quality"),
    "unmounted": _("no meter mounted"),
    "repeated": _("said twice"),
    "two_values": _("two values at one time"),
    "went_back": _("went back"),
    "out_of_line": _("out of line"),
    "gap": _("long gap"),
    "gaps": _("short gaps"),
    "off_hour": _("not on the full hour"),
    "rounded": _("rounded down"),
    "zero": _("zeros taken for missing"),
    "empty": _("empty cells"),
    "stored_differs": _("differs from what is stored"),
    "sheet": _("unknown sheet"),
    "column": _("columns"),
}
"""What kinds of findings are called; another is called by the column it is about."""
STEPS: Final[dict[str, Promise]] = {
    "upload": _("Sending the file"),
    "rows": _("Reading rows"),
    "times": _("Reading times"),
    "values": _("Reading values"),
    "places": _("Finding places"),
    "hours": _("Computing full hours"),
    "stored": _("Comparing with what is stored"),
    "inbox": _("Storing"),
    "": _("Storing"),
}
"""What is being done; "" stands for every other step."""
