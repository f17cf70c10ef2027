"""What the gateway of one hub is told, taken from what is told to many."""

from datetime import datetime

from balans.protocols.hub import Consents, Limits
from balans.storage.hub_settings import HubSettings, settings_of


def told(hub_code: str, now: datetime) -> HubSettings | None:
    """Return the settings of a hub, None if it controls nothing."""
    return next(iter(settings_of([hub_code], now)), None)


def limits_told(hub_code: str, now: datetime) -> Limits | None:
    """Return its limits."""
    found = told(hub_code, now)
    return found.limits if found else None


def consents_told(hub_code: str, now: datetime) -> Consents | None:
    """Return its consents."""
    found = told(hub_code, now)
    return found.consents if found else None
