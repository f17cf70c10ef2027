"""How a hub is, in words."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from balans.storage.hub_state import HubState
from balans.web.shown.days import full_moment
from balans.web.shown.numbers import MISSING, decimal


def hub_words(state: HubState, zone: ZoneInfo) -> dict[str, Any]:
    """Return what ``console/mounting/hub_state.html`` shows."""

    def told(at: datetime | None) -> str:
        return MISSING if at is None else full_moment(at, zone)

    return {
        "heard": "" if state.heard_at is None else told(state.heard_at),
        "software": state.software,
        "trouble": state.trouble,
        "trouble_since": told(state.trouble_since),
        "doubled": state.doubled,
        "silent": decimal(state.silent_modules, 0) if state.silent_modules else "",
        "refused": decimal(state.refused, 0) if state.refused else "",
    }
