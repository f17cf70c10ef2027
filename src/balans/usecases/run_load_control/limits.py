"""The server's limits as load control understands them."""

import itertools
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from balans.core.errors import InputError
from balans.domain.demand.model import Limit, Period, Window
from balans.protocols.hub import NO_POWER_LIMIT_W, LimitSetting

CLOCK_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])(?::([0-5][0-9]))?")


def limits_of(
    settings: Iterable[LimitSetting],
    zones: Collection[str] | None = None,
    nodes: Collection[str] | None = None,
) -> tuple[Limit, ...]:
    """Return the limits in a message of the server, each with a name of its own.

    Parameters
    ----------
    settings
        As the server sent them.
    zones
        Tariff zones of the site. A limit of another zone holds always, which errs on the safe
        side; see `doubts_of`. None: any zone may be named.
    nodes
        Nodes of the site. A limit of another node is left out: what holds for a flat would put
        out a house. None: any node may be named.

    Raises
    ------
    InputError
        Naming the limit and the field; then none of them may be used.
    """
    limits: list[Limit] = []
    for setting in settings:
        limit = _limit_of(setting)
        if nodes is not None and limit.node and limit.node not in nodes:
            continue
        if zones is not None and limit.zone not in zones:
            limit = replace(limit, zone=None)
        limits.append(replace(limit, name=_free_name(limit.name, limits)))
    return tuple(limits)


def doubts_of(
    settings: Iterable[LimitSetting], zones: Collection[str], nodes: Collection[str] = ()
) -> list[str]:
    """Return what is strange about limits that are obeyed all the same, or left out."""
    doubts: list[str] = []
    names: set[str] = set()
    for setting in settings:
        if setting.zone and setting.zone not in zones:
            doubts.append(
                f"limit {setting.name!r}: zone {setting.zone!r} is none of the site, so it holds "
                "always"
            )
        if setting.node and setting.node not in nodes:
            doubts.append(
                f"limit {setting.name!r}: node {setting.node!r} is none of the site: left out"
            )
        if setting.name in names:
            doubts.append(f"limit {setting.name!r}: another one has the same name; both hold")
        names.add(setting.name)
    return doubts


def _free_name(name: str, others: Sequence[Limit]) -> str:
    """Return `name`, numbered if it is taken: energy is counted by the name of a limit."""
    taken = {other.name for other in others}
    numbers = itertools.count(2)
    free = name
    while free in taken:
        free = f"{name} ({next(numbers)})"
    return free


def _limit_of(setting: LimitSetting) -> Limit:
    if setting.limit_w < 0:
        raise InputError(f"limit {setting.name!r}: limit_w {setting.limit_w:g} is negative")
    if setting.phase_a is not None and setting.phase_a < 0:
        raise InputError(f"limit {setting.name!r}: phase_a {setting.phase_a:g} is negative")
    return Limit(
        name=setting.name,
        limit_w=setting.limit_w if setting.limit_w < NO_POWER_LIMIT_W else float("inf"),
        source=setting.source,
        interval_s=setting.interval_s,
        zone=setting.zone or None,
        window=_window_of(setting),
        node=setting.node,
        phase_a=setting.phase_a,
        energy_wh=setting.energy_wh,
        period=Period(setting.period),
        follows_peak=setting.follows_peak,
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
