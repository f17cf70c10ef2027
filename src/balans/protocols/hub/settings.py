"""What people have set for a site, on its way to the gateway. Clock times are local to the site."""

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from balans.core.words import LimitSource
from balans.protocols.fields import Ampere, Name, NodeName, Sequence, Text, Unix, Watt

NO_POWER_LIMIT_W = 1e9
"""`LimitSetting.limit_w` of a limit on the current alone."""


class LimitPeriod(StrEnum):
    """Over what a limit of energy counts: a local day or month, or one stretch of its hours."""

    DAY = "day"
    MONTH = "month"
    ZONE = "zone"


class LimitSetting(msgspec.Struct, frozen=True):
    """A limit as the registry holds it.

    It holds at `node` of the site's tree ("": the site itself): for the power `limit_w`
    (`NO_POWER_LIMIT_W`: none) and, where it is given, for the current of each phase `phase_a`.
    A consumer's own, stricter limit has the source ``customer``; the strictest of all holds.
    `energy_wh` limits the energy of each `period`; `follows_peak` lets the mean of an interval
    rise to the month's highest so far.
    """

    name: Text
    source: LimitSource
    limit_w: Watt
    interval_s: Annotated[int, Meta(ge=0, le=86_400)] = 0
    zone: Text | None = None
    from_time: Text | None = None
    to_time: Text | None = None
    node: NodeName = ""
    phase_a: Ampere | None = None
    energy_wh: Annotated[float, Meta(ge=0, le=1e12)] | None = None
    period: LimitPeriod = LimitPeriod.DAY
    follows_peak: bool = False


class Limits(msgspec.Struct, frozen=True, tag="limits"):
    """Head-end -> hub, retained: the server's limits for the site, beside the hub's own."""

    version: Sequence
    limits: tuple[LimitSetting, ...]


class ConsentSetting(msgspec.Struct, frozen=True):
    """What the owner of a load allows.

    `released` false: load control never touches it, and a load that is held back then comes
    back at once. `paused_until`: it is left alone until then; that never holds for red, which is
    left alone for ever.
    """

    load: Name
    released: bool = True
    paused_until: Unix | None = None


class Consents(msgspec.Struct, frozen=True, tag="consents"):
    """Head-end -> hub, retained: consent and pauses. A load that is not named is released."""

    version: Sequence
    loads: tuple[ConsentSetting, ...]
