"""The study: a street at several shares and seeds, with figures of each and of all together."""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from balans.core.errors import InputError
from balans.domain.transformer import ThermalState
from balans.usecases.feeder.control import Limits
from balans.usecases.feeder.heat import Heat, Transformer, heat_of, warm_state
from balans.usecases.feeder.run import Run, longest_yellow_off_s, replay, uncoordinated_phase_w
from balans.usecases.feeder.street import (
    MINUTE_S,
    PHASES,
    UNITS_PER_W,
    Recipe,
    Street,
    Weeks,
    make_street,
)

Floats = NDArray[np.float64]
Figures = dict[str, float | None]
KWH = UNITS_PER_W * 1000 * 60
"""0.01 W x 1 min in a kWh."""
SEEDS_MAX = 100


@dataclass(frozen=True, slots=True)
class Plan:
    """What to study: the recipe of the first seed, `seeds` of them, the shares and the limits.

    With `per_phase` control also keeps each phase below its third of `limit_kw`; `flat_kw` is the
    limit of each flat, kept where it takes part.
    """

    recipe: Recipe
    seeds: int
    shares: tuple[float, ...]
    limit_kw: float
    transformer: Transformer
    per_phase: bool = False
    flat_kw: float | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.seeds <= SEEDS_MAX:
            raise InputError(f"seeds = {self.seeds}: expected 1 to {SEEDS_MAX}")
        if not self.shares:
            raise InputError("participation: expected at least one share")
        for share in self.shares:
            if not 0 <= share <= 1:
                raise InputError(f"participation = {share:g}: expected 0 to 1")
        if not 0 <= self.limit_kw <= 1e6:
            raise InputError(f"limit-kw = {self.limit_kw}: expected 0 or more")

    @property
    def limits(self) -> Limits:
        """What control keeps."""
        return Limits(
            self.limit_kw * 1000,
            self.phase_kw * 1000 if self.per_phase else math.inf,
            math.inf if self.flat_kw is None else self.flat_kw * 1000,
        )

    @property
    def phase_kw(self) -> float:
        """What a phase may carry: a third."""
        return self.limit_kw / PHASES

    @property
    def cases(self) -> tuple[tuple[int, float], ...]:
        """Every seed with nobody and every share, seed by seed."""
        first, shares = self.recipe.seed, sorted({0.0, *self.shares})
        return tuple((first + n, share) for n in range(self.seeds) for share in shares)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the recorded weeks play: time zone, and the Monday they begin on [Unix s]."""

    timezone: ZoneInfo
    monday_s: float


@dataclass(frozen=True, slots=True)
class Case:
    """What came of a seed at a share: figures, and the curves [kW, degC] by step."""

    seed: int
    share: float
    flats: int
    figures: Figures
    site_kw: Floats
    hot_spot_c: Floats


class Studio:
    """Plays cases of a plan; a street is made once for all the shares that follow each other."""

    def __init__(self, plan: Plan, weeks: Weeks, place: Place) -> None:
        self.plan, self._weeks, self._place = plan, weeks, place
        self.street = lru_cache(maxsize=1)(self._street)
        self._start = lru_cache(maxsize=1)(self._warm)

    def _street(self, seed: int) -> Street:
        given = self.plan.recipe
        recipe = Recipe(
            given.flats, given.days, seed, given.ev_share, given.heat_pump_share, given.start_min
        )
        return make_street(self._weeks, recipe, self._place.timezone, self._place.monday_s)

    def _warm(self, seed: int) -> ThermalState:
        return warm_state(self.plan.transformer, uncoordinated_phase_w(self.street(seed)))

    def play(self, seed: int, share: float) -> Case:
        """Replay one case."""
        street = self.street(seed)
        run = replay(street, share, self.plan.limits)
        heat = heat_of(self.plan.transformer, run.phase_w, self._start(seed))
        return Case(
            seed,
            share,
            int(run.chosen.sum()),
            figures_of(street, run, heat, self.plan),
            run.site_w / 1000,
            heat.hot_spot_c,
        )


def figures_of(street: Street, run: Run, heat: Heat, plan: Plan) -> Figures:
    """Return the figures of a run; None where one does not apply."""
    over_kw = np.maximum(run.site_w / 1000 - plan.limit_kw, 0.0)
    others_over_kw = np.maximum(run.others_w / 1000 - plan.limit_kw, 0.0)
    tally = run.tally
    delayed = float(tally.delayed.sum()) / KWH
    flats = int(run.chosen.sum())
    phase_kw = run.phase_w / 1000
    phase_kva = phase_kw.max() / plan.transformer.power_factor
    phases_over_kw = np.maximum(phase_kw - plan.phase_kw, 0.0)
    return {
        "overload_kwh": round(float(over_kw.sum()) / 60, 4),
        "unavoidable_kwh": round(float(others_over_kw.sum()) / 60, 4),
        "minutes_over": float(np.count_nonzero(over_kw > 1e-9)),
        "peak_kw": round(float(run.site_w.max()) / 1000, 4),
        "energy_kwh": round(float(run.site_w.sum()) / 60_000, 4),
        "phase_overload_kwh": round(float(phases_over_kw.sum()) / 60, 4),
        "flats_overload_kwh": round(float(run.flats_over_w.sum()) / 60_000, 4),
        "worst_phase_pu": round(float(phase_kva) / (plan.transformer.kva / PHASES), 4),
        "hot_spot_c": round(float(heat.hot_spot_c.max()), 3),
        "top_oil_c": round(float(heat.top_oil_c.max()), 3),
        "loss_of_life_h": round(heat.loss_of_life_h, 6),
        "relative_ageing": round(heat.relative_ageing, 6),
        "switches": float(tally.switches.sum()),
        "longest_yellow_off_s": longest_yellow_off_s(street, run),
        "fairness_jain": _fairness(street, run, run.tally.delayed),
        "fairness_jain_of_share": _fairness(street, run, _shares_delayed(run)),
        "delayed_kwh": round(delayed, 4),
        "delayed_kwh_per_flat": round(delayed / flats, 4) if flats else None,
        "mean_delay_min": _mean_delay_min(run),
        "late_kwh": round(float(tally.late.sum()) / KWH, 4),
        "undelivered_kwh": round(float(tally.lost.sum()) / KWH, 4),
        "backlog_kwh": round(float(tally.backlog.sum()) / KWH, 4),
    }


def _mean_delay_min(run: Run) -> float | None:
    """Return how long what was delayed waited on average: the backlog over time, per energy."""
    delayed = int(run.tally.delayed.sum())
    return round(float(run.tally.waited.sum()) / delayed, 3) if delayed else None


def _fairness(street: Street, run: Run, given: NDArray[Any]) -> float | None:
    """Return Jain's index over the flats taking part of what each has `given`, by load."""
    of_flat = np.bincount(run.flat_of, given, street.flats)[run.chosen]
    return round(jain(of_flat.astype(np.float64)), 4) if of_flat.any() else None


def _shares_delayed(run: Run) -> Floats:
    """Return which part of what its flat wanted of all its loads each load has let wait."""
    flat = run.flat_of
    wanted = np.bincount(flat, run.tally.wanted)[flat]
    return np.divide(run.tally.delayed, wanted, out=np.zeros(len(flat)), where=wanted > 0)


def jain(given: Floats) -> float:
    """Return Jain's index of fairness: 1 all alike, 1/n one bears all.

    R. Jain, D. Chiu, W. Hawe, "A quantitative measure of fairness and discrimination" (1984).

    >>> jain(np.array([2.0, 2.0])), jain(np.array([1.0, 0.0]))
    (1.0, 0.5)
    """
    return float(given.sum() ** 2 / (len(given) * (given**2).sum()))


def summary_of(plan: Plan, cases: Sequence[Case]) -> dict[str, Any]:
    """Return summary.json: what was studied, and at each share the figures over all seeds."""
    recipe, transformer = plan.recipe, plan.transformer
    nobody = {case.seed: case for case in cases if case.share == 0}
    return {
        "flats": recipe.flats,
        "days": recipe.days,
        "step_s": MINUTE_S,
        "seeds": sorted({case.seed for case in cases}),
        "ev_share": recipe.ev_share,
        "heat_pump_share": recipe.heat_pump_share,
        "limit_kw": plan.limit_kw,
        "per_phase": plan.per_phase,
        "flat_limit_kw": plan.flat_kw,
        "transformer": {
            "kva": transformer.kva,
            "power_factor": transformer.power_factor,
            "ambient_c": transformer.ambient_c,
            "paper": transformer.paper.value,
            "model": transformer.model.name,
        },
        "uncoordinated": _share_summary(list(nobody.values()), nobody),
        "participation": [
            _share_summary([case for case in cases if case.share == share], nobody)
            for share in plan.shares
        ],
    }


def _share_summary(cases: Sequence[Case], nobody: Mapping[int, Case]) -> dict[str, Any]:
    names = cases[0].figures.keys()
    found: dict[str, Any] = {"share": cases[0].share, "flats_taking_part": cases[0].flats}
    for name in names:
        found[name] = spread([case.figures[name] for case in cases])
    found["overload_avoided"] = spread([_avoided(case, nobody[case.seed]) for case in cases])
    return found


def _avoided(case: Case, nobody: Case) -> float | None:
    """Return which part of the overload without control is gone."""
    before, after = nobody.figures["overload_kwh"], case.figures["overload_kwh"]
    return round(1 - after / before, 4) if before and after is not None else None


def trace_lines(plan: Plan, cases: Sequence[Case], street: Street) -> Iterator[str]:
    """Yield trace.csv: the first seed, uncoordinated and at each share, minute by minute."""
    first = {case.share: case for case in cases if case.seed == plan.recipe.seed}
    shown = [("uncoordinated", first[0.0])]
    shown += [(f"at_{100 * share:g}", first[share]) for share in plan.shares]
    names = [f"{name}_{unit}" for name, _ in shown for unit in ("kw", "hot_spot_c")]
    yield ",".join(["time", "limit_kw", *names]) + "\n"
    columns = [_texts(values) for _, case in shown for values in (case.site_kw, case.hot_spot_c)]
    limit = f"{plan.limit_kw:g}"
    for start_s, *values in zip(street.step_s.tolist(), *columns, strict=True):
        time = datetime.fromtimestamp(start_s, street.timezone).isoformat()
        yield ",".join([time, limit, *values]) + "\n"


def _texts(values: Floats) -> list[str]:
    return [f"{value:.3f}" for value in values.tolist()]


def spread(values: Sequence[float | None]) -> dict[str, float | None]:
    """Return median, least and most of what is known.

    >>> spread([3.0, None, 1.0, 2.0])
    {'median': 2.0, 'least': 1.0, 'most': 3.0}
    """
    known = [value for value in values if value is not None]
    if not known:
        return {"median": None, "least": None, "most": None}
    return {
        "median": round(statistics.median(known), 6),
        "least": min(known),
        "most": max(known),
    }
