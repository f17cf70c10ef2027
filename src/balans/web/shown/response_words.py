"""Demand response in words: events, what they ask, how their places stand, and refusals."""

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from balans.core.words import StepKind
from balans.domain.response.candidates import Bar
from balans.domain.response.life import EventState, TargetState
from balans.storage.response_candidates import Refusal
from balans.storage.response_records import ExemptionKind, ProgrammeState

PROGRAMME_STATES: Final[dict[str, Promise]] = {
    ProgrammeState.DRAFT: pgettext_lazy("programme", "draft"),
    ProgrammeState.OPEN: pgettext_lazy("programme", "open"),
    ProgrammeState.CLOSED: pgettext_lazy("programme", "closed"),
}
PROGRAMME_TONES: Final[dict[str, str]] = {
    ProgrammeState.DRAFT: "quiet",
    ProgrammeState.OPEN: "good",
    ProgrammeState.CLOSED: "quiet",
}
EVENT_STATES: Final[dict[str, Promise]] = {
    EventState.DRAFT: pgettext_lazy("call", "draft"),
    EventState.ANNOUNCED: pgettext_lazy("call", "announced"),
    EventState.ACTIVE: pgettext_lazy("call", "running"),
    EventState.ENDED: pgettext_lazy("call", "over"),
    EventState.CANCELLED: pgettext_lazy("call", "cancelled"),
}
EVENT_TONES: Final[dict[str, str]] = {
    EventState.DRAFT: "quiet",
    EventState.ANNOUNCED: "warn",
    EventState.ACTIVE: "good",
    EventState.ENDED: "quiet",
    EventState.CANCELLED: "bad",
}
TARGET_STATES: Final[dict[str, Promise]] = {
    TargetState.QUEUED: pgettext_lazy("target", "queued"),
    TargetState.SENT: pgettext_lazy("target", "sent"),
    TargetState.HEARD: pgettext_lazy("target", "heard"),
    TargetState.ACTIVE: pgettext_lazy("target", "at work"),
    TargetState.DONE: pgettext_lazy("target", "done"),
    TargetState.FAILED: pgettext_lazy("target", "failed"),
    TargetState.RELEASED: pgettext_lazy("target", "released"),
    TargetState.REFUSED: pgettext_lazy("target", "refused"),
    TargetState.OPTED_OUT: pgettext_lazy("target", "opted out"),
}
TARGET_TONES: Final[dict[str, str]] = {
    TargetState.QUEUED: "quiet",
    TargetState.SENT: "quiet",
    TargetState.HEARD: "warn",
    TargetState.ACTIVE: "good",
    TargetState.DONE: "good",
    TargetState.FAILED: "bad",
    TargetState.RELEASED: "quiet",
    TargetState.REFUSED: "bad",
    TargetState.OPTED_OUT: "quiet",
}
KINDS: Final[dict[str, Promise]] = {
    StepKind.LIMIT: _("Limit of each place, kW"),
    StepKind.REDUCE: _("Less than before by, kW"),
    StepKind.ECO: _("Saving level, 1 to 3"),
}
LEFT_OUT: Final[dict[str, Promise]] = {
    Refusal.EXEMPT: _("never asked: excluded or vulnerable"),
    Refusal.NOT_JOINED: _("take no part in the programme"),
    Refusal.TARIFF: _("have another tariff"),
    Refusal.BENEFIT: _("have another benefit"),
    Refusal.OPTED_OUT: _("opted out"),
    Refusal.NOT_RELEASED: _("have released no load of these classes"),
    Refusal.NO_GATEWAY: _("have no gateway that controls"),
    Refusal.MIXED: _("contain places that must be left alone"),
    Bar.VULNERABLE: _("vulnerable"),
    Bar.EXCLUDED: _("excluded"),
    Bar.NO_CONSENT: _("gave no consent"),
    Bar.RED: _("have red loads only"),
    Bar.TOO_SHORT: _("may not be off for so long"),
    Bar.NOTHING: _("have nothing to give then, or have to rest"),
}
EXEMPTIONS: Final[dict[str, Promise]] = {
    ExemptionKind.EXCLUDED: pgettext_lazy("exemption", "excluded"),
    ExemptionKind.VULNERABLE: pgettext_lazy("exemption", "vulnerable customer"),
}
CHANGES: Final[dict[str, Promise]] = {
    "drafted": pgettext_lazy("change", "drafted"),
    "previewed": pgettext_lazy("change", "preview computed"),
    "approved": pgettext_lazy("change", "approved"),
    "announced": pgettext_lazy("change", "announced"),
    "active": pgettext_lazy("change", "began"),
    "ended": pgettext_lazy("change", "ended"),
    "lengthened": pgettext_lazy("change", "lengthened"),
    "shortened": pgettext_lazy("change", "shortened"),
    "tightened": pgettext_lazy("change", "tightened"),
    "cancelled": pgettext_lazy("change", "cancelled"),
    "opted_out": pgettext_lazy("change", "a place opted out"),
    "settled": pgettext_lazy("change", "account made"),
}
REFUSALS: Final[dict[str, Promise]] = {
    "state": _("That is not possible any more in its present state."),
    "author": _("Another person than its author must approve."),
    "preview": _("Compute the preview first."),
    "no_key": _("The utility has no signing key yet: calls cannot be signed."),
    "nobody": _("It would ask nobody."),
    "approval": _("More is expected than one person may call: a second person must approve."),
    "not_open": _("The programme is not open."),
    "notice": _("It starts sooner than the notice that the programme promises."),
    "past": _("It must end in the future, and begin within 13 days."),
    "per_day": _("The programme allows no further event on this day."),
    "per_month": _("The programme allows no further event in this month."),
    "pause": _("It lies too close to another event of the programme."),
    "reason": _("Give a reason of at most 500 letters."),
    "outside": _("That place does not belong to the programme."),
    "length": _("It is longer than the programme allows."),
    "emergency": _("An emergency cannot be left."),
    "too_late": _("It is too late: the programme does not let you out of this event any more."),
    "no_gateway": _("This place is under no load control yet."),
    "live_events": _("It has events that are not over: cancel them first."),
    "taken": _("There is one with this code already."),
    "code": _("Give 1 to 32 Latin letters, digits, dots or dashes."),
    "closed": _("The programme is closed."),
    "sure": _("It is an emergency: tick that you know what it does."),
    "ended": _("The trigger has ended for good."),
}
DETAILS: Final[dict[str, Promise]] = {
    "not_heard": _("its gateway was never heard"),
    "nothing_left": _("nothing more may be held back"),
    "not_held": _("loads were held back, but it draws too much"),
    "not_measured": _("the gateway does not measure this place"),
    "overruled by": _("overruled by %(event)s"),
    "unknown_node": _("the gateway does not know this place"),
    "no_keys": _("the gateway has no keys"),
    "malformed": _("the call was not understood"),
    "unsigned": _("the call was not signed"),
    "unknown_key": _("the gateway does not know the key"),
    "bad_signature": _("the signature is wrong"),
    "wrong_tenant": _("it belongs to another utility"),
    "wrong_group": _("it belongs to another group"),
    "expired": _("the call had expired"),
    "from_future": _("the call came from the future: a clock is wrong"),
    "replayed": _("the call was an old one"),
}
AUTHORS: Final[dict[str, Promise]] = {"response": pgettext_lazy("author", "by itself")}
