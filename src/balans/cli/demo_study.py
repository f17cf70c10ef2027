"""The study of the demo's transformer: the recorded day with nobody, some and all taking part."""

from dataclasses import replace
from datetime import time
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from balans.cli.demo_prepare import STUDY
from balans.config import Settings
from balans.core.words import LoadClass
from balans.domain.demand import Limit, Load
from balans.simulator.plant import Profile
from balans.simulator.recording import MINUTE_S, town_minutes
from balans.simulator.spec import FlatSpec, LoadSpec, TownSpec
from balans.simulator.town import PHASES, demo_town
from balans.usecases.feeder.heat import Transformer
from balans.usecases.simulate_feeder import Feeder, Flat, feeder_report, simulate_feeder

Array = NDArray[np.int64]
DAY_MIN = 1440
BLOCK_S = 300.0


def store_study(settings: Settings, database_url: str, seed: int) -> None:
    """Compute the study and store it with the site; runs in a process of its own."""
    from balans.wiring.server import setup_django

    report = feeder_report(simulate_feeder(feeder_of(demo_town(seed)), seed), BLOCK_S)
    setup_django(settings, database_url)
    from balans.storage.live import save_study
    from balans.storage.lookups import nodes_by_code
    from balans.storage.scope import system_scope
    from balans.wiring.clock import clock_of

    spec = demo_town(seed)
    with system_scope("demo"):
        site = nodes_by_code(spec.sites[0].code)[0]
        save_study(site.id, STUDY, report, clock_of(settings.clock_file).now())


def feeder_of(spec: TownSpec, minutes: int = DAY_MIN) -> Feeder:
    """Return the flats of `spec` behind its transformer, over its first `minutes`."""
    profile = Profile.of(spec, town_minutes())
    wanted = dict(
        zip((load.name for load in spec.loads), profile.wanted_w[:minutes].T, strict=True)
    )
    rest = dict(zip((flat.code for flat in spec.flats), profile.rest_w[:minutes].T, strict=True))
    site = spec.sites[0]
    return Feeder(
        name=site.code,
        timezone=ZoneInfo(spec.timezone),
        start_s=spec.start_s,
        step_s=MINUTE_S,
        flats=tuple(_flat(flat, spec, rest[flat.code], wanted) for flat in spec.flats),
        limits=(Limit("transformer", float(site.limit_w)),),
        transformer=Transformer(float(site.transformer_kva)),
    )


def _flat(flat: FlatSpec, spec: TownSpec, rest_w: Array, wanted_w: dict[str, Array]) -> Flat:
    own = [load for load in spec.loads if load.flat == flat.code]
    red = sum((wanted_w[load.name] for load in own if load.load_class is LoadClass.RED), rest_w)
    switched = [load for load in own if load.load_class is not LoadClass.RED]
    return Flat(
        name=flat.code,
        base_w=np.asarray(red, dtype=np.float64),
        loads=tuple(_load(load) for load in switched),
        wanted_w={load.kind: wanted_w[load.name].astype(np.float64) for load in switched},
        phases=(PHASES.index(flat.phase) + 1,),
    )


def _load(load: LoadSpec) -> Load:
    deadline = time.fromisoformat(load.deadline) if load.deadline else None
    found = Load(
        name=load.kind,
        load_class=load.load_class,
        rated_w=float(load.rated_w),
        min_on_s=float(load.min_on_s),
        deadline_s=None if deadline is None else deadline.hour * 3600 + deadline.minute * 60,
    )
    is_yellow = load.load_class is LoadClass.YELLOW
    return replace(found, max_off_s=float(load.max_off_s)) if is_yellow else found
