"""The server's limits as load control understands them."""

import re
from collections.abc import Iterable

from balans.core.errors import InputError
from balans.domain.demand.model import Limit, Window
from balans.protocols.hub import LimitSetting

CLOCK_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?")


def limits_of(settings: Iterable[LimitSetting]) -> tuple[Limit, ...]:
    """Return the limits in a message of the server.

    Raises
    ------
    InputError
        Naming the limit and the field; then none of them may be used.
    """
    return tuple(map(_limit_of, settings))


def _limit_of(setting: LimitSetting) -> Limit:
    if setting.limit_w < 0:
        raise InputError(f"limit {setting.name!r}: limit_w {setting.limit_w:g} is negative")
    return Limit(
        name=setting.name,
        limit_w=setting.limit_w,
        source=setting.source,
        interval_s=setting.interval_s,
        zone=setting.zone or None,
        window=_window_of(setting),
    )


def _window_of(setting: LimitSetting) -> Window | None:
    if setting.from_time is None and setting.to_time is None:
        return None
    return Window(
        _clock_s(setting, "from_time", setting.from_time),
        _clock_s(setting, "to_time", setting.to_time),
    )


def _clock_s(setting: LimitSetting, field: str, text: str | None) -> int:
    found = CLOCK_TIME.fullmatch(text or "")
    if not found:
        raise InputError(f"limit {setting.name!r}: {field}: {text!r} is no time HH:MM")
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds
