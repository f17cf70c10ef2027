"""What a replay has to say: summary.json and trace.csv, whose numbers add up as printed."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from balans.core.words import LoadClass
from balans.domain.demand import Load
from balans.domain.demand.model import DAY_S
from balans.domain.demand.overload import measure, zones_by_step
from balans.usecases.simulate_site import UNITS_PER_W, Replay, to_watts
from balans.usecases.site_file import trace_columns
from balans.usecases.site_nodes import has_tree, node_overloads

CURVES = ("uncontrolled", "controlled", "unavoidable")
CHUNK = 50_000
Ints = NDArray[np.int64]


def summarize(replay: Replay) -> dict[str, Any]:
    """Return the content of summary.json."""
    curves = (replay.uncontrolled_w, replay.controlled_w, replay.red_w)
    found = dict(zip(CURVES, (measure(curve, replay.limits) for curve in curves), strict=True))
    times_us = np.array(replay.decision_ns or [0]) / 1000
    return {
        "name": replay.site.name,
        "steps": len(replay.base),
        "step_s": replay.profile.step_s,
        "overload_kwh": {name: round(item.energy_kwh, 4) for name, item in found.items()},
        "minutes_over": {name: round(item.minutes, 4) for name, item in found.items()},
        "peak_kw": {name: round(item.peak_kw, 5) for name, item in found.items()},
        "loads": {load.name: _load_summary(replay, row) for row, load in enumerate(replay.loads)},
        "switches": int(np.count_nonzero(np.diff(replay.is_on, axis=1))),
        "cost": {
            "uncontrolled": _cost(replay, replay.base + replay.demand.sum(axis=0)),
            "controlled": _cost(replay, replay.base + replay.drawn.sum(axis=0)),
        },
        **_node_summary(replay),
        "decisions": len(replay.decision_ns),
        "decision_us": {
            "p50": round(float(np.percentile(times_us, 50)), 3),
            "p99": round(float(np.percentile(times_us, 99)), 3),
        },
    }


def _node_summary(replay: Replay) -> dict[str, Any]:
    """Return the overload of the limited nodes of a tree; nothing for a site without one."""
    if not has_tree(replay.site):
        return {}
    nodes = [load.node for load in replay.loads]
    before, after = (
        node_overloads(replay.site, replay.limits.axis, nodes, to_watts(units))
        for units in (replay.demand, replay.drawn)
    )
    return {
        "nodes": {
            name: {
                "overload_kwh": {
                    "uncontrolled": round(before[name].energy_kwh, 4),
                    "controlled": round(after[name].energy_kwh, 4),
                }
            }
            for name in before
        }
    }


def _load_summary(replay: Replay, row: int) -> dict[str, Any]:
    load, is_on = replay.loads[row], replay.is_on[row]
    return {
        "class": str(load.load_class),
        "rated_w": load.rated_w,
        "interruptions": int(np.count_nonzero(is_on[:-1] & ~is_on[1:])),
        "longest_off_s": longest_run(~is_on) * replay.profile.step_s,
        "demand_kwh": _kwh(replay, replay.demand[row]),
        "served_kwh": _kwh(replay, replay.drawn[row]),
        "lost_kwh": _kwh(replay, replay.lost[row]),
        "backlog_kwh": _kwh(replay, replay.backlog[row, -1:]),
        "late_kwh": _kwh(replay, _late(replay, load, row)),
    }


def longest_run(flags: NDArray[np.bool_]) -> int:
    """Return the length of the longest run of True.

    >>> longest_run(np.array([True, False, True, True]))
    2
    """
    edges = np.flatnonzero(np.diff(np.r_[False, flags, False]))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def _kwh(replay: Replay, units: Ints) -> float:
    """Return the energy of powers in 0.01 W, one step each [kWh]."""
    return round(float(int(units.sum())) * replay.profile.step_s / (UNITS_PER_W * 3.6e6), 6)


def _late(replay: Replay, load: Load, row: int) -> Ints:
    """Return the backlog left at each deadline of a green load."""
    if load.load_class is not LoadClass.GREEN or load.deadline_s is None:
        return np.zeros(0, dtype=np.int64)
    since_s = (replay.profile.local_s - load.deadline_s) % DAY_S
    first_after = np.flatnonzero(since_s < replay.profile.step_s)
    late: Ints = replay.backlog[row, first_after[first_after > 0] - 1]
    return late


def _cost(replay: Replay, units: Ints) -> float:
    """Return the cost of a curve: energy by tariff zone times its price."""
    step_h = Decimal(str(replay.profile.step_s)) / 3600
    total = Decimal(0)
    for zone, steps in zones_by_step(replay.limits):
        energy_kwh = int(units[steps].sum()) * step_h / (UNITS_PER_W * 1000)
        total += energy_kwh * replay.site.price(zone)
    return float(round(total, 4))


def trace_lines(replay: Replay) -> Iterator[str]:
    """Yield trace.csv in pieces: the header, then blocks of rows."""
    yield ",".join(trace_columns(load.name for load in replay.loads)) + "\n"
    columns = [replay.profile.time_text, _limit_texts(replay)]
    columns += [_power_texts(curve) for curve in _site_curves(replay)]
    for row in range(len(replay.loads)):
        columns += [_power_texts(replay.demand[row]), _power_texts(replay.drawn[row])]
        columns.append(np.where(replay.is_on[row], "1", "0").tolist())
    for first in range(0, len(replay.base), CHUNK):
        block = [column[first : first + CHUNK] for column in columns]
        yield "\n".join(map(",".join, zip(*block, strict=True))) + "\n"


def _site_curves(replay: Replay) -> tuple[Ints, Ints, Ints]:
    uncontrolled: Ints = replay.base + replay.demand.sum(axis=0)
    controlled: Ints = replay.base + replay.drawn.sum(axis=0)
    return replay.base, uncontrolled, controlled


def _power_texts(units: Ints) -> list[str]:
    """Return powers as text in W with the decimals they have, formatting each value once."""
    values, places = np.unique(units, return_inverse=True)
    texts = np.array([_exact(value) for value in values.tolist()], dtype=object)
    return list(texts[places].tolist())


def _exact(units: int) -> str:
    sign, (watts, rest) = "-" if units < 0 else "", divmod(abs(units), UNITS_PER_W)
    return f"{sign}{watts}.{rest:02d}" if rest % 10 else f"{sign}{watts}.{rest // 10}"


def _limit_texts(replay: Replay) -> list[str]:
    """Return the allowed power as text; ``inf`` where no limit holds."""
    values, places = np.unique(replay.allowed_w, return_inverse=True)
    texts = np.array([f"{value:.2f}".replace(".00", ".0") for value in values], dtype=object)
    return list(texts[places].tolist())
