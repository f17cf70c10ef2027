"""The transformer study: the same flats uncoordinated, and with a share of them taking part.

One controller at the transformer switches the loads of the flats that take part; the loads of the
others run as they please and count as rest. Which flats take part is drawn by a seed, and a larger
share holds every flat of a smaller one, so the shares can be compared.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from balans.core.errors import InputError
from balans.domain.demand import Limit, Load, Zone
from balans.domain.demand.model import DAY_S
from balans.usecases.feeder.heat import Heat, Transformer, heat_of, warm_state
from balans.usecases.profile import Profile, utc_offsets
from balans.usecases.simulate_site import UNITS_PER_W, Replay, simulate_site
from balans.usecases.site_file import Site
from balans.usecases.site_report import summarize

Floats = NDArray[np.float64]
PHASES = 3
SHARES = (0.0, 0.4, 1.0)
"""Nobody, the share that is said to be enough, everybody."""


@dataclass(frozen=True, slots=True)
class Flat:
    """One flat: the power of what is not switched and what each load wants, shape (n,) [W].

    `phases` are the phases (1..3) it draws from in equal parts.
    """

    name: str
    base_w: Floats
    loads: tuple[Load, ...]
    wanted_w: Mapping[str, Floats]
    phases: tuple[int, ...] = (1, 2, 3)


@dataclass(frozen=True, slots=True)
class Feeder:
    """Flats behind one transformer, over uniform steps from `start_s` (Unix seconds)."""

    name: str
    timezone: ZoneInfo
    start_s: float
    step_s: float
    flats: tuple[Flat, ...]
    limits: tuple[Limit, ...]
    zones: tuple[Zone, ...] = ()
    transformer: Transformer | None = None


@dataclass(frozen=True, slots=True)
class ShareResult:
    """What a share of the flats taking part led to; `heat` where the transformer is known."""

    share: float
    flats_taking_part: tuple[str, ...]
    replay: Replay
    heat: Heat | None = None


def simulate_feeder(
    feeder: Feeder,
    seed: int,
    shares: Sequence[float] = SHARES,
    timer: Callable[[], int] = lambda: 0,
) -> tuple[ShareResult, ...]:
    """Replay the feeder once per share.

    Raises
    ------
    InputError
        If a share lies outside 0 to 1, or there is no flat.
    """
    if not feeder.flats:
        raise InputError(f"feeder {feeder.name!r}: no flats")
    for share in shares:
        if not 0 <= share <= 1:
            raise InputError(f"share = {share}: expected 0 to 1")
    order = np.random.default_rng(seed).permutation(len(feeder.flats)).tolist()
    return tuple(_run(feeder, share, order, timer) for share in shares)


def _run(feeder: Feeder, share: float, order: list[int], timer: Callable[[], int]) -> ShareResult:
    chosen = sorted(order[: round(share * len(order))])
    loads: list[Load] = []
    wanted: dict[str, Floats] = {}
    base_w = np.zeros(len(feeder.flats[0].base_w))
    for index, flat in enumerate(feeder.flats):
        base_w += flat.base_w
        for load in flat.loads:
            if index in chosen:
                name = f"{flat.name}-{load.name}"
                loads.append(replace(load, name=name, phases=flat.phases))
                wanted[name] = flat.wanted_w[load.name]
            else:
                base_w += flat.wanted_w[load.name]
    site = Site(feeder.name, "", feeder.timezone, feeder.zones, feeder.limits, tuple(loads))
    replay = simulate_site(site, _profile(feeder, base_w, wanted), timer)
    names = tuple(feeder.flats[index].name for index in chosen)
    return ShareResult(share, names, replay, _heat(feeder, replay))


def _heat(feeder: Feeder, replay: Replay) -> Heat | None:
    """Return what the replay does to the transformer, after a day without control before it."""
    if feeder.transformer is None:
        return None
    free_w = np.zeros((PHASES, len(replay.base)))
    for flat in feeder.flats:
        of_flat = flat.base_w + sum(flat.wanted_w[load.name] for load in flat.loads)
        _add(free_w, flat.phases, of_flat)
    held_w = free_w.copy()
    for load, demand, drawn in zip(replay.loads, replay.demand, replay.drawn, strict=True):
        _add(held_w, load.phases, (drawn - demand) / UNITS_PER_W)
    start = warm_state(feeder.transformer, free_w, feeder.step_s)
    return heat_of(feeder.transformer, held_w, start, feeder.step_s)


def _add(phase_w: Floats, phases: tuple[int, ...], power_w: Floats) -> None:
    """Add a power to the phases that carry it, in equal parts."""
    for phase in phases:
        phase_w[phase - 1] += power_w / len(phases)


def _profile(feeder: Feeder, base_w: Floats, wanted: dict[str, Floats]) -> Profile:
    start_s = feeder.start_s + np.arange(len(base_w), dtype=np.float64) * feeder.step_s
    local_s = (start_s + utc_offsets(start_s, feeder.timezone)) % DAY_S
    texts = [str(second) for second in start_s.tolist()]
    return Profile(texts, start_s, local_s, feeder.step_s, base_w, wanted)


def feeder_report(results: Sequence[ShareResult], block_s: float = 900.0) -> dict[str, Any]:
    """Return the study for a page: figures per share, and curves as means over `block_s`.

    Where the transformer is known each share also has ``hot_spot_c`` and ``top_oil_c`` (highest),
    ``loss_of_life_h``, ``relative_ageing`` (1: normal) and ``hot_spot_curve_c``.
    """
    first = results[0].replay
    per_block = max(1, round(block_s / first.profile.step_s))
    return {
        "name": first.site.name,
        "step_s": first.profile.step_s,
        "block_s": per_block * first.profile.step_s,
        "start_s": float(first.profile.start_s[0]),
        "limit_kw": _blocks(first.allowed_w / 1000, per_block),
        "uncoordinated_kw": _blocks(first.uncontrolled_w / 1000, per_block),
        "shares": [_share_report(result, per_block) for result in results],
    }


def _share_report(result: ShareResult, per_block: int) -> dict[str, Any]:
    summary = summarize(result.replay)
    of_class = {
        name: [load for load in summary["loads"].values() if load["class"] == name]
        for name in ("yellow", "green")
    }
    return {
        "share": result.share,
        "flats": list(result.flats_taking_part),
        "overload_kwh": summary["overload_kwh"],
        "minutes_over": summary["minutes_over"],
        "peak_kw": summary["peak_kw"],
        "switches": summary["switches"],
        "longest_yellow_off_s": max((x["longest_off_s"] for x in of_class["yellow"]), default=0.0),
        "late_kwh": round(sum(load["late_kwh"] for load in of_class["green"]), 6),
        "backlog_kwh": round(sum(load["backlog_kwh"] for load in summary["loads"].values()), 6),
        "curve_kw": _blocks(result.replay.controlled_w / 1000, per_block),
        **({} if result.heat is None else _heat_report(result.heat, per_block)),
    }


def _heat_report(heat: Heat, per_block: int) -> dict[str, Any]:
    return {
        "hot_spot_c": round(float(heat.hot_spot_c.max()), 2),
        "top_oil_c": round(float(heat.top_oil_c.max()), 2),
        "loss_of_life_h": round(heat.loss_of_life_h, 5),
        "relative_ageing": round(heat.relative_ageing, 5),
        "hot_spot_curve_c": _blocks(heat.hot_spot_c, per_block),
    }


def _blocks(values: Floats, per_block: int) -> list[float | None]:
    """Return the means of blocks of steps; None where a value is infinite: no limit holds."""
    padded = np.append(values, np.full(-len(values) % per_block, np.nan))
    rows = padded.reshape(-1, per_block)
    counts = np.maximum((~np.isnan(rows)).sum(axis=1), 1)
    means = np.nansum(rows, axis=1) / counts
    return [round(float(mean), 3) if np.isfinite(mean) else None for mean in means]
