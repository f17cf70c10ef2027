"""The history of a device in words."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from balans.storage.device_history import Deed, DeviceEvent
from balans.web.shown.days import moment
from balans.web.shown.names import named


def deed_rows(events: Sequence[DeviceEvent], zone: ZoneInfo) -> list[dict[str, str]]:
    """Return who did what and when, the newest first."""
    return [
        {
            "at": moment(event.at, zone),
            "at_iso": event.at.isoformat(),
            "author": event.actor,
            "what": _what(event),
        }
        for event in events
    ]


def _what(event: DeviceEvent) -> str:
    values = {
        "before": named(event.before) or "–",
        "after": named(event.after) or "–",
        "meter": event.meter,
        "point": event.point,
        "input": event.input or "–",
    }
    return _text(event.deed) % values


def _text(deed: Deed) -> str:
    texts = {
        Deed.REGISTERED: _("registered at %(after)s"),
        Deed.MOVED: _("moved from %(before)s to %(after)s"),
        Deed.REMOVED: _("taken out of service"),
        Deed.RETURNED: _("in service again"),
        Deed.HUB: _("heard by hub %(after)s instead of %(before)s"),
        Deed.RENAMED: _("renamed from %(before)s to %(after)s"),
        Deed.CONTROL: _("load control changed"),
        Deed.MOUNTED: _("input %(input)s counts meter %(meter)s at %(point)s"),
        Deed.ENDED: _("input %(input)s counts meter %(meter)s at %(point)s no more"),
        Deed.CORRECTED: _("mounting of meter %(meter)s at %(point)s corrected"),
        Deed.DELETED: _("entry deleted"),
    }
    return texts[deed]
