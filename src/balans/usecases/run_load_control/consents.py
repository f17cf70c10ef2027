"""What people allow with their loads: consent, pauses, and limits of their own.

Two places know of it: the server, and the local page of the gateway. The stricter of the two
holds, as with limits: a load is touched only where both released it, and while neither pauses it.

What is not allowed to be touched any more comes back at once, whatever the limits say, and an
order that holds it back and is still on its way is not sent again. A command of a person is none
of load control's: a load that a person wants off stays off.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from balans.core.errors import InputError
from balans.core.words import LimitSource, LoadClass
from balans.domain.demand.model import Limit, Load
from balans.protocols.hub import ConsentSetting, LimitSetting
from balans.usecases.run_load_control.limits import limits_of

OWN = "own"
"""Name of the limit that the consumer sets at the gateway."""


class LeftAlone(StrEnum):
    """Why a load is left alone, and the reason of the switching that let it come back."""

    CONSENT_WITHDRAWN = "consent_withdrawn"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class OwnSettings:
    """What was set at the gateway itself. `paused_until` pauses all of load control."""

    limits: tuple[LimitSetting, ...] = ()
    consents: tuple[ConsentSetting, ...] = ()
    paused_until: float | None = None

    def own_limits(self, nodes: Iterable[str]) -> tuple[Limit, ...]:
        """Return the limits set here, as the customer's.

        Raises
        ------
        InputError
            For one that is no limit, or of a node that is not there.
        """
        places = {"", *nodes}
        for setting in self.limits:
            if setting.node not in places:
                raise InputError(f"limit {setting.name!r}: node {setting.node!r} is not there")
            if setting.source is not LimitSource.CUSTOMER:
                raise InputError(f"limit {setting.name!r}: its source is not the customer")
        return limits_of(self.limits)

    def with_limit(self, limit: LimitSetting) -> "OwnSettings":
        """Return the settings with `limit` in place of the one at the same node."""
        kept = self.without_limit(limit.node).limits
        return OwnSettings((*kept, limit), self.consents, self.paused_until)

    def without_limit(self, node: str) -> "OwnSettings":
        """Return the settings without the limit at `node`."""
        kept = tuple(limit for limit in self.limits if limit.node != node)
        return OwnSettings(kept, self.consents, self.paused_until)

    def with_consent(self, consent: ConsentSetting) -> "OwnSettings":
        """Return the settings with `consent` in place of the one for the same load."""
        kept = tuple(one for one in self.consents if one.load != consent.load)
        is_default = consent.released and consent.paused_until is None
        consents = kept if is_default else (*kept, consent)
        return OwnSettings(self.limits, consents, self.paused_until)

    def with_pause(self, until_s: float | None) -> "OwnSettings":
        """Return the settings with all of load control paused until `until_s`; None: not."""
        return OwnSettings(self.limits, self.consents, until_s)

    def consent(self, load: str) -> ConsentSetting:
        """Return what was set here for `load`."""
        return next((one for one in self.consents if one.load == load), ConsentSetting(load))


@dataclass(slots=True)
class Consents:
    """What holds for each load, from the file, the server and the local page together."""

    loads: Mapping[str, Load]
    server: dict[str, ConsentSetting] = field(default_factory=dict)
    own: OwnSettings = field(default_factory=OwnSettings)

    def set_server(self, settings: Iterable[ConsentSetting]) -> list[str]:
        """Take what the server says; return what is strange about it."""
        self.server = {one.load: one for one in settings}
        return [
            f"consent for {name!r}: the site has no such load"
            for name in self.server
            if name not in self.loads
        ]

    def is_released(self, name: str) -> bool:
        """Tell whether file, server and local page all let load control touch the load."""
        server = self.server.get(name)
        return (
            self.loads[name].released
            and (server is None or server.released)
            and self.own.consent(name).released
        )

    def paused_until(self, name: str, now_s: float) -> float | None:
        """Return until when the load is paused, None when it is not [Unix s]."""
        server = self.server.get(name)
        ends = [
            server.paused_until if server else None,
            self.own.consent(name).paused_until,
            self.own.paused_until,
        ]
        return max((end for end in ends if end is not None and end > now_s), default=None)

    def all_paused_until(self, now_s: float) -> float | None:
        """Return until when all of load control is paused, None when it is not."""
        until_s = self.own.paused_until
        return until_s if until_s is not None and until_s > now_s else None

    def left_alone(self, name: str, now_s: float) -> LeftAlone | None:
        """Return why load control leaves the load alone now; None: it may touch it."""
        if self.loads[name].load_class is LoadClass.RED:
            return None  # it never touches red, whatever is allowed
        if not self.is_released(name):
            return LeftAlone.CONSENT_WITHDRAWN
        return LeftAlone.PAUSED if self.paused_until(name, now_s) is not None else None
