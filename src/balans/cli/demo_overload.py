"""The overload scenario of the demo: no standing limit, but a trigger that calls an event.

What an operator would set up once is set up here: the key that the gateway trusts, an open
programme, the households that take part, and the trigger with what the transformer can carry.
"""

import base64
import secrets
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from balans.adapters.signing import SigningKey
from balans.core.errors import InputError
from balans.usecases.registry_plan import AccountPlan

if TYPE_CHECKING:
    from balans.config import Settings
    from balans.simulator.spec import TownSpec

PROGRAMME: Final = "evening-peak"
TRIGGER: Final = "transformer"
HOUSEHOLDS: Final = "households"
"""The account that joins for the households; nobody knows its password."""
CAP_KW: Final = Decimal(40)
MOST_EVENT_S: Final = 4 * 3600
RELEASE_SPREAD_S: Final = 300
NEAR_SHARE: Final = 0.95
"""From this share of the limit on the replay goes at a pace that the server can follow."""
CAREFUL_SPEED: Final = 60.0
CALM_S: Final = 900
"""So long after the last sign of an event the replay goes on at its own speed."""


def households(spec: "TownSpec") -> AccountPlan:
    """Return the account that consents for every flat of the building."""
    grants = tuple(("consumer", flat.code) for flat in spec.flats)
    return AccountPlan(username=HOUSEHOLDS, password=secrets.token_urlsafe(24), grants=grants)


def trusted_keys(settings: "Settings", spec: "TownSpec") -> list[str]:
    """Return the public keys of the utility in base64, once there is one."""
    from balans.storage.lookups import tenant_ids
    from balans.storage.scope import system_scope, tenant_scope
    from balans.storage.signing_keys import add_key, keys_of
    from balans.wiring.keys import KeyFolder

    with system_scope("demo"):
        tenant_id = tenant_ids()[spec.name]
    with tenant_scope(tenant_id, "demo"):
        found = [one.public for one in keys_of(tenant_id)]
        if not found:
            key = SigningKey.new()
            KeyFolder(settings.key_folder).keep(spec.name, key)
            add_key(tenant_id, key.public, "demo", datetime.fromtimestamp(spec.start_s, UTC))
            found = [key.public]
    return [base64.b64encode(public).decode() for public in found]


def set_up(spec: "TownSpec") -> None:
    """Open the programme, let the flats join, and put the trigger to work; once."""
    from balans.domain.response.triggers import Mode
    from balans.storage.accounts import user_by_name
    from balans.storage.response_places import join
    from balans.storage.response_programmes import (
        create_programme,
        programmes_of,
        set_programme_state,
    )
    from balans.storage.response_records import ProgrammeState, ProgrammeTerms
    from balans.storage.response_triggers import TriggerOrder, create_trigger
    from balans.storage.scope import tenant_scope

    operator, household = user_by_name("operator"), user_by_name(HOUSEHOLDS)
    site, start = spec.sites[0], datetime.fromtimestamp(spec.start_s, UTC)
    with tenant_scope(operator.tenant_id, "demo"):
        if any(one.code == PROGRAMME for one in programmes_of(operator)):
            return
        terms = ProgrammeTerms(
            title="Evening peak of Linden Street",
            incentive="A tenth off the bill of the month for every household that takes part.",
            max_event_s=MOST_EVENT_S,
            max_per_day=6,
            max_per_month=60,
            release_spread_s=RELEASE_SPREAD_S,
        )
        create_programme(operator, site.code, PROGRAMME, terms, start)
        set_programme_state(operator, PROGRAMME, ProgrammeState.OPEN, start)
        for flat in spec.flats:
            join(household, PROGRAMME, flat.code, start)
        order = TriggerOrder(
            programme=PROGRAMME,
            node=site.code,
            title="Overload of the transformer",
            settings={
                "overload": {"limit_kw": site.limit_w / 1000, "held_for_s": 120},
                "transformer": {"kva": site.transformer_kva},
                "least_s": 900,
                "most_s": MOST_EVENT_S,
                "per_day": 6,
            },
            mode=Mode.ACT,
            cap_kw=CAP_KW,
        )
        create_trigger(operator, TRIGGER, order, start)


class Attention:
    """How fast the replay goes: at its own speed, and slowly while an event is near or runs.

    Trigger, head-end and broker work in wall time; at full speed an evening would be over before
    they have looked at it once.

    Parameters
    ----------
    limit_w
        What the transformer can carry.
    speed
        Simulated seconds per second that were asked for; None: as fast as can be.
    """

    def __init__(self, limit_w: float, speed: float | None) -> None:
        self._near_w = NEAR_SHARE * limit_w
        self._speed = speed
        self._until_s = 0.0

    def speed_at(self, now_s: int, site_w: float) -> float | None:
        """Return the speed from now on."""
        if self._speed is not None and self._speed <= CAREFUL_SPEED:
            return self._speed
        if site_w > self._near_w or (now_s < self._until_s and _is_live()):
            self._until_s = now_s + CALM_S
        return CAREFUL_SPEED if now_s < self._until_s else self._speed


def _is_live() -> bool:
    from balans.domain.response.life import EventState
    from balans.storage.response_events import count_in
    from balans.storage.scope import system_scope

    with system_scope("demo"):
        return bool(count_in((EventState.ANNOUNCED, EventState.ACTIVE)))


def check_begun(settings: "Settings", *, standing: bool) -> None:
    """Make sure that a town begun in one scenario does not go on in another.

    Raises
    ------
    InputError
        Naming the option.
    """
    from balans.cli.demo_prepare import home_of

    file = home_of(settings) / "scenario"
    own = "day" if standing else "overload"
    if not file.exists():
        file.write_text(own + "\n", encoding="utf-8")
        return
    begun = file.read_text(encoding="utf-8").strip()
    if begun != own:
        wanted = f"with --scenario {begun}" if begun == "overload" else "without --scenario"
        raise InputError(
            f"--scenario: the town in {file.parent} was begun {wanted}: go on so, or begin anew"
            " with --reset"
        )
