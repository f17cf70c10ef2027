"""Limits of the registry in words: how much, over what, and when."""

from collections.abc import Iterable, Mapping
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from balans.protocols.hub import LimitPeriod
from balans.storage.records import LimitInfo, NodeInfo
from balans.web.shown.days import moment
from balans.web.shown.limit_tree import Named, limit_title
from balans.web.shown.names import named
from balans.web.shown.numbers import decimal, duration

PERIODS: Final[dict[LimitPeriod, Promise]] = {
    LimitPeriod.DAY: gettext_lazy("%(energy)s kWh a day"),
    LimitPeriod.MONTH: gettext_lazy("%(energy)s kWh a month"),
    LimitPeriod.ZONE: gettext_lazy("%(energy)s kWh in each stretch of its hours"),
}


def bounds(limit: LimitInfo) -> str:
    """Return what a limit holds down to: power, current and energy, as far as it names them."""
    found = []
    if limit.kw is not None:
        found.append(_power(limit, float(limit.kw)))
    if limit.phase_a is not None:
        found.append(
            _("%(current)s A in each phase") % {"current": decimal(float(limit.phase_a), 1)}
        )
    if limit.kwh is not None:
        found.append(str(PERIODS[limit.period]) % {"energy": decimal(float(limit.kwh), 2)})
    return ", ".join(found)


def _power(limit: LimitInfo, limit_kw: float) -> str:
    power = _("%(power)s kW") % {"power": decimal(limit_kw, 2)}
    if not limit.interval_s:
        return power
    how = {"power": power, "time": duration(limit.interval_s)}
    if limit.follows_peak:
        return _("%(power)s as a mean of %(time)s, or the month's highest so far") % how
    return _("%(power)s as a mean of %(time)s") % how


def hours(limit: LimitInfo) -> str:
    """Return at what hours a limit holds, local to the site."""
    found = []
    if limit.from_time and limit.to_time:
        times = {"from": f"{limit.from_time:%H:%M}", "to": f"{limit.to_time:%H:%M}"}
        found.append(_("from %(from)s to %(to)s") % times)
    if limit.zone:
        found.append(_("in tariff zone %(zone)s") % {"zone": named(limit.zone)})
    return ", ".join(found) or _("at all hours")


def registered(
    limits: Iterable[LimitInfo], site: NodeInfo, known: Mapping[str, Named]
) -> list[dict[str, Any]]:
    """Return the limits of a site's tree for a table; `known` describes nodes by code."""
    return [
        {
            "place": _place(limit, site, known),
            "title": limit_title(limit.name),
            "bounds": bounds(limit),
            "when": _when(limit, site.timezone),
        }
        for limit in limits
    ]


def _place(limit: LimitInfo, site: NodeInfo, known: Mapping[str, Named]) -> str:
    code = "" if limit.node_code == site.code else limit.node_code
    return known.get(code, Named(limit.node_code, "")).title


def _when(limit: LimitInfo, zone: ZoneInfo) -> str:
    if limit.valid_to is None:
        return hours(limit)
    return f"{hours(limit)}, {_('until %(time)s') % {'time': moment(limit.valid_to, zone)}}"
