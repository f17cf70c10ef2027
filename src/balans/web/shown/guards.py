"""Guards of load control in plain words: what holds it back, and what that means."""

from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from django.utils.functional import Promise
from django.utils.translation import gettext as say
from django.utils.translation import gettext_lazy as _

from balans.protocols.hub import SiteStatus
from balans.web.shown.days import moment

GUARDS: Final[dict[str, Promise]] = {
    "sensor_lost": _("The power sensor is silent. Load control takes that as an overload."),
    "futile": _(
        "Shedding does not help: what was switched off has not lowered the load. Something that"
        " load control cannot switch is the cause, so it holds nothing more back for now."
    ),
    "switch_cap": _(
        "Many loads had to be switched at once. The rest waits for a moment, so that the network"
        " is not shaken."
    ),
    "planner_lost": _(
        "There is no plan that still holds. Load control keeps the limits without looking ahead."
    ),
}


def guard_texts(status: SiteStatus | None, zone: ZoneInfo) -> dict[str, str]:
    """Return the guards at work, each under its key; "" where one is not."""
    codes = status.guard.split() if status else []
    if status and not status.sensor_ok:
        codes.append("sensor_lost")
    texts = {f"guard.{code}": str(text) if code in codes else "" for code, text in GUARDS.items()}
    others = [code for code in codes if code not in GUARDS]
    texts["guard.other"] = (
        say("Load control is on its guard: %(codes)s.") % {"codes": ", ".join(others)}
        if others
        else ""
    )
    paused = status.paused_until if status else None
    texts["guard.paused"] = (
        say("Load control of the whole building is paused until %(time)s. Limits are not kept.")
        % {"time": moment(datetime.fromtimestamp(paused, UTC), zone)}
        if paused is not None
        else ""
    )
    return texts
