"""The sites on which rules are compared: the recorded French house, and the flats of the demo."""

import gzip
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from balans.cli.demo_study import feeder_of
from balans.core.words import LoadClass
from balans.domain.demand import Limit, Load, Window, Zone
from balans.domain.demand.model import DAY_S
from balans.simulator.recording import WEEK_MIN, town_minutes
from balans.simulator.town import LIMIT_W, demo_town
from balans.usecases.profile import Profile, utc_offsets
from balans.usecases.site_file import Site

Floats = NDArray[np.float64]
STEP_S = 60.0
ZONES = (
    Zone("night", Decimal("0.15"), Window(23 * 3600, 7 * 3600)),
    Zone("day", Decimal("0.25")),
)
PARIS = ZoneInfo("Europe/Paris")
HEAT = Load("heat", LoadClass.YELLOW, 1800.0)
WASH = Load("wash", LoadClass.GREEN, 2200.0)


class Case(NamedTuple):
    """A site with its profile, and the flat that each load belongs to."""

    name: str
    site: Site
    profile: Profile
    flats: dict[str, str]


def house_case(record: Path | None, loads: Sequence[Load], kw: float) -> Case:
    """Return the house at a limit: the recorded year, or without it the package's 24 weeks."""
    total, heat, wash = read_year(record) if record else packaged_weeks()
    curves = {"heat": heat, "wash": wash}
    wanted = {load.name: curves[load.name] for load in loads}
    start_s = np.arange(len(total), dtype=np.float64) * STEP_S
    base_w = total - np.sum(list(wanted.values()), axis=0)
    texts = [str(second) for second in start_s.tolist()]
    profile = Profile(texts, start_s, start_s % DAY_S, STEP_S, base_w, wanted)
    site = Site("house", "", PARIS, ZONES, (Limit("contract", kw * 1000),), tuple(loads))
    return Case(f"{' + '.join(load.name for load in loads)}, {kw:g} kW", site, profile, {})


def read_year(record: Path) -> tuple[Floats, Floats, Floats]:
    """Return the whole house, heater with air-conditioner, and laundry of the UCI record [W]."""
    with gzip.open(record, "rt") as file:
        table = np.loadtxt(file, delimiter=",", skiprows=1, usecols=(1, 6, 7))
    return table[:, 0] * 1000, table[:, 2] * 60, table[:, 1] * 60


def packaged_weeks() -> tuple[Floats, Floats, Floats]:
    """Return the same from the weeks that the package carries."""
    recording = town_minutes()
    curves = (recording.total_w, recording.heat_w, recording.laundry_w)
    total, heat, wash = (curve.ravel().astype(np.float64) for curve in curves)
    return total, heat, wash


def flats_case(kw: float = LIMIT_W / 1000, minutes: int = WEEK_MIN) -> Case:
    """Return the 24 flats of the demo, each with two loads, behind one limit."""
    feeder = feeder_of(demo_town(), minutes)
    loads: list[Load] = []
    wanted: dict[str, Floats] = {}
    flats: dict[str, str] = {}
    for flat in feeder.flats:
        for load in flat.loads:
            name = f"{flat.name}-{load.name}"
            loads.append(replace(load, name=name))
            wanted[name], flats[name] = flat.wanted_w[load.name], flat.name
    base_w = np.sum([flat.base_w for flat in feeder.flats], axis=0)
    start_s = feeder.start_s + np.arange(minutes, dtype=np.float64) * STEP_S
    local_s = (start_s + utc_offsets(start_s, PARIS)) % DAY_S
    texts = [str(second) for second in start_s.tolist()]
    profile = Profile(texts, start_s, local_s, STEP_S, base_w, wanted)
    site = Site("flats", "", PARIS, ZONES, (Limit("transformer", kw * 1000),), tuple(loads))
    return Case(f"24 flats, 48 loads, {kw:g} kW", site, profile, flats)
