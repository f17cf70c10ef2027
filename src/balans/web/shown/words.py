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
from balans.domain.metering import EditKind, EventKind, ManualSource, ManualState, Quality

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
    Resource.FUEL: _("Fuel"),
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
    Quality.INCORRECT: _("temporarily incorrect"),
    Quality.PARTIAL: _("a part of it"),
    Quality.MISSING: _("missing"),
    Quality.UNMETERED: _("no meter"),
}
EVENT_KINDS: Final[dict[str, Promise]] = {
    EventKind.LINE_BREAK: _("line break"),
    EventKind.SHORT_CIRCUIT: _("short circuit"),
    EventKind.MAGNETIC_FIELD: _("magnetic field"),
    EventKind.CONTACT_BOUNCE: _("contact bounces"),
    EventKind.LOW_BATTERY: _("low battery"),
    EventKind.CLOCK_STEP: _("clock stepped"),
    EventKind.REVERSE_RUN: _("meter runs backwards"),
}
EVENT_TONES: Final[dict[str, str]] = {
    EventKind.LINE_BREAK: "bad",
    EventKind.SHORT_CIRCUIT: "bad",
    EventKind.MAGNETIC_FIELD: "bad",
    EventKind.CONTACT_BOUNCE: "warn",
    EventKind.LOW_BATTERY: "warn",
    EventKind.CLOCK_STEP: "warn",
    EventKind.REVERSE_RUN: "bad",
}
EDIT_KINDS: Final[dict[str, Promise]] = {
    EditKind.CORRECT: _("The register was"),
    EditKind.ESTIMATE: _("Estimated register"),
    EditKind.STRIKE: _("What came is wrong: missing"),
    EditKind.WITHDRAW: _("As the device sent it"),
}
MANUAL_STATES: Final[dict[str, Promise]] = {
    ManualState.PROPOSED: pgettext_lazy("dial", "waits"),
    ManualState.ACCEPTED: pgettext_lazy("dial", "accepted"),
    ManualState.REFUSED: pgettext_lazy("dial", "refused"),
}
MANUAL_TONES: Final[dict[str, str]] = {
    ManualState.PROPOSED: "warn",
    ManualState.ACCEPTED: "good",
    ManualState.REFUSED: "bad",
}
MANUAL_SOURCES: Final[dict[str, Promise]] = {
    ManualSource.CONSUMER: _("by the consumer"),
    ManualSource.OPERATOR: _("by the operator"),
    ManualSource.WALK_BY: _("in passing"),
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
