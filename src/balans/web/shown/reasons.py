"""Reasons and details of switching: codes in words; what a person wrote stays as written."""

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from balans.domain.demand.model import Reason
from balans.usecases.run_load_control import Detail
from balans.usecases.run_load_control.consents import LeftAlone
from balans.usecases.run_load_control.planning import NoPlan

REASONS: Final[dict[str, Promise]] = {
    Reason.OVER_LIMIT: _("the limit would be exceeded"),
    Reason.NEAR_LIMIT: _("close to the limit, and the rest is restless"),
    Reason.SENSOR_LOST: _("the power sensor is silent"),
    Reason.OPERATOR: _("by command"),
    Reason.OFF_TIME_USED_UP: _("longest off time reached"),
    Reason.STAGGER: _("comes back in turn"),
    Reason.DEADLINE: _("must be done in time"),
    Reason.HEADROOM_BACK: _("there is head-room again"),
    Reason.NIGHT_ZONE: _("night tariff"),
    Reason.PLAN: _("by the plan"),
    LeftAlone.CONSENT_WITHDRAWN: _("its owner has taken back consent"),
    LeftAlone.PAUSED: _("its owner has paused load control"),
    NoPlan.TOO_EARLY: _("The site has to be seen for a day before anything can be planned."),
    NoPlan.FAILED: _("The planner has failed; it tries again."),
    NoPlan.LATE: _("The planner was too late; it tries again."),
    Detail.STATE_UNKNOWN: _("the actuator has not reported its state"),
    Detail.NOT_OBEYING: _("fault: the actuator does not obey"),
}
DETAILS: Final[dict[str, Promise]] = {
    Detail.RED_LOAD: _("a red load is never switched"),
    Detail.PROTECTED_LOAD: _("a protected load is never switched"),
    Detail.UNKNOWN_LOAD: _("the gateway does not know this load"),
    Detail.STATE_UNKNOWN: _("the actuator has not reported its state"),
    Detail.MIN_ON_TIME: _("must stay on for a while first"),
    Detail.NO_HEADROOM: _("no head-room for it now"),
    Detail.ALREADY_SO: _("was so already"),
    Detail.LATE: _("came too late"),
    Detail.NO_CONFIRMATION: _("the actuator did not confirm"),
    Detail.REFUSED: _("the actuator refused"),
    Detail.SUPERSEDED: _("a later command took its place"),
    "never sent": _("it was never sent"),
    "no feedback in time": _("nothing was heard in time"),
}


def reason_text(code: str) -> str:
    """Return the reason `code` in the reader's language; free text comes back unchanged."""
    return str(REASONS.get(code, code))


def detail_text(detail: str) -> str:
    """Return a detail in words; what an actuator says after the colon stays as it is."""
    code, colon, rest = detail.partition(":")
    return f"{DETAILS.get(code, code)}{colon}{rest}"
