"""Words for codes. What has no word is shown as its code, never hidden."""

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from balans.core.words import (
    CommandState,
    LimitSource,
    LoadClass,
    NodeKind,
    Phase,
    PointRole,
    Resource,
)
from balans.storage.readings import Quality

NODE_KINDS: Final[dict[str, Promise]] = {
    NodeKind.REGION: _("region"),
    NodeKind.CITY: _("city"),
    NodeKind.DISTRICT: _("district"),
    NodeKind.STREET: _("street"),
    NodeKind.BUILDING: _("building"),
    NodeKind.RISER: _("riser"),
    NodeKind.FLAT: _("flat"),
}
RESOURCES: Final[dict[str, Promise]] = {
    Resource.ELECTRICITY: _("Electricity"),
    Resource.REACTIVE: _("Reactive energy"),
    Resource.COLD_WATER: _("Cold water"),
    Resource.HOT_WATER: _("Hot water"),
    Resource.GAS: _("Gas"),
    Resource.HEAT: _("Heat"),
}
POINT_ROLES: Final[dict[str, Promise]] = {
    PointRole.CONSUMER: _("consumption"),
    PointRole.INFLOW: _("inflow"),
    PointRole.PRODUCTION: _("production"),
    PointRole.SUB_METER: _("sub-meter"),
}
PHASES: Final[dict[str, Promise | str]] = {
    Phase.L1: "L1",
    Phase.L2: "L2",
    Phase.L3: "L3",
    Phase.THREE: _("three phases"),
}
LOAD_CLASSES: Final[dict[str, Promise]] = {
    LoadClass.RED: pgettext_lazy("load class", "red: always on"),
    LoadClass.YELLOW: pgettext_lazy("load class", "yellow: short pauses"),
    LoadClass.GREEN: pgettext_lazy("load class", "green: can wait"),
}
COMMAND_STATES: Final[dict[str, Promise]] = {
    CommandState.QUEUED: pgettext_lazy("command", "queued"),
    CommandState.SENT: pgettext_lazy("command", "sent"),
    CommandState.CONFIRMED: pgettext_lazy("command", "confirmed"),
    CommandState.FAILED: pgettext_lazy("command", "failed"),
    CommandState.EXPIRED: pgettext_lazy("command", "expired"),
}
COMMAND_TONES: Final[dict[str, str]] = {
    CommandState.QUEUED: "quiet",
    CommandState.SENT: "warn",
    CommandState.CONFIRMED: "good",
    CommandState.FAILED: "bad",
    CommandState.EXPIRED: "bad",
}
UNITS: Final[dict[str, Promise]] = {
    "kWh": _("kWh"),
    "kvarh": _("kvarh"),
    "m³": _("m³"),
}
QUALITIES: Final[dict[str, Promise]] = {
    Quality.MEASURED: _("measured"),
    Quality.ESTIMATED: _("estimated"),
    Quality.SUSPECT: _("doubtful"),
    Quality.PARTIAL: _("part of the hour"),
    Quality.MISSING: _("missing"),
    Quality.UNMETERED: _("no meter"),
}
LIMIT_SOURCES: Final[dict[str, Promise]] = {
    LimitSource.OPERATOR: _("operator's limit"),
    LimitSource.CUSTOMER: _("customer's limit"),
    LimitSource.DEVICE: _("device's limit"),
}
LEVELS: Final[dict[str, Promise]] = {
    "inside": _("Inside the limit"),
    "near": _("Close to the limit"),
    "over": _("Over the limit"),
    "unlimited": _("No limit set"),
    "unknown": _("Load unknown"),
}
LEVEL_TONES: Final[dict[str, str]] = {
    "inside": "good",
    "near": "warn",
    "over": "bad",
    "unlimited": "quiet",
    "unknown": "quiet",
}
FRESHNESS: Final[dict[str, Promise]] = {
    "fresh": _("Live"),
    "stale": _("Delayed"),
    "dead": _("No signal"),
    "waiting": _("Waiting for first data"),
}
FRESHNESS_TONES: Final[dict[str, str]] = {
    "fresh": "good",
    "stale": "warn",
    "dead": "bad",
    "waiting": "quiet",
}


def word(words: dict[str, Promise | str] | dict[str, Promise], code: str) -> str:
    """Return the word for `code` in the reader's language, or the code itself."""
    return str(words.get(code, code))
