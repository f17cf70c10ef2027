"""Streets made by a seed: the same again, nested shares, plausible homes."""

from datetime import datetime
from itertools import pairwise

import numpy as np
import pytest
from tests.unit.usecases.streets import PARIS, street

from balans.core.errors import InputError
from balans.core.words import LoadClass
from balans.domain.demand import LoadKind
from balans.usecases.feeder.street import DAY_MIN, UNITS_PER_W, Recipe, Street


def loads_of(made: Street) -> dict[str, np.ndarray]:
    return {load.name: made.wanted[:, row] for row, load in enumerate(made.loads)}


def test_the_same_seed_makes_the_same_street_and_another_another() -> None:
    one, again, other = street(seed=3), street(seed=3), street(seed=4)
    assert (one.wanted == again.wanted).all()
    assert (one.base == again.base).all()
    assert one.loads == again.loads
    assert one.base.shape == other.base.shape
    assert (one.base != other.base).any()


def test_a_larger_share_of_vehicles_and_pumps_changes_no_other() -> None:
    few = street(ev_share=0.25, heat_pump_share=0.25)
    many = street(ev_share=0.75, heat_pump_share=0.5)
    assert (few.base == many.base).all()
    held, grown = loads_of(few), loads_of(many)
    assert held.keys() < grown.keys()
    for name, wanted in held.items():
        assert (wanted == grown[name]).all()
    assert sum(name.endswith("-ev") for name in held) == 3
    assert sum(name.endswith("-ev") for name in grown) == 9
    assert (few.order == many.order).all()


def test_more_flats_taking_part_hold_the_fewer() -> None:
    made = street()
    chosen = [made.taking_part(share) for share in (0.0, 0.25, 0.5, 1.0)]
    assert [int(flags.sum()) for flags in chosen] == [0, 3, 6, 12]
    for fewer, more in pairwise(chosen):
        assert (more | ~fewer).all()


def test_a_day_runs_from_noon_to_noon() -> None:
    made = street(days=2)
    assert made.steps == 2 * DAY_MIN
    begin = datetime.fromtimestamp(made.start_s, PARIS)
    assert begin.strftime("%A %H:%M") == "Monday 12:00"
    assert made.local_s[0] == 12 * 3600
    assert made.local_s[DAY_MIN] == 12 * 3600


def test_every_load_hangs_on_the_phase_of_its_flat_or_on_three() -> None:
    made = street()
    for row, load in enumerate(made.loads):
        own = int(made.phase[made.flat_of[row]])
        assert load.phases == (own,) or (load.name.endswith("-ev") and load.phases == (1, 2, 3))
    assert np.allclose(made.phase_share.sum(axis=0), 1.0)
    assert np.bincount(made.phase).tolist() == [0, 4, 4, 4]


def test_vehicles_charge_as_much_as_they_should_and_only_while_at_home() -> None:
    made = street(flats=300, days=3, ev_share=1.0)
    vehicles = [row for row, load in enumerate(made.loads) if load.kind is LoadKind.MODULATING]
    assert len(vehicles) == 300
    kwh_a_day = made.wanted[:, vehicles].sum() / UNITS_PER_W / 60_000 / 300 / 3
    assert 5.0 < kwh_a_day < 8.5  # 0.7 evenings of 9.6 kWh, a few cut off at the end
    assert all(made.loads[row].load_class is LoadClass.GREEN for row in vehicles)
    assert all(made.loads[row].min_w == pytest.approx(6 / 16 * made.loads[row].rated_w)
               for row in vehicles)  # fmt: skip
    gone = {(step, row) for step, row in made.leaves}
    assert gone
    for step, row in gone:
        assert not made.wanted[step : step + 60, row].any()
        assert 5 * 60 <= (step + 12 * 60) % DAY_MIN <= 9.5 * 60


def test_heat_pumps_draw_their_day_in_runs_of_full_power() -> None:
    made = street(flats=60, days=2, heat_pump_share=1.0)
    pumps = [row for row, load in enumerate(made.loads) if load.name.endswith("-pump")]
    kwh = made.wanted[:, pumps].sum(axis=0) / UNITS_PER_W / 60_000 / 2
    assert (kwh > 14).all()
    assert (kwh < 28).all()
    for row in pumps:
        assert len(np.unique(made.wanted[:, row])) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"flats": 0}, r"flats = 0: expected 1 to 1000"),
        ({"flats": 1001}, r"flats = 1001"),
        ({"days": 8}, r"days = 8: expected 1 to 7"),
        ({"seed": -1}, r"seed = -1"),
        ({"ev_share": 1.5}, r"ev-share = 1\.5: expected 0 to 1"),
        ({"heat_pump_share": float("nan")}, r"heat-pump-share = nan"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Recipe(**({"flats": 10, "days": 1, "seed": 1} | change))  # type: ignore[arg-type]
