"""Loads of a town that are plants instead of recordings.

A load of a `TownSpec` that names a `plant` draws what that plant draws behind its contact. What it
"wanted" is what a twin draws that is never switched, so the reference of the town is the town
without control, and the backlog of the load is the energy by which it is behind its twin. A
thermal plant may never catch up with all of it (a cooler tank loses less), and a lost programme
puts it ahead; then nothing is owed.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np

from balans.core.words import LoadClass
from balans.simulator.arrays import Flags, Int32s, Snapshot, Watts
from balans.simulator.plants.houses import Houses, Surroundings
from balans.simulator.plants.kinds import KINDS
from balans.simulator.plants.people import Households
from balans.simulator.plants.weather import TEMPERATE
from balans.simulator.spec import LoadSpec, TownSpec

DAY_ZERO = date(2026, 1, 1).toordinal()
"""Day 0 of weather and people."""

PLANTS = tuple(name for name in KINDS if name not in {"battery", "pv", "wind"})
"""Kinds that a load may be: those that never feed in, for a town's registers only count up."""

DEMO_PLANTS = {"heat": "water_heater", "wash": "washing_machine"}


def with_plants(spec: TownSpec, plants: Mapping[str, str] = DEMO_PLANTS) -> TownSpec:
    """Return `spec` with plants in place of the recorded loads of some kinds.

    Parameters
    ----------
    plants
        Kind of plant by kind of load, such as ``{"heat": "water_heater"}``. The rated power of
        these loads becomes that of their plants.

    Raises
    ------
    ValueError
        If a plant is unknown, or a flat would have two of one kind.
    """
    loads = tuple(replace(load, plant=plants.get(load.kind, load.plant)) for load in spec.loads)
    changed = replace(spec, loads=loads)
    driven = Driven(changed)
    rated = dict(zip(driven.at.tolist(), driven.rated_w.tolist(), strict=True))
    loads = tuple(
        replace(load, rated_w=rated.get(index, load.rated_w)) for index, load in enumerate(loads)
    )
    return replace(changed, loads=loads)


class Driven:
    """The plants of a town and their never switched twins.

    Attributes
    ----------
    at
        Index in the town's loads, by row of the plants.
    rated_w
        Rated powers by row [W].
    houses, twins
        The plants; what they would be without control.
    """

    def __init__(self, spec: TownSpec) -> None:
        flats = {flat.code: index for index, flat in enumerate(spec.flats)}
        owners: dict[str, list[int]] = {}
        index_of: dict[tuple[str, int], int] = {}
        for index, load in enumerate(spec.loads):
            if load.plant:
                _check(load)
                key = load.plant, flats[load.flat]
                if key in index_of:
                    raise ValueError(f"load {load.name}: {load.flat} has two {load.plant} plants")
                index_of[key] = index
                owners.setdefault(load.plant, []).append(flats[load.flat])
        start = datetime.fromtimestamp(spec.start_s, ZoneInfo(spec.timezone)).date()
        around = Surroundings(TEMPERATE, spec.seed, start.toordinal() - DAY_ZERO)
        households = Households.draw(max(len(flats), 1), spec.seed)
        self.houses = Houses(households, owners, around)
        self.twins = Houses(households, owners, around)
        table = self.houses.loads
        rows = zip(table.kind, table.house.tolist(), strict=True)
        self.at: Int32s = np.array([index_of[key] for key in rows], dtype=np.int32)
        self.rated_w: Watts = np.rint(table.rated_w).astype(np.int64)

    def step(self, on: Flags) -> tuple[Watts, Watts]:
        """Let a minute pass with contacts at `on`, by row; return wanted and drawn power [W]."""
        wanted, drawn = self.twins.step().load_w, self.houses.step(on).load_w
        return np.rint(wanted).astype(np.int64), np.rint(drawn).astype(np.int64)

    def snapshot(self) -> Snapshot:
        """Return the state as arrays."""
        parts = (("own", self.houses), ("twin", self.twins))
        return {f"{name}/{k}": v for name, part in parts for k, v in part.snapshot().items()}

    def restore(self, state: Snapshot) -> None:
        """Take over a state from `snapshot`."""
        for name, part in (("own", self.houses), ("twin", self.twins)):
            own = {k.split("/")[1]: v for k, v in state.items() if k.startswith(f"{name}/")}
            part.restore(own)


def _check(load: LoadSpec) -> None:
    if load.plant not in PLANTS:
        raise ValueError(f"load {load.name}: plant {load.plant!r}; known are {', '.join(PLANTS)}")
    if load.load_class is LoadClass.RED and load.module is not None:
        raise ValueError(f"load {load.name}: red, and yet behind a contact")
