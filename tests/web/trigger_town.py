"""Alice's utility with triggers, and what their gateway tells for them to see."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.web import events_town, town

from balans.domain.response.triggers import Mode
from balans.storage.live import save_statuses
from balans.storage.response_trigger_work import look_at_triggers
from balans.storage.response_triggers import TriggerInfo, TriggerOrder, create_trigger
from balans.storage.scope import tenant_scope

SETTINGS: dict[str, Any] = {
    "overload": {"limit_kw": 9.0, "begin_share": 1.0, "end_share": 0.9, "held_for_s": 60},
    "transformer": {"kva": 16.0},
    "peak": {"windows": [["17:00", "21:00"]], "weekdays": [5, 6], "limit_kw": 8.0},
    "per_day": 2,
}


def add_trigger(code: str = "trafo", **more: Any) -> TriggerInfo:
    """Let a trigger watch Alice's house; it may ask for 5 kW alone."""
    operator = events_town.person("alice-operator")
    values: dict[str, Any] = {
        "programme": "evening",
        "node": "alice-house",
        "title": "Transformer of Linden Street",
        "settings": SETTINGS,
        "mode": Mode.ACT,
        "cap_kw": Decimal(5),
    }
    with tenant_scope(operator.tenant_id, "alice-operator"):
        return create_trigger(operator, code, TriggerOrder(**(values | more)), town.NOW)


def look(minutes: float, site_w: float) -> dict[str, str]:
    """Let the gateway tell what the house draws, and all triggers look."""
    at: datetime = town.NOW + timedelta(minutes=minutes)
    save_statuses([("alice-hub", town.status(at, site_w=site_w))], at)
    return look_at_triggers(at)
